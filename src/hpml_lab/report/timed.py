"""Every timed case: its median, and the prediction interval for one more process."""

from hpml_lab.comparison.deciding import USUAL_PROCESSES
from hpml_lab.labs.answer import Answer, Brief
from hpml_lab.runs.cases import typical_s
from hpml_lab.runs.schema import Benchmark, Measurement, Run
from hpml_lab.stats.intervals import CONFIDENCE, Interval, fresh_process_intervals
from hpml_lab.text import short
from hpml_lab.units import per_second, ratio, seconds

_SURE_WIDTH = 0.5  # relative width of an interval that a summary calls sure
_MOST_APART = 10.0  # an interval with ends farther apart says nothing to a reader
_METHOD = (
    "The median over processes of the median over rounds; from and to hold what one more process "
    f"would measure, {100 * CONFIDENCE:.0f} % of the time, which one process cannot say; how far "
    "processes lie apart is taken from all cases of the run."
)


def answers(run: Run) -> list[Answer]:
    """Returns one table of all cases with rounds; no table if there is none."""
    rows = [_row(*timed) for timed in with_intervals(run)]
    if not rows:
        return []
    columns = ["group", "case", "median", "from", "to", "to/from", "processes", "seen"]
    return [Answer("", "Every timed case", "seconds of an iteration", columns, rows, [_METHOD])]


def with_intervals(run: Run) -> list[tuple[Benchmark, Measurement, Interval | None]]:
    """Returns every benchmark with rounds, its record, and its interval for one more process."""
    cases = [
        (benchmark, case)
        for benchmark in run.benchmarks
        if (case := benchmark.measurement) is not None and any(case.processes)
    ]
    if not cases:
        return []
    intervals = fresh_process_intervals([case.processes for _, case in cases])
    return [(*case, interval) for case, interval in zip(cases, intervals, strict=True)]


def brief(case: Measurement, interval: Interval | None) -> Brief:
    """Returns the time of a case as a line of a summary."""
    time_s = typical_s(case)
    rate = f", {per_second(case.samples / time_s, 'samples')}" if case.samples else ""
    if sum(map(bool, case.processes)) < USUAL_PROCESSES:
        return Brief(f"{seconds(time_s)}{rate}", f"{USUAL_PROCESSES} processes")
    if interval is None or interval.relative_width > _SURE_WIDTH:
        return Brief(f"{seconds(time_s)}{rate}", "a quiet machine, or more processes")
    ends = f"{seconds(interval.low_s)} to {seconds(interval.high_s)}"
    return Brief(f"{seconds(time_s)} ({ends}){rate}")


def _row(benchmark: Benchmark, case: Measurement, interval: Interval | None) -> list[str]:
    ends = ["-"] * 3
    if interval and interval.high_s <= _MOST_APART * interval.low_s:
        width = ratio(1 + interval.relative_width)
        ends = [seconds(interval.low_s), seconds(interval.high_s), width]
    elif interval:
        few = sum(map(bool, case.processes)) < USUAL_PROCESSES
        ends = [f"cannot say{f': {USUAL_PROCESSES} processes' if few else ''}", "-", "-"]
    counted = sum(1 for rounds in case.processes if rounds)
    asked = (
        len(case.processes) if case.failures else counted
    )  # a case that runs once has one process
    return [
        benchmark.group or "-",
        short(benchmark.name),
        seconds(typical_s(case)),
        *ends,
        str(counted) if counted == asked else f"{counted} of {asked}",
        _seen(case),
    ]


def _seen(case: Measurement) -> str:
    unsteady = any(sampling and sampling.unstable for sampling in case.sampling)
    words = {"failed": case.failures, "unsteady": unsteady, "flagged": case.flags}
    return ", ".join(word for word, is_so in words.items() if is_so) or "-"
