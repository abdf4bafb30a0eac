"""Runs a function in a fresh interpreter, without a CUDA context, graph or cache."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hpml_lab.errors import InputError, MeasurementError

TIMEOUT_S = 1800.0


def in_fresh_process(
    job: Callable[..., Any], *arguments: Any, timeout_s: float = TIMEOUT_S, **named: Any
) -> Any:
    """Runs a function in a fresh Python process and returns its result.

    Args:
        job: A module-level function, imported by its name.
        *arguments: Positional arguments, passed as JSON, so a tuple arrives as a list.
        timeout_s: The process is killed after this many seconds.
        **named: Keyword arguments, passed as JSON.

    Raises:
        InputError: if the job cannot be imported by its name, or an argument is not JSON.
        MeasurementError: if the job fails, is killed, takes too long, or its result is not JSON.
    """
    call = _call(job, arguments, named)
    with TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        command = [sys.executable, "-m", __name__, str(result)]
        try:
            done = subprocess.run(  # noqa: S603 - our own module, in the same interpreter
                command, input=call, env=_environment(), timeout=timeout_s,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise MeasurementError(
                f"{job.__qualname__} did not end within {timeout_s:g} s in its own process"
            ) from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise MeasurementError(f"{job.__qualname__} failed in its own process: {last}")
        return json.loads(result.read_text())


def main(call: str, result: Path) -> None:
    """Runs a call that `in_fresh_process` encoded, and writes its result as JSON."""
    module, name, arguments, named = json.loads(call)
    job = getattr(importlib.import_module(module), name)
    result.write_text(json.dumps(job(*arguments, **named), allow_nan=False))


def _call(job: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    module, name = job.__module__, job.__qualname__
    if module == "__main__" or getattr(sys.modules[module], name, None) is not job:
        raise InputError(
            f"{name} of {module} cannot run in a fresh process; "
            "it must be a function at the top of an importable module"
        )
    try:
        return json.dumps([module, name, arguments, named], allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"the arguments of {name} must be JSON; {error}") from None


def _environment() -> dict[str, str]:
    # A test's folder is on our path, but not on that of a fresh interpreter.
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


if __name__ == "__main__":
    main(sys.stdin.read(), Path(sys.argv[1]))
