"""One process of a pair: pytest in a revision's folder, and the run that it leaves."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from hpml_lab.errors import MeasurementError
from hpml_lab.history.run import Run, read_run

CHANNEL = "HPML_PAIR"  # the plugin reads the job from this file
_MEASURED = (0, 1)  # pytest's exit status when all or some tests passed
# Processes differ by more than rounds of one do: more of them tell more than longer ones. What the
# user asks for comes behind it, and holds.
_SHORT = "--benchmark-max-time=0.05"
_LOG_LINES = 20
_OURS = ("HPML_GATE", "HPML_RESUME", "HPML_WORKER")  # no business of a pair


@dataclass(frozen=True)
class Job:
    """What the plugin is told.

    Attributes:
        pair: its number, from 1.
        seed: of the order of cases, which both processes of a pair share.
        settled: node ids to leave out.
        tree: the revision's folder, from which alone its code may come.
        other: a folder from which none may come.
    """

    pair: int
    seed: int
    settled: list[str]
    tree: str
    other: str | None


@dataclass(frozen=True)
class Revision:
    """One side.

    Attributes:
        name: as the user calls it.
        commit: its hash; empty for the working tree as it is.
        tree: its folder.
        other: the folder of other code that must not be imported instead.
        below: where in the tree pytest is started.
        arguments: of pytest.
        limit_s: a process that takes longer is given up.
    """

    name: str
    commit: str
    tree: Path
    other: Path | None
    below: Path
    arguments: Sequence[str]
    limit_s: float

    def measure(self, pair: int, seed: int, settled: Collection[str], scratch: Path) -> Run:
        """Returns what a fresh process measures.

        Args:
            pair: its number, from 1.
            seed: of the order of cases.
            settled: node ids to leave out.
            scratch: an empty folder.

        Raises:
            MeasurementError: if no test could be run, or not in time, with the last lines of
                pytest's output.
            RunFileError: if what it wrote is not a run.
        """
        job, saved, log = scratch / "job.json", scratch / "run.json", scratch / "log"
        other = str(self.other) if self.other else None
        job.write_text(json.dumps(asdict(Job(pair, seed, [*settled], str(self.tree), other))))
        command, folder = self._command(saved), self.tree / self.below
        status = _run(command, folder, self._environment(job), log, self.limit_s)
        if status not in _MEASURED or not saved.is_file() or not saved.stat().st_size:
            raise MeasurementError(self._failure(status, log))
        return read_run(saved)

    def _command(self, saved: Path) -> list[str]:
        once = ["--hpml-processes=1", f"--benchmark-json={saved}"]
        return [sys.executable, "-m", "pytest", _SHORT, *self.arguments, *once]

    def _environment(self, job: Path) -> dict[str, str]:
        folders = dict.fromkeys([self.tree / self.below / "src", self.tree / "src"])
        sources = [str(folder) for folder in folders if folder.is_dir()]
        path = [*sources, *filter(None, [os.environ.get("PYTHONPATH")])]
        kept = {name: value for name, value in os.environ.items() if name not in _OURS}
        return kept | {"PYTHONPATH": os.pathsep.join(path), CHANNEL: str(job)}

    def _failure(self, status: int | None, log: Path) -> str:
        ended = f"ended with status {status}" if status else "measured nothing"
        if status is None:
            ended = f"took longer than {self.limit_s:g} s, give --budget more or pytest less to do"
        lines = log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:]
        return "\n".join([f"pytest at {self.name} {ended}; its last lines:", *map(_plain, lines)])


def _run(
    command: list[str], folder: Path, environment: dict[str, str], log: Path, limit_s: float
) -> int | None:
    """Returns the exit status, None for no end in time; what is left leaves no children."""
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 (the command that the user gave)
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        ) as process,
    ):  # fmt: skip
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _plain(line: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in line)
