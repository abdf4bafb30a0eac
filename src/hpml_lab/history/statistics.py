"""The statistics of a benchmark, as pytest-benchmark writes them."""

import statistics
from collections.abc import Sequence
from typing import Any


def summary(rounds_s: Sequence[float]) -> dict[str, Any]:
    """Returns what stands under ``stats`` of a saved benchmark, but for ``iterations``.

    Quartiles are the medians of the halves for an even number of rounds, and method 3 of
    https://en.wikipedia.org/wiki/Quartile for an odd one. ``ld15iqr`` and ``hd15iqr`` are the
    lowest and highest round within 1.5 interquartile ranges of the quartiles.

    Args:
        rounds_s: seconds of an iteration in each round, one at least.

    Raises:
        ValueError: without rounds.
    """
    if not rounds_s:
        raise ValueError("a benchmark without rounds has no statistics")
    ordered = sorted(rounds_s)
    mean = statistics.mean(rounds_s)
    stddev = statistics.stdev(rounds_s) if len(rounds_s) > 1 else 0
    q1, q3 = _quartiles(ordered)
    iqr = q3 - q1
    beyond_stddev = _outside(ordered, mean - stddev, mean + stddev)
    beyond_iqr = _outside(ordered, q1 - 1.5 * iqr, q3 + 1.5 * iqr)
    within = [each for each in ordered if q1 - 1.5 * iqr <= each <= q3 + 1.5 * iqr]
    total = sum(rounds_s)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": stddev,
        "rounds": len(ordered),
        "median": statistics.median(ordered),
        "iqr": iqr,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": beyond_iqr,
        "stddev_outliers": beyond_stddev,
        "outliers": f"{beyond_stddev};{beyond_iqr}",
        "ld15iqr": within[0],
        "hd15iqr": within[-1],
        "ops": len(ordered) / total if total else 0,
        "total": total,
    }


def _quartiles(ordered: Sequence[float]) -> tuple[float, float]:
    half, rest = divmod(len(ordered), 2)
    if len(ordered) == 1:
        return ordered[0], ordered[0]
    if not rest:
        return statistics.median(ordered[:half]), statistics.median(ordered[half:])
    n, odd = divmod(len(ordered), 4)
    if odd == 1:
        return (
            0.25 * ordered[n - 1] + 0.75 * ordered[n],
            0.75 * ordered[3 * n] + 0.25 * ordered[3 * n + 1],
        )
    return (
        0.75 * ordered[n] + 0.25 * ordered[n + 1],
        0.25 * ordered[3 * n + 1] + 0.75 * ordered[3 * n + 2],
    )


def _outside(values: Sequence[float], low: float, high: float) -> int:
    return sum(each < low or each > high for each in values)
