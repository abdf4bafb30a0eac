"""Checks of the printed losses and accuracies against each other."""

import math
from decimal import Decimal
from fractions import Fraction
from functools import partial
from statistics import stdev

from hpml_lab.claims import published
from hpml_lab.claims.checking import Finding, averages, decides, mean

_OPTIMIZERS = ("adadelta", "sgd", "nesterov", "adagrad", "adam")
_ADAPTIVE = ("adagrad", "adadelta", "adam")
_BATCHES = math.ceil(50_000 / 128)
_FINEST_LOSS = Fraction(1, 2**27)  # a float32 of 1/8 or more is a multiple of it


@decides("002-loss-div")
def mean_over_the_batches() -> Finding:
    """Finds the divisor of the printed means: only the right one gives possible sums.

    The loss of a batch is a float32, so the sum over five epochs is a multiple of `_FINEST_LOSS`.
    """
    divisors = {
        divisor
        for divisor in range(_BATCHES - 2, _BATCHES + 3)
        if all(_is_sum_of_losses(text, 5 * divisor) for text in _printed_means())
    }
    return Finding(
        divisors == {_BATCHES}, f"the means are sums over {divisors}, batches {_BATCHES}"
    )


def _printed_means() -> list[Decimal]:
    names = ("C6-sgd", "C6-nesterov", "C6-adagrad", "C6-adam", "C7")
    return [published.value(f"002-{name}", "train_loss_mean") for name in names]


def _is_sum_of_losses(average: Decimal, count: int) -> bool:
    steps = Fraction(float(average)) * count / _FINEST_LOSS
    return abs(steps - round(steps)) < Fraction(1, 1000)


@decides("002-C6-adadelta")
def average_loss_of_adadelta() -> Finding:
    """Averages the losses, and the accuracies, whose mean was printed."""
    stated = published.value("002-C6-adadelta", "train_loss_mean")
    losses, accuracies = (
        published.values("002-C6-adadelta", name) for name in ("train_loss", "train_accuracy_top1")
    )
    loss = averages("mean loss", stated, losses)
    return Finding(loss.holds, f"{loss.evidence}; mean accuracy {mean(accuracies):.4f}")


@decides("003-C6-best-def")
def best_is_an_epochs_accuracy() -> Finding:
    """Compares every "best accuracy" with the accuracies of the epochs."""
    runs = [*(f"003-C6-{name}" for name in _OPTIMIZERS), "003-C7"]
    best = {run: published.value(run, "best_train_accuracy") for run in runs}
    epoch = {run: max(published.values(run, "train_accuracy_top1")) / 100 for run in runs}
    other = [f"{run} {best[run]:.5f}, not {epoch[run]}" for run in runs if best[run] != epoch[run]]
    return Finding(not other, "; ".join(other))


def _ranking(metric: str, highest_first: bool, stated: tuple[str, ...]) -> Finding:
    means = {name: mean(published.values(f"004-C6-{name}", metric)) for name in _OPTIMIZERS}
    ranking = tuple(sorted(means, key=means.__getitem__, reverse=highest_first))
    return Finding(ranking == stated, ", ".join(f"{name} {means[name]:.3f}" for name in ranking))


decides("004-C6-rank-loss")(
    partial(_ranking, "train_loss", False, ("adadelta", "sgd", "nesterov", "adagrad", "adam"))
)
decides("004-C6-rank-acc")(
    partial(
        _ranking, "train_accuracy_top1", True, ("adadelta", "sgd", "nesterov", "adagrad", "adam")
    )
)


@decides("004-C6-adam-why")
def adaptive_ones_fail() -> Finding:
    """Compares the adaptive optimizers with plain SGD, which is not adaptive."""
    last = {
        name: published.values(f"004-C6-{name}", "train_accuracy_top1")[-1] for name in _OPTIMIZERS
    }
    evidence = "epoch 5: " + ", ".join(f"{name} {last[name]} %" for name in (*_ADAPTIVE, "sgd"))
    return Finding(all(last[name] < last["sgd"] for name in _ADAPTIVE), evidence)


@decides("004-C6-sgd-nest")
def within_the_noise() -> Finding:
    """Compares the difference of SGD and Nesterov with the standard deviation of equal SGD runs."""
    runs = published.runs("004", optimizer="sgd", batch_norm="true")
    deviation = stdev(mean(published.values(run.id, "train_accuracy_top1")[:5]) for run in runs)
    sgd, nesterov = (
        mean(published.values(f"004-C6-{name}", "train_accuracy_top1"))
        for name in ("sgd", "nesterov")
    )
    evidence = (
        f"{sgd:.2f} and {nesterov:.2f} %; standard deviation of {len(runs)} runs {deviation:.2f}"
    )
    return Finding(abs(sgd - nesterov) < deviation, evidence)


@decides("004-C7-conv")
def about_63_and_59() -> Finding:
    """Rounds the accuracies of the last epoch."""
    last = [published.values(f"004-C7-{run}", "train_accuracy_top1")[-1] for run in ("bn", "nobn")]
    evidence = f"with batch norm {last[0]} %, without {last[1]} %"
    return Finding([round(accuracy) for accuracy in last] == [63, 59], evidence)


@decides("004-C8-eager-loss")
def loss_of_a_first_epoch() -> Finding:
    """Compares the first epoch with the second, and with the first epochs of equal runs."""
    losses = published.values("004-C8-eager", "train_loss")
    others = [
        published.values(run.id, "train_loss")[0]
        for run in published.runs("004", optimizer="sgd", batch_norm="true")
        if run.id != "004-C8-eager"
    ]
    evidence = (
        f"{losses[0]}, then {losses[1]}; first epochs of others {min(others)} to {max(others)}"
    )
    return Finding(losses[0] > losses[1] and losses[0] >= min(others), evidence)
