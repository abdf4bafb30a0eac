"""Scaling over ranks, measured and predicted, as text."""

from hpml_lab.labs.answer import Answer
from hpml_lab.report.terminal import new_console, plain, table, text_of
from hpml_lab.scaling.result import Case, Scaling, World, Worlds
from hpml_lab.units import mebibytes, percent, ratio, seconds

_WIDTH = 100
_COLUMNS = [
    "ranks",
    "step",
    "from",
    "to",
    "efficiency",
    "exposed",
    "exchange",
    "over predicted",
]
_MEMORY = ["ranks", "peak of a rank", "planned"]
_WEAK, _STRONG = "each rank has a whole batch", "the ranks share one batch"
_LEGEND = (
    "A step is the slowest rank's; from and to hold one more launch (95 %). Exposed: by how much "
    "exchanging gradients makes a step longer. Exchange: all of it, also beside the work. Over "
    "predicted: the step over that of the first line and the exchange, by the measured latency and "
    "bandwidth, one after the other; 1.00x is as predicted. Peak: with DDP's buckets, which one "
    "process alone does not have."
)


def render(scaling: Scaling) -> str:
    """Returns the cases as a table, failures and warnings under it."""
    console = new_console(_WIDTH)
    shared = _STRONG if scaling.strong else _WEAK
    each = "1 thread each" if scaling.threads == 1 else f"{scaling.threads} threads each"
    named = f"{scaling.workload}: {scaling.strategy} over {scaling.backend}, {shared}, {each}"
    console.print(plain(named))
    measured = [case for case in scaling.cases if case.step_s is not None]
    if measured:
        console.print(table(_COLUMNS, [_row(case) for case in scaling.cases], _WIDTH))
        console.print()
        console.print(table(_MEMORY, [_memory(case) for case in measured], _WIDTH))
    for case in scaling.cases:
        if case.failure:
            console.print(plain(f"{case.world} ranks: {case.failure}"))
        if case.straggler is not None:
            console.print(
                plain(f"{case.world} ranks: rank {case.straggler} is slower than the others")
            )
    if measured:
        console.print(plain(_LEGEND))
    if (last := scaling.cases[-1]).bytes_per_s and scaling.cases[0].kept_s:
        console.print(plain(_for_more(scaling, last)), soft_wrap=True)  # to be pasted
    return text_of(console)


def _for_more(scaling: Scaling, last: Case) -> str:
    """Returns the command that predicts more ranks than were measured."""
    beside = "" if scaling.backend == "nccl" else " --no-overlap"
    return (
        f"For more ranks: hpml-lab predict {scaling.workload} --world {4 * last.world} --strategy "
        f"{scaling.strategy} --step-seconds {scaling.cases[0].kept_s:.3g} --latency "
        f"{last.latency_s:.3g} --bandwidth {last.bytes_per_s:.0f}{beside}"
    )


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
        seconds(case.exchange_s or 0.0),
        ratio(case.step_s / case.predicted_step_s),
    ]


def _memory(case: Case) -> list[str]:
    planned = case.predicted_peak_bytes
    return [
        str(case.world),
        mebibytes(max(case.peak_bytes)),
        "-" if planned is None else mebibytes(planned),
    ]


def worlds_answer(heading: str, worlds: Worlds) -> Answer:
    """Returns what is predicted for more ranks as a table."""
    timed = any(case.step_s is not None for case in worlds.cases)
    columns = ["ranks", "step", "efficiency", "exchange", "exposed"] if timed else ["ranks"]
    rows = [
        [
            f"{case.world:,}",
            *(_times(case) if timed else []),
            mebibytes(case.peak_bytes),
        ]
        for case in worlds.cases
    ]
    untimed = "Give --step-seconds, --latency and --bandwidth to predict times too."
    return Answer(
        "",
        f"A rank of many, predicted ({worlds.strategy})",
        heading,
        [*columns, "peak of a rank"],
        rows,
        worlds.assumptions or [untimed],
    )


def _times(case: World) -> list[str]:
    return [
        seconds(case.step_s or 0.0),
        percent(case.efficiency or 0.0),
        seconds(case.exchange_s or 0.0),
        seconds(case.exposed_s or 0.0),
    ]
