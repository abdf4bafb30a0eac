"""The published machines as runs: ratios worked out by hand from the printed tables."""

from dataclasses import asdict

import pytest

from hpml_lab.comparison.comparability import differing
from hpml_lab.comparison.ratios import ratios
from hpml_lab.labs.published_machines import ONE_PROCESS, published_machines
from hpml_lab.labs.questions import CONTRASTS
from hpml_lab.training.profiles import profile_for

MACHINES = {machine.name.split(":")[0][-3:]: machine for machine in published_machines()}


def ratio(write_up, group, level, reading=""):
    """Returns the one ratio of a write-up."""
    (question,) = [
        q for q in CONTRASTS if q.group == group and bool(q.readings) is bool(reading)
        if not reading or isinstance(level, str) is (q.axis == "optimizer")
    ]  # fmt: skip
    result = ratios(MACHINES[write_up].run, question)
    (one,) = [r for r in result if (r.level, r.reading) == (level, reading)]
    return one


def test_there_are_five_machines_with_their_caveats():
    """Each is named as its write-up does, and none is said to have more than one process."""
    assert [machine.name for machine in MACHINES.values()] == [
        "published 000: GPU unstated",
        "published 001: Tesla T4",
        "published 002: Quadro RTX 8000",
        "published 003: GPU unstated",
        "published 004: NVIDIA L4",
    ]
    for machine in MACHINES.values():
        assert machine.caveats[0] == ONE_PROCESS
        assert len(machine.caveats[1]) > 20


@pytest.mark.parametrize(
    ("write_up", "group", "level", "expected"),
    [
        ("002", "optimizers", "adam", 1.2472592),  # 4.814706747792661 / 3.8602296579629183
        ("002", "device", "cpu", 8.6525585),  # 209.24727779850363 / 24.183283765427767
        ("003", "optimizers", "adam", 1.0682810),  # 18.0 / 16.8495, medians of epochs 2 to 5
        ("003", "batch_norm", False, 0.7210896),  # 12.15 / 16.8495
        ("003", "device", "cpu", 11.865204),  # 997.1711188293993 / 84.0416259597987
        ("004", "optimizers", "adam", 1.1488839),  # 12.22355 / 10.63950
        ("004", "batch_norm", False, 0.8861192),  # 10.20415 / 11.51555
        ("004", "compile_modes", "default", 1.0054144),  # 10.9930 / 10.9338, epochs 6 to 10
        ("004", "workers", 4, 0.4346305),  # 10.70345 / 24.62655
        ("001", "batch_learning", 256, 26 / 43),
    ],
)
def test_ratios_of_times_are_those_of_the_tables(write_up, group, level, expected):
    """The printed numbers' ratio, in one process, so without an interval."""
    result = ratio(write_up, group, level)
    assert result.value == pytest.approx(expected, rel=1e-6)
    assert (len(result.logs), result.interval) == (1, None)


@pytest.mark.parametrize(
    ("write_up", "level", "expected"),
    [("000", "adam", 4516 / 4489), ("001", "adam", 3358 / 3192), ("001", 256, 8744 / 1624)],
)
def test_ratios_of_memory_are_those_of_the_tables(write_up, level, expected):
    """Device-wide readings over each other."""
    result = ratio(write_up, "memory_plan", level, "device_used_bytes")
    assert result.value == pytest.approx(expected)


def test_what_speaks_against_a_number_stands_beside_it():
    """Launch times are not times of the GPU, and a mean has no spread."""
    launched = ratio("002", "optimizers", "adam")
    assert "mean of 5 epochs, the first included" in launched.warnings
    assert any("no device synchronisation" in warning for warning in launched.warnings)
    assert launched.spread is None
    assert ratio("004", "optimizers", "adam").warnings == []
    assert any("counter was not reset" in d for d in ratio("003", "optimizers", "adam").warnings)


def test_what_was_not_printed_is_not_there():
    """002 timed no epoch without batch norm, nor one without workers; 003 one epoch with one."""
    questions = {q.group: q for q in CONTRASTS}
    assert ratios(MACHINES["002"].run, questions["batch_norm"]) == []
    assert ratios(MACHINES["002"].run, questions["workers"]) == []
    assert ratios(MACHINES["003"].run, questions["workers"]) == []


def test_counts_are_the_corrected_ones():
    """20 convolutions where 18 and 46 were printed; 512 inputs where it was 512 x 4 x 4."""
    for write_up in ("002", "003", "004"):
        counted = [
            b.measurement.counters
            for b in MACHINES[write_up].run.benchmarks
            if b.group == "memory" and b.measurement.case["batch_norm"]
        ]
        assert {c["convolutions"] for c in counted if "convolutions" in c} == {20}
        assert {c["last_linear_inputs"] for c in counted if "last_linear_inputs" in c} == {512}
        assert {c["trainable_parameters"] for c in counted} == {11_173_962}


def test_a_run_at_full_size_has_the_settings_of_the_write_ups():
    """The lab's own optimizers, on any GPU, are comparable with 002 and 003, not with 004."""
    full = asdict(profile_for("full", "cuda").training) | {"timing": "throughput"}
    for write_up, expected in (("002", []), ("003", []), ("004", ["network", "workers"])):
        settings = ratio(write_up, "optimizers", "adam").settings
        own = {name: value for name, value in full.items() if name != "optimizer"}
        assert differing(own, settings) == expected


def test_another_network_says_so():
    """The stem of write-up 004 is not the lab's, so its cases are never taken for the same."""
    networks = {
        key: {b.measurement.case["network"] for b in machine.run.benchmarks}
        for key, machine in MACHINES.items()
    }
    assert networks["002"] == networks["003"] == {"resnet18-cifar"}
    assert networks["004"] == {"resnet18-cifar with a stem of stride 2"}
