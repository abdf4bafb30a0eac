"""Measurements of this machine that are kept in the cache folder."""

import contextlib
import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from hpml_lab.files import atomic_write, cache_folder
from hpml_lab.measure.fingerprint import identity, software
from hpml_lab.measure.gpus import gpus


@dataclass(frozen=True)
class Key:
    """Cache key of a measurement.

    Attributes:
        machine: Id of the machine.
        software: Software versions.
        processors: Number of processors that this process may use.
        method: Version of the measurement method.
    """

    machine: str
    software: dict[str, str | None]
    processors: int
    method: int


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    key: Key
    value: Any


def recall(name: str, method: int, kind: Any) -> Any:
    """Returns the value kept under a name; None if there is no valid one.

    Args:
        name: Name of the measurement.
        method: Version of the measurement method.
        kind: Type of the value, as `msgspec.convert` takes it.
    """
    key = _key(method)
    try:
        kept = msgspec.json.decode(_file(name, key).read_bytes(), type=_Kept)
        value = msgspec.convert(kept.value, type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return value if kept.key == key else None


def keep(name: str, method: int, value: Any) -> None:
    """Writes a value to the cache folder atomically; an unwritable folder is ignored."""
    key = _key(method)
    with contextlib.suppress(OSError):
        file = _file(name, key)
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, msgspec.json.encode({"key": asdict(key), "value": value}))


def _key(method: int) -> Key:
    boards = gpus()
    processors = len(os.sched_getaffinity(0))
    return Key(identity(boards).id, software(boards), processors, method)


def _file(name: str, key: Key) -> Path:
    digest = hashlib.sha256(msgspec.json.encode(key, order="sorted")).hexdigest()
    return cache_folder() / f"{name}-{key.machine}-{digest[:8]}.json"
