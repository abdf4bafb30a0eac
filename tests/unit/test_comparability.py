"""What must be equal for seconds to be compared: machine, interpreter, and the case itself."""

from dataclasses import asdict, replace

import pytest

from hpml_lab.comparison.comparability import CASE_DEFAULTS
from hpml_lab.comparison.compare import compare
from hpml_lab.runs.machine import Cpu
from hpml_lab.runs.schema import ExtraInfo
from hpml_lab.training.training import Training
from support.runs import case, run_of, stock_run, verdict_of

STEADY = (1.0, 1.001, 0.999)


@pytest.mark.parametrize("field", ["cpu", "python_implementation"])
def test_another_processor_or_interpreter_is_another_machine(field):
    """Also as files from before 2020 name the processor: named, and not compared."""
    sides = [stock_run({"a": 1.0})] * 2
    values = {
        "cpu": (Cpu(brand="old"), Cpu(brand_raw="new")),
        "python_implementation": ("CPython", "PyPy"),
    }[field]
    sides = [
        replace(side, machine_info=replace(side.machine_info, **{field: value}))
        for side, value in zip(sides, values, strict=True)
    ]
    result = verdict_of(compare([sides[0]], [sides[1]]))
    named = {
        "cpu": "cpu 'old' -> 'new'",
        "python_implementation": "interpreter 'CPython' -> 'PyPy'",
    }
    assert result.verdict == "not comparable"
    assert result.reason == f"other machines: {named[field]}"


LAB = {"optimizer_settings": "lab", "network": "resnet18-cifar", "batch_size": 128}


@pytest.mark.parametrize(
    ("base", "new", "verdict"),
    [
        (LAB, LAB | {"learning_rate": 0.0, "threads": 0}, "unchanged"),  # as it always was
        (LAB, LAB | {"learning_rate": 0.1}, "not comparable"),
        ({}, {"device": "cpu", "batch": "float32[8,5]", "intraop_threads": 2}, "unchanged"),
        ({"batch": "float32[64,5]"}, {"batch": "float32[8,5]"}, "not comparable"),
        ({"intraop_threads": 2}, {"intraop_threads": 1}, "not comparable"),
        ({"n": 1}, {}, "not comparable"),  # a parameter has gone
    ],
)
def test_a_field_that_an_older_file_lacks_had_its_default(base, new, verdict):
    """A new field of a training makes no old baseline another case; a new value does."""
    result = compare([run_of(case("a", *STEADY, **base))], [run_of(case("a", *STEADY, **new))])
    assert verdict_of(result).verdict == verdict


def test_samples_are_part_of_the_case():
    """Eight samples in place of 64 are no improvement."""
    sides = []
    for samples in (64, 8):
        result = case("a", *STEADY)
        record = replace(result.measurement, samples=samples)
        sides.append(run_of(replace(result, extra_info=ExtraInfo(hpml=record))))
    assert verdict_of(compare([sides[0]], [sides[1]])).reason == "other settings: samples 64 -> 8"


def test_defaults_of_old_files_are_those_of_the_training():
    """Every field but the data folder's name, which no case has."""
    fields = asdict(Training())
    del fields["data"]
    assert fields == CASE_DEFAULTS
