"""The dropout lab's closed forms for the row (10, 1) of target 11: all masks, in fractions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from hpml_lab.claims.checking import Finding, decides, equal, floats, rounds, show, together
from hpml_lab.claims.published import values
from hpml_lab.theory.dropout import inverted_minimiser

ROW = (Fraction(10), Fraction(1))
TARGET = Fraction(11)

_HALF = Fraction(1, 2)
_DROPS = [Fraction(k, 10) for k in range(1, 10)]

Row = tuple[Fraction, Fraction]
Weighted = list[tuple[Fraction, Row]]


def masked_rows(drop: Fraction) -> Weighted:
    """Returns each masked row with its probability; kept inputs are divided by 1 - drop."""
    keep = 1 - drop
    rows = []
    for first, second in product((0, 1), repeat=2):
        probability = (keep if first else drop) * (keep if second else drop)
        rows.append((probability, (first * ROW[0] / keep, second * ROW[1] / keep)))
    return rows


def least_squares(rows: Weighted) -> Row:
    """Returns the weights of least expected squared error, if they are unique."""
    (a, b), (_, d) = second_moments(rows)
    p, q = (sum((share * row[i] * TARGET for share, row in rows), Fraction()) for i in (0, 1))
    return (d * p - b * q) / determinant(rows), (a * q - b * p) / determinant(rows)


def determinant(rows: Weighted) -> Fraction:
    """Returns the determinant of E[x x^T]; 0 if the minimiser is not unique."""
    (a, b), (_, d) = second_moments(rows)
    return a * d - b * b


def second_moments(rows: Weighted) -> tuple[Row, Row]:
    """Returns E[x x^T]."""
    a, b, d = (
        sum((share * row[i] * row[j] for share, row in rows), Fraction())
        for i, j in ((0, 0), (0, 1), (1, 1))
    )
    return (a, b), (b, d)


def minimum_norm() -> Row:
    """Returns x^T (x x^T)^-1 y, the minimum-norm weights that fit the row."""
    square = ROW[0] ** 2 + ROW[1] ** 2
    return ROW[0] * TARGET / square, ROW[1] * TARGET / square


def printed_weights(run_id: str, weights: Row) -> Finding:
    """Decides whether the printed weights of a run equal these, to the last printed digit."""
    parts = zip(("w1 =", "w2 ="), values(run_id, "weights"), weights, strict=True)
    return together(*(rounds(f"{name} {w} =", printed, float(w)) for name, printed, w in parts))


_WEIGHTS = least_squares(masked_rows(_HALF))


def _contributions(weights: Row) -> Row:
    return ROW[0] * weights[0], ROW[1] * weights[1]


@decides("001-1a-formula")
def _inverse_exists() -> Finding:
    rows: Weighted = [(Fraction(1), ROW)]
    evidence = f"x^T x = {show(second_moments(rows))} has determinant {determinant(rows)}"
    return Finding(
        determinant(rows) != 0, f"{evidence}; x^T (x x^T)^-1 y = {_words(minimum_norm())}"
    )


@decides("001-1a-value")
def _minimum_norm_value() -> Finding:
    return printed_weights("001-1a", minimum_norm())


@decides("001-1c-data")
def _rows_at_one_half() -> Finding:
    stated = {(Fraction(a), Fraction(b)) for a, b in ((0, 2), (20, 0), (0, 0), (20, 2))}
    computed = masked_rows(_HALF)
    holds = {row for _, row in computed} == stated
    holds = holds and {share for share, _ in computed} == {Fraction(1, 4)}
    return Finding(holds, "masks give " + ", ".join(f"{_words(r)} at {s}" for s, r in computed))


@decides("001-1c-value")
def _weights_at_one_half() -> Finding:
    return printed_weights("001-1c", _WEIGHTS)


@decides("001-1f-i")
def _dropped_inputs_freeze() -> Finding:
    gradients = [_gradient(mask) for mask in ((1.0, 0.0), (0.0, 1.0))]
    frozen = gradients[0][1] == gradients[1][0] == 0
    # At zero weights the error is the target alone: kept inputs count twice, 2 * 11 * 2 x.
    rescaled = (gradients[0][0], gradients[1][1]) == (-440, -44)
    before, after = minimum_norm(), _WEIGHTS
    evidence = f"gradients with one input dropped {show(gradients[0])} and {show(gradients[1])}"
    ratios = f"w1/w2 goes from {before[0] / before[1]} to {after[0] / after[1]}"
    return Finding(frozen and rescaled and before != after, f"{evidence}; {ratios}")


@decides("001-1f-ii")
def _contributions_change() -> Finding:
    before, after = _contributions(minimum_norm()), _contributions(_WEIGHTS)
    evidence = f"10 w1 and w2 without dropout {_words(before)}, with it {_words(after)}"
    return Finding(before != after, evidence)


def weighted_solution(order: Sequence[tuple[int, int]]) -> Finding:
    """Compares the weighted least squares of 1(g) with the closed form, for nine drop rates.

    Args:
        order: the unscaled rows, in the order of S = diag(p(1-p), p(1-p), p^2, (1-p)^2).
    """
    stated, right = [], []
    for drop in _DROPS:
        keep = 1 - drop
        weights = (drop * keep, drop * keep, drop**2, keep**2)
        rows: Weighted = [
            (s, (a / keep, b / keep)) for s, (a, b) in zip(weights, order, strict=True)
        ]
        stated.append(floats(least_squares(rows)))
        right.append(inverted_minimiser(floats([ROW]), floats([TARGET]), float(drop)))
    return equal(np.array(stated), np.array(right), "Tikhonov's minimiser for p = 0.1 ... 0.9")


@decides("001-1g-S")
def _weighted_rows() -> Finding:
    return weighted_solution(((0, 1), (10, 0), (0, 0), (10, 1)))


@decides("001-1g-rank")
def _deficient_without_dropout() -> Finding:
    at_zero, near = masked_rows(Fraction(0)), masked_rows(Fraction(1, 10**6))
    rank = int(np.linalg.matrix_rank(floats(second_moments(at_zero))))
    evidence = f"rank {rank} of 2 at p = 0, pseudo-inverse {show(minimum_norm())}"
    unique = f"at p = 1e-6 unique weights {show(least_squares(near))}"
    return Finding(rank < 2 and determinant(near) != 0, f"{evidence}; {unique}")


def _gradient(mask: tuple[float, float]) -> tuple[float, float]:
    weights = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    inputs = torch.tensor([[float(ROW[0]), float(ROW[1])]], dtype=torch.float64)
    outputs = functional.linear(inputs * torch.tensor([mask], dtype=torch.float64) * 2, weights)
    loss = functional.mse_loss(outputs, torch.full_like(outputs, float(TARGET)))
    (gradient,) = torch.autograd.grad(loss, weights)
    first, second = gradient[0].tolist()
    return first, second


def _words(numbers: Sequence[Fraction]) -> str:
    return f"({', '.join(map(str, numbers))})"


Floats = npt.NDArray[np.float64]
Rule = Callable[[Floats], Floats]

_LR = 1e-3
_SEED = 0
# Adam's last steps vary by ten times the learning rate; different solutions differ by 0.1 or more.
_SETTLED = 0.05


@dataclass(frozen=True)
class Run:
    """A training run: the loss before each step, and the weights after the last."""

    losses: Floats
    weights: Floats


class Descent:
    """Update rule of plain gradient descent."""

    def __call__(self, gradient: Floats) -> Floats:
        """Returns what is added to the weights."""
        return -_LR * gradient


class Adam:
    """Update rule of Adam (Kingma and Ba 2015, algorithm 1) with its default settings."""

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
    """Trains from zero on batches of masked rows; the seed of the masks is fixed."""
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


_AT_HALF, _NONE = Fraction(1, 2), Fraction(0)
_PLAIN = (float(ROW[0]), float(ROW[1]))


@decides("001-1b-value")
def _descended() -> Finding:
    asked, biased = fitted(_PLAIN).weights, fitted((*_PLAIN, 1.0)).weights
    parts = zip(("w1", "w2"), values("001-1b", "weights"), asked, strict=True)
    result = together(*(rounds(name, printed, float(w)) for name, printed, w in parts))
    evidence = f"1000 steps without a bias: {result.evidence}; with one {show(biased)}"
    return Finding(result.holds, evidence)


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
    losses = run(_AT_HALF, 1, 1000, Descent).losses
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
    losses = run(_AT_HALF, 1024, 1000, Descent).losses
    early, middle, late = losses[0], losses[10:30].mean(), losses[-100:].mean()
    noise = losses[-100:].std()
    evidence = f"time constants {fast:.3g} and {slow:.4g} steps; loss {early:.4g} at first"
    evidence += f", {middle:.4g} after 10-30 steps, {late:.4g} +- {noise:.2g} in the last 100"
    # The rate of decrease in the first steps against the rate after them.
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
    best = floats(least_squares(masked_rows(_AT_HALF)))
    ends = [run(_AT_HALF, 1024, 10_000, rule).weights for rule in (Descent, Adam)]
    holds = all(np.abs(end - best).max() < _SETTLED for end in ends)
    return Finding(holds, f"SGD {show(ends[0])}, Adam {show(ends[1])}, minimiser {show(best)}")


@decides("001-1h-why")
def _adam_only_rescales() -> Finding:
    ends = _ends_without_dropout()
    # If the reason were right, both would end at the same weights for the same loss.
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
    return [(float(share), floats(row)) for share, row in masked_rows(_AT_HALF)]


def _gradient_moments(batch: int) -> tuple[Floats, Floats]:
    """Returns the mean and variance of the gradient at zero weights, over all masks of a batch."""
    singles = np.array([-2 * float(TARGET) * row for _, row in _float_rows()])
    means = singles[np.indices((4,) * batch).reshape(batch, -1)].mean(axis=0)
    return means.mean(axis=0), means.var(axis=0)
