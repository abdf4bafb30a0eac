"""What must be equal for seconds, and for counters, to be compared."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hpml_lab.history.defaults import CASE_DEFAULTS, NOT_ALWAYS_TOLD
from hpml_lab.history.run import MachineInfo, Run
from hpml_lab.measure.record import Value
from hpml_lab.verdict.sides import Case

_SHOWN = 3
# What belongs to a machine, and what the pixels are: they say nothing of time or memory.
_MAY_DIFFER = (
    "affinity", "device", "interop_threads", "intraop_threads", "pin_memory", "source",
    "wait_policy",
)  # fmt: skip


def machine_difference(base: Sequence[Run], new: Sequence[Run]) -> str | None:
    """Returns how the machines of two sides differ; None if all are alike.

    A stock file names its machine by system, architecture and processor; the host's name does not
    count, nor does what a file leaves out. Another interpreter is another machine.
    """
    ours = {run.machine_info.hpml.id for run in (*base, *new) if run.machine_info.hpml}
    if len(ours) > 1:
        return f"other machines: {', '.join(sorted(ours))}"
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
    """Returns what software differs between the runs of two sides, as ``torch 2.11 -> 2.12``."""
    versions = [_software(run.machine_info) for run in (*base, *new)]
    names = sorted(set().union(*versions))
    return [
        f"{name} {' -> '.join(found)}"
        for name in names
        if len(found := list(dict.fromkeys(str(each.get(name, "none")) for each in versions))) > 1
    ]


def _software(info: MachineInfo) -> Mapping[str, object]:
    return info.hpml.software if info.hpml else {"python": info.python_version}


def settings_difference(base: Case, new: Case) -> str | None:
    """Returns how the settings of one case differ between the sides; None if they are alike.

    A field of a training that an older file lacks had its default then; what files have not always
    told, such as threads and shapes, is not held against one that does not.
    """
    if base.measurement is None or new.measurement is None:
        return None
    sides = [
        CASE_DEFAULTS | side.settings if _is_training(side) else side.settings
        for side in (base, new)
    ]
    told = [name for name in NOT_ALWAYS_TOLD if not all(name in side for side in sides)]
    records = [{n: v for n, v in side.items() if n not in told} for side in sides]
    return _first_difference("other settings", records, absent=True)


def _is_training(side: Case) -> bool:
    return "optimizer_settings" in side.settings


def differing(one: Mapping[str, Value], other: Mapping[str, Value]) -> list[str]:
    """Returns the settings that differ between machines' cases, of those known of both.

    Those that say nothing of time or memory are left out.
    """
    return [
        name
        for name, value in one.items()
        if name in other and name not in _MAY_DIFFER and other[name] != value
    ]


def _first_difference(
    what: str, records: Sequence[Mapping[str, object]], *, absent: bool = False
) -> str | None:
    found = list(_differences(records, absent=absent))
    if not found:
        return None
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{what}: {', '.join(found[:_SHOWN])}{more}"


def _differences(records: Sequence[Mapping[str, object]], *, absent: bool) -> Iterator[str]:
    for name in sorted(set().union(*records)):
        values = (record.get(name) for record in records if absent or name in record)
        if len(found := _distinct(values)) > 1:
            yield f"{name} {' -> '.join(found)}"


def _distinct(values: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(map(repr, values)))
