"""The documentation's commands and code work as written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hpml_lab.report.summary import previous_run, summary, where
from hpml_lab.report.terminal import render_summary
from hpml_lab.runs.reading import read_run

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), ROOT / "tests" / "README.md"]


def blocks(language):
    """Returns the fenced blocks of one language in all pages."""
    text = "\n".join(page.read_text() for page in PAGES)
    return re.findall(rf"^```{language}\n(.+?)^```", text, re.MULTILINE | re.DOTALL)


COMMANDS = sorted({line for block in blocks("sh") for line in block.splitlines()})
MAKE = [command for command in COMMANDS if command.startswith("make ")]
# As written they need a GPU, a data set or this test itself; so much of them runs everywhere.
INSTEAD = {
    "pytest -m slow": "pytest -m slow --collect-only -q",
    # Whether the machine became slower meanwhile is not the documentation's to say.
    'pytest tests/perf/test_batch_size.py -m "not gpu" --hpml-gate=before': (
        'pytest tests/perf/test_batch_size.py -m "not gpu" --benchmark-save=before &&'
        ' { pytest tests/perf/test_batch_size.py -m "not gpu" --hpml-gate=before; test $? -le 1; }'
    ),
    "hpml-lab tune --budget 300": "hpml-lab tune --budget 20",
    "hpml-lab tune examples/own_model/tagger.py:training --budget 300": (
        "hpml-lab tune examples/own_model/tagger.py:training --budget 20"
    ),
    "hpml-lab tune examples/own_model/tagger.py:training --budget 300 --vary batch_size=64,128 "
    "--keep precision": "hpml-lab tune --help",
    'hpml-lab ab HEAD~1 -- tests/perf/test_batch_size.py -m "not gpu"': "hpml-lab ab --help",
    "pytest --hpml-data=/path/to/cifar-10 -m gpu --benchmark-save=cifar": (
        "pytest --hpml-data=generated -m gpu --benchmark-save=cifar --collect-only -q"
    ),
}


def test_make_commands_are_those_of_ci():
    """CI runs every make command that the documentation names, on a clean clone."""
    assert MAKE
    assert set(MAKE) <= set((ROOT / ".ci" / "run").read_text().splitlines())


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the project's files, to save runs in."""
    folder = tmp_path_factory.mktemp("clone") / "hpml_lab"
    left = shutil.ignore_patterns(".git", ".venv", ".hypothesis", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=left)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in MAKE])
def test_commands_end_well(command, clone):
    """Every other command of the documentation ends with exit status 0."""
    command = INSTEAD.get(command, command)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=clone,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.integration
@pytest.mark.parametrize("example", blocks("python"))
def test_examples_run(pytester, example):
    """Every Python block of the documentation is a file of tests that pass as written."""
    pytester.makepyfile(example)
    outcomes = pytester.runpytest_inprocess().parseoutcomes()
    assert set(outcomes) == {"passed"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Every relative link names a file that is there."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_output_shown_is_that_of_the_saved_run():
    """The README's screen is what its run file gives today."""
    (shown,) = re.findall(r"^```text\n(.+?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    (saved,) = re.findall(r"\((benchmarks/[^)]+\.json)\)", (ROOT / "README.md").read_text())
    path = ROOT / saved
    screen = render_summary(summary(read_run(path), previous_run(path)), where(path))
    assert shown.strip() == screen.partition("Saved: ")[0].strip()


def test_each_fault_is_planted():
    """Every test that the table of faults names is there, and every row names one."""
    rows = [
        line
        for line in (ROOT / "docs" / "reliability.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| fault")
    ]
    for row in rows:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"def {test}(" in (ROOT / "tests" / "unit" / file).read_text(), test


def test_the_readme_is_short():
    """What it answers, two commands, what one sees, and where the rest stands."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
