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
# Where processes differ by more than rounds of one do, more of them tell more than longer ones.
# What the user asks for comes behind it, and holds.
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
        turns: what both processes of a pair lock in turn.
    """

    pair: int
    seed: int
    settled: list[str]
    tree: str
    other: str | None
    turns: str


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

    def start(
        self, pair: int, seed: int, settled: Collection[str], scratch: Path, turns: Path
    ) -> "Process":
        """Starts a fresh process.

        Args:
            pair: its number, from 1.
            seed: of the order of cases.
            settled: node ids to leave out.
            scratch: an empty folder.
            turns: what it locks in turn with the other process of the pair.
        """
        job, saved, log = scratch / "job.json", scratch / "run.json", scratch / "log"
        other = str(self.other) if self.other else None
        told = Job(pair, seed, [*settled], str(self.tree), other, str(turns))
        job.write_text(json.dumps(asdict(told)))
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 (the command that the user gave)
                self._command(saved),
                cwd=self.tree / self.below,
                env=self._environment(job),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Process(self.name, process, saved, log, self.limit_s)

    def _command(self, saved: Path) -> list[str]:
        once = ["--hpml-processes=1", f"--benchmark-json={saved}"]
        return [sys.executable, "-m", "pytest", _SHORT, *self.arguments, *once]

    def _environment(self, job: Path) -> dict[str, str]:
        folders = dict.fromkeys([self.tree / self.below / "src", self.tree / "src"])
        sources = [str(folder) for folder in folders if folder.is_dir()]
        path = [*sources, *filter(None, [os.environ.get("PYTHONPATH")])]
        kept = {name: value for name, value in os.environ.items() if name not in _OURS}
        return kept | {"PYTHONPATH": os.pathsep.join(path), CHANNEL: str(job)}


@dataclass(frozen=True)
class Process:
    """A process that measures one side.

    Attributes:
        name: of the side.
        process: pytest.
        saved: the file that it will leave.
        log: what it prints.
        limit_s: it is given up if it takes longer.
    """

    name: str
    process: "subprocess.Popen[bytes]"
    saved: Path
    log: Path
    limit_s: float

    def finish(self) -> Run:
        """Returns what it has measured, when it has ended.

        Raises:
            MeasurementError: if no test could be run, or not in time, with the last lines of
                pytest's output.
            RunFileError: if what it wrote is not a run.
        """
        try:
            status: int | None = self.process.wait(self.limit_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            self.kill()
        saved = self.saved
        if status not in _MEASURED or not saved.is_file() or not saved.stat().st_size:
            raise MeasurementError(self._failure(status))
        return read_run(saved)

    def kill(self) -> None:
        """Ends it and all that it has started; nothing if that has ended."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _failure(self, status: int | None) -> str:
        ended = f"ended with status {status}" if status else "measured nothing"
        if status is None:
            ended = f"took longer than {self.limit_s:g} s, give --budget more or pytest less to do"
        lines = self.log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:]
        return "\n".join([f"pytest at {self.name} {ended}; its last lines:", *map(_plain, lines)])


def _plain(line: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in line)
