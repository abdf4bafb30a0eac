"""A process for each trial, forked from a server that has imported torch and computed nothing.

A fresh interpreter takes seconds to import torch; a fork of `multiprocessing`'s server takes none.
It has a heap, threads and devices of its own. What it shares with other trials is where libraries
lie in memory.
"""

import contextlib
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from typing import IO, Any

import torch

from hpml_lab.errors import MeasurementError, one_line
from hpml_lab.measure.termination import interrupts_held
from hpml_lab.tuning.result import Kind

_OUT_OF_MEMORY = ("out of memory", "outofmemory", "memoryerror", "can't allocate memory")
_GRACE_S = 10  # after its limit a trial whose parent has died ends by itself
_LOG_BYTES = 20_000


class TrialError(MeasurementError):
    """A trial that failed.

    Attributes:
        kind: ``timeout``, ``out-of-memory``, ``crashed`` (died of a signal) or ``failed``.
    """

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def in_process(job: Callable[..., Any], *arguments: Any, timeout_s: float) -> Any:
    """Runs a function in a process of its own and returns its result.

    Args:
        job: A module-level function; arguments and result can be pickled.
        *arguments: Its arguments.
        timeout_s: The process and all that it started are killed after this many seconds.

    Raises:
        TrialError: if the function raises, or the process dies or takes too long.
    """
    with Served(_once, job, arguments, timeout_s=timeout_s) as served:
        return served.first


def _preloaded() -> list[str]:
    """Returns the modules that a trial needs and a fork has.

    The compiler takes seconds to import. With a GPU that might start CUDA, which no fork survives.
    """
    compiler = [] if torch.cuda.is_available() else ["torch._inductor.compile_fx"]
    return ["hpml_lab.tuning.trial", *compiler]


def _once(job: Callable[..., Any], arguments: tuple[Any, ...]) -> Iterator[Any]:
    yield job(*arguments)


class Served:
    """A generator in a process of its own, asked for one value after the other.

    Args:
        job: A module-level generator function; arguments and values can be pickled.
        *arguments: Its arguments.
        timeout_s: Seconds until its first value.

    Attributes:
        first: Its first value.

    Raises:
        TrialError: if the generator raises, or the process dies or takes too long. All that it
            started is killed then.
    """

    def __init__(self, job: Callable[..., Any], *arguments: Any, timeout_s: float) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_preloaded())
        self._log = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed with the process
        self._pipe, theirs = context.Pipe()
        usual = multiprocessing.get_start_method()
        self._process = context.Process(
            target=_serve, args=(theirs, self._log.name, timeout_s, usual, job, arguments)
        )
        with self._closed_if_it_fails():
            with interrupts_held():  # half started it would go on, or say that its task is cut off
                self._process.start()
            theirs.close()
            self.first = self._received(timeout_s)

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, value: Any, timeout_s: float) -> Any:
        """Sends a value to the generator and returns its next one.

        Raises:
            TrialError: as when it is started.
        """
        with contextlib.suppress(OSError):  # it has died: the answer says so
            self._pipe.send((value, timeout_s))
        with self._closed_if_it_fails():
            return self._received(timeout_s)

    def close(self) -> None:
        """Kills the process and all that it started."""
        self._pipe.close()
        _kill(self._process)
        self._log.close()

    @contextlib.contextmanager
    def _closed_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _received(self, timeout_s: float) -> Any:
        if not self._pipe.poll(timeout_s):
            raise TrialError("timeout", f"no end within {timeout_s:.0f} s")
        try:
            failed, value = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(_GRACE_S)
            raise _died(self._process.exitcode, self._log) from None
        if failed:
            raise TrialError("out-of-memory" if _is_memory(value) else "failed", value)
        return value


def _serve(
    pipe: Connection,
    log: str,
    timeout_s: float,
    start_method: str,
    job: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    # A child has its parent's method by default; loader workers start as in the user's program.
    multiprocessing.set_start_method(start_method, force=True)
    os.setsid()  # so that loader workers die with it, and Ctrl-C reaches the parent alone
    output = os.open(log, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(output, stream)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    answers = job(*arguments)
    call = answers.__next__
    while True:
        try:
            reply = False, _in_time(timeout_s, call)
        except BaseException as error:  # noqa: BLE001 - a user's code may raise anything
            reply = True, one_line(error)
        try:
            pipe.send(reply)
            asked, timeout_s = pipe.recv()
        except (EOFError, OSError):  # nobody asks any more
            os._exit(0)  # a user's threads may never end
        call = partial(answers.send, asked)


def _in_time(timeout_s: float, call: Callable[[], Any]) -> Any:
    """Calls; the process is killed some time after the limit, in case its parent has died."""
    signal.setitimer(signal.ITIMER_REAL, timeout_s + _GRACE_S)
    value = call()
    signal.setitimer(signal.ITIMER_REAL, 0)
    return value


def _kill(process: Any) -> None:
    if process.pid is None:
        return  # it could not be started
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _died(status: int | None, log: IO[bytes]) -> TrialError:
    text = log.read(_LOG_BYTES).decode(errors="replace").strip()
    last = f": {text.splitlines()[-1]}" if text else ""
    if status is not None and status < 0:
        # Nobody else kills with it what still ran: the kernel does, for want of memory.
        memory = status == -signal.SIGKILL or _is_memory(text)
        kind: Kind = "out-of-memory" if memory else "crashed"
        return TrialError(kind, f"killed by {signal.Signals(-status).name}{last}")
    return TrialError("crashed", f"the process left with status {status}{last}")


def _is_memory(text: str) -> bool:
    return any(word in text.lower() for word in _OUT_OF_MEMORY)
