"""Every timed case: its median, and between what a fresh process's median lies."""

from hpml_lab.history.cases import typical_s
from hpml_lab.history.run import Benchmark, Run
from hpml_lab.measure.record import Measurement
from hpml_lab.report.answers.answer import Answer
from hpml_lab.text import short
from hpml_lab.units import ratio, seconds
from hpml_lab.verdict.deciding import USUAL_PROCESSES
from hpml_lab.verdict.intervals import CONFIDENCE, Interval, fresh_process_intervals

_MOST_APART = 10.0  # an interval with ends farther apart says nothing to a reader
_METHOD = (
    "The median over processes of the median over rounds; from and to hold what one more process "
    f"would measure, {100 * CONFIDENCE:.0f} % of the time, which one process cannot say; how far "
    "processes lie apart is taken from all cases of the run."
)


def answers(run: Run) -> list[Answer]:
    """Returns one table of all cases with rounds; none of a run without any."""
    cases = [
        (benchmark, case)
        for benchmark in run.benchmarks
        if (case := benchmark.measurement) is not None and any(case.processes)
    ]
    if not cases:
        return []
    intervals = fresh_process_intervals([case.processes for _, case in cases])
    rows = [_row(*case, found) for case, found in zip(cases, intervals, strict=True)]
    columns = ["group", "case", "median", "from", "to", "to/from", "processes", "seen"]
    return [Answer("", "Every timed case", "seconds of an iteration", columns, rows, [_METHOD])]


def _row(benchmark: Benchmark, case: Measurement, found: Interval | None) -> list[str]:
    interval = ["-"] * 3
    if found and found.high_s <= _MOST_APART * found.low_s:
        interval = [seconds(found.low_s), seconds(found.high_s), ratio(1 + found.relative_width)]
    elif found:
        few = sum(map(bool, case.processes)) < USUAL_PROCESSES
        interval = [f"cannot say{f': {USUAL_PROCESSES} processes' if few else ''}", "-", "-"]
    counted = sum(1 for rounds in case.processes if rounds)
    asked = len(case.processes) if case.failures else counted  # what runs once was asked of one
    return [
        benchmark.group or "-",
        short(benchmark.name),
        seconds(typical_s(case)),
        *interval,
        str(counted) if counted == asked else f"{counted} of {asked}",
        _seen(case),
    ]


def _seen(case: Measurement) -> str:
    unsteady = any(sampling and sampling.unstable for sampling in case.sampling)
    words = {"failed": case.failures, "unsteady": unsteady, "flagged": case.flags}
    return ", ".join(word for word, is_so in words.items() if is_so) or "-"
