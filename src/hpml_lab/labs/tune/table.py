"""Saved tunings: each configuration over the plain loop."""

import statistics

from hpml_lab.labs.answer import Answer, Brief
from hpml_lab.labs.tune import GROUP
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.stats.intervals import FEWEST_PROCESSES
from hpml_lab.units import ratio, seconds

_MARKS = ("tuned", "best", "disturbed")
_DISTURBED = "others kept the processors busy"


def answers(run: Run) -> list[Answer]:
    """Returns one table for each training that was tuned in the run."""
    return [_answer(name, cases) for name, cases in tunings(run).items() if () in cases]


def tunings(run: Run) -> dict[str, dict[tuple[str, ...], Measurement]]:
    """Returns the cases of each tuned training by their settings; the plain loop has none."""
    by_name: dict[str, dict[tuple[str, ...], Measurement]] = {}
    for benchmark in run.benchmarks:
        case = benchmark.measurement
        if benchmark.group == GROUP and case is not None and "tuned" in case.case:
            by_name.setdefault(str(case.case["tuned"]), {})[_settings(case)] = case
    return by_name


def speed(case: Measurement, plain: Measurement) -> float:
    """Returns the speed of a case over the plain loop's: the ratio of mean trials, in logs."""
    return _typical_s(plain) / _typical_s(case)


def _settings(case: Measurement) -> tuple[str, ...]:
    """Returns the settings that a trial had; a case of the pytest question names them itself."""
    if "settings" in case.case:
        return tuple(filter(None, str(case.case["settings"]).split(", ")))
    return tuple(f"{name}={value}" for name, value in case.case.items() if name not in _MARKS)


def _typical_s(case: Measurement) -> float:
    trials = (statistics.median(rounds) for rounds in case.processes if rounds)
    return statistics.geometric_mean(trials) / (case.samples or 1)


def _answer(name: str, cases: dict[tuple[str, ...], Measurement]) -> Answer:
    plain = cases[()]
    ordered = sorted(cases, key=lambda settings: (len(settings), -speed(cases[settings], plain)))
    best = [settings for settings in cases if settings and cases[settings].case.get("best")]
    return Answer(
        "",
        "The fastest settings",
        f"{name}; trials in processes of their own",
        ["settings", "time of a sample", "times as fast", "trials"],
        [_row(settings, cases[settings], plain) for settings in ordered],
        [_sentence(best, cases, plain)],
        _brief(best, cases, plain),
    )


def _row(settings: tuple[str, ...], case: Measurement, plain: Measurement) -> list[str]:
    name = ", ".join(settings) or "plain loop"
    trials = sum(map(len, case.processes))
    return [name, seconds(_typical_s(case)), ratio(speed(case, plain)), str(trials)]


def _sentence(
    best: list[tuple[str, ...]],
    cases: dict[tuple[str, ...], Measurement],
    plain: Measurement,
) -> str:
    if plain.case.get("disturbed"):
        return f"Cannot tell: {_DISTURBED}; tune again on a quiet machine."
    if not best:
        return "No setting surely helps."
    return f"{', '.join(best[0])}: {ratio(speed(cases[best[0]], plain))} as fast as the plain loop."


def _brief(
    best: list[tuple[str, ...]],
    cases: dict[tuple[str, ...], Measurement],
    plain: Measurement,
) -> Brief:
    if plain.case.get("disturbed"):
        return Brief(f"no setting is named: {_DISTURBED}", "a quiet machine")
    if not best:
        return Brief("no setting surely helps", "a larger --budget")
    trials = sum(map(len, cases[best[0]].processes))
    text = f"{ratio(speed(cases[best[0]], plain))} as fast: {', '.join(best[0])}"
    return Brief(text, "" if trials >= FEWEST_PROCESSES else "a larger --budget")
