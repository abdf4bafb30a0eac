"""When the machine's ceilings are measured: before the first case of a run that is saved."""

import json
import shutil

import pytest

from hpml_lab.errors import MeasurementError
from hpml_lab.measure import ceilings

pytestmark = pytest.mark.integration

KNOWN = {"cpu_memory_bytes_per_s": 5e9, "cpu_matmul_bfloat16_flops_per_s": None}


@pytest.fixture
def project(project, monkeypatch, cache):
    """A project with one measured case, which notes in a file that it ran; no ceiling is known."""
    shutil.rmtree(cache)
    monkeypatch.setenv("HPML_PROCESSES", "1")
    project.makepyfile("""
        from pathlib import Path

        def test_step(measure):
            measure(int)
            with Path("order.txt").open("a") as file:
                print("case", file=file)
    """)
    return project


@pytest.fixture
def measured(project, monkeypatch):
    """Says when the ceilings are measured, in place of doing so."""

    def note(*_arguments, **_named):
        with (project.path / "order.txt").open("a") as file:
            print("ceilings", file=file)
        return KNOWN

    monkeypatch.setattr(ceilings, "in_fresh_process", note)


def order(project):
    """Returns what happened, in its order."""
    path = project.path / "order.txt"
    return path.read_text().split() if path.exists() else []


def saved_ceilings(project):
    """Returns the ceilings in the one saved run."""
    (path,) = project.path.glob(".benchmarks/*/*.json")
    return json.loads(path.read_text())["machine_info"]["hpml"]["ceilings"]


@pytest.mark.usefixtures("measured")
def test_a_saved_run_has_the_ceilings_of_its_machine(project):
    """They are announced and measured before the first case, never in its rounds; then saved."""
    result = project.runpytest_inprocess("--benchmark-save=x")
    result.stdout.fnmatch_lines(["Measuring this machine's ceilings, *"])
    assert saved_ceilings(project) == KNOWN
    assert order(project) == ["ceilings", "case"]


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(
    ("options", "status", "happened"),
    [
        ([], 0, ["case"]),
        (["--benchmark-save=x", "--collect-only"], 0, []),
        (["--benchmark-save=x", "-k", "none"], 5, []),
    ],
)
def test_who_saves_nothing_pays_nothing(project, options, status, happened):
    """Without saving, without running or without a case, they are not measured."""
    assert project.runpytest_inprocess(*options).ret == status
    assert order(project) == happened


def test_a_machine_whose_ceilings_cannot_be_measured_keeps_its_run(project, monkeypatch):
    """One line says why; the run is saved without ceilings."""

    def die(*_arguments, **_named):
        raise MeasurementError("measure failed in its own process: exit status -11")

    monkeypatch.setattr(ceilings, "in_fresh_process", die)
    result = project.runpytest_inprocess("--benchmark-save=x")
    result.stdout.fnmatch_lines(["No ceilings of this machine: measure failed in its own *-11"])
    assert saved_ceilings(project) == {}
