"""A worker process: a fresh interpreter that runs tests of this pytest, reporting over a socket.

It is the same command again, in a session of its own: a signal from the terminal does not reach it,
and killing its process group leaves none of its children. `worker` is the other end.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import pytest

from hpml_lab.runs.schema import Kind
from hpml_lab.units import seconds

CHANNEL = "HPML_WORKER"  # two file descriptors: the job, the socket
_VMSTAT = Path("/proc/vmstat")
_LOOK_S = 1.0  # between checks that it is alive, where a child of it keeps the socket open
_START_S = 600.0  # for imports and collection, however short the limit of a test
_END_S = 60.0  # for exiting, after all tests have ended
_DUMP_S = 0.5  # for writing the stacks of a hanging one
_LOG_BYTES = 20_000
# It dies with this interpreter, however that dies (1 is PR_SET_PDEATHSIG of Linux): it would
# otherwise continue its case and disturb whatever is measured next.
# Its stderr is another file while pytest captures, so the stacks go to a copy.
_PROGRAM = """\
import ctypes, faulthandler, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != {parent}:
    os._exit(1)
sys.path[:] = {path!r}
faulthandler.register(signal.SIGUSR1, os.dup(2))
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class WorkerFailure:
    """The failure of a worker process that has not run all its tests.

    Attributes:
        kind: ``crashed``, ``timeout`` or ``out-of-memory``.
        message: one line.
        log: the end of its error output, stacks included.
        signal: the name of the signal that somebody sent to it.
    """

    kind: Kind
    message: str
    log: str = field(default="", repr=False)
    signal: str | None = None

    def because(self, internal: str) -> "WorkerFailure":
        """Returns the same failure with the internal error of pytest that caused it, if any."""
        return replace(self, message=f"{self.message}: {internal}") if internal else self


class WorkerProcess:
    """A worker process; starts at once, and is killed with its children at the context's end.

    Args:
        config: the configuration of this pytest, whose command is repeated.
        job: the worker's job; ``order`` holds the node ids to run.
    """

    def __init__(self, config: pytest.Config, job: dict[str, Any]) -> None:
        self._order: list[str] = job["order"]
        self._oom_kills = _oom_kills()
        self._logs: list[IO[bytes]] = [_new_file(), _new_file()]  # stderr, stdout
        self._received = bytearray()
        self._began = False
        self._socket, worker_socket = socket.socketpair()
        with worker_socket, _new_file() as job_file:
            job_file.write(json.dumps(job).encode())
            job_file.seek(0)
            channel = job_file.fileno(), worker_socket.fileno()
            self._process = _start(config, channel, self._logs)

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._socket.close()
        for log in self._logs:
            log.close()

    def events(self, timeout_s: float) -> Iterator[dict[str, Any] | WorkerFailure]:
        """Yields the events of the worker, and its `WorkerFailure` if tests remain.

        Back-pressure: the worker starts its next test only when the caller asks for the next event
        after an ``ended``.

        Args:
            timeout_s: the limit for each test, and for starting if that is more than `_START_S`.
        """
        remaining = set(self._order)
        deadline_s = time.monotonic() + max(timeout_s, _START_S)
        try:
            while (event := self._event(deadline_s)) is not None:
                if "ended" in event:
                    remaining.discard(event["ended"])
                    deadline_s = time.monotonic() + (timeout_s if remaining else _END_S)
                elif "began" in event:
                    self._began = True
                    deadline_s = time.monotonic() + timeout_s
                remaining.difference_update(event.get("missing", ()))
                yield event
                if "ended" in event:
                    self._acknowledge()
        except TimeoutError:
            if remaining:
                yield self._hanging(timeout_s)
        else:
            self._wait(_END_S)
            if remaining:
                yield self._dead()

    def _acknowledge(self) -> None:
        with suppress(ConnectionError):  # its death is the next event
            self._socket.sendall(b"\n")

    def _event(self, deadline_s: float) -> dict[str, Any] | None:
        """Returns the next event, or None if no other can come."""
        while (end := self._received.find(b"\n")) < 0:
            if (wait_s := deadline_s - time.monotonic()) <= 0:
                raise TimeoutError
            self._socket.settimeout(min(wait_s, _LOOK_S))
            try:
                received = self._socket.recv(2**20)
            except TimeoutError:
                if self._process.poll() is None:
                    continue
                received = b""
            if not received:
                return None
            self._received += received
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        event: dict[str, Any] = json.loads(line)
        return event

    def _hanging(self, timeout_s: float) -> WorkerFailure:
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGUSR1)
        self._wait(_DUMP_S)
        self._kill()
        return WorkerFailure("timeout", f"no end within {seconds(timeout_s)}", self._log())

    def _dead(self) -> WorkerFailure:
        self._kill()
        code = self._process.returncode
        if code >= 0:
            return WorkerFailure("crashed", f"the interpreter left with status {code}", self._log())
        if code == -signal.SIGKILL and _oom_kills() > self._oom_kills:
            return WorkerFailure(
                "out-of-memory", "killed by the kernel for want of memory", self._log()
            )
        name = _signal_name(-code)
        return WorkerFailure("crashed", f"killed by {name}", self._log(), name)

    def _wait(self, limit_s: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(limit_s)

    def _kill(self) -> None:
        # A group without members no longer exists; macOS reports one of zombies as not permitted.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _log(self) -> str:
        stderr, stdout = self._logs
        # The output of pytest says why it could not start, but not why a test has died.
        return _tail(stderr) or ("" if self._began else _tail(stdout))


def _start(
    config: pytest.Config, channel: tuple[int, int], logs: list[IO[bytes]]
) -> subprocess.Popen[bytes]:
    # The flags that multiprocessing hands to its children: -W, -X, -O and so on.
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    program = _PROGRAM.format(path=[str(folder) for folder in sys.path], parent=os.getpid())
    arguments = [os.fspath(argument) for argument in config.invocation_params.args]
    if config.pluginmanager.hasplugin("_cov"):
        # Tracing would be in the times; and pytest-cov takes a worker of ours for one of xdist.
        arguments.insert(0, "--no-cov")
    return subprocess.Popen(  # noqa: S603 (the command that the user gave)
        [sys.executable, *flags, "-c", program, *arguments],
        cwd=config.invocation_params.dir,
        env=os.environ | {CHANNEL: "{} {}".format(*channel)},
        stdin=subprocess.DEVNULL,
        stderr=logs[0],
        stdout=logs[1],
        pass_fds=channel,
        start_new_session=True,
    )


def _new_file() -> IO[bytes]:
    return tempfile.TemporaryFile()


def _tail(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _LOG_BYTES))
    return log.read().decode(errors="replace").strip()


def _oom_kills() -> int:
    """Returns the number of processes killed by the kernel for want of memory; 0 if unknown."""
    try:
        counts = dict(line.split(maxsplit=1) for line in _VMSTAT.read_text().splitlines())
    except OSError:
        return 0
    return int(counts.get("oom_kill", 0))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
