"""Machines with planted noise: seconds of rounds, in processes, in sessions.

Every machine takes a generator and a shape (sessions, processes, rounds) and returns seconds of
that shape for a step that takes 10 ms. The last process of a session is the one to be predicted.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

STEP_S = 0.010
ROUND_NOISE = 0.005

Array = NDArray[np.float64]
Shape = tuple[int, int, int]
Machine = Callable[[Generator, Shape], Array]


def noisy(rng: Generator, shape: Shape) -> Array:
    """Processes differ by 3 % (normal in logs), as by their memory layout."""
    return _seconds(rng, shape, 0.03 * rng.standard_normal(shape[:2]))


def quiet(rng: Generator, shape: Shape) -> Array:
    """Processes do not differ, only rounds do."""
    return _seconds(rng, shape, np.zeros(shape[:2]))


def heavy_tails(rng: Generator, shape: Shape) -> Array:
    """Processes differ by 2 % times Student's t with 3 degrees of freedom; some rounds are late."""
    late = rng.exponential(0.5, shape) * (rng.random(shape) < 0.05)
    return _seconds(rng, shape, 0.02 * rng.standard_t(3, shape[:2])) * np.exp(late)


def heavier_tails(rng: Generator, shape: Shape) -> Array:
    """Processes differ by 2 % times Student's t with 2: a variance that is not finite."""
    return _seconds(rng, shape, 0.02 * rng.standard_t(2, shape[:2]))


def skewed(rng: Generator, shape: Shape) -> Array:
    """Nothing makes a process faster, much makes it slower: exponential, 3 % in the mean."""
    return _seconds(rng, shape, rng.exponential(0.03, shape[:2]))


def drifting(rng: Generator, shape: Shape) -> Array:
    """Every process is 1 % slower than the last, beside noise of 1 %; rounds drift by 2 % too."""
    warmer = 0.01 * np.arange(shape[1]) + 0.01 * rng.standard_normal(shape[:2])
    return _seconds(rng, shape, warmer, np.linspace(0, 0.02, shape[2]))


def correlated(rng: Generator, shape: Shape) -> Array:
    """A process is like the one before: autoregressive with 0.7, 3 % in all."""
    noise = 0.03 * rng.standard_normal(shape[:2])
    for process in range(1, shape[1]):
        noise[:, process] *= np.sqrt(1 - 0.7**2)
        noise[:, process] += 0.7 * noise[:, process - 1]
    return _seconds(rng, shape, noise)


def periodic_rounds(rng: Generator, shape: Shape) -> Array:
    """Another program comes and goes within a process; 5 %, longer than the process lasts."""
    phase = rng.uniform(0, 2 * np.pi, (*shape[:2], 1))
    wave = 0.05 * np.sin(phase + 2 * np.pi * np.arange(shape[2]) / (1.5 * shape[2]))
    return _seconds(rng, shape, 0.01 * rng.standard_normal(shape[:2]), wave)


def periodic_processes(rng: Generator, shape: Shape) -> Array:
    """Another program comes and goes every seven processes or so; 5 %."""
    return _seconds(rng, shape, _wave(rng, shape, period=7.3))


def slow_period(rng: Generator, shape: Shape) -> Array:
    """Another program comes and goes every thirty processes: longer than any run here."""
    return _seconds(rng, shape, _wave(rng, shape, period=30))


def slow_first(rng: Generator, shape: Shape) -> Array:
    """The first process finds cold caches and takes 20 % longer; others differ by 1 %."""
    noise = 0.01 * rng.standard_normal(shape[:2])
    noise[:, 0] += 0.2
    return _seconds(rng, shape, noise)


def two_modes(share: float) -> Machine:
    """A share of the processes takes 10 % longer, as by an unlucky alignment; 0.5 % besides."""

    def machine(rng: Generator, shape: Shape) -> Array:
        slower = 0.1 * (rng.random(shape[:2]) < share)
        return _seconds(rng, shape, slower + 0.005 * rng.standard_normal(shape[:2]))

    machine.__name__ = f"two_modes, {share:.0%} slower"
    return machine


def _wave(rng: Generator, shape: Shape, period: float) -> Array:
    phase = rng.uniform(0, 2 * np.pi, (shape[0], 1))
    wave = 0.05 * np.sin(phase + 2 * np.pi * np.arange(shape[1]) / period)
    return wave + 0.005 * rng.standard_normal(shape[:2])


def _seconds(rng: Generator, shape: Shape, by_process: Array, by_round: Array | float = 0) -> Array:
    noise = by_process[..., None] + by_round + ROUND_NOISE * rng.standard_normal(shape)
    return STEP_S * np.exp(noise)
