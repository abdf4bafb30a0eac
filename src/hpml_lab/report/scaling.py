"""Scaling over ranks, as text."""

from hpml_lab.report.terminal import new_console, plain, table, text_of
from hpml_lab.scaling.result import Case, Scaling
from hpml_lab.units import mebibytes, percent, ratio, seconds

_WIDTH = 100
_COLUMNS = [
    "ranks",
    "step",
    "from",
    "to",
    "efficiency",
    "exposed",
    "measured/predicted",
    "peak",
    "plan",
]
_LEGEND = (
    "Each rank has a whole batch (weak scaling). A step is the slowest rank's; from and to hold "
    "one more launch (95 %). Exposed: by how much exchanging gradients makes a step longer. "
    "Predicted: the step of the first line and the exchange at the measured latency and bandwidth, "
    "one after the other. Plan: the memory plan and the buckets, for every rank."
)


def render(scaling: Scaling) -> str:
    """Returns the cases as a table, failures and warnings under it."""
    console = new_console(_WIDTH)
    console.print(plain(f"{scaling.workload}: {scaling.strategy} over {scaling.backend}"))
    console.print(table(_COLUMNS, [_row(case) for case in scaling.cases], _WIDTH))
    for case in scaling.cases:
        if case.failure:
            console.print(plain(f"{case.world} ranks: {case.failure}"))
        if case.straggler is not None:
            console.print(
                plain(f"{case.world} ranks: rank {case.straggler} is slower than the others")
            )
    console.print(plain(_LEGEND))
    return text_of(console)


def _row(case: Case) -> list[str]:
    if case.step_s is None or case.predicted_step_s is None:
        return [str(case.world), *["-"] * (len(_COLUMNS) - 1)]
    low, high = case.interval or (None, None)
    return [
        str(case.world),
        seconds(case.step_s),
        "-" if low is None else seconds(low),
        "-" if high is None else seconds(high),
        percent(case.efficiency or 0.0),
        seconds(max(0.0, case.exposed_s or 0.0)),
        ratio(case.step_s / case.predicted_step_s),
        mebibytes(max(case.peak_bytes)),
        "-" if case.predicted_peak_bytes is None else mebibytes(case.predicted_peak_bytes),
    ]
