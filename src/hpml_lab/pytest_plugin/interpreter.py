"""A fresh interpreter that runs tests of this pytest and reports over a socket.

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

from hpml_lab.measure.record import Kind
from hpml_lab.units import seconds

CHANNEL = "HPML_WORKER"  # two file descriptors: the job, the socket
_VMSTAT = Path("/proc/vmstat")
_LOOK_S = 1.0  # between looks whether it is alive, where a child of it keeps the socket open
_START_S = 600.0  # for imports and collection, however little a test may take
_END_S = 60.0  # for leaving, once all tests have ended
_DUMP_S = 0.5  # for writing the stacks of a hanging one
_LOG_BYTES = 20_000
# It dies with this interpreter, however that dies (1 is PR_SET_PDEATHSIG of Linux): it would go on
# with its case, and whoever measures next would measure beside it.
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
class Death:
    """How an interpreter ended that has not run all its tests.

    Attributes:
        kind: ``crashed``, ``timeout`` or ``out-of-memory``.
        message: one line.
        log: the last that it wrote as an error, stacks included.
    """

    kind: Kind
    message: str
    log: str = field(default="", repr=False)

    def because(self, internal: str) -> "Death":
        """Returns the same death, with the internal error of pytest that led to it, if any did."""
        return replace(self, message=f"{self.message}: {internal}") if internal else self


class Interpreter:
    """Starts at once; a context that leaves no process behind.

    Args:
        config: this pytest's, whose command is repeated.
        job: what the worker is told; ``order`` holds the node ids to run.
    """

    def __init__(self, config: pytest.Config, job: dict[str, Any]) -> None:
        self._order: list[str] = job["order"]
        self._oom_kills = _oom_kills()
        self._logs: list[IO[bytes]] = [_new_file(), _new_file()]  # stderr, stdout
        self._received = bytearray()
        self._began = False
        self._socket, theirs = socket.socketpair()
        with theirs, _new_file() as told:
            told.write(json.dumps(job).encode())
            told.seek(0)
            self._process = _start(config, (told.fileno(), theirs.fileno()), self._logs)

    def __enter__(self) -> "Interpreter":
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._socket.close()
        for log in self._logs:
            log.close()

    def events(self, timeout_s: float) -> Iterator[dict[str, Any] | Death]:
        """Yields what the worker reports, and its `Death` if tests are left.

        It does not begin a test before the one that asks here for what follows an ``ended``.

        Args:
            timeout_s: for each test, and for starting if that is more than `_START_S`.
        """
        left = set(self._order)
        due_s = time.monotonic() + max(timeout_s, _START_S)
        try:
            while (event := self._event(due_s)) is not None:
                if "ended" in event:
                    left.discard(event["ended"])
                    due_s = time.monotonic() + (timeout_s if left else _END_S)
                elif "began" in event:
                    self._began = True
                    due_s = time.monotonic() + timeout_s
                left.difference_update(event.get("missing", ()))
                yield event
                if "ended" in event:
                    self._let_go_on()
        except TimeoutError:
            if left:
                yield self._hanging(timeout_s)
        else:
            self._wait(_END_S)
            if left:
                yield self._dead()

    def _let_go_on(self) -> None:
        with suppress(ConnectionError):  # its death is the next event
            self._socket.sendall(b"\n")

    def _event(self, due_s: float) -> dict[str, Any] | None:
        """Returns the next event, or None if no other can come."""
        while (end := self._received.find(b"\n")) < 0:
            if (wait_s := due_s - time.monotonic()) <= 0:
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

    def _hanging(self, timeout_s: float) -> Death:
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGUSR1)
        self._wait(_DUMP_S)
        self._kill()
        return Death("timeout", f"no end within {seconds(timeout_s)}", self._log())

    def _dead(self) -> Death:
        self._kill()
        code = self._process.returncode
        if code >= 0:
            return Death("crashed", f"the interpreter left with status {code}", self._log())
        if code == -signal.SIGKILL and _oom_kills() > self._oom_kills:
            return Death("out-of-memory", "killed by the kernel for want of memory", self._log())
        return Death("crashed", f"killed by {_signal_name(-code)}", self._log())

    def _wait(self, limit_s: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(limit_s)

    def _kill(self) -> None:
        # A group without members is no longer there; macOS calls one of zombies not permitted.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _log(self) -> str:
        stderr, stdout = self._logs
        # What pytest prints says why it could not start, but not why a test has died.
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
    """Returns how many processes the kernel has killed for want of memory; 0 if it does not say."""
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
