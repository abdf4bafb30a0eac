"""A declared training over growing numbers of ranks: efficiency, communication, memory."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from hpml_lab.errors import HpmlError, InputError, unknown
from hpml_lab.scaling.launch import ONE_NODE, Nodes, RanksError, run_ranks, threads_of
from hpml_lab.scaling.planned import rank_peak_bytes
from hpml_lab.scaling.result import Case, Scaling
from hpml_lab.stats.intervals import FEWEST_PROCESSES, prediction_interval
from hpml_lab.theory.validation import check_limit_s, check_positive
from hpml_lab.training.workload import Workload, has_setting, setting

STRATEGIES, BACKENDS = ("ddp", "fsdp"), ("gloo", "nccl")
_ROUNDS, _LAUNCHES = 15, 3
_STRAGGLING = 1.05  # of the other ranks' median step
_BATCH = "batch_size"


@dataclass(frozen=True)
class Setup:
    """How ranks share a training.

    Attributes:
        strategy: ``ddp`` or ``fsdp`` (FSDP2, each child of the model a shard).
        backend: ``gloo`` or ``nccl``.
        strong: Whether the ranks share one batch (strong scaling) instead of having one each.
        bucket_mib: MiB of gradients that DDP exchanges at once; None for its own.
        timeout_s: Seconds after which the ranks of a launch are killed.
        nodes: The nodes that share the ranks.

    Raises:
        InputError: for an unknown strategy or backend, or a number that is not above 0.
    """

    strategy: str = "ddp"
    backend: str = "gloo"
    strong: bool = False
    bucket_mib: float | None = None
    timeout_s: float = 300.0
    nodes: Nodes = ONE_NODE

    def __post_init__(self) -> None:
        check_strategy(self.strategy)
        if self.backend not in BACKENDS:
            raise unknown("backend", self.backend, BACKENDS)
        if self.bucket_mib is not None:
            check_positive("bucket_mib", self.bucket_mib)
        check_limit_s("timeout", self.timeout_s)


def check_strategy(strategy: str) -> None:
    """Checks how ranks share the work.

    Raises:
        InputError: for an unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES)


def check_worlds(worlds: Sequence[int]) -> None:
    """Checks numbers of ranks.

    Raises:
        InputError: for none, or one below 1.
    """
    if not worlds or min(worlds) < 1:
        raise InputError(
            f"world {','.join(map(str, worlds))!r} is no number of ranks; give 1 or more"
        )


def scale(
    name: str,
    function: Workload,
    parameters: Mapping[str, Any],
    worlds: Sequence[int],
    setup: Setup | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Scaling:
    """Measures a workload over several numbers of ranks.

    Args:
        name: Name of the workload, which each rank imports.
        function: The workload.
        parameters: Its parameters, in place of their defaults.
        worlds: Numbers of ranks; the first one is what the others are compared with.
        setup: How ranks share it; DDP over gloo on this node unless given.
        say: Called with a line before each launch.

    Raises:
        InputError: for a number of ranks below 1, or one by which a shared batch cannot be divided.
    """
    setup = setup or Setup()
    check_worlds(worlds)
    shared = [_shared(function, parameters, world, setup) for world in worlds]
    # As many for each number of ranks: more ranks are more processors, not fewer threads.
    threads = min(threads_of(setup.nodes.ranks_each(world)) for world in worlds)
    cases: list[Case] = []
    for world, of_rank in zip(worlds, shared, strict=True):
        try:
            launches = []
            for number in range(1, _LAUNCHES + 1):
                say(f"{world} {'rank' if world == 1 else 'ranks'}, launch {number} of {_LAUNCHES}")
                launched = f"hpml-{world}-{number}"
                job = _job(name, of_rank, setup)
                ranks = run_ranks(job, world, setup.timeout_s, setup.nodes, launched, threads)
                launches.append(ranks)
        except RanksError as error:
            cases.append(Case(world, failure=f"{error.kind}: {error}"))
            continue
        first = next((case for case in cases if case.step_s), None)
        planned = _planned(function, of_rank, setup.strategy, world)
        cases.append(_case(world, launches, first, planned, strong=setup.strong))
    return Scaling(name, setup.strategy, setup.backend, setup.strong, threads, cases)


def _shared(
    function: Workload, parameters: Mapping[str, Any], world: int, setup: Setup
) -> dict[str, Any]:
    """Returns the parameters of a rank, with its share of the batch."""
    setup.nodes.ranks_each(world)
    if not setup.strong:
        return dict(parameters)
    if not has_setting(function, _BATCH):
        raise InputError(
            "the workload has no parameter batch_size, so ranks cannot share a batch; give it one, "
            "or leave --strong out"
        )
    batch = setting(function, parameters, _BATCH)
    if batch % world:
        raise InputError(
            f"a batch of {batch} cannot be shared by {world} ranks; give a multiple with --set "
            f"batch_size={world * math.ceil(batch / world)}"
        )
    return {**parameters, _BATCH: batch // world}


def _job(name: str, parameters: Mapping[str, Any], setup: Setup) -> dict[str, Any]:
    return {
        "workload": name, "parameters": dict(parameters), "strategy": setup.strategy,
        "backend": setup.backend, "bucket_mib": setup.bucket_mib, "rounds": _ROUNDS,
        "timeout_s": setup.timeout_s,
    }  # fmt: skip


def _planned(
    function: Workload, parameters: Mapping[str, Any], strategy: str, world: int
) -> int | None:
    """Returns the planned peak of a rank; None for a step that cannot be planned."""
    try:
        return rank_peak_bytes(function, parameters, strategy, world)
    except HpmlError:
        return None


def _case(
    world: int,
    launches: Sequence[Sequence[dict[str, Any]]],
    first: Case | None,
    planned: int | None,
    *,
    strong: bool,
) -> Case:
    steps = [
        median(map(max, zip(*(r["exchanged_s"] for r in ranks), strict=True))) for ranks in launches
    ]
    kept = [median(map(max, zip(*(r["kept_s"] for r in ranks), strict=True))) for ranks in launches]
    step_s = median(steps)
    base_s = first.step_s if first and first.step_s else step_s
    alone_s = first.kept_s if first and first.kept_s else median(kept)
    share = first.world / world if strong and first else 1.0  # of the first ranks' batches
    exchange_s = median(_exchange_s(ranks[0]) for ranks in launches) if world > 1 else 0.0
    return Case(
        world=world,
        step_s=step_s,
        interval=_interval(steps),
        efficiency=share * base_s / step_s,
        exposed_s=median(s - k for s, k in zip(steps, kept, strict=True)),
        exchange_s=median(ranks[0]["exchange_s"] for ranks in launches),
        predicted_step_s=share * alone_s + exchange_s,
        kept_s=median(kept),
        peak_bytes=tuple(max(ranks[i]["peak_bytes"] for ranks in launches) for i in range(world)),
        predicted_peak_bytes=planned,
        straggler=_straggler(launches[-1]),
        gradient_error=launches[-1][0]["gradient_error"],
        latency_s=median(_latency_s(ranks[0], world) for ranks in launches) if world > 1 else None,
        bytes_per_s=median(_link(ranks[0], world) for ranks in launches) if world > 1 else None,
    )


def _exchange_s(rank: dict[str, Any]) -> float:
    """Returns the seconds of exchanging all gradients, by this world's latency and bandwidth."""
    return float(rank["latency_s"] + rank["gradient_bytes"] / rank["bytes_per_s"])


def _latency_s(rank: dict[str, Any], world: int) -> float:
    """Returns the seconds of a message: an all-reduce of one number is a tree of them."""
    return float(rank["latency_s"]) / (2 * math.ceil(math.log2(world)))


def _link(rank: dict[str, Any], world: int) -> float:
    """Returns the bandwidth of a link: a large all-reduce is a ring over them."""
    return float(rank["bytes_per_s"]) * 2 * (world - 1) / world


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
