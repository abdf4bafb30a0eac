"""The dropout lab's training runs, replayed: what gradient descent and Adam do on (10, 1) -> 11.

A batch repeats the row, so how often each of the four masks occurs in it is all that matters: a
step costs the same for 1 row and for 1024.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt
from torch import nn

from hpml_lab.claims.checks.comparing import rounds, together
from hpml_lab.claims.checks.dropout import ROW, TARGET, least_squares, masked_rows, minimum_norm
from hpml_lab.claims.checks.formulas import floats, show
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.claims.published import values

Floats = npt.NDArray[np.float64]
Rule = Callable[[Floats], Floats]

_LR = 1e-3
_SEED = 0
# Adam's last steps wander by ten times the learning rate; unlike solutions are 0.1 and more apart.
_SETTLED = 0.05


@dataclass(frozen=True)
class Run:
    """A training run: the loss before each step, and the weights after the last."""

    losses: Floats
    weights: Floats


class Descent:
    """Plain gradient descent: the change that a gradient makes."""

    def __call__(self, gradient: Floats) -> Floats:
        """Returns what is added to the weights."""
        return -_LR * gradient


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) with its usual settings."""

    def __init__(self) -> None:
        self.step, self.first, self.second = 0, np.zeros(2), np.zeros(2)

    def __call__(self, gradient: Floats) -> Floats:
        """Returns what is added to the weights."""
        self.step += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        scale = np.sqrt(self.second / (1 - 0.999**self.step)) + 1e-8
        return -_LR * self.first / (1 - 0.9**self.step) / scale


@cache
def run(drop: Fraction, batch: int, steps: int, rule: type[Descent] | type[Adam]) -> Run:
    """Trains from zero on batches of dropped rows; the masks come from one fixed seed."""
    shares, rows = map(floats, zip(*masked_rows(drop), strict=True))
    counts = np.random.default_rng(_SEED).multinomial(batch, shares, size=steps) / batch
    weights, losses, change = np.zeros(2), np.empty(steps), rule()
    for step, present in enumerate(counts):
        errors = rows @ weights - float(TARGET)
        losses[step] = present @ errors**2
        weights = weights + change(2 * (present * errors) @ rows)
    return Run(losses, weights)


def fitted(inputs: tuple[float, ...], steps: int = 1000) -> Run:
    """Trains without dropout on one row, by gradient descent from zero."""
    row, weights, losses = np.array(inputs), np.zeros(len(inputs)), np.empty(steps)
    for step in range(steps):
        error = row @ weights - float(TARGET)
        losses[step] = error**2
        weights = weights - _LR * 2 * error * row
    return Run(losses, weights)


_HALF, _NONE = Fraction(1, 2), Fraction(0)
_PLAIN = (float(ROW[0]), float(ROW[1]))


@decides("001-1b-value")
def _descended() -> Finding:
    asked, biased = fitted(_PLAIN).weights, fitted((*_PLAIN, 1.0)).weights
    parts = zip(("w1", "w2"), values("001-1b", "weights"), asked, strict=True)
    found = together(*(rounds(name, printed, float(w)) for name, printed, w in parts))
    evidence = f"1000 steps without a bias: {found.evidence}; with one {show(biased)}"
    return Finding(found.holds, evidence)


@decides("001-1b-model")
def _parameters_of_the_model() -> Finding:
    sizes = [sum(p.numel() for p in nn.Linear(2, 1, bias=b).parameters()) for b in (True, False)]
    evidence = f"nn.Linear(2, 1) has {sizes[0]} parameters, with bias=False {sizes[1]}"
    return Finding(sizes[0] == len(ROW), f"{evidence}; the model asked for has {len(ROW)}")


@decides("001-1b-close")
def _only_close() -> Finding:
    best = floats(minimum_norm())
    printed, asked = (
        np.abs(floats(values("001-1b", "weights")) - best).max(),
        np.abs(fitted(_PLAIN).weights - best).max(),
    )
    losses = [fitted(row).losses[-1] for row in (_PLAIN, (*_PLAIN, 1.0))]
    evidence = f"printed weights are {printed:.2g} away, those of the asked model {asked:.2g}"
    evidence += f"; last losses without and with a bias {losses[0]:.1g} and {losses[1]:.1g}"
    # "Close" holds if stopping early, not another model, explains the distance.
    return Finding(bool(printed <= 10 * asked), evidence)


@decides("001-1d-curve")
def _one_row_fluctuates() -> Finding:
    losses = run(_HALF, 1, 1000, Descent).losses
    late = losses[-500:]
    dropped = float(np.mean(losses == float(TARGET) ** 2))
    low, high = np.quantile(late, [0.1, 0.9])
    evidence = (
        f"last 500 losses: 10 % below {low:.3g}, 10 % above {high:.3g}, spread {late.std():.3g}"
    )
    evidence += f"; exactly 121 in {100 * dropped:.1f} % of the steps"
    holds = late.std() > 0.5 * late.mean() and 0.2 < dropped < 0.3
    return Finding(bool(holds), evidence)


@decides("001-1e-curve")
def _fast_then_slow() -> Finding:
    hessian = 2 * sum(float(s) * np.outer(row, row) for s, row in _float_rows())
    slow, fast = 1 / (_LR * np.linalg.eigvalsh(hessian))
    losses = run(_HALF, 1024, 1000, Descent).losses
    early, middle, late = losses[0], losses[10:30].mean(), losses[-100:].mean()
    noise = losses[-100:].std()
    evidence = f"time constants {fast:.3g} and {slow:.4g} steps; loss {early:.4g} at first"
    evidence += f", {middle:.4g} after 10-30 steps, {late:.4g} +- {noise:.2g} in the last 100"
    # The rate of fall in the first steps against the one after them.
    holds = (early - middle) / 20 > 10 * (middle - late) / 980 > 0 and noise < 0.1 * late
    return Finding(bool(holds and fast < 10 and slow > 100), evidence)


@decides("001-1e-why")
def _noise_falls_with_the_batch() -> Finding:
    moments = [_gradient_moments(batch) for batch in (1, 2, 3)]
    means, variances = (np.array(values) for values in zip(*moments, strict=True))
    ratios = variances[0] / variances
    evidence = f"all masks of 1, 2 and 3 rows: mean gradient {show(means[0])} each"
    evidence += f"; variance falls by {show(ratios[:, 0])} and {show(ratios[:, 1])}"
    holds = np.allclose(means, means[0]) and np.allclose(ratios.T, [1, 2, 3])
    return Finding(bool(holds), evidence)


@decides("001-1h-p05")
def _adam_with_dropout() -> Finding:
    best = floats(least_squares(masked_rows(_HALF)))
    ends = [run(_HALF, 1024, 10_000, rule).weights for rule in (Descent, Adam)]
    holds = all(np.abs(end - best).max() < _SETTLED for end in ends)
    return Finding(holds, f"SGD {show(ends[0])}, Adam {show(ends[1])}, minimiser {show(best)}")


@decides("001-1h-why")
def _adam_only_rescales() -> Finding:
    ends = _ends_without_dropout()
    # Were the reason right, the two would end alike wherever the loss is the same.
    holds = np.abs(ends[0] - ends[1]).max() < _SETTLED
    return Finding(
        bool(holds), f"without dropout SGD ends at {show(ends[0])}, Adam {show(ends[1])}"
    )


@decides("001-1h-p0")
def _adam_without_dropout() -> Finding:
    ends = _ends_without_dropout()
    misfits = [abs(float(end @ _PLAIN) - float(TARGET)) for end in ends]
    evidence = f"without dropout SGD ends at {show(ends[0])}, Adam {show(ends[1])}"
    holds = np.abs(ends[0] - ends[1]).max() > _SETTLED and max(misfits) < 1e-6
    return Finding(bool(holds), f"{evidence}; misfits {misfits[0]:.1g} and {misfits[1]:.1g}")


def _ends_without_dropout() -> list[Floats]:
    return [run(_NONE, 1, 10_000, rule).weights for rule in (Descent, Adam)]


def _float_rows() -> list[tuple[float, Floats]]:
    return [(float(share), floats(row)) for share, row in masked_rows(_HALF)]


def _gradient_moments(batch: int) -> tuple[Floats, Floats]:
    """Returns mean and variance of the gradient at zero weights, over all masks of a batch."""
    singles = np.array([-2 * float(TARGET) * row for _, row in _float_rows()])
    means = singles[np.indices((4,) * batch).reshape(batch, -1)].mean(axis=0)
    return means.mean(axis=0), means.var(axis=0)
