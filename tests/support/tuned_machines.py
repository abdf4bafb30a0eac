"""Machines made up so that the best settings are known: costs of settings, and noise of trials."""

import itertools
import math
import random

OPTIONS = {
    "threads": [1],
    "memory_format": ["channels_last"],
    "precision": ["bfloat16"],
    "compile_mode": ["default"],
    "optimizer_implementation": ["foreach", "fused"],
    "float32_matmul_precision": ["medium"],
    "workers": [1, 2, 4],
}


class TunedMachine:
    """A machine on which each setting has an effect, and two pairs one together.

    Of the values of settings half have no effect; the others help by up to 120 %, harm by up to
    55 %, or change little.

    Args:
        seed: Of effects and noise.
        noise: Standard deviation of a trial's log seconds.
        heavy: Whether one trial of twenty has three times the noise.
        drift: How far the machine's speed moves from one trial to the next, as a share of the
            noise. A trial that is timed in turn with the plain loop has none.

    Attributes:
        trials: Number of trials so far.
    """

    def __init__(self, seed, noise=0.005, *, heavy=False, drift=0.0):
        self._random = rng = random.Random(seed)
        self._noise, self._heavy, self._drift = noise, heavy, drift
        self._moved, self.trials = 0.0, 0
        self._effects = {
            (name, value): rng.choice(
                [0, 0, 0, rng.gauss(0, 0.05), rng.uniform(0.02, 0.8), -rng.uniform(0, 0.8)]
            )
            for name, values in OPTIONS.items()
            for value in values
        }
        self._together = {}
        for _ in range(2):
            self._together[frozenset(rng.sample(list(OPTIONS), 2))] = rng.gauss(0, 0.03)

    def seconds(self, config):
        """The true seconds of a sample."""
        names = {name for name, _ in config}
        gain = sum(self._effects[pair] for pair in config)
        gain += sum(effect for pair, effect in self._together.items() if pair <= names)
        return math.exp(-gain)

    def trial(self, config):
        """Seconds as a trial measures them."""
        self.trials += 1
        self._moved += self._random.gauss(0, self._drift * self._noise)
        wide = 3 if self._heavy and self._random.random() < 0.05 else 1
        noise = wide * self._random.gauss(0, self._noise)
        return self.seconds(config) * math.exp(noise + self._moved)

    @property
    def best_s(self):
        """Seconds of the best of all configurations, found by trying them all."""
        every = itertools.product(*[[None, *values] for values in OPTIONS.values()])
        return min(
            self.seconds(frozenset((n, v) for n, v in zip(OPTIONS, values, strict=True) if v))
            for values in every
        )
