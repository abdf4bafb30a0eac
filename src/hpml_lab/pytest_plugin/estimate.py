"""Estimated duration of the selected gpu cases, printed by ``--collect-only``."""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hpml_lab.errors import InputError
from hpml_lab.pytest_plugin import schedule
from hpml_lab.pytest_plugin.axes import profile_of
from hpml_lab.pytest_plugin.settings import Settings

_NO_GROUP = "other"


@dataclass(frozen=True)
class Estimate:
    """Estimated duration of the cases of one group.

    Attributes:
        cases: number of cases.
        seconds: sum over all cases and processes.
    """

    cases: int
    seconds: float


def case_s(item: pytest.Item, settings: Settings, peak_flops_per_s: float) -> float:
    """Returns the estimated seconds of a case in a process that has started.

    Args:
        item: its marker ``hpml_work(by=...)`` names a function that returns a
            `theory.duration.Work`, and asks for any of ``training``, ``profile`` and the test's
            parameters by their names.
        settings: the settings of the run.
        peak_flops_per_s: peak rate of the device, as `peak_flops_per_s`.

    Raises:
        InputError: if the marker names no such function.
    """
    from hpml_lab.theory.duration import Work, duration_s

    marker = item.get_closest_marker("hpml_work")
    if marker is None:
        return duration_s(Work())
    known = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    device = known["training"].device if "training" in known else "cuda"
    known["profile"] = profile_of(item, settings, device)
    function: Any = marker.kwargs.get("by")
    asked = list(inspect.signature(function).parameters) if callable(function) else [""]
    if not set(asked) <= known.keys():
        raise InputError(
            f"{item.nodeid}: its marker is not hpml_work(by=FUNCTION) with a function whose "
            f"parameters are any of: {', '.join(known)}"
        )
    return duration_s(function(**{name: known[name] for name in asked}), peak_flops_per_s)


def estimates(items: Iterable[pytest.Item], settings: Settings) -> dict[str, Estimate]:
    """Returns the estimate of each group, and of ``starting`` the processes.

    Args:
        items: the selected gpu cases.
        settings: the settings of the run.
    """
    from hpml_lab.theory.duration import INTERPRETER_S

    processes = settings.processes or 1
    by_group: defaultdict[str, list[float]] = defaultdict(list)
    starts, peak = processes, peak_flops_per_s()
    for item in items:
        test = schedule.selected(item)
        times = processes if test.repeated else 1
        by_group[_group(item)].append(times * case_s(item, settings, peak))
        starts += times if test.alone else 0
    groups = {name: Estimate(len(times), sum(times)) for name, times in sorted(by_group.items())}
    return groups | {"starting": Estimate(starts, starts * INTERPRETER_S)}


def lines(items: list[pytest.Item], settings: Settings) -> Iterator[str]:
    """Yields the estimate as a table; nothing without gpu cases."""
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not on_gpu:
        return
    groups = estimates(on_gpu, settings)
    machine = "this GPU" if _known_peak() else "an H200"
    yield f"gpu cases, estimated for {machine}, {settings.processes or 1} process(es):"
    yield f"{'group':<16}{'cases':>7}{'minutes':>9}"
    for name, group in groups.items():
        yield f"{name:<16}{group.cases:>7}{group.seconds / 60:>9.1f}"
    seconds = sum(group.seconds for group in groups.values())
    yield f"{'together':<16}{len(on_gpu):>7}{seconds / 60:>9.1f}"


def _group(item: pytest.Item) -> str:
    marker = item.get_closest_marker("benchmark")
    return str(marker.kwargs.get("group", _NO_GROUP)) if marker else _NO_GROUP


def _known_peak() -> float | None:
    from hpml_lab.measure.ceilings import recall

    return (recall() or {}).get("cuda_matmul_tf32_flops_per_s")


def peak_flops_per_s() -> float:
    """Returns the peak FLOP/s of this GPU, or of an H200 where it is not known."""
    from hpml_lab.theory.duration import H200_FLOPS_PER_S

    return _known_peak() or H200_FLOPS_PER_S
