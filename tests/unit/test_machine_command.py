"""`hpml-lab machine`: what a newcomer reads, and the record that saved runs have."""

import json
import re
from dataclasses import replace

import pytest

from hpml_lab.errors import MeasurementError
from hpml_lab.measure import ceilings
from hpml_lab.report import terminal
from hpml_lab.report.machine import answers
from hpml_lab.runs.machine import Identity, Machine, State, Unit

KNOWN = {
    "cpu_matmul_float32_flops_per_s": 100e9,
    "cpu_matmul_bfloat16_flops_per_s": None,
    "cpu_memory_bytes_per_s": 8e9,
}
STATE = State(
    load_1min=0.5,
    cpu_mhz=2300.0,
    governor=None,
    gpu=[{"sm_clock_mhz": 1980, "temperature_c": None}],
)
MACHINE = Machine(
    id="some-id",
    identity=Identity(
        cpu="Some CPU",
        cpu_count=8,
        memory_gib=16,
        gpu="Some GPU",
        gpu_count=2,
        gpu_memory_gib=140,
        mig=True,
    ),
    unit=Unit(host="host", gpu_uuids=["GPU-1", "GPU-2"]),
    software={"torch": "2.11", "cuda": None},
    state={"before": STATE},
    ceilings=KNOWN,
)


@pytest.fixture
def measured(monkeypatch):
    """Counts how often the ceilings are measured, in place of doing so."""
    jobs = []
    monkeypatch.setattr(
        ceilings, "in_fresh_process", lambda job, **_named: jobs.append(job) or dict(KNOWN)
    )
    return jobs


def test_json_is_the_record_of_saved_runs(run, measured):
    """The six parts of the contract and nothing else; stdout holds the JSON alone."""
    status, out, errors = run("machine", "--json")
    record = json.loads(out)
    assert status == 0
    assert set(record) == {"id", "identity", "unit", "software", "state", "ceilings"}
    assert record["ceilings"] == KNOWN
    assert errors == ["Measuring what this machine can do at most: some seconds ..."]
    assert len(measured) == 1


@pytest.mark.integration
def test_ceilings_are_measured_once_unless_asked_for_again(run, measured):
    """The second call knows them and announces nothing; --fresh measures them again."""
    run("machine")
    assert run("machine")[2] == []
    assert len(measured) == 1
    run("machine", "--fresh")
    assert len(measured) == 2


@pytest.mark.usefixtures("measured")
def test_the_text_names_the_machine_and_its_rates(run):
    """Folder, processors, versions, rates with units, and unknown ones as a dash."""
    _, out, _ = run("machine")
    assert "logical" in out
    assert "100 GFLOP/s" in out
    assert "8.00 GB/s" in out
    assert re.search(r"^cpu matmul bfloat16 +-$", out, re.MULTILINE)
    assert "work of less than 12.5 FLOP a byte is bound by memory" in out


def test_gpus_and_their_state_are_named():
    """Two GPUs that are split, each by its uuid, with the clocks that the driver told."""
    text = terminal.render(answers(MACHINE))
    for line in (
        "2 x Some GPU, 140 GiB each, split into instances",
        "GPU-2",
        "sm_clock_mhz 1980, temperature_c -",
        "2,300 MHz, governor -",
    ):
        assert line in text


def test_without_ceilings_no_ridge_is_named():
    """An empty table and no sentence about a bound."""
    (_, _, result) = answers(replace(MACHINE, ceilings={}))
    assert (result.rows, len(result.sentences)) == ([], 1)


def test_ceilings_that_cannot_be_measured_are_one_line(run, monkeypatch):
    """Exit status 2 and the reason."""

    def die(*_arguments, **_named):
        raise MeasurementError("measure failed in its own process: exit status -11")

    monkeypatch.setattr(ceilings, "in_fresh_process", die)
    status, out, errors = run("machine")
    assert (status, out) == (2, "")
    assert errors[-1].startswith("hpml-lab: measure failed in its own process")
