"""Machines of one model beside each other, and which of them are odd."""

import json
import math
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hpml_lab.comparison.fleet import Finding, fleet
from hpml_lab.report.fleet import render
from hpml_lab.runs.store import strict_json
from hpml_lab.runs.summary import Case, Summary

CASES = [f"tests/test_it.py::test_{number}" for number in range(20)]


def healthy(seed, units=16, runs=3, model="m", spread=0.08 / 2):
    """Returns the runs of machines that differ by a normal factor, and from run to run a little."""
    rng = random.Random(seed)
    for number in range(units):
        factor = rng.gauss(0, spread)
        for run in range(runs):
            cases = {name: Case((math.exp(factor + rng.gauss(0, 0.01)),), {}) for name in CASES}
            ceilings = {"cpu_memory_bytes_per_s": 1e10 * math.exp(rng.gauss(-factor, 0.01))}
            when = datetime(2026, 1, 1 + run, tzinfo=UTC)
            yield Summary(
                Path(f"{number}-{run}.json"), when, None, False, model, cases, f"node{number:02d}",
                ceilings,
            )  # fmt: skip


def slowed(runs, unit, factor):
    """Returns runs of which those of one unit take longer."""
    for run in runs:
        cases = {
            name: Case((case.medians_s[0] * factor,), {}) if run.unit == unit else case
            for name, case in run.cases.items()
        }
        yield Summary(**(vars(run) | {"cases": cases}))


def test_a_slow_node_is_found():
    """A third slower among fifteen that differ by 4 %."""
    result = fleet(slowed(healthy(1), "node07", 1.33))
    ((unit, what),) = [(finding.unit, finding.what) for finding in result.findings]
    assert (unit, what) == ("node07", "time")
    assert result.findings[0].ratio == pytest.approx(1.33, rel=0.1)
    assert result.models["m"][0].name == "node07"


def test_two_slow_nodes_do_not_hide_each_other():
    """Each alone would be told; together they widen the deviation that a test of one divides by."""
    runs = slowed(slowed(healthy(2, units=20), "node03", 1.5), "node11", 1.5)
    assert {f.unit for f in fleet(runs).findings if f.what == "time"} == {"node03", "node11"}


def test_healthy_fleets_are_left_alone():
    """300 fleets at 1 %: 3 expected; 15 would be seen once in a million."""
    assert sum(bool(fleet(healthy(seed, runs=1)).findings) for seed in range(300)) <= 14


@pytest.mark.slow
def test_false_findings_over_a_thousand_healthy_fleets():
    """At most 1 % stated: 10 expected; 27 would be seen once in a million."""
    assert sum(bool(fleet(healthy(seed, runs=1)).findings) for seed in range(1000)) <= 26


def test_models_share_the_chance_of_a_false_finding():
    """Two models are judged at half of it each; one of three units is not judged."""
    runs = [*healthy(1, model="a"), *healthy(2, model="b"), *healthy(3, units=3, model="c")]
    result = fleet(runs)
    assert list(result.models) == ["a", "b", "c"]
    assert "Cannot tell for c: fewer than 4 units." in render(result)


def test_text_names_what_is_odd_first():
    """Unit, size and direction; then the units, the slowest first."""
    text = render(fleet(slowed(healthy(1), "node07", 1.33)))
    lines = [line for line in text.splitlines() if line]
    assert lines[0].startswith("node07: ")
    assert "slower than the median unit (m)" in lines[0]
    assert lines[1] == "The chance of any false finding is at most 1.0 %."
    assert lines[5].split()[0] == "node07"


def test_cases_of_one_unit_alone_do_not_hide_it():
    """Half as fast in what all have; what it alone has tells nothing."""
    runs = []
    for run in slowed(healthy(5), "node04", 2.0):
        own = {f"tests/own.py::test_{n}": Case((1.0,), {}) for n in range(30)}
        cases = run.cases | own if run.unit == "node04" else run.cases
        runs.append(Summary(**(vars(run) | {"cases": cases})))
    assert {f.unit for f in fleet(runs).findings if f.what == "time"} == {"node04"}


def test_a_ceiling_is_odd_too():
    """Half the memory bandwidth at the same times."""
    runs = [
        Summary(**(vars(run) | {"ceilings": {"cpu_memory_bytes_per_s": 5e9}}))
        if run.unit == "node02"
        else run
        for run in healthy(4)
    ]
    (finding,) = fleet(runs).findings
    assert (finding.unit, finding.what) == ("node02", "cpu_memory_bytes_per_s")
    assert finding == Finding("m", "node02", "cpu_memory_bytes_per_s", finding.ratio)


def saved(folder, host, number, factor):
    """Saves a run of one host."""
    run = {
        "machine_info": {
            "hpml": {
                "id": "m",
                "identity": {
                    "cpu": "c", "cpu_count": 2, "memory_gib": 1, "gpu": None, "gpu_count": 0,
                    "gpu_memory_gib": 0, "mig": False,
                },
                "unit": {"host": host},
                "software": {},
                "state": {},
            }
        },
        "benchmarks": [
            {
                "name": "t", "fullname": "t.py::t", "group": None, "extra_info": {},
                "stats": {
                    "min": 1, "max": 1, "mean": 1, "stddev": 0, "median": factor, "rounds": 1,
                },
            }
        ],
        "datetime": f"2026-01-01T00:00:{number:02d}",
        "version": "5",
    }  # fmt: skip
    (folder / "m").mkdir(exist_ok=True)
    (folder / "m" / f"{number:04d}_run.json").write_text(strict_json(run))


def test_the_command_reads_a_storage(run, tmp_path):
    """Hosts of one model from their saved runs; an unreadable file is skipped and named."""
    rng = random.Random(0)
    for number in range(12):
        saved(tmp_path, f"h{number}", number, 2.0 if number == 5 else math.exp(rng.gauss(0, 0.01)))
    (tmp_path / "m" / "0099_broken.json").write_text("{")
    status, out, errors = run("fleet", "--storage", str(tmp_path), "--json")
    record = json.loads(out)
    assert status == 0
    assert [(f["unit"], f["what"]) for f in record["findings"]] == [("h5", "time")]
    assert len(record["models"]["m"]) == 12
    assert "skipped" in errors[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "no saved run under"), (["--alpha", "2"], "no saved run under")],
)
def test_an_empty_storage_is_one_line(run, tmp_path, arguments, message):
    """There is nothing to compare."""
    status, out, errors = run("fleet", "--storage", str(tmp_path), *arguments)
    assert (status, out) == (2, "")
    assert message in errors[0]


def test_an_alpha_that_is_no_share_is_refused():
    """It would promise nothing."""
    with pytest.raises(ValueError, match="alpha 2 is not a share"):
        fleet(healthy(1), 2)
