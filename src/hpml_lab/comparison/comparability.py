"""Comparability of two sides: equal machines, equal settings, equal software.

A field that was added to `training.training.Training` later had its default value before. So a new
field does not make every old baseline another case. A test checks that the defaults are equal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hpml_lab.comparison.sides import Case
from hpml_lab.runs.machine import MachineInfo
from hpml_lab.runs.schema import Run, Value

CASE_DEFAULTS: dict[str, Value] = {
    "network": "resnet18-cifar",
    "width": 64,
    "batch_norm": True,
    "images": 0,
    "image": 32,
    "pipeline": "lab",
    "transforms": "lab",
    "batch_size": 128,
    "drop_last": False,
    "workers": 2,
    "persistent_workers": False,
    "pin_memory": False,
    "optimizer": "sgd-momentum",
    "optimizer_settings": "lab",
    "optimizer_implementation": "default",
    "learning_rate": 0.0,
    "precision": "float32",
    "memory_format": "contiguous",
    "compile_mode": "eager",
    "device": "cpu",
    "seed": 0,
    "threads": 0,
    "float32_matmul_precision": "highest",
    "cudnn_benchmark": False,
}
# Recorded since 2026-11; an older file may have been made with any value of them.
NOT_ALWAYS_TOLD = frozenset(
    {
        "affinity",
        "batch",
        "device",
        "dtype",
        "interop_threads",
        "intraop_threads",
        "precision",
        "ranks",
        "samples",
        "wait_policy",
    }
)


_SHOWN = 3
# Settings of the machine, and the source of the pixels: they do not affect time or memory.
_MAY_DIFFER = (
    "affinity", "device", "interop_threads", "intraop_threads", "pin_memory", "source",
    "wait_policy",
)  # fmt: skip


def machine_difference(base: Sequence[Run], new: Sequence[Run]) -> str | None:
    """Difference between the machines of two sides in words; None if all are equal.

    A stock file names its machine by system, architecture and processor; the host's name does not
    count, and neither do fields that a file lacks. Another interpreter is another machine.
    """
    ids = {run.machine_info.hpml.id for run in (*base, *new) if run.machine_info.hpml}
    if len(ids) > 1:
        return f"other machines: {', '.join(sorted(ids))}"
    hardware = [_hardware(run.machine_info) for run in (*base, *new)]
    return _first_difference("other machines", hardware)


def _hardware(info: MachineInfo) -> dict[str, object]:
    named = {
        "system": info.system,
        "machine": info.machine,
        "processor": info.processor,
        "cpu": info.cpu.name,
        "cpu count": info.cpu.count,
        "interpreter": info.python_implementation,
    }
    return {name: value for name, value in named.items() if value}


def software_differences(base: Sequence[Run], new: Sequence[Run]) -> list[str]:
    """Differences in software between the runs of two sides, as ``torch 2.11 -> 2.12``."""
    versions = [_software(run.machine_info) for run in (*base, *new)]
    names = sorted(set().union(*versions))
    values = {
        name: list(dict.fromkeys(str(record.get(name, "none")) for record in versions))
        for name in names
    }
    return [
        f"{name} {' -> '.join(distinct)}" for name, distinct in values.items() if len(distinct) > 1
    ]


def _software(info: MachineInfo) -> Mapping[str, object]:
    return info.hpml.software if info.hpml else {"python": info.python_version}


def settings_difference(base: Case, new: Case) -> str | None:
    """Difference in the settings of one case between the sides in words; None if they are equal.

    A field of a training that an older file lacks had its default then. Settings that files have
    not always recorded, such as threads and shapes, count only if both sides have them.
    """
    if base.measurement is None or new.measurement is None:
        return None
    sides = [
        CASE_DEFAULTS | side.settings if _is_training(side) else side.settings
        for side in (base, new)
    ]
    ignored = [name for name in NOT_ALWAYS_TOLD if not all(name in side for side in sides)]
    records = [{n: v for n, v in side.items() if n not in ignored} for side in sides]
    return _first_difference("other settings", records, absent=True)


def _is_training(side: Case) -> bool:
    return "optimizer_settings" in side.settings


def differing(baseline: Mapping[str, Value], contender: Mapping[str, Value]) -> list[str]:
    """Names of the settings that differ between the cases of two machines.

    Only settings that both record count, without those that do not affect time or memory.
    """
    return [
        name
        for name, value in baseline.items()
        if name in contender and name not in _MAY_DIFFER and contender[name] != value
    ]


def _first_difference(
    what: str, records: Sequence[Mapping[str, object]], *, absent: bool = False
) -> str | None:
    differences = list(_differences(records, absent=absent))
    if not differences:
        return None
    more = f", and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    return f"{what}: {', '.join(differences[:_SHOWN])}{more}"


def _differences(records: Sequence[Mapping[str, object]], *, absent: bool) -> Iterator[str]:
    for name in sorted(set().union(*records)):
        values = (record.get(name) for record in records if absent or name in record)
        if len(distinct := _distinct(values)) > 1:
            yield f"{name} {' -> '.join(distinct)}"


def _distinct(values: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(map(repr, values)))
