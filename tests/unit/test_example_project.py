"""The project under examples/: it needs nothing but the wheel."""

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
PROJECT = ROOT / "examples" / "own_model"
MOST_LINES = 30


def test_the_example_is_short_and_stands_alone():
    """One test file of 30 lines or fewer, and no conftest."""
    (tests,) = PROJECT.glob("test_*.py")
    assert len(tests.read_text().splitlines()) <= MOST_LINES
    assert not list(PROJECT.rglob("conftest.py"))


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


@pytest.mark.slow
def test_the_example_runs_from_the_wheel(environment, tmp_path):
    """Four cases are measured in two fresh interpreters and saved with counters and intervals."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
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
    (saved,) = project.glob(".benchmarks/*/0001_mine.json")
    benchmarks = json.loads(saved.read_text())["benchmarks"]
    cases = {each["name"]: each["extra_info"]["hpml"] for each in benchmarks}
    assert len(cases) == 4
    step = cases["test_step[float32]"]
    assert len(step["processes"]) == 2
    assert all(step["processes"])
    assert step["samples"] == 64
    # Embedding, two directions of three gates with two biases each, and the last layer.
    gates = 2 * 3 * (64 * 64 + 64 * 64 + 2 * 64)
    assert step["counters"]["parameters"] == 5_000 * 64 + gates + 128 * 17 + 17
    assert cases["test_loading[0]"]["samples"] == 2_048
    assert not any(case["flags"] for case in cases.values())
    assert installed(environment, project) == environment.parent


def installed(environment, folder):
    """Returns the environment that hpml_lab is imported from."""
    where = "import hpml_lab; print(hpml_lab.__file__)"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(
        [str(environment / "python"), "-c", where],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(found.stdout).parents[4]
