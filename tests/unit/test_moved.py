"""Module paths of before 2026-11-30 still import, and give the same objects."""

import importlib

import pytest

from hpml_lab import TrainingStep, moved
from hpml_lab.memory.optimizer_step import Step


@pytest.mark.parametrize(("old", "new"), moved._PLACES.items())
def test_an_old_path_is_the_module_at_its_new_place(old, new):
    """The same object, whose own spec names the new place."""
    module = importlib.import_module(f"hpml_lab.{old}")
    assert module is importlib.import_module(f"hpml_lab.{new}")
    assert module.__spec__.name == f"hpml_lab.{new}"


def test_names_are_imported_from_an_old_path():
    """As projects write it."""
    from hpml_lab.workloads.step import TrainingStep as Old

    assert Old is TrainingStep


def test_a_step_takes_its_old_words_under_its_old_path():
    """`batch`, `dtype` and `loop` of then are `batch_size`, `precision` and `for-loop`."""
    from hpml_lab.theory.memory import Step as Old

    old = Old(batch=2, dtype="bfloat16", implementation="loop")
    assert old == Step(batch_size=2, precision="bfloat16", implementation="for-loop")


def test_a_path_that_never_was_is_not_found():
    """Neither of an old package nor of one that is there."""
    for path in ("hpml_lab.workloads.nothing", "hpml_lab.theory.nothing"):
        with pytest.raises(ModuleNotFoundError, match="nothing"):
            importlib.import_module(path)
