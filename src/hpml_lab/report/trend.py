"""A machine's trend as text and as a record."""

from collections.abc import Iterator
from typing import Any

from hpml_lab.report.terminal import plain
from hpml_lab.text import short
from hpml_lab.units import percent, seconds
from hpml_lab.verdict.steps import FEWEST_VALUES
from hpml_lab.verdict.trend import Move, SharedMove, Trend

_SHORT_COMMIT = 10


def record(trend: Trend) -> dict[str, Any]:
    """Returns a trend as JSON holds it."""
    return {
        "machine": trend.runs[-1].machine,
        "runs": len(trend.runs),
        "alpha": trend.alpha,
        "shared": [_shared(move) for move in trend.shared],
        "moved": [_move(move) | {"ratio": move.after / move.before} for move in trend.moved],
        "counters": [_move(move) | {"counter": move.counter} for move in trend.counters],
        "still": trend.still,
        "short": trend.short,
    }


def _shared(move: SharedMove) -> dict[str, Any]:
    return {"cases": move.cases, "judged": move.judged, "ratio": move.ratio} | _at(move)


def _move(move: Move) -> dict[str, Any]:
    levels = {"fullname": move.fullname, "before": move.before, "after": move.after}
    return levels | _at(move)


def _at(move: Move | SharedMove) -> dict[str, Any]:
    return {
        "number": move.number,
        "run": str(move.run.path),
        "datetime": move.run.time.isoformat(),
        "commit": move.run.commit,
        "dirty": move.run.dirty,
        "previous_commit": move.previous.commit,
    }


def render(trend: Trend) -> str:
    """Returns a trend as text, a line a move; no control character of a run file is in it."""
    return "\n".join(plain(line).plain for line in _lines(trend)) + "\n"


def _lines(trend: Trend) -> Iterator[str]:
    first, last = trend.runs[0], trend.runs[-1]
    runs = f"{len(trend.runs):,} run{'' if len(trend.runs) == 1 else 's'}"
    yield f"{last.machine}: {runs}, {first.time:%Y-%m-%d} to {last.time:%Y-%m-%d}"
    yield ""
    for shared in trend.shared:
        moved = f"{len(shared.cases):,} of {shared.judged:,} cases moved together"
        by = f"{moved} by {_signed(shared.ratio)} at {_where(shared)}"
        yield f"{by}: the machine, or what all of them use"
    for move in trend.moved:
        levels = f"{seconds(move.before)} -> {seconds(move.after)}"
        change = f"{levels} ({_signed(move.after / move.before)})"
        yield f"{short(move.fullname)}  {change}  {_where(move)}"
    for move in trend.counters:
        change = f"{move.before:,} -> {move.after:,}"
        yield f"{short(move.fullname)}  {move.counter} {change}  {_where(move)}"
    if trend.shared or trend.moved or trend.counters:
        yield ""
    judged = len(trend.still) + len({move.fullname for move in trend.moved})
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
    change = ratio - 1
    return f"{'+' if change >= 0 else '-'}{percent(abs(change))}"


def _where(move: Move | SharedMove) -> str:
    commit = (move.run.commit or "unknown")[:_SHORT_COMMIT]
    changed = " and uncommitted changes" if move.run.dirty else ""
    day = f"{move.run.time:%Y-%m-%d}"
    return f"run {move.number} ({move.run.path.stem}), commit {commit}{changed}, {day}"
