"""How often an interval holds what it is to hold, and what it takes to be sure of that."""

from collections.abc import Callable, Iterator

import numpy as np

from hpml_lab.stats.intervals import prediction_interval
from support.simulated_machines import Array, Machine

SESSIONS = 20_000
ROUNDS = 15
FALSE_ALARM = 1e-6
STOCK = "stock, 1 process"
TABLE: dict[str, dict[str, float]] = {}

Bounds = tuple[Array, Array]
Interval = Callable[[Array], Bounds]


def ours(seconds: Array) -> Bounds:
    """The interval that a saved run states, of rounds (sessions, processes, rounds)."""
    low, high = prediction_interval(np.log(np.median(seconds, -1)))
    return np.exp(low), np.exp(high)


def stock(seconds: Array) -> Bounds:
    """pytest-benchmark's: the mean over rounds of one process, with its 99 % normal margin."""
    rounds = seconds[:, 0]
    margin = 2.576 * rounds.std(-1, ddof=1) / np.sqrt(rounds.shape[-1])
    return rounds.mean(-1) - margin, rounds.mean(-1) + margin


def share_covered(machine: Machine, processes: int, interval: Interval = ours) -> float:
    """Returns how often the interval holds the next process; enters it into the table.

    The next process is its median, or for `stock` its mean, which is what that one is about.
    """
    rng = np.random.default_rng([2026, processes])
    seconds = machine(rng, (SESSIONS, processes + 1, ROUNDS))
    low, high = interval(seconds[:, :-1])
    fresh = (np.mean if interval is stock else np.median)(seconds[:, -1], axis=-1)
    share = float(np.mean((low <= fresh) & (fresh <= high)))
    if interval in (ours, stock):
        column = STOCK if interval is stock else f"{processes} processes"
        TABLE.setdefault(machine.__name__, {})[column] = share
    return share


def fewest(share: float, trials: int = SESSIONS) -> float:
    """Returns the lowest share of hits that chance explains: a lower one has a chance of 1e-6.

    An exact binomial bound: a sound interval that covers with `share` fails less often than that.
    """
    hits = np.arange(1, trials + 1)
    odds = np.log(trials - hits + 1) - np.log(hits) + np.log(share) - np.log1p(-share)
    logs = trials * np.log1p(-share) + np.concatenate([[0], np.cumsum(odds)])
    return float(np.searchsorted(np.cumsum(np.exp(logs)), FALSE_ALARM)) / trials


def table() -> Iterator[str]:
    """Yields the lines of what was entered so far."""
    columns = sorted({column for row in TABLE.values() for column in row}, key=_place)
    yield f"{'machine':30}" + "".join(f"{column:>18}" for column in columns)
    for machine, row in TABLE.items():
        cells = [f"{100 * row[column]:.1f}" if column in row else "" for column in columns]
        yield f"{machine:30}" + "".join(f"{cell:>18}" for cell in cells)


def _place(column: str) -> int:
    return 0 if column == STOCK else int(column.split()[0])
