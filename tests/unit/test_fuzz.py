"""Files of others with random damage, and random arguments: a result, or an error of ours.

`pytest tests/unit/test_fuzz.py --hypothesis-profile=thorough` tries 2,000 of each, and other ones
each time.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpml_lab.claims.student import read_answers
from hpml_lab.errors import HpmlError
from hpml_lab.report.answers import answers
from hpml_lab.runs.journal import read_journal
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.summary import summary
from hpml_lab.training.cifar10 import read, write_binary
from support.journals import journal_of, measured

SAVED = sorted(Path(__file__).parents[2].glob("benchmarks/*/0002_*.json"))[0]
WHOLE = json.loads(SAVED.read_bytes()) | {
    "benchmarks": json.loads(SAVED.read_bytes())["benchmarks"][:3]
}
ANSWERS = b"- {id: 001-C1, claim: '1 s'}\n- id: 002-C3\n  claim: [Adam, 3.5]\n"
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.just([]), st.just({}), st.just("x" * 10_000), st.just(10**400),
)  # fmt: skip
fuzzed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def damaged(draw, whole):
    """Returns bytes with some cut out, put in, or overwritten."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        content[start:end] = draw(st.binary(max_size=40))
    return bytes(content)


@st.composite
def changed(draw, whole):
    """Returns a JSON document in which values were replaced, wherever they stand."""
    document = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 3))):
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
                place[key] = draw(LEAVES)
                break
            place = place[key]
        if not document:
            break
    return json.dumps(document).encode()


def quietly(call):
    """Calls; an error of ours, which is one line, is as good as a result."""
    try:
        return call()
    except HpmlError as error:
        if "\n" in str(error):
            raise
        return None


@fuzzed
@given(st.one_of(damaged(SAVED.read_bytes()), changed(WHOLE)))
def test_run_files(tmp_path, content):
    """What can be read can be answered and drawn as a page."""
    path = tmp_path / "0001_run.json"
    path.write_bytes(content)
    quietly(lambda: summary(path))
    run = quietly(lambda: read_run(path))
    if run is not None:
        quietly(lambda: answers(run))


@fuzzed
@given(st.data())
def test_journals(tmp_path_factory, data):
    """Endings before the damage, or an error that names the line."""
    folder = tmp_path_factory.mktemp("fuzz")
    path = journal_of(folder, [("t.py::a", measured(1)), ("t.py::a", measured(2))])
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    quietly(lambda: read_journal(path))


@fuzzed
@given(damaged(ANSWERS))
def test_answers_of_students(tmp_path, content):
    """YAML of any kind."""
    path = tmp_path / "answers.yaml"
    path.write_bytes(content)
    quietly(lambda: read_answers(path))


@fuzzed
@given(st.data())
def test_cifar_records(tmp_path, data):
    """Six files of two records each, one of them damaged."""
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir(exist_ok=True)
    for name in [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]:
        write_binary(folder / name, np.zeros((2, 32, 32, 3), np.uint8), np.zeros(2, np.uint8))
    path = folder / "test_batch.bin"
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    quietly(lambda: read(folder, "test"))


WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["--json", "--storage", "--base", "--new", "--alpha", "--world", "--batch", "--network",
         "--set", "--budget", "--check", "--device-memory", "-o", "nan", "inf", "-1", "0", "1e999",
         "/dev/null", "/", ".", "resnet18", "a=b", "=", "2,x", "16GiB", str(SAVED)]
    ),
)  # fmt: skip
COMMANDS = [
    "answers",
    "compare",
    "fleet",
    "history",
    "predict",
    "recover",
    "report",
    "trend",
]


@pytest.mark.parametrize("command", COMMANDS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, max_size=5))
def test_arguments(run, tmp_path, monkeypatch, command, words):
    """An exit status of 0, 1 or 2; any other exception would end the test."""
    monkeypatch.chdir(tmp_path)
    status, _, _ = run(command, *(word for word in words if "\0" not in word))
    assert status in {0, 1, 2}
