"""The gpu suite on a lent machine: the script's parts, with a stand-in for the interpreter."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools" / "gpu.sh"
# Every call is noted; pytest's adds to a journal and is killed until enough slices have run.
STAND_IN = """#!/bin/sh
case "$*" in
    *history*) echo "listed"; exit 0 ;;
    *--probe*) echo "$*" >> "$OUT/calls"; echo probed; exit {probe} ;;
    "-c"*|*collect-only*) echo "$PYTEST_DISABLE_PLUGIN_AUTOLOAD $PYTHONPATH"; exit 0 ;;
esac
echo "$*" >> "$OUT/calls"
slices=$(wc -l < "$OUT/calls")
if [ "$slices" -gt {enough} ]; then rm -f "$OUT"/suite/.j*; echo "1 passed"; exit {status}; fi
{work}
kill -KILL $$
"""


@pytest.fixture
def script(tmp_path):
    """Runs parts of the script with a stand-in; returns what ended and the calls it made."""

    def run(
        *parts,
        enough=0,
        status=0,
        probe=0,
        work='echo x >> "$OUT/suite/.journal-1"',
        slices="9",
        **more,
    ):
        python = tmp_path / "python"
        python.write_text(STAND_IN.format(enough=enough, status=status, probe=probe, work=work))
        python.chmod(0o755)
        reported = {"OUT": str(tmp_path), "PYTHON": str(python), "SLICES": slices, "WHEELS": "none"}
        done = subprocess.run(
            ["bash", str(SCRIPT), *parts],
            env=os.environ | reported | more,
            capture_output=True,
            text=True,
            check=False,
        )
        calls = tmp_path / "calls"
        return done, calls.read_text().splitlines() if calls.exists() else []

    return run


def test_a_killed_slice_is_gone_on_with(script):
    """Two slices are killed: the first starts the gpu suite, the others resume it."""
    done, calls = script("suite", enough=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("1 passed\nlisted\n")
    assert len(calls) == 3
    assert "-p hpml_lab.pytest_plugin tests/perf -m gpu --hpml-require-gpu" in calls[0]
    assert ["--hpml-resume" in call for call in calls] == [False, True, True]
    assert all("--benchmark-save=gpu" in call for call in calls)


def test_the_status_is_that_of_pytest(script):
    """A case that failed fails the command."""
    done, _ = script("suite", status=1)
    assert done.returncode == 1


def test_slices_that_are_left_are_said(script):
    """One slice a call: status 75, and the next call goes on."""
    done, _ = script("suite", enough=1, slices="1")
    assert (done.returncode, done.stdout) == (75, "more is left; call it again to go on\n")
    done, calls = script("suite", enough=1, slices="1")
    assert done.returncode == 0
    assert "--hpml-resume" in calls[1]


def test_a_slice_without_a_case_ends_it(script):
    """Nothing in the journal after a whole slice: it would never end."""
    done, _ = script("suite", enough=5, work="true")
    assert done.returncode == 1
    assert "no case ended within 480 s; give SLICE_S more" in done.stderr


def test_another_part_s_journal_is_not_gone_on_with(script, tmp_path):
    """A part that was killed has left one in its own folder; the suite begins anew."""
    (tmp_path / ".journal-of-times").write_text("x")
    _, calls = script("suite")
    assert "--hpml-resume" not in calls[0]
    assert f"--benchmark-storage=file://{tmp_path}/suite" in calls[0]


def test_parts_come_one_behind_the_other_and_keep_what_they_said(script, tmp_path):
    """Preflight, probe, exact cases, times: each with its text, and with the source on the path."""
    done, calls = script(enough=0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("==")] == [
        "preflight:", "probe:", "exact:", "times:",
    ]  # fmt: skip
    assert (tmp_path / "probe.jsonl").read_text() == "probed\n"
    assert "1 src" in (tmp_path / "preflight.txt").read_text()
    exact, times = calls[1:]
    assert "tests/perf/test_memory.py" in exact.split()
    assert "--deselect=tests/perf/test_memory.py" in times.split()
    assert "--benchmark-save=gpu-exact" in exact
    assert "--benchmark-save=gpu-times" in times
    assert all("--hpml-profile=short --hpml-processes=1" in call for call in (exact, times))


def test_a_part_that_dies_loses_no_other(script):
    """The probe fails: the exact cases have run all the same, and the status says so."""
    done, calls = script("probe", "exact", probe=3)
    assert done.returncode == 3
    assert "== probe: exit status 3" in done.stdout
    assert "== exact: exit status 0" in done.stdout
    assert len(calls) == 2


def test_a_part_that_hangs_is_ended(script):
    """By its limit of seconds, with what it had said."""
    done, _ = script("exact", enough=9, work="echo begun; exec tail -f /dev/null", PART_S="1")
    assert done.returncode == 124
    assert "begun" in done.stdout


def test_an_unknown_part_is_refused(script):
    """With those that there are."""
    done, calls = script("everything")
    assert (done.returncode, calls) == (2, [])
    assert "choose of: wheels preflight probe exact times suite" in done.stderr
