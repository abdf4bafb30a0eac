"""How often the interval of one saved run holds what the next one measures.

Reads what run.sh saved: python experiments/repeatability/coverage.py FOLDER
"""

import math
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hpml_lab.runs.reading import read_run
from hpml_lab.runs.schema import Benchmark
from hpml_lab.runs.store import saved_runs
from hpml_lab.stats.intervals import Interval, fresh_process_interval, process_medians
from hpml_lab.units import percent

STOCK_CONFIDENCE = 0.99  # what pytest-benchmark's precision mode speaks of


def of_processes(bench: Benchmark) -> tuple[Interval | None, list[float]]:
    """Returns our interval of a fresh process, and what such processes measured."""
    processes = bench.measurement.processes if bench.measurement else []
    return fresh_process_interval(processes), list(process_medians(processes))


def of_the_mean(bench: Benchmark) -> tuple[Interval, list[float]]:
    """Returns pytest-benchmark's interval of the mean, and the mean."""
    stats = bench.stats
    reach = (
        NormalDist().inv_cdf(0.5 + STOCK_CONFIDENCE / 2) * stats.stddev / math.sqrt(stats.rounds)
    )
    return Interval(stats.mean - reach, stats.mean + reach), [stats.mean]


Reading = Callable[[Benchmark], tuple[Interval | None, list[float]]]


def hits(runs: list[dict[str, Benchmark]], name: str, read: Reading) -> Iterator[bool]:
    """Yields, for every number of a later run, whether the run before it foretold it."""
    for earlier, later in pairwise(runs):
        interval, _ = read(earlier[name])
        for seconds in read(later[name])[1]:
            yield interval is not None and seconds in interval


def widths(runs: list[dict[str, Benchmark]], name: str, read: Reading) -> list[float]:
    """Returns how wide each run's interval is, as a share of its lower end."""
    return sorted(result.relative_width for run in runs if (result := read(run[name])[0]))


def main(folder: Path) -> None:
    """Prints one line for each case of each suite."""
    table = Table("suite", "case", "runs", "held", "of", "share", "median width")
    for suite, read in (("measured", of_processes), ("stock", of_the_mean)):
        runs = [
            {bench.name: bench for bench in read_run(path).benchmarks}
            for path in saved_runs(folder / suite)
        ]
        every: list[bool] = []
        for name in runs[0]:
            held = list(hits(runs, name, read))
            wide = widths(runs, name, read)
            every += held
            shown = percent(sum(held) / len(held)), percent(wide[len(wide) // 2])
            table.add_row(
                suite, escape(name), str(len(runs)), str(sum(held)), str(len(held)), *shown
            )
        share = percent(sum(every) / len(every))
        table.add_row(suite, "all", "", str(sum(every)), str(len(every)), share)
    Console(width=100).print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
