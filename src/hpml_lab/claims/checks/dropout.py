"""The dropout lab's closed forms: one row (10, 1) of target 11, and all its masks, in fractions."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import torch
from torch.nn import functional

from hpml_lab.claims.checks.comparing import rounds, together
from hpml_lab.claims.checks.formulas import equal, floats, show
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.claims.published import values
from hpml_lab.theory.dropout import inverted_minimiser

ROW = (Fraction(10), Fraction(1))
TARGET = Fraction(11)

_HALF = Fraction(1, 2)
_DROPS = [Fraction(k, 10) for k in range(1, 10)]

Row = tuple[Fraction, Fraction]
Weighted = list[tuple[Fraction, Row]]


def masked_rows(drop: Fraction) -> Weighted:
    """Returns each dropped row with its probability; what is kept is divided by 1 - drop."""
    keep = 1 - drop
    rows = []
    for first, second in product((0, 1), repeat=2):
        probability = (keep if first else drop) * (keep if second else drop)
        rows.append((probability, (first * ROW[0] / keep, second * ROW[1] / keep)))
    return rows


def least_squares(rows: Weighted) -> Row:
    """Returns the weights of the smallest expected squared error, where they are unique."""
    (a, b), (_, d) = second_moments(rows)
    p, q = (sum((share * row[i] * TARGET for share, row in rows), Fraction()) for i in (0, 1))
    return (d * p - b * q) / determinant(rows), (a * q - b * p) / determinant(rows)


def determinant(rows: Weighted) -> Fraction:
    """Returns the determinant of E[x x^T]; 0 where many weights are equally good."""
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
    """Returns x^T (x x^T)^-1 y: of all weights that fit the row, those nearest to zero."""
    square = ROW[0] ** 2 + ROW[1] ** 2
    return ROW[0] * TARGET / square, ROW[1] * TARGET / square


def printed_weights(run_id: str, weights: Row) -> Finding:
    """Finds whether the printed weights of a run are these, to the last digit printed."""
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
        order: the rows that S = diag(p(1-p), p(1-p), p^2, (1-p)^2) weighs, before scaling.
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
