"""How often the race proves 0.95 of the best speed on a small grid, from few and noisy trials.

    python experiments/tuning/small_grid.py [MACHINES]

Simulated machines: six values of four settings, whose logs add up. Two values in five have no
effect, two help by up to 12 and 20 %, one harms by up to 30 %.
"""

import itertools
import math
import random
import sys

from hpml_lab.tuning.race import Config, Race

OPTIONS = {
    "threads": [1],
    "compile_mode": ["default"],
    "optimizer_implementation": ["foreach", "fused"],
    "batch_size": [8, 16],
}
GRID = [
    frozenset((n, v) for n, v in zip(OPTIONS, values, strict=True) if v)
    for values in itertools.product(*[[None, *values] for values in OPTIONS.values()])
]


def raced(seed: int, noise: float, budget: int) -> float:
    """Returns the proven speed over the best after so many trials."""
    rng = random.Random(seed)
    gains = {
        (name, value): rng.choice(
            [0, 0, rng.uniform(0.04, 0.12), rng.uniform(0.05, 0.2), -rng.uniform(0, 0.3)]
        )
        for name, values in OPTIONS.items()
        for value in values
    }
    trials = 0

    def cost(config: Config) -> float:
        return math.exp(-sum(gains[pair] for pair in config))

    def trial(config: Config) -> float:
        nonlocal trials
        trials += 1
        return cost(config) * math.exp(rng.gauss(0, noise))

    recipe = Race(OPTIONS, trial, lambda: trials / budget).run()
    return min(map(cost, GRID)) / cost(recipe)


def main() -> None:
    """Prints the shares."""
    machines = int(sys.argv[1]) if sys.argv[1:] else 200
    for noise, budget in itertools.product((0.02, 0.03), (15, 20, 30)):
        near = sum(raced(seed, noise, budget) >= 0.95 for seed in range(machines))
        print(f"noise {noise:.0%}, {budget} trials: {near / machines:.0%}")


if __name__ == "__main__":
    main()
