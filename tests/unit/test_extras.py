"""What needs neither torchvision nor matplotlib, which come with the labs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hpml_lab.measure import ceilings

pytestmark = pytest.mark.integration

NAME = f"{Path(__file__).parents[1] / 'support/workloads/ranked.py'}:small"
WITHOUT = "import sys; sys.modules.update(torchvision=None, matplotlib=None); "


def without_them(code):
    """Runs code in an interpreter that finds neither package."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, check=False
    )


def command(*arguments):
    """Runs a command of the command line there."""
    return without_them(
        f"sys.argv = ['hpml-lab', *{arguments!r}]; import hpml_lab.cli; hpml_lab.cli.main()"
    )


def test_a_workload_is_planned_without_them():
    """Nothing of a training of one's own has images or pictures."""
    done = command("predict", NAME, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parameters"] == 2_372


def test_a_step_is_measured_without_them(tmp_path):
    """By pytest's own command, and saved."""
    ceilings.keep({})  # known, so that none are measured
    test = tmp_path / "test_it.py"
    test.write_text("def test_step(measure):\n    measure(int, rounds=3)\n")
    arguments = [str(test), "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    options = ["--hpml-processes=1", f"--benchmark-json={tmp_path / 'run.json'}"]
    done = without_them(f"import pytest; sys.exit(pytest.main({[*arguments, *options]!r}))")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads((tmp_path / "run.json").read_text())["benchmarks"]) == 1


@pytest.mark.parametrize(
    ("arguments", "package"),
    [
        (["train", "--images", "8"], "torchvision"),
        (["predict", NAME, "--picture", "p.png"], "matplotlib"),
    ],
)
def test_what_needs_one_names_where_it_comes_from(arguments, package):
    """One line, and what to install."""
    done = command(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == f"hpml-lab: {package} is not installed; pip install 'hpml-lab[labs]' adds it"
