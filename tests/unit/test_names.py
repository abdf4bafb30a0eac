"""Names: shortened for people, and of cases that were renamed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.comparison.compare import compare
from hpml_lab.text import short
from support.runs import case, run_of, verdict_of

STEADY = (1.0, 1.001, 0.999)


def test_a_long_name_keeps_both_ends():
    """120 characters are shown whole; of 5,000 the first and last 53, and a hash."""
    assert short("x" * 120) == "x" * 120
    assert short("a" * 2500 + "b" * 2500) == "a" * 53 + "...9214e993..." + "b" * 53


@given(st.text(max_size=400))
def test_no_name_is_longer_than_a_line_and_a_bit(name):
    """Whatever its characters; what begins and ends it is still there."""
    shown = short(name)
    assert len(shown) <= 120
    assert name.startswith(shown[:53])
    assert name.endswith(shown[-53:])


def test_a_moved_file_is_found_in_however_many_cases():
    """150 cases in another folder: each is its own new name, which likeness could not say."""
    old = [case(f"env-a/bench/test_x.py::test[{n}]", *STEADY) for n in range(150)]
    new = [case(f"env-b/bench/test_x.py::test[{n}]", *STEADY) for n in range(150)]
    result = compare([run_of(*old)], [run_of(*new)])
    renamed = verdict_of(result, "env-a/bench/test_x.py::test[17]").renamed
    assert renamed == "env-b/bench/test_x.py::test[17]"


def test_two_files_of_one_name_are_no_hint():
    """Which of the two it has become is not told by the name alone: likeness decides."""
    old = [case("lib/test_x.py::test", *STEADY)]
    new = [case(f"{folder}/test_x.py::test", *STEADY) for folder in ("one", "two")]
    result = compare([run_of(*old)], [run_of(*new)])
    assert verdict_of(result, "lib/test_x.py::test").renamed in {n.fullname for n in new}


@pytest.mark.parametrize(
    ("new", "notes"),
    [
        ("t.py::test[{'b', 'a'}-x]", 1),
        ("t.py::test[{'a', 'c'}-x]", 0),
    ],
)
def test_names_made_of_sets_are_told(new, notes):
    """The order of a set differs in every interpreter: one sentence for all such cases."""
    base = run_of(case("t.py::test[{'a', 'b'}-x]", *STEADY), case("t.py::other", *STEADY))
    result = compare([base], [run_of(case(new, *STEADY), case("t.py::other", *STEADY))])
    reported = [note for note in result.notes if "PYTHONHASHSEED" in note]
    assert len(reported) == notes
    assert all(note.startswith("1 of the missing") for note in reported)
