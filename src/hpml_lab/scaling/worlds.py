"""A training over more ranks than there are here: what a step takes and what a rank holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hpml_lab.errors import InputError
from hpml_lab.memory.plan import Plan
from hpml_lab.memory.workload_plan import plan_changed
from hpml_lab.scaling.planned import replicated_peak_bytes, sharded_plan
from hpml_lab.scaling.result import World, Worlds
from hpml_lab.scaling.scale import check_strategy, check_worlds
from hpml_lab.theory.collectives import all_gather_s, all_reduce_s
from hpml_lab.theory.data_parallel import Unit, ddp_step_s, fsdp_step_s
from hpml_lab.theory.validation import check_not_negative, check_positive
from hpml_lab.training.workload import Workload

_FORWARD = 1 / 3  # share of the forward pass: one product, where the backward pass has two
_EQUAL = "All ranks are equal, each with a whole batch; every link has this latency and bandwidth."
_WORK = (
    "The step is its FLOP: a gradient is ready when those before it are done, and the update takes "
    "no time."
)
_DDP = "DDP: buckets of 25 MiB, each exchanged over a ring or a tree, whichever is faster."
_FSDP = (
    "FSDP: each child of the model is gathered over a ring for its forward and for its backward "
    "pass, the next one meanwhile, and its gradients are scattered."
)
_BESIDE = "Exchanges run beside the work and slow nothing down."
_AFTER = "Nothing runs beside an exchange."


@dataclass(frozen=True)
class Links:
    """What one rank measured or knows.

    Attributes:
        step_s: Seconds of a step of one rank alone.
        latency_s: Seconds of a message without bytes, from rank to rank.
        bytes_per_s: Bandwidth of the link between two ranks.
        overlapped: Whether exchanges run beside the work, as on a GPU.

    Raises:
        InputError: for a time below 0, or a step or a bandwidth that is not above 0.
    """

    step_s: float
    latency_s: float
    bytes_per_s: float
    overlapped: bool = True

    def __post_init__(self) -> None:
        check_positive("step_s", self.step_s)
        check_not_negative("latency_s", self.latency_s)
        check_positive("bytes_per_s", self.bytes_per_s)


def predict_worlds(
    function: Workload,
    settings: Mapping[str, Any],
    worlds: Sequence[int],
    strategy: str,
    links: Links | None = None,
) -> Worlds:
    """Predicts a workload over numbers of ranks.

    Args:
        function: The workload.
        settings: Its parameters, in place of their defaults.
        worlds: Numbers of ranks.
        strategy: ``ddp`` or ``fsdp``.
        links: None to predict the memory alone.

    Raises:
        InputError: for a step that cannot be planned, a number of ranks below 1, or an unknown
            strategy.
    """
    check_strategy(strategy)
    check_worlds(worlds)
    plan = plan_changed(function, settings)
    if not plan.gradients:
        raise InputError("the step has no gradients, so its ranks exchange none; train a parameter")
    cases = []
    for world in worlds:
        peak = (
            replicated_peak_bytes(plan)
            if strategy == "ddp"
            else sharded_plan(function, settings, world).peak_bytes
        )
        times = {} if links is None else _times(plan, world, strategy, links)
        cases.append(World(world, peak, **times))
    return Worlds(strategy, cases, _assumptions(strategy, links))


def _times(plan: Plan, world: int, strategy: str, links: Links) -> dict[str, float]:
    collective = all_reduce_s if strategy == "ddp" else all_gather_s
    exchange = partial(
        collective, ranks=world, latency_s=links.latency_s, bytes_per_s=links.bytes_per_s
    )
    if strategy == "ddp":
        predict = partial(ddp_step_s, links.step_s, list(plan.gradients.values()), exchange)
    else:
        predict = partial(fsdp_step_s, links.step_s, units(plan), exchange)
    one, alone = (predict(overlapped=beside) for beside in (links.overlapped, False))
    return {
        "step_s": one,
        "exchange_s": alone - links.step_s,
        "exposed_s": one - links.step_s,
        "efficiency": links.step_s / one,
    }


def units(plan: Plan) -> list[Unit]:
    """Returns the children of a model in the order of the forward pass, as FSDP gathers them."""
    sizes: dict[str, int] = {}
    ready: dict[str, float] = {}
    for name, gradient in plan.gradients.items():
        child = name.rpartition(".")[0].partition(".")[0]
        sizes[child] = sizes.get(child, 0) + gradient.size_bytes
        ready[child] = max(ready.get(child, _FORWARD), gradient.ready)
    done, found = _FORWARD, []
    for child in sizes:
        backward = max(0.0, ready[child] - done)
        done += backward
        found.append(Unit(sizes[child], backward / 2, backward))
    return found[::-1]


def _assumptions(strategy: str, links: Links | None) -> list[str]:
    if links is None:
        return []
    beside = _BESIDE if links.overlapped else _AFTER
    return [_EQUAL, _WORK, _DDP if strategy == "ddp" else _FSDP, beside]
