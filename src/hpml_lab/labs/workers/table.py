"""C2, C3, C4: breakdown of an epoch's time, and the best number of loader workers."""

import itertools
import statistics

from hpml_lab.labs.answer import (
    Answer,
    Brief,
    best_count,
    brief_of,
    first_of,
    measured_parts,
    plus_minus,
    process_seconds,
    setting,
)
from hpml_lab.labs.workers import predicted
from hpml_lab.runs.cases import alike, lab_cases, measured
from hpml_lab.runs.schema import Epoch, Measurement, Run
from hpml_lab.units import percent, ratio

_LAB_WORKERS = 2


def answers(run: Run) -> list[Answer]:
    """Returns the answers to C2, C3 and C4, and predictions, for each device and setting."""
    results: list[Answer | None] = []
    for sweep in alike(own_threads(run), "workers"):
        by_count = {_count(case): case for case in sorted(sweep, key=_count)}
        if all(measured_parts(case) for case in by_count.values()):
            results += [_c2(by_count), _c3(by_count, run), _c4(by_count)]
    return [answer for answer in results if answer is not None] + predicted.answers(run)


def own_threads(run: Run) -> list[Measurement]:
    """Returns the cases that leave torch its own number of threads, as the labs do."""
    return [case for case in lab_cases(run, "workers") if not case.case.get("threads")]


def _count(case: Measurement) -> int:
    return int(case.case.get("workers") or 0)


def _c2(by_count: dict[int, Measurement]) -> Answer | None:
    case = by_count.get(_LAB_WORKERS)
    if case is None:
        return None
    split = {epoch: _seconds(epoch) for epoch in case.epochs}
    measured_s = [split[epoch] for epoch in measured(case)]
    means = [statistics.fmean(column) for column in zip(*measured_s, strict=True)]
    rows = [
        [f"{epoch.index}{' (warm-up)' if epoch.warm_up else ''}", *map(_text, seconds)]
        for epoch, seconds in split.items()
    ]
    rows.append(["mean", *map(_text, means)])
    gap = max(epoch.gap for epoch in case.epochs)
    return Answer(
        "C2",
        "Where an epoch's time goes",
        setting(case),
        ["epoch", "loading s", "copy s", "compute s", "other s", "total s"],
        rows,
        [
            f"Loading takes {percent(means[0] / means[4])} of an epoch, computing "
            f"{percent(means[2] / means[4])}.",
            f"The parts add up to the total within {100 * gap:.3f} %.",
        ],
        Brief(f"loading {percent(means[0] / means[4])}, computing {percent(means[2] / means[4])}"),
    )


def _seconds(epoch: Epoch) -> list[float]:
    parts = [getattr(epoch.parts, f"{name}_s") for name in ("wait", "copy", "compute", "other")]
    return [*parts, epoch.total_s]


def _text(seconds: float) -> str:
    return f"{seconds:.3f}"


def _c3(by_count: dict[int, Measurement], run: Run) -> Answer:
    runs = {n: [epoch.total_s for epoch in measured(case)] for n, case in by_count.items()}
    loads = {n: [p.wait_s for p in measured_parts(case)] for n, case in by_count.items()}
    best_run, best_load = best_count(runs), best_count(loads)
    times = {n: process_seconds(case) for n, case in by_count.items()}
    epochs = len(next(iter(runs.values())))
    rows = [
        [
            str(n),
            plus_minus(loads[n]),
            f"{sum(loads[n]):.3f}",
            plus_minus(runs[n]),
            f"{(by_count[n].samples or 0) / statistics.fmean(runs[n]):,.0f}",
        ]
        for n in by_count
    ]
    return Answer(
        "C3",
        "How many loader workers",
        setting(next(iter(by_count.values())), "workers"),
        [
            "workers",
            "loading s/epoch",
            f"loading s, {epochs} epochs",
            "run time s/epoch",
            "images/s",
        ],
        rows,
        [
            f"Best worker count by run time: {first_of(times)}; loading alone, in one process: "
            f"{best_load}.",
            f"The lab's rule, to stop where loading no longer falls, ends at {_lab_rule(loads)}.",
            _why(by_count, runs, loads, best_run, run),
        ],
        brief_of(times),
    )


def _lab_rule(loads: dict[int, list[float]]) -> int:
    counts = sorted(loads)
    for now, following in itertools.pairwise(counts):
        if sum(loads[following]) >= sum(loads[now]):
            return now
    return counts[-1]


def _why(
    by_count: dict[int, Measurement],
    runs: dict[int, list[float]],
    loads: dict[int, list[float]],
    best: int,
    run: Run,
) -> str:
    machine = run.machine_info.hpml
    processors = f"{machine.identity.cpu_count} processors" if machine else "processors"
    waiting = statistics.fmean(loads[best]) / statistics.fmean(runs[best])
    text = f"With {best} workers, loading is {percent(waiting)} of the epoch"
    beyond = [n for n in by_count if n > best]
    if not beyond:
        return f"{text}; more were not tried."
    return (
        f"{text}: more workers can win no more than that, and they share the {processors} "
        "with the training itself."
    )


def _c4(by_count: dict[int, Measurement]) -> Answer | None:
    runs = {n: [epoch.total_s for epoch in measured(case)] for n, case in by_count.items()}
    best = best_count({n: totals for n, totals in runs.items() if n != 1} or runs)
    if 1 not in by_count or best == 1:
        return None
    means = {n: _mean_parts(by_count[n]) for n in (1, best)}
    rows = [[str(n), *(f"{value:.3f}" for value in means[n])] for n in (1, best)]
    ratios = [
        one / other if other else None for one, other in zip(means[1], means[best], strict=True)
    ]
    rows.append([f"1 / {best}", *("-" if r is None else ratio(r) for r in ratios)])
    return Answer(
        "C4",
        f"One worker against {best}",
        setting(by_count[1], "workers"),
        ["workers", "loading s", "compute s", "other s", "total s"],
        rows,
        [_c4_words(means[1], means[best], best)],
        brief_of({n: process_seconds(by_count[n]) for n in (1, best)}),
    )


def _mean_parts(case: Measurement) -> list[float]:
    parts = measured_parts(case)
    totals = [epoch.total_s for epoch in measured(case)]
    return [
        statistics.fmean(p.wait_s for p in parts),
        statistics.fmean(p.compute_s for p in parts),
        statistics.fmean(p.copy_s + p.other_s for p in parts),
        statistics.fmean(totals),
    ]


def _c4_words(one: list[float], best: list[float], count: int) -> str:
    word = "less" if best[0] < one[0] else "more"
    return (
        f"With {count} workers an epoch waits {abs(one[0] - best[0]):.3f} s {word} for batches and "
        f"computes for {best[1]:.3f} s instead of {one[1]:.3f} s: its run time is "
        f"{ratio(best[3] / one[3])} that of one worker."
    )
