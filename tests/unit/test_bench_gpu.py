"""The gpu suite in slices, with a stand-in for the interpreter."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Every call is noted; pytest's adds to a journal and is killed until enough slices have run.
STAND_IN = """#!/bin/sh
case "$*" in
    *metadata*) exit {installed} ;;
    *history*) echo "listed"; exit 0 ;;
esac
echo "$*" >> "$OUT/calls"
slices=$(wc -l < "$OUT/calls")
if [ "$slices" -gt {enough} ]; then rm -f "$OUT"/.journal-*; echo "1 passed"; exit {status}; fi
{work}
kill -KILL $$
"""


@pytest.fixture
def bench(tmp_path):
    """Runs the script with a stand-in; returns what ended and the pytest calls it made."""

    def run(*, enough, status=0, installed=0, work='echo x >> "$OUT/.journal-1"', slices="9"):
        python = tmp_path / "python"
        python.write_text(
            STAND_IN.format(enough=enough, status=status, installed=installed, work=work)
        )
        python.chmod(0o755)
        done = subprocess.run(
            ["bash", str(ROOT / "tools" / "bench_gpu.sh")],
            env=os.environ | {"OUT": str(tmp_path), "PYTHON": str(python), "SLICES": slices},
            capture_output=True,
            text=True,
            check=False,
        )
        return done, (tmp_path / "calls").read_text().splitlines()

    return run


def test_a_killed_slice_is_gone_on_with(bench):
    """Two slices are killed: the first starts the gpu suite, the others resume it."""
    done, calls = bench(enough=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("1 passed\nlisted\n")
    assert len(calls) == 3
    assert calls[0].startswith("-m pytest tests/perf -m gpu --hpml-require-gpu")
    assert ["--hpml-resume" in call for call in calls] == [False, True, True]
    assert all("--benchmark-save=gpu" in call for call in calls)


def test_the_status_is_that_of_pytest(bench):
    """A case that failed fails the command."""
    done, _ = bench(enough=0, status=1)
    assert done.returncode == 1


def test_a_plugin_that_is_not_installed_is_named(bench):
    """Without the package's metadata pytest would not find the plugin by itself."""
    _, (call,) = bench(enough=0, installed=1)
    assert "-p hpml_lab.pytest_plugin" in call
    _, calls = bench(enough=1, installed=0)
    assert "-p hpml_lab.pytest_plugin" not in calls[-1]


def test_slices_that_are_left_are_said(bench):
    """One slice a call: status 75, and the next call goes on."""
    done, _ = bench(enough=1, slices="1")
    assert (done.returncode, done.stdout) == (75, "more is left; call it again to go on\n")
    done, calls = bench(enough=1, slices="1")
    assert done.returncode == 0
    assert "--hpml-resume" in calls[1]


def test_a_slice_without_a_case_ends_it(bench):
    """Nothing in the journal after a whole slice: it would never end."""
    done, _ = bench(enough=5, work="true")
    assert done.returncode == 1
    assert "no case ended within 480 s; give SLICE_S more" in done.stderr
