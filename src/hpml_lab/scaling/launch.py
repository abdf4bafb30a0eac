"""Ranks started by torchrun, on one node or several, bounded in time, and never left behind."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from hpml_lab.errors import InputError, MeasurementError
from hpml_lab.theory.validation import check_int

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


@dataclass(frozen=True)
class Nodes:
    """The nodes among which ranks are shared; the same call runs on each of them.

    Attributes:
        count: Number of nodes.
        endpoint: ``HOST:PORT`` at which they meet, on one of them; unused for a single node.

    Raises:
        InputError: for a count below 1, or several nodes without an endpoint.
    """

    count: int = 1
    endpoint: str = ""

    def __post_init__(self) -> None:
        check_int("nnodes", self.count, least=1)
        if self.count > 1 and not self.endpoint:
            raise InputError(
                f"{self.count} nodes need a place to meet; give --rdzv-endpoint HOST:PORT, where "
                "HOST is one of them"
            )

    def ranks_each(self, world: int) -> int:
        """Returns the ranks of a node.

        Raises:
            InputError: if they are not equally many on each.
        """
        if world % self.count:
            raise InputError(
                f"{world} ranks are not equally many on {self.count} nodes; give a multiple of "
                f"{self.count} with --world"
            )
        return world // self.count

    def arguments(self, world: int, launch: str) -> list[str]:
        """Returns torchrun's arguments.

        Args:
            world: Number of all ranks.
            launch: Name of the launch, the same on each node.
        """
        each = ["--nproc-per-node", str(self.ranks_each(world))]
        if self.count == 1:
            return ["--standalone", *each]
        meet = ["--rdzv-backend", "c10d", "--rdzv-endpoint", self.endpoint, "--rdzv-id", launch]
        return ["--nnodes", str(self.count), *meet, *each]


ONE_NODE = Nodes()


def run_ranks(
    job: Mapping[str, Any],
    world: int,
    timeout_s: float,
    nodes: Nodes = ONE_NODE,
    launch: str = "hpml",
    threads: int | None = None,
) -> list[dict[str, Any]]:
    """Runs a job in ranks and returns the result of each.

    Args:
        job: As `worker` reads it, without its ``result``.
        world: Number of ranks.
        timeout_s: All ranks of this node are killed after this many seconds.
        nodes: The nodes that share the ranks.
        launch: Name of the launch, the same on each node.
        threads: Threads of a rank; by default its share of this node's processors.

    Raises:
        RanksError: if a rank fails, dies or stops, or they do not end in time.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        path, result = Path(folder, "job.json"), Path(folder, "result.json")
        path.write_text(json.dumps(dict(job) | {"result": str(result)}))
        torchrun = ["torch.distributed.run", *nodes.arguments(world, launch)]
        agent = subprocess.Popen(  # noqa: S603 - our own module, in the same interpreter
            [sys.executable, "-m", *torchrun, "-m", _WORKER, str(path)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=_environment(threads or threads_of(nodes.ranks_each(world))),
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


def threads_of(ranks: int) -> int:
    """Returns a rank's share of this node's processors."""
    return max(1, (os.cpu_count() or 1) // ranks)


def _environment(threads: int) -> dict[str, str]:
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
