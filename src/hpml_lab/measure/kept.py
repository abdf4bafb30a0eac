"""What was measured of this machine once and is kept in the cache folder."""

import contextlib
import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from hpml_lab.files import write_whole
from hpml_lab.measure.fingerprint import software
from hpml_lab.measure.gpus import gpus
from hpml_lab.measure.machine import identity
from hpml_lab.workloads.cache import cache_folder


@dataclass(frozen=True)
class Key:
    """What a measurement belongs to.

    Attributes:
        machine: its id.
        software: versions.
        processors: that this process may use.
        method: another number where what is measured, or how, has changed.
    """

    machine: str
    software: dict[str, str | None]
    processors: int
    method: int


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    key: Key
    value: Any


def recall(name: str, method: int, kind: Any) -> Any:
    """Returns what is kept under a name; None if there is nothing that can be used.

    Args:
        name: of what was measured.
        method: of the measurement.
        kind: type of the value, as `msgspec.convert` takes it.
    """
    key = _key(method)
    try:
        kept = msgspec.json.decode(_file(name, key).read_bytes(), type=_Kept)
        value = msgspec.convert(kept.value, type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return value if kept.key == key else None


def keep(name: str, method: int, value: Any) -> None:
    """Keeps a value, whole or not at all; a folder that refuses is left."""
    key = _key(method)
    with contextlib.suppress(OSError):
        file = _file(name, key)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, msgspec.json.encode({"key": asdict(key), "value": value}))


def _key(method: int) -> Key:
    found = gpus()
    processors = len(os.sched_getaffinity(0))
    return Key(identity(found).id, software(found), processors, method)


def _file(name: str, key: Key) -> Path:
    digest = hashlib.sha256(msgspec.json.encode(key, order="sorted")).hexdigest()
    return cache_folder() / f"{name}-{key.machine}-{digest[:8]}.json"
