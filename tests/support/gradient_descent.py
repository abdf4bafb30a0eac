"""Runs of SGD through dropout, in fractions, under masks that are given."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
from hypothesis import strategies as st

from support import rational, strategies
from support.rational import exact


@dataclass(frozen=True)
class Run:
    """A training run: data, first weights, drop probability, learning rate, steps."""

    data: strategies.Regression
    drop: Fraction
    lr: Fraction
    steps: int

    def evaluate(self, expected_weights):
        """Returns what a closed form says about the run."""
        X, y, start = self.data.shown
        return expected_weights(X, y, float(self.drop), float(self.lr), self.steps, start)


@st.composite
def runs(draw, steps, rows=3, size=6):
    """Runs with a learning rate of a few 64ths."""
    keeps = st.sampled_from([Fraction(k, 8) for k in (2, 4, 6, 8)])
    data = draw(strategies.regressions(keeps=keeps, rows=rows, width=2, size=size))
    lr = draw(st.integers(1, 4).map(lambda k: Fraction(k, 64)))
    return Run(data, 1 - data.keep, lr, draw(st.integers(0, steps)))


def sgd(run, masks):
    """Returns the weights of one run of SGD on PyTorch's mean squared error, in fractions."""
    inputs, targets = exact(run.data.X), rational.columns(exact(run.data.y))
    w = rational.columns(exact(run.data.w))
    for mask in masks:
        dropped = mask * inputs / (1 - run.drop)
        gradient = 2 * dropped.T @ (dropped @ w - targets) / targets.size
        w = w - run.lr * gradient
    return w


def every_end(run):
    """Yields the last weights of the run under every sequence of masks, with their chances."""
    choices = list(rational.masks(run.data.X.shape, 1 - run.drop))
    for sequence in product(choices, repeat=run.steps):
        chance = np.prod([chance for _, chance in sequence], initial=Fraction(1))
        if chance:
            yield chance, sgd(run, [mask for mask, _ in sequence])
