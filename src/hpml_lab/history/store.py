"""Where runs are kept: one folder a machine, one numbered file a run, never overwritten."""

import json
import math
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hpml_lab.errors import InputError

_NUMBERED = re.compile(r"(\d+)_.*\.json")


def publish(run: dict[str, Any], folder: Path, name: str) -> Path:
    """Saves a run whole or not at all, under the next free number.

    Args:
        run: pytest-benchmark's JSON.
        folder: the machine's folder; made if it is not there.
        name: what stands behind the number.

    Returns:
        the file, ``NNNN_NAME.json``.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
    """
    text = json.dumps(_finite(run), allow_nan=False, indent=1, default=str)
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".saving-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would hide it from others
        return _link(Path(temporary), folder, name)
    finally:
        Path(temporary).unlink()


def _finite(value: Any) -> Any:
    """Returns the value with null for NaN and infinities, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _link(temporary: Path, folder: Path, name: str) -> Path:
    number = max((_number(path) for path in folder.iterdir()), default=0)
    while True:
        number += 1
        target = folder / f"{number:04d}_{name}.json"
        try:
            # A link, unlike a rename, fails when another run took the name meanwhile.
            os.link(temporary, target)
        except FileExistsError:
            continue
        return target


def _number(path: Path) -> int:
    numbered = _NUMBERED.fullmatch(path.name)
    return int(numbered.group(1)) if numbered else 0


def saved_runs(storage: Path) -> list[Path]:
    """Returns the files of all machines, oldest first by the time they were saved."""
    return sorted(_files(storage), key=lambda path: (path.stat().st_mtime_ns, _number(path)))


def latest(storage: Path) -> Path:
    """Returns the run saved last.

    Raises:
        InputError: if there is none.
    """
    runs = saved_runs(storage)
    if not runs:
        raise InputError(f"no saved run under {str(storage)!r}; make one with: make bench")
    return runs[-1]


def _files(storage: Path) -> Iterator[Path]:
    return (path for path in storage.glob("*/*.json") if _number(path))
