"""Values of a record, checked where they enter it."""

import enum
from pathlib import Path

import numpy as np
import pytest
import torch
from test_measuring import FakeBench

from hpml_lab.errors import InputError
from hpml_lab.measure.values import parameters_of_case
from hpml_lab.pytest_plugin.measuring import Measure


@pytest.fixture
def bench():
    """A benchmark that keeps what it was given."""
    return FakeBench()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("counters", {"graphs": 2.5}, r"counters\['graphs'\] is 2.5; counts are whole numbers"),
        ("counters", {"graphs": -1}, r"counters\['graphs'\] is -1; counts are whole numbers"),
        ("counters", {3: 1}, "a name in counters is 3; names are text"),
        ("memory", {"peak": "much"}, r"memory\['peak'\] is 'much'; counts are whole numbers"),
        ("case", {"sizes": [1, 2]}, r"case\['sizes'\] is a list; give a text, number, truth"),
        ("case", {"rate": float("nan")}, r"case\['rate'\] is nan; give a finite number"),
        ("stalls", {"wait_s": float("inf")}, r"stalls\['wait_s'\] is inf; give a finite number"),
        ("stalls", {"wait_s": None}, r"stalls\['wait_s'\] is None; give a finite number"),
    ],
)
def test_values_are_checked_where_they_enter(bench, name, value, said):
    """One line in that test, where the saved run could not be read back."""
    measure = Measure(bench, {})
    measure(int)
    setattr(measure, name, value)
    with pytest.raises(InputError, match=said):
        measure.check()


def test_scalars_of_numpy_enter_as_python_s(bench):
    """An int64 in a case and in a counter."""
    measure = Measure(bench, {})
    measure.case["width"] = np.int64(8)
    measure.counters["graphs"] = np.int32(2)
    measure.check()
    assert (type(measure.case["width"]), type(measure.counters["graphs"])) == (int, int)


class Mode(enum.Enum):
    """A parameter as people write them."""

    FAST = 1


@pytest.mark.parametrize(
    ("value", "entered"),
    [
        (3, 3),
        (0.5, 0.5),
        (None, None),
        ("adam", "adam"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.float64(0.5), 0.5),
        (np.int32(7), 7),
        (Mode.FAST, "Mode.FAST"),
        (torch.optim.Adam, "Adam"),
        (torch.bfloat16, "torch.bfloat16"),
        (torch.nn.functional.relu, "relu"),
        ((1, 2), "(1, 2)"),
        (Path("a") / "b", "a/b"),
        ("\ud800", "\\ud800"),
    ],
)
def test_a_parameter_of_any_kind_names_its_case(value, entered):
    """Scalars as they are, what is not finite and everything else as text."""
    assert parameters_of_case({"x": value}) == {"x": entered}


@pytest.mark.parametrize("value", [object(), {1, 2}, frozenset("ab"), lambda: None])
def test_what_has_another_text_in_the_next_process_names_nothing(value):
    """An address, or the order of a set; a function has its name."""
    result = parameters_of_case({"x": value})
    assert result == ({"x": value.__name__} if callable(value) else {})


def test_a_long_text_is_shortened_and_still_its_own():
    """Two texts of a million characters that differ in the last one."""
    one, other = (parameters_of_case({"x": "a" * 10**6 + end})["x"] for end in "bc")
    assert len(one) < 300
    assert one != other
