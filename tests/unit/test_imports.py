"""Imports point one way, and the check that says so can fail."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="a tool of `make check`: the extra dev has it")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path):
    """A copy of the library and its configuration."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder):
    """Returns exit status and output of the import check in a folder."""
    done = subprocess.run(
        ["lint-imports", "--no-cache"],
        cwd=folder,
        env={"PATH": _path(), "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def _path():
    import os
    import sys

    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def test_imports_point_one_way():
    """The library as it stands breaks none of its import contracts."""
    status, output = lint(ROOT)
    assert status == 0, output


@pytest.mark.parametrize(
    ("module", "planted", "broken"),
    [
        ("theory/optimizers.py", "import hpml_lab.training.training", "point one way BROKEN"),
        ("training/images.py", "import hpml_lab.measure.clock", "point one way BROKEN"),
        ("runs/store.py", "import torch", "need no torch BROKEN"),
        ("theory/arrays.py", "import torch", "need no torch BROKEN"),
        ("report/terminal.py", "import hpml_lab.training.networks", "need no torch BROKEN"),
        ("stats/intervals.py", "import torch", "need no torch BROKEN"),
        ("measure/epochs.py", "import pytest", "knows pytest BROKEN"),
        ("newcomer.py", "", "not listed as layers"),
    ],
)
def test_a_planted_import_is_found(copy, module, planted, broken):
    """An import against the direction, or a module without a place, fails the check."""
    path = copy / "src" / "hpml_lab" / module
    path.touch()
    path.write_text(path.read_text() + f"\n{planted}\n")
    status, output = lint(copy)
    assert status == 1
    assert broken in " ".join(output.split())
