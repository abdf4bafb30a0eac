"""A declared training over growing numbers of ranks: efficiency, communication, memory."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from hpml_lab.errors import HpmlError, InputError, unknown
from hpml_lab.memory.workload_plan import plan_changed
from hpml_lab.scaling.launch import RanksError, run_ranks
from hpml_lab.scaling.result import Case, Scaling
from hpml_lab.stats.intervals import FEWEST_PROCESSES, prediction_interval
from hpml_lab.theory.validation import check_limit_s
from hpml_lab.training.workload import Workload

STRATEGIES, BACKENDS = ("ddp", "fsdp"), ("gloo", "nccl")
_ROUNDS, _LAUNCHES = 15, 3
_STRAGGLING = 1.05  # of the other ranks' median step


def scale(
    name: str,
    function: Workload,
    parameters: Mapping[str, Any],
    worlds: Sequence[int],
    *,
    strategy: str = "ddp",
    backend: str = "gloo",
    timeout_s: float = 300.0,
    say: Callable[[str], None] = lambda _line: None,
) -> Scaling:
    """Measures a workload over several numbers of ranks.

    Args:
        name: Name of the workload, which each rank imports.
        function: The workload.
        parameters: Its parameters, in place of their defaults.
        worlds: Numbers of ranks; the first one is what the others are compared with.
        strategy: ``ddp`` or ``fsdp`` (FSDP2, each child of the model a shard).
        backend: ``gloo`` or ``nccl``.
        timeout_s: Seconds after which the ranks of a launch are killed.
        say: Called with a line before each launch.

    Raises:
        InputError: for a number of ranks below 1, or an unknown strategy or backend.
    """
    for what, value, known in (
        ("strategy", strategy, STRATEGIES), ("backend", backend, BACKENDS),
    ):  # fmt: skip
        if value not in known:
            raise unknown(what, value, known)
    if not worlds or min(worlds) < 1:
        raise InputError(
            f"world {','.join(map(str, worlds))!r} is no number of ranks; give 1 or more"
        )
    check_limit_s("timeout", timeout_s)
    job = {
        "workload": name, "parameters": dict(parameters), "strategy": strategy,
        "backend": backend, "rounds": _ROUNDS, "timeout_s": timeout_s,
    }  # fmt: skip
    planned = _planned(function, parameters) if strategy == "ddp" else None
    cases: list[Case] = []
    for world in worlds:
        try:
            launches = []
            for number in range(1, _LAUNCHES + 1):
                say(f"{world} {'rank' if world == 1 else 'ranks'}, launch {number} of {_LAUNCHES}")
                launches.append(run_ranks(job, world, timeout_s))
        except RanksError as error:
            cases.append(Case(world, failure=f"{error.kind}: {error}"))
            continue
        first = next((case for case in cases if case.step_s), None)
        cases.append(_case(world, launches, first, planned))
    return Scaling(name, strategy, backend, cases)


def _planned(function: Workload, parameters: Mapping[str, Any]) -> int | None:
    """Returns the plan's peak with DDP's buckets, which hold a copy of all gradients."""
    try:
        plan = plan_changed(function, parameters)
    except HpmlError:
        return None
    return plan.peak_bytes + plan.gradients_bytes


def _case(
    world: int,
    launches: Sequence[Sequence[dict[str, Any]]],
    first: Case | None,
    planned: int | None,
) -> Case:
    steps = [
        median(map(max, zip(*(r["exchanged_s"] for r in ranks), strict=True))) for ranks in launches
    ]
    kept = [median(map(max, zip(*(r["kept_s"] for r in ranks), strict=True))) for ranks in launches]
    step_s = median(steps)
    base_s = first.step_s if first and first.step_s else step_s
    alone_s = first.kept_s if first and first.kept_s else median(kept)
    exchange_s = median(_exchange_s(ranks[0]) for ranks in launches) if world > 1 else 0.0
    return Case(
        world=world,
        step_s=step_s,
        interval=_interval(steps),
        efficiency=base_s / step_s,
        exposed_s=median(s - k for s, k in zip(steps, kept, strict=True)),
        predicted_step_s=alone_s + exchange_s,
        kept_s=median(kept),
        peak_bytes=tuple(max(ranks[i]["peak_bytes"] for ranks in launches) for i in range(world)),
        predicted_peak_bytes=planned,
        straggler=_straggler(launches[-1]),
        gradient_error=launches[-1][0]["gradient_error"],
    )


def _exchange_s(rank: dict[str, Any]) -> float:
    """Returns the seconds of exchanging all gradients, by this world's latency and bandwidth."""
    return float(rank["latency_s"] + rank["gradient_bytes"] / rank["bytes_per_s"])


def _interval(steps: Sequence[float]) -> tuple[float, float] | None:
    if len(steps) < FEWEST_PROCESSES:
        return None
    low, high = prediction_interval([math.log(step_s) for step_s in steps])
    return math.exp(low), math.exp(high)


def _straggler(ranks: Sequence[dict[str, Any]]) -> int | None:
    times = [median(rank["kept_s"]) for rank in ranks]
    if len(times) < 2:
        return None
    slowest = max(range(len(times)), key=times.__getitem__)
    others = [time_s for rank, time_s in enumerate(times) if rank != slowest]
    return slowest if times[slowest] > _STRAGGLING * median(others) else None
