"""Recovery of a dead run: its journal saved as a run, with pytest-benchmark's statistics."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from hpml_lab.errors import InputError, JournalError
from hpml_lab.runs.journal import Contents, Journal, is_held, journals
from hpml_lab.runs.merge import merge_results
from hpml_lab.runs.schema import Replication, Run
from hpml_lab.runs.store import machines, runs, save_run, strict_json


def summary(rounds_s: Sequence[float]) -> dict[str, Any]:
    """Statistics of a saved benchmark as under its ``stats``, without ``iterations``.

    Quartiles are the medians of the halves for an even number of rounds, and method 3 of
    https://en.wikipedia.org/wiki/Quartile for an odd one. ``ld15iqr`` and ``hd15iqr`` are the
    lowest and highest round within 1.5 interquartile ranges of the quartiles.

    Args:
        rounds_s: seconds of an iteration in each round, at least one.

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
    within = [value for value in ordered if q1 - 1.5 * iqr <= value <= q3 + 1.5 * iqr]
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
    return sum(value < low or value > high for value in values)


def newest_dead(storage: Path) -> Path:
    """Newest journal that no living process writes.

    Raises:
        InputError: if there is none.
    """
    paths = [path for folder in machines(storage) for path in journals(folder)]
    for path in sorted(paths, key=lambda path: path.name, reverse=True):
        if not is_held(path):
            return path
    raise InputError(
        f"no journal of a dead run under {str(storage)!r}; name one, or its storage with --storage"
    )


def recover(path: Path) -> Path:
    """Saves the results of a dead run next to its journal, and removes the journal.

    Args:
        path: the journal.

    Returns:
        the saved run; its ``hpml.missing`` names the tests that the run did not reach.

    Raises:
        InputError: if the journal does not exist, or its run is alive, saved or without results.
        JournalError: if it is damaged.
        OSError: if the run cannot be written; the journal is kept.
    """
    journal = Journal.reopen(path)
    try:
        if (saved := published(path)) is not None:
            raise InputError(
                f"journal {str(path)!r} is saved already as {str(saved)!r}; go on with it by "
                "--hpml-resume, or remove it"
            )
        header = journal.contents.header
        file = save_run(run_of(path, journal.contents), path.parent, header.name or "recovered")
    except BaseException:
        journal.close()
        raise
    journal.remove()
    return file


def run_of(path: Path, contents: Contents) -> dict[str, Any]:
    """The run in a journal, in the form in which a complete run is saved.

    Raises:
        InputError: if nothing in it was measured.
        JournalError: if something in it cannot be part of a run.
    """
    header = contents.header
    ended = contents.endings
    in_order = {nodeid: ended[nodeid] for nodeid in header.selection if nodeid in ended}
    try:
        records, unmeasured = merge_results(in_order, header.processes)
        benchmarks = [_with_statistics(record) for record in records]
        record = Replication(
            header.processes, header.seed, unmeasured, contents.missing, contents.resumed, path.name
        )
        run = header.run | {
            "benchmarks": benchmarks, "datetime": header.when, "hpml": asdict(record)
        }  # fmt: skip
        msgspec.json.decode(strict_json(run), type=Run)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise JournalError(
            f"journal {str(path)!r} holds what is no benchmark: {error}", path
        ) from error
    if not benchmarks:
        raise InputError(f"journal {str(path)!r} has nothing measured to save; remove it")
    return run


def published(path: Path) -> Path | None:
    """The run that was saved from a journal since it was last written to, if any."""
    since = path.stat().st_mtime_ns
    for run in reversed(runs(path.parent)):
        if run.stat().st_mtime_ns >= since and path.name.encode() in run.read_bytes():
            return run
    return None


def _with_statistics(record: dict[str, Any]) -> dict[str, Any]:
    stats = record["stats"]
    return record | {"stats": summary(stats["data"]) | {"iterations": stats["iterations"]}}
