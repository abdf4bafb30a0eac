"""A machine's trend as text and as a record."""

from collections.abc import Iterator
from typing import Any

from hpml_lab.comparison.trend import Change, CommonChange, Trend
from hpml_lab.stats.change_points import FEWEST_VALUES
from hpml_lab.text import printable, told_apart
from hpml_lab.units import percent, seconds

_SHORT_COMMIT = 10
_LONGEST_STEM = 30


def record(trend: Trend) -> dict[str, Any]:
    """Returns a trend as a JSON record."""
    return {
        "machine": trend.runs[-1].machine,
        "runs": len(trend.runs),
        "alpha": trend.alpha,
        "shared": [_shared(change) for change in trend.shared],
        "moved": [
            _change(change) | {"ratio": change.after / change.before} for change in trend.moved
        ],
        "counters": [_change(change) | {"counter": change.counter} for change in trend.counters],
        "still": trend.still,
        "short": trend.short,
    }


def _shared(change: CommonChange) -> dict[str, Any]:
    return {"cases": change.cases, "judged": change.judged, "ratio": change.ratio} | _at(change)


def _change(change: Change) -> dict[str, Any]:
    levels = {"fullname": change.fullname, "before": change.before, "after": change.after}
    return levels | _at(change)


def _at(change: Change | CommonChange) -> dict[str, Any]:
    return {
        "number": change.number,
        "run": str(change.run.path),
        "datetime": change.run.time.isoformat(),
        "commit": change.run.commit,
        "dirty": change.run.dirty,
        "previous_commit": change.previous.commit,
    }


def render(trend: Trend) -> str:
    """Returns a trend as text without control characters, one line for each change."""
    return "\n".join(printable(line) for line in lines(trend)) + "\n"


def lines(trend: Trend) -> Iterator[str]:
    """Yields a trend in lines: its runs, its changes, what did not move."""
    first, last = trend.runs[0], trend.runs[-1]
    runs = f"{len(trend.runs):,} run{'' if len(trend.runs) == 1 else 's'}"
    yield f"{last.machine}: {runs}, {first.time:%Y-%m-%d} to {last.time:%Y-%m-%d}"
    yield ""
    changed = [change.fullname for change in (*trend.moved, *trend.counters)]
    names = told_apart([*changed, *trend.still, *trend.short])
    for shared in trend.shared:
        moved = f"{len(shared.cases):,} of {shared.judged:,} cases changed together"
        by = f"{moved} by {_signed(shared.ratio)} at {_where(shared)}"
        yield f"{by}: the machine, or what all of them use"
    for change in trend.moved:
        levels = f"{seconds(change.before)} -> {seconds(change.after)}"
        sizes = f"{levels} ({_signed(change.after / change.before)})"
        yield f"{names[change.fullname]}  {sizes}  {_where(change)}"
    for change in trend.counters:
        sizes = f"{change.before:,} -> {change.after:,}"
        yield f"{names[change.fullname]}  {change.counter} {sizes}  {_where(change)}"
    if trend.shared or trend.moved or trend.counters:
        yield ""
    judged = len(trend.still) + len({change.fullname for change in trend.moved})
    on_their_own = " on their own" if trend.shared else ""
    if judged:
        yield f"{len(trend.still):,} of {judged:,} cases did not move{on_their_own}."
    if trend.short:
        others = " others" if judged else ""
        yield (
            f"{len(trend.short):,}{others} have fewer than {FEWEST_VALUES} runs: "
            "nothing can be said of their seconds yet."
        )
    yield f"The chance of any false move of seconds here is at most {percent(trend.alpha)}."


def _signed(ratio: float) -> str:
    excess = ratio - 1
    return f"{'+' if excess >= 0 else '-'}{percent(abs(excess))}"


def _where(change: Change | CommonChange) -> str:
    commit = (change.run.commit or "unknown")[:_SHORT_COMMIT]
    changed = " and uncommitted changes" if change.run.dirty else ""
    day = f"{change.run.time:%Y-%m-%d}"
    stem = change.run.path.stem  # stock names hold the commit again
    file = f" ({stem})" if len(stem) <= _LONGEST_STEM else ""
    return f"run {change.number}{file}, commit {commit}{changed}, {day}"
