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
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import IO, Any

from hpml_lab.errors import MeasurementError
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
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hpml_lab.tuning.trial"])
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile() as log:
        usual = multiprocessing.get_start_method()
        process = context.Process(
            target=_run, args=(sender, log.name, timeout_s, usual, job, arguments)
        )
        process.start()
        sender.close()
        try:
            ended = receiver.poll(timeout_s)
            answer = _answer(receiver) if ended else None
            if ended:
                process.join(_GRACE_S)
        finally:
            receiver.close()
            _kill(process)
        if answer is not None:
            failed, value = answer
            if not failed:
                return value
            raise TrialError("out-of-memory" if _is_memory(value) else "failed", value)
        if not ended:
            raise TrialError("timeout", f"no end within {timeout_s:.0f} s")
        raise _died(process.exitcode, log)


def _answer(receiver: Connection) -> tuple[bool, Any] | None:
    """Returns whether the job failed, and its result or error; None if its process has died."""
    with contextlib.suppress(EOFError, OSError):
        answer: tuple[bool, Any] = receiver.recv()
        return answer
    return None


def _run(
    sender: Connection,
    log: str,
    timeout_s: float,
    start_method: str,
    job: Callable[..., Any],
    arguments: Any,
) -> None:
    # A child has its parent's method by default; loader workers start as in the user's program.
    multiprocessing.set_start_method(start_method, force=True)
    os.setsid()  # so that loader workers die with it, and Ctrl-C reaches the parent alone
    output = os.open(log, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(output, stream)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, timeout_s + _GRACE_S)
    try:
        answer = False, job(*arguments)
    except BaseException as error:  # noqa: BLE001 - a user's code may raise anything
        lines = str(error).strip().splitlines() or [""]
        answer = True, f"{type(error).__name__}: {lines[0]}"
    sender.send(answer)
    sender.close()
    os._exit(0)  # a user's threads may never end


def _kill(process: Any) -> None:
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
