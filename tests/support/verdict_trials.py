"""How often verdicts on suites of planted noise are wrong, and how often they see a change.

Beside them what others do with the same rounds: a threshold of 5 % on means, and two tests at 5 %
that take every round for an observation.
"""

from collections.abc import Callable, Iterator

import numpy as np

from hpml_lab.stats.two_sample import Evidence, evidence
from support.simulated_suites import Array, Machine

SUITES = 1000
CASES = 50
ROUNDS = 15
ALPHA = 0.01
MARGIN = float(np.log1p(0.02))
CHUNK = 100
VERDICTS: dict[tuple[str, int], dict[str, float]] = {}

Judge = Callable[[Array, Array], Evidence]


def unpaired(base: Array, new: Array) -> Evidence:
    """The verdicts of `hpml-lab compare`, of rounds (suites, cases, processes, rounds)."""
    sides = ([np.median(side, -1)] for side in (base, new))
    return evidence(*sides, alpha=ALPHA)


def paired(base: Array, new: Array) -> Evidence:
    """The verdicts of `hpml-lab ab`."""
    sides = ([np.median(side, -1)] for side in (base, new))
    return evidence(*sides, alpha=ALPHA, paired=True)


def regressed(evidence: Evidence, planted: Array | float = 0.0) -> Array:
    """Returns which cases are called regressed, with a change planted: (suites, cases)."""
    change = evidence.change + planted
    return (change > evidence.half_width) & (change + evidence.half_width > MARGIN)


def errors(machine: Machine, processes: int, judge: Judge = unpaired) -> dict[str, float]:
    """Returns shares of suites with a false alarm and of cases whose change was seen."""
    rng = np.random.default_rng([2026, processes])
    shape = (CHUNK, CASES, 2 * processes, ROUNDS)
    parts = [_errors(rng, machine(rng, shape), judge) for _ in range(SUITES // CHUNK)]
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}


def entered(machine: Machine, processes: int, judge: Judge = unpaired) -> dict[str, float]:
    """Returns the same, and enters it into the table."""
    name = machine.__name__ + (", in pairs" if judge is paired else "")
    VERDICTS[name, processes] = errors(machine, processes, judge)
    return VERDICTS[name, processes]


def _errors(rng: np.random.Generator, rounds: Array, judge: Judge) -> dict[str, float]:
    base, new = _sides(rng, rounds, in_pairs=judge is paired)
    result = judge(base, new)
    change = result.detectable(MARGIN)
    return {
        "false": regressed(result).any(-1).mean(),
        "detectable": np.expm1(np.median(change)),
        "power": regressed(result, change).mean(),
        "+5 %": regressed(result, np.log(1.05)).mean(),
        "+10 %": regressed(result, np.log(1.10)).mean(),
        "threshold": _means(base, new).any(-1).mean(),
        "Mann-Whitney": _ranks(base, new).any(-1).mean(),
        "Welch": _welch(base, new).any(-1).mean(),
    }


def _sides(rng: np.random.Generator, rounds: Array, *, in_pairs: bool) -> tuple[Array, Array]:
    """Returns both sides: one after the other, or process by process in a random order."""
    count = rounds.shape[2] // 2
    if not in_pairs:
        return rounds[:, :, :count], rounds[:, :, count:]
    first = rng.integers(0, 2, (rounds.shape[0], 1, count, 1)).astype(bool)
    even, odd = rounds[:, :, ::2], rounds[:, :, 1::2]
    return np.where(first, even, odd), np.where(first, odd, even)


def _flat(side: Array) -> Array:
    return np.exp(side.reshape(*side.shape[:2], -1))


def _means(base: Array, new: Array) -> Array:
    """More than 5 % in the mean of all rounds."""
    return _flat(new).mean(-1) > 1.05 * _flat(base).mean(-1)


def _ranks(base: Array, new: Array) -> Array:
    """Mann-Whitney's U over rounds, two-sided at 5 %, in its normal approximation."""
    both = np.concatenate([_flat(base), _flat(new)], -1)
    half = both.shape[-1] // 2
    ranks = both.argsort(-1).argsort(-1)[..., half:] + 1
    u = ranks.sum(-1) - half * (half + 1) / 2
    return (u - half**2 / 2) / np.sqrt(half**2 * (2 * half + 1) / 12) > 1.96


def _welch(base: Array, new: Array) -> Array:
    """Welch's t over rounds, two-sided at 5 %; so many rounds make it normal."""
    one, other = _flat(base), _flat(new)
    square = (one.var(-1, ddof=1) + other.var(-1, ddof=1)) / one.shape[-1]
    return (other.mean(-1) - one.mean(-1)) / np.sqrt(square) > 1.96


def table() -> Iterator[str]:
    """Yields the lines of what was tried so far, in percent."""
    columns = list(next(iter(VERDICTS.values())))
    yield f"{'machine':28}{'processes':>10}" + "".join(f"{column:>14}" for column in columns)
    for (machine, processes), row in sorted(VERDICTS.items()):
        cells = "".join(f"{100 * row[column]:14.1f}" for column in columns)
        yield f"{machine:28}{processes:>10}{cells}"
