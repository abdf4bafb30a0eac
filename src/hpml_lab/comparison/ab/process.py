"""One process of a pair: pytest in a revision's folder, and the run that it saves."""

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
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.schema import Run
from hpml_lab.text import printable

CHANNEL = "HPML_PAIR"  # the plugin reads the job from this file
_MEASURED = (0, 1)  # pytest's exit status when all or some tests passed
# Processes differ by more than the rounds of one do: more processes show more than longer ones.
# The user's own options come after it, and override it.
_SHORT = "--benchmark-max-time=0.05"
_LOG_LINES = 20
_OURS = ("HPML_GATE", "HPML_RESUME", "HPML_WORKER")  # not meant for a pair


@dataclass(frozen=True)
class Job:
    """Job of one process of a pair, read by the plugin.

    Attributes:
        pair: Number of the pair, from 1.
        seed: Seed of the order of cases, which both processes of a pair share.
        settled: Node ids to leave out.
        tree: Folder of the revision; its code must come from there.
        other: Folder from which no code may come.
        turns: File that both processes of a pair lock in turn.
    """

    pair: int
    seed: int
    settled: list[str]
    tree: str
    other: str | None
    turns: str


@dataclass(frozen=True)
class Revision:
    """One side: a revision in a folder.

    Attributes:
        name: Name that the user gave.
        commit: Its hash; empty for the working tree as it is.
        tree: Its folder.
        other: Folder of other code that must not be imported instead.
        below: Folder in the tree where pytest is started.
        arguments: Arguments of pytest.
        limit_s: Time limit after which a process is killed.
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
            pair: number of the pair, from 1.
            seed: seed of the order of cases.
            settled: node ids to leave out.
            scratch: an empty folder.
            turns: file that it locks in turn with the other process of the pair.
        """
        file, saved, log = scratch / "job.json", scratch / "run.json", scratch / "log"
        other = str(self.other) if self.other else None
        job = Job(pair, seed, [*settled], str(self.tree), other, str(turns))
        file.write_text(json.dumps(asdict(job)))
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 (the command that the user gave)
                self._command(saved),
                cwd=self.tree / self.below,
                env=self._environment(file),
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
        name: Name of the side.
        process: The process of pytest.
        saved: File to which it saves its run.
        log: File with its output.
        limit_s: Time limit after which it is killed.
    """

    name: str
    process: "subprocess.Popen[bytes]"
    saved: Path
    log: Path
    limit_s: float

    def finish(self) -> Run:
        """Waits until it has ended and returns its run.

        Raises:
            MeasurementError: if no test could be run, or not in time, with the last lines of
                pytest's output.
            RunFileError: if the file that it wrote is not a run.
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
        """Kills its process group; does nothing if that has ended."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _failure(self, status: int | None) -> str:
        ended = f"ended with status {status}" if status else "measured nothing"
        if status is None:
            ended = f"took longer than {self.limit_s:g} s, give --budget more or pytest less to do"
        lines = self.log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:]
        return "\n".join(
            [f"pytest at {self.name} {ended}; its last lines:", *map(printable, lines)]
        )
