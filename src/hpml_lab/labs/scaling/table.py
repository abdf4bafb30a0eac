"""Steps of more ranks over those of the fewest: efficiency, and what the exchange adds."""

import statistics

from hpml_lab.labs.answer import Answer, Brief, process_seconds
from hpml_lab.labs.scaling import GROUP
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.stats.intervals import FEWEST_PROCESSES
from hpml_lab.units import mebibytes, percent, seconds

Pair = tuple[Measurement, Measurement]


def answers(run: Run) -> list[Answer]:
    """Returns a table for each device and width."""
    by_setting: dict[tuple[str, str], dict[int, dict[str, Measurement]]] = {}
    for benchmark in run.benchmarks:
        case = benchmark.measurement
        if benchmark.group == GROUP and case is not None and "ranks" in case.case:
            setting = str(case.case.get("device")), str(case.case.get("width"))
            worlds = by_setting.setdefault(setting, {})
            cases = worlds.setdefault(int(str(case.case["ranks"])), {})
            cases[str(case.case.get("gradients"))] = case
    return [
        _answer(*setting, pairs)
        for setting, worlds in by_setting.items()
        if (pairs := _pairs(worlds))
    ]


def _pairs(worlds: dict[int, dict[str, Measurement]]) -> dict[int, Pair]:
    return {
        ranks: (cases["exchanged"], cases["kept"])
        for ranks, cases in sorted(worlds.items())
        if {"exchanged", "kept"} <= cases.keys()
    }


def _answer(device: str, width: str, pairs: dict[int, Pair]) -> Answer:
    return Answer(
        "",
        "More ranks, each with a whole batch (DDP)",
        f"{device}, the lab's network of width {width}",
        ["ranks", "step", "efficiency", "exchange adds", "peak of a rank"],
        [_row(ranks, pair, _typical_s(_first(pairs))) for ranks, pair in pairs.items()],
        ["Efficiency is the step of the fewest ranks over the step of these."],
        _brief(pairs),
    )


def _first(pairs: dict[int, Pair]) -> Measurement:
    return next(iter(pairs.values()))[0]


def _row(ranks: int, pair: Pair, fewest_s: float) -> list[str]:
    exchanged_s, kept_s = map(_typical_s, pair)
    return [
        str(ranks),
        seconds(exchanged_s),
        percent(fewest_s / exchanged_s),
        seconds(max(0.0, exchanged_s - kept_s)),
        mebibytes(pair[0].memory.get("peak_bytes", 0)),
    ]


def _typical_s(case: Measurement) -> float:
    return statistics.median(process_seconds(case))


def _brief(pairs: dict[int, Pair]) -> Brief:
    most = max(pairs)
    if most == min(pairs):
        return Brief(f"only {most} ranks were measured", "a machine with more processors")
    case = pairs[most][0]
    efficiency = _typical_s(_first(pairs)) / _typical_s(case)
    sure = len(process_seconds(case)) >= FEWEST_PROCESSES
    return Brief(f"{most} ranks: {percent(efficiency)} efficient", "" if sure else "3 processes")
