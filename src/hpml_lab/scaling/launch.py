"""Ranks started by torchrun, bounded in time, and never left behind."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import psutil

from hpml_lab.errors import MeasurementError

_WORKER = "hpml_lab.scaling.worker"
_TAIL_BYTES = 100_000


class RanksError(MeasurementError):
    """Ranks that failed.

    Attributes:
        kind: ``timeout`` or ``failed``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def run_ranks(job: Mapping[str, Any], world: int, timeout_s: float) -> list[dict[str, Any]]:
    """Runs a job in ranks on this node and returns the result of each.

    Args:
        job: As `worker` reads it, without its ``result``.
        world: Number of ranks.
        timeout_s: All ranks are killed after this many seconds.

    Raises:
        RanksError: if a rank fails, dies or stops, or they do not end in time.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        path, result = Path(folder, "job.json"), Path(folder, "result.json")
        path.write_text(json.dumps(dict(job) | {"result": str(result)}))
        torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(world)]
        agent = subprocess.Popen(  # noqa: S603 - our own module, in the same interpreter
            [sys.executable, "-m", *torchrun, "-m", _WORKER, str(path)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=_environment(world),
            start_new_session=True,
        )
        late = False
        try:
            agent.wait(timeout_s)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            _kill(agent)
        # Written when all ranks have measured: one that dies while it takes leave loses nothing.
        if not result.exists() and late:
            raise RanksError("timeout", f"{world} ranks did not end within {timeout_s:g} s")
        if not result.exists():
            raise RanksError("failed", f"{world} ranks failed: {_reason(log)}")
        ranks: list[dict[str, Any]] = json.loads(result.read_text())
        return ranks


def _environment(world: int) -> dict[str, str]:
    threads = max(1, (os.cpu_count() or 1) // world)
    ours = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return {"OMP_NUM_THREADS": str(threads)} | os.environ | ours


def _kill(agent: "subprocess.Popen[bytes]") -> None:
    """Kills the agent and its ranks, which torchrun has put into sessions of their own."""
    ranks: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        ranks = psutil.Process(agent.pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(agent.pid, signal.SIGKILL)
    for rank in ranks:
        with contextlib.suppress(psutil.Error):
            rank.kill()
    agent.wait()


def _reason(log: IO[bytes]) -> str:
    """Returns the first error that a rank printed, else the signal of which one died."""
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _TAIL_BYTES))
    lines = log.read().decode(errors="replace").splitlines()
    lines = [re.sub(r"^\[rank\d+\]:", "", line).strip() for line in lines]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
    killed = [m[0] for line in lines if (m := re.search(r"Signal \d+ \(SIG(?!TERM)\w+\)", line))]
    return next(iter([*errors, *killed, *lines[-1:]]), "nothing was printed")
