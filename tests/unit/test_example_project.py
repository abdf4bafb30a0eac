"""The projects under examples/: they need nothing but the wheel."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PROJECTS = sorted({path.parent for path in EXAMPLES.glob("*/test_*.py")})
MOST_LINES = 30


@pytest.mark.parametrize("project", PROJECTS, ids=lambda folder: folder.name)
def test_an_example_is_short_and_stands_alone(project):
    """One test file of 30 lines or fewer, and no conftest."""
    (tests,) = project.glob("test_*.py")
    assert len(tests.read_text().splitlines()) <= MOST_LINES
    assert not list(project.rglob("conftest.py"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A fresh environment with the wheel in it; what the wheel needs is borrowed from here.

    Returns:
        the folder of its commands.
    """
    folder = tmp_path_factory.mktemp("fresh")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, str(ROOT), "-w", str(folder)], check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    commands = folder / "venv" / "bin"
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([str(commands / "python"), *install], check=True)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # Behind its own packages, without this project: an editable install is a .pth file, and those
    # of a folder that is named by one are not read.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return commands


def run_of(environment, folder, tmp_path):
    """Returns our records, by name, of an example measured in two fresh interpreters."""
    project = tmp_path / "project"
    shutil.copytree(folder, project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    asked = ["--hpml-processes=2", "--benchmark-max-time=0.1", "--benchmark-save=mine"]
    done = subprocess.run(
        [str(environment / "python"), "-m", "pytest", *asked],
        cwd=project,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "how sure" in done.stdout
    assert installed(environment, project) == environment.parent
    (saved,) = project.glob(".benchmarks/*/0001_mine.json")
    benchmarks = json.loads(saved.read_text())["benchmarks"]
    cases = {benchmark["name"]: benchmark["extra_info"]["hpml"] for benchmark in benchmarks}
    assert all(len(case["processes"]) == 2 and all(case["processes"]) for case in cases.values())
    assert not any(case["flags"] for case in cases.values())
    return cases


@pytest.mark.slow
def test_the_tagger_runs_from_the_wheel(environment, tmp_path):
    """A GRU with its loader: four cases with counters, and what they wait for their sentences."""
    cases = run_of(environment, EXAMPLES / "own_model", tmp_path)
    assert len(cases) == 4
    step = cases["test_step[float32]"]
    assert (step["samples"], step["tokens"]) == (64, 64 * 20)
    # Embedding, two directions of three gates with two biases each, and the last layer.
    gates = 2 * 3 * (64 * 64 + 64 * 64 + 2 * 64)
    assert step["counters"]["parameters"] == 5_000 * 64 + gates + 128 * 17 + 17
    assert 0 <= cases["test_workers[1]"]["stalls"]["wait_share"] <= 1


@pytest.mark.slow
def test_the_language_model_runs_from_the_wheel(environment, tmp_path):
    """A dict in and a record out, in two precisions."""
    cases = run_of(environment, EXAMPLES / "language_model", tmp_path)
    assert len(cases) == 2
    step = cases["test_step[bfloat16]"]
    assert (step["samples"], step["tokens"]) == (8, 8 * 32)
    # Attention, its output, two layers of four times the width, two norms; twice, and both ends.
    layer = 3 * 64 * 64 + 3 * 64 + 64 * 64 + 64 + 2 * 64 * 256 + 256 + 64 + 4 * 64
    parameters = 2 * layer + 1_000 * 64 + 64 * 1_000 + 1_000
    assert step["counters"]["parameters"] == parameters
    assert step["counters"]["optimizer_state_bytes"] == 8 * parameters


@pytest.mark.slow
def test_the_gan_runs_from_the_wheel(environment, tmp_path):
    """A function of one's own that is told two models, two optimizers and a batch."""
    (step,) = run_of(environment, EXAMPLES / "gan", tmp_path).values()
    parameters = 16 * 64 + 64 + 64 * 64 + 64 + 64 * 64 + 64 + 64 + 1
    assert step["counters"]["parameters"] == parameters
    assert step["counters"]["optimizer_state_bytes"] == 8 * parameters
    assert step["samples"] == 32


def installed(environment, folder):
    """Returns the environment that hpml_lab is imported from."""
    where = "import hpml_lab; print(hpml_lab.__file__)"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [str(environment / "python"), "-c", where],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(result.stdout).parents[4]
