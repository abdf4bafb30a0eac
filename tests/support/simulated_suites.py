"""Suites of cases on machines with planted noise, and the changes that are seen in them.

A machine takes a generator and a shape (suites, cases, processes, rounds); processes are those of
the baseline and then those of the contender, in the order in which they ran. It returns logs of the
seconds of rounds, of code that did not change.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = tuple[int, int, int, int]
Machine = Callable[[Generator, Shape], Array]

SLOW = np.log(1.3)


def steady(rng: Generator, shape: Shape) -> Array:
    """Processes differ normally: by 1 % in the middle case, by 0.4 to 2.7 % in 95 % of them."""
    return _rounds(rng, shape, _own(rng, shape) * rng.standard_normal(shape[:3]))


def slow_processes(rng: Generator, shape: Shape) -> Array:
    """Like `steady`; 5 % of processes take 1.3 times as long or more in all cases; rounds spike."""
    slow = _slowness(rng, (shape[0], 1, shape[2]))
    return _spikes(rng, steady(rng, shape) + slow[..., None])


def slow_cases(rng: Generator, shape: Shape) -> Array:
    """Like `slow_processes`, but each case has slow processes of its own."""
    return _spikes(rng, steady(rng, shape) + _slowness(rng, shape[:3])[..., None])


def equally_slow_cases(rng: Generator, shape: Shape) -> Array:
    """Like `slow_cases`, and what is slow takes exactly 1.3 times as long."""
    slow = SLOW * (rng.random(shape[:3]) < 0.05)
    return _spikes(rng, steady(rng, shape) + slow[..., None])


def heavy_tails(rng: Generator, shape: Shape) -> Array:
    """Processes differ by 1 % times Student's t with 3 degrees of freedom."""
    return _rounds(rng, shape, _own(rng, shape) * rng.standard_t(3, shape[:3]))


def walking(rng: Generator, shape: Shape) -> Array:
    """Like `steady`; from process to process all cases move by 0.5 % up or down, and stay there."""
    walk = np.cumsum(0.005 * rng.standard_normal((shape[0], 1, shape[2])), -1)
    return steady(rng, shape) + walk[..., None]


def warming(rng: Generator, shape: Shape) -> Array:
    """Like `steady`; every process is 0.5 % slower than the one before, in all cases."""
    return steady(rng, shape) + 0.005 * np.arange(shape[2])[:, None]


def shifted(rng: Generator, shape: Shape) -> Array:
    """Like `steady`; each run has a level of its own that differs by 2 %, in all cases."""
    base = shape[2] // 2
    levels = 0.02 * rng.standard_normal((shape[0], 1, 2))
    return steady(rng, shape) + np.repeat(levels, [base, shape[2] - base], -1)[..., None]


def _own(rng: Generator, shape: Shape) -> Array:
    return 0.01 * np.exp(0.5 * rng.standard_normal((*shape[:2], 1)))


def _slowness(rng: Generator, shape: tuple[int, ...]) -> Array:
    slow = rng.random(shape) < 0.05
    return slow * (SLOW + rng.exponential(0.1, shape))


def _spikes(rng: Generator, logs: Array) -> Array:
    return logs + rng.exponential(0.3, logs.shape) * (rng.random(logs.shape) < 0.03)


def _rounds(rng: Generator, shape: Shape, by_process: Array) -> Array:
    return by_process[..., None] + 0.005 * rng.standard_normal(shape)
