"""Seconds of a training step whose ranks exchange gradients (DDP) or parameters too (FSDP).

The ranks are equal and share nothing but the network. The step of one rank is work in a row; what
it takes is told by its share of the step. Exchanges run one after the other on the network, beside
the work unless `overlapped` is false.

DDP exchanges gradients in buckets, each as soon as its last gradient is there (S. Li et al.:
PyTorch Distributed. VLDB 13, 2020). FSDP gathers the parameters of a unit before its forward and
backward pass, the next unit's while one computes, and scatters its gradients behind (Y. Zhao et
al.: PyTorch FSDP. VLDB 16, 2023).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from hpml_lab.theory.collectives import overlapped_end_s

_FIRST_BUCKET_BYTES, _BUCKET_BYTES = 2**20, 25 * 2**20  # DDP's own sizes


class Gradient(NamedTuple):
    """A gradient, or a bucket of some.

    Attributes:
        size_bytes: Its bytes.
        ready: Share of the step's work that is done when it is there, from 0 to 1.
    """

    size_bytes: int
    ready: float


class Unit(NamedTuple):
    """A part of a model whose parameters are gathered together.

    Attributes:
        size_bytes: Bytes of its parameters.
        forward: Share of its forward pass in the step's work.
        backward: Share of its backward pass.
    """

    size_bytes: int
    forward: float
    backward: float


def buckets(gradients: Iterable[Gradient], bucket_bytes: int = _BUCKET_BYTES) -> Iterator[Gradient]:
    """Yields DDP's buckets: a bucket is full with the gradient that reaches its size.

    Args:
        gradients: In the order in which they are ready.
        bucket_bytes: Size of a bucket; the first one is at most 1 MiB, so that exchanging begins
            early.
    """
    limit, size, ready = min(_FIRST_BUCKET_BYTES, bucket_bytes), 0, 0.0
    for gradient in gradients:
        size, ready = size + gradient.size_bytes, gradient.ready
        if size >= limit:
            yield Gradient(size, ready)
            limit, size = bucket_bytes, 0
    if size:
        yield Gradient(size, ready)


def ddp_step_s(
    step_s: float,
    gradients: Iterable[Gradient],
    exchange_s: Callable[[float], float],
    *,
    overlapped: bool = True,
) -> float:
    """Returns the seconds of a step under DDP.

    Args:
        step_s: Seconds of the step of one rank alone.
        gradients: In the order in which they are ready.
        exchange_s: Seconds of an all-reduce of so many bytes.
        overlapped: Whether exchanges run beside the backward pass.
    """
    made = list(buckets(gradients))
    costs_s = [exchange_s(bucket.size_bytes) for bucket in made]
    if not overlapped:
        return step_s + sum(costs_s)
    ready_s = [step_s * bucket.ready for bucket in made]
    return max(step_s, overlapped_end_s(ready_s, costs_s))


def fsdp_step_s(
    step_s: float,
    units: Sequence[Unit],
    gather_s: Callable[[float], float],
    *,
    overlapped: bool = True,
) -> float:
    """Returns the seconds of a step under FSDP.

    Args:
        step_s: Seconds of the step of one rank alone.
        units: In the order of the forward pass.
        gather_s: Seconds of an all-gather, or of a reduce-scatter, of so many bytes.
        overlapped: Whether exchanges run beside the work.
    """
    costs_s = [gather_s(unit.size_bytes) for unit in units]
    if not overlapped:
        return step_s + 3 * sum(costs_s)
    work_s = network_s = began_s = 0.0
    for unit, cost_s in zip(units, costs_s, strict=True):
        network_s = max(network_s, began_s) + cost_s  # asked for when the unit before began
        began_s = max(work_s, network_s)
        work_s = began_s + step_s * unit.forward
    began_s = work_s
    gathered_s = network_s = max(network_s, began_s) + (costs_s[-1] if costs_s else 0.0)
    for place in reversed(range(len(units))):
        began_s = max(work_s, gathered_s)
        work_s = began_s + step_s * units[place].backward
        if place:
            gathered_s = network_s = max(network_s, began_s) + costs_s[place - 1]
        network_s = max(network_s, work_s) + costs_s[place]
    return max(work_s, network_s)
