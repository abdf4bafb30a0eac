"""Every timed case: its median, and between what a fresh process's median lies."""

from hpml_lab.history.cases import typical_s
from hpml_lab.history.run import Benchmark, Run
from hpml_lab.measure.record import Measurement
from hpml_lab.report.answers.answer import Answer
from hpml_lab.units import ratio, seconds
from hpml_lab.verdict.intervals import CONFIDENCE, fresh_process_interval

_METHOD = (
    "The median over processes of the median over rounds; from and to hold what one more process "
    f"would measure, {100 * CONFIDENCE:.0f} % of the time, which one process cannot say."
)


def answers(run: Run) -> list[Answer]:
    """Returns one table of all cases with rounds; none of a run without any."""
    rows = [
        _row(benchmark, case)
        for benchmark in run.benchmarks
        if (case := benchmark.measurement) is not None and any(case.processes)
    ]
    if not rows:
        return []
    columns = ["group", "case", "median", "from", "to", "to/from", "processes", "seen"]
    return [Answer("", "Every timed case", "seconds of an iteration", columns, rows, [_METHOD])]


def _row(benchmark: Benchmark, case: Measurement) -> list[str]:
    found = fresh_process_interval(case.processes)
    interval = (
        [seconds(found.low_s), seconds(found.high_s), ratio(1 + found.relative_width)]
        if found
        else ["-"] * 3
    )
    counted = sum(1 for rounds in case.processes if rounds)
    asked = len(case.processes) if case.failures else counted  # what runs once was asked of one
    return [
        benchmark.group or "-",
        benchmark.name,
        seconds(typical_s(case)),
        *interval,
        str(counted) if counted == asked else f"{counted} of {asked}",
        _seen(case),
    ]


def _seen(case: Measurement) -> str:
    unsteady = any(sampling and sampling.unstable for sampling in case.sampling)
    words = {"failed": case.failures, "unsteady": unsteady, "flagged": case.flags}
    return ", ".join(word for word, is_so in words.items() if is_so) or "-"
