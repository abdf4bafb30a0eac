"""Checks of torch.compile: its effect on the printed times, and when it compiles."""

from collections.abc import Callable
from typing import Any

import torch

from hpml_lab.claims import published
from hpml_lab.claims.checking import Finding, decides, mean

_COMPILED = ("default", "reduce-overhead", "max-autotune")
_GRAPHS = ("reduce-overhead", "max-autotune")


def _first(mode: str, metric: str = "train_time") -> float:
    return float(published.values(f"004-C8-{mode}", metric)[0])


def _later(mode: str, metric: str = "train_time") -> float:
    return float(mean(published.values(f"004-C8-{mode}", metric)[5:]))


@decides("004-C8-perbatch")
def seconds_of_a_batch() -> Finding:
    """Divides the training time of an epoch by its 391 batches."""
    run = "004-C8-max-autotune"
    stated = published.values(run, "train_time_per_batch")[1]
    computed = published.values(run, "train_time")[1] / 391
    return Finding(
        round(computed, 4) == stated, f"{computed:.4f} s from the epoch, {stated} stated"
    )


@decides("004-C8-ro-effective")
def seconds_saved() -> Finding:
    """Compares the time saved in the epoch with that saved by the training timer."""
    timer = _later("eager") - _later("reduce-overhead")
    epoch = _later("eager", "epoch_time") - _later("reduce-overhead", "epoch_time")
    return Finding(epoch > timer / 2, f"timer {timer:.2f} s less, epoch {epoch:.2f} s less")


@decides("004-C8-eager-flat")
def eager_stays_alike() -> Finding:
    """Compares the first epoch with the later ones."""
    first, later = _first("eager"), _later("eager")
    return Finding(abs(first / later - 1) < 0.05, f"first {first:.2f} s, later {later:.2f} s")


@decides("004-C8-default-first")
def default_starts_slowly() -> Finding:
    """Compares default's first epoch with eager's first and with its own later ones."""
    first, later, eager = _first("default"), _later("default"), _first("eager")
    evidence = f"first {first:.2f} s, later {later:.2f} s; first eager epoch {eager:.2f} s"
    return Finding(first > 2 * later and first > 2 * eager, evidence)


@decides("004-C8-net")
def compiling_pays_off() -> Finding:
    """Adds up all ten epochs of every mode."""
    totals = {
        mode: sum(published.values(f"004-C8-{mode}", "epoch_time"))
        for mode in ("eager", *_COMPILED)
    }
    listed = ", ".join(f"{mode} {total:.1f} s" for mode, total in totals.items())
    return Finding(min(totals[mode] for mode in _COMPILED) < totals["eager"], listed)


@decides("004-C8-firstonly")
def second_epoch_is_steady() -> Finding:
    """Compares the second epoch with the later ones."""
    pairs = [(float(published.values(f"004-C8-{m}", "train_time")[1]), _later(m)) for m in _GRAPHS]
    evidence = "; ".join(f"second {second:.2f} s, later {later:.2f} s" for second, later in pairs)
    return Finding(all(second < 1.1 * later for second, later in pairs), evidence)


@decides("004-Q5-3")
def compiled_at_the_first_call() -> Finding:
    """Counts the graphs handed to a compiler in each of three calls."""
    graphs: list[int] = []

    def compiler(module: torch.fx.GraphModule, _inputs: Any) -> Callable[..., Any]:
        graphs.append(len(module.graph.nodes))
        return module.forward

    compiled = torch.compile(lambda x: (2 * x + 1).relu().sum(), backend=compiler)
    after = []
    for _ in range(3):
        compiled(torch.ones(4))
        after.append(len(graphs))
    return Finding(after == [1, 1, 1], f"graphs compiled after each call: {after}")
