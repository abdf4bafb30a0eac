"""A question of the labs is one folder, and all its ends meet."""

import importlib
import importlib.util
import inspect
import pkgutil
from dataclasses import replace
from pathlib import Path

import pytest

from hpml_lab import labs
from hpml_lab.claims.published import published
from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Published
from hpml_lab.labs.questions import QUESTIONS
from hpml_lab.training.profiles import PROFILES

PERF = Path(__file__).parents[1] / "perf"
FOLDERS = {module.name for module in pkgutil.iter_modules(labs.__path__) if module.ispkg}
# Groups that a bench measures besides its question's: they compare ways to compute it.
FURTHER = {"ensemble"}


def problems(question):
    """Returns what is missing or does not fit, in a sentence each."""
    missing = [role for role in ("bench", "table") if not _exists(question, role)]
    if missing:
        return [f"{question.folder} has no {' and no '.join(missing)}"]
    return [
        *_groups(question),
        *_functions(question),
        *_declared(question),
        *([] if _thin_test(question) else [f"no test in tests/perf names {question.folder}"]),
    ]


def _exists(question, role):
    try:
        return importlib.util.find_spec(question.module(role)) is not None
    except ModuleNotFoundError:
        return False


def _groups(question):
    bench = importlib.import_module(question.module("bench"))
    tests = [test for name, test in inspect.getmembers(bench) if name.startswith("test_")]
    of_module = _benchmark_groups(getattr(bench, "pytestmark", []))
    groups = {
        group for test in tests for group in _benchmark_groups(getattr(test, "pytestmark", []))
    }
    if question.group not in groups | of_module:
        yield f"no test of {question.folder} is in the group {question.group}"
    for group in (groups | of_module) - {question.group} - FURTHER:
        yield f"a test of {question.folder} is in the group {group}"


def _benchmark_groups(marks):
    marks = marks if isinstance(marks, list) else [marks]
    return {mark.kwargs["group"] for mark in marks if mark.name == "benchmark"}


def _functions(question):
    for role, name in (("table", "answers"), ("figure", "pictures")):
        if _exists(question, role):
            module = importlib.import_module(question.module(role))
            if not callable(getattr(module, name, None)):
                yield f"{role} of {question.folder} has no {name}(run)"


def _declared(question):
    if question.sizes and tuple(question.sizes) != PROFILES:
        yield f"{question.folder} has sizes for {', '.join(question.sizes)}"
    for contrast in question.contrasts:
        if contrast.group != question.group:
            yield f"{question.folder} compares the group {contrast.group}"
    items = {run.item for run in published().runs}
    if question.published and not items.issuperset(question.published.items):
        yield f"nothing was published for {question.folder}"


def _thin_test(question):
    file = PERF / f"test_{question.folder}.py"
    return file.is_file() and f"from {question.module('bench')} import *" in file.read_text()


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.folder)
def test_the_ends_of_a_question_meet(question):
    """Bench, table, group, sizes, contrasts, published items and the thin test fit together."""
    assert problems(question) == []


def test_every_folder_is_a_question_and_no_group_has_two():
    """None is forgotten in the list, and a saved case belongs to one question alone."""
    assert sorted(question.folder for question in QUESTIONS) == sorted(FOLDERS)
    assert len({question.group for question in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"folder": "nothing"}, "nothing has no bench and no table"),
        ({"group": "devices"}, "no test of device is in the group devices"),
        ({"sizes": {"quick": 1}}, "device has sizes for quick"),
        ({"contrasts": (Contrast("t", "other", "a", 0),)}, "device compares the group other"),
        ({"published": Published(("C99",))}, "nothing was published for device"),
    ],
)
def test_an_end_that_does_not_meet_is_named(change, problem):
    """One planted fault each."""
    (device,) = [question for question in QUESTIONS if question.folder == "device"]
    assert problem in problems(replace(device, **change))
