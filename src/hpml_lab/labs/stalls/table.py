"""Stalls of an epoch from loading, and the predicted and measured best worker count."""

import math
import statistics

from hpml_lab.labs.answer import (
    Answer,
    first_of,
    measured_parts,
    plus_minus,
    process_seconds,
    setting,
)
from hpml_lab.runs.cases import alike, lab_cases, measured
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.theory.loading import Pipeline
from hpml_lab.units import percent, ratio, seconds

_NO_COLD = "No fetch stall: generated images, or storage that could not be made cold."


def answers(run: Run) -> list[Answer]:
    """Returns the stalls of each case, and the predicted and measured times of worker sweeps."""
    results = [_stalls(case) for case in lab_cases(run, "stalls") if "ready_s" in case.stalls]
    return results + _predictions(run)


def _predictions(run: Run) -> list[Answer]:
    machine = run.machine_info.hpml
    if machine is None:  # the number of processors is unknown
        return []
    results = []
    for sweep in alike(lab_cases(run, "workers"), "workers"):
        by_count = {_count(case): case for case in sorted(sweep, key=_count)}
        if 0 in by_count and len(by_count) > 1 and all(map(measured_parts, by_count.values())):
            results.append(_prediction(by_count, machine.identity.cpu_count))
    return results


def _count(case: Measurement) -> int:
    return int(case.case.get("workers") or 0)


def _stalls(case: Measurement) -> Answer:
    lost = case.stalls
    rows = [
        ["batches on the device already", f"{lost['ready_s']:.3f}", "-"],
        ["real pipeline, data in memory", f"{lost['cached_s']:.3f}", f"{lost['prep_stall_s']:.3f}"],
    ]
    if "cold_s" in lost:
        row = ["real pipeline, data on storage"]
        rows.append([*row, f"{lost['cold_s']:.3f}", f"{lost['fetch_stall_s']:.3f}"])
    return Answer(
        "",
        "What loading costs an epoch",
        setting(case),
        ["epoch", "s", "stall s"],
        rows,
        [
            f"The {case.case.get('device')} has its batch for "
            f"{percent(lost['accelerator_utilisation'])} of the epoch.",
            *([] if "cold_s" in lost else [_NO_COLD]),
        ],
    )


def _prediction(by_count: dict[int, Measurement], cores: int) -> Answer:
    alone = by_count[0]
    batches = math.ceil(measured(alone)[0].samples / int(alone.case["batch_size"] or 0))
    pipeline, copy_s = _pipeline(alone, batches, cores)
    start_s = _start_s(by_count)
    counts = list(by_count)
    runs = {n: [epoch.total_s for epoch in measured(case)] for n, case in by_count.items()}
    rows = []
    for n in counts:
        epoch_s = pipeline.epoch_s(batches, n, start_s)
        times = ratio(statistics.fmean(runs[n]) / epoch_s)
        rows.append(
            [str(n), f"{epoch_s:.3f}", plus_minus(runs[n]), times, pipeline.bound(n, copy_s)]
        )
    by_process = {n: process_seconds(case) for n, case in by_count.items()}
    predicted = pipeline.best_workers(batches, counts, start_s)
    return Answer(
        "",
        "Loader workers predicted",
        setting(alone, "workers"),
        ["workers", "predicted s/epoch", "measured s/epoch", "measured/predicted", "bound by"],
        rows,
        [
            f"From the epochs without workers: {seconds(pipeline.load_s)} to load a batch, "
            f"{seconds(pipeline.step_s)} a step, {cores} processors of which the step takes "
            f"{pipeline.step_cores:g}; from those with the fewest workers: {seconds(start_s)} to "
            "start one.",
            f"Fewest workers with which loading no longer bounds the step: "
            f"{pipeline.enough_workers()}. Shortest epoch of the counts tried: predicted with "
            f"{predicted}, measured: {first_of(by_process)}.",
        ],
    )


def _pipeline(alone: Measurement, batches: int, cores: int) -> tuple[Pipeline, float]:
    parts = measured_parts(alone)
    load_s = statistics.fmean(part.wait_s - part.start_s for part in parts) / batches
    copy_s = statistics.fmean(part.copy_s for part in parts) / batches
    step_s = statistics.fmean(p.copy_s + p.compute_s + p.other_s for p in parts) / batches
    on_cpu = alone.case.get("device") == "cpu"
    return Pipeline(load_s, step_s, cores, cores if on_cpu else 1), copy_s


def _start_s(by_count: dict[int, Measurement]) -> float:
    fewest = min(n for n in by_count if n)
    return statistics.fmean(part.start_s for part in measured_parts(by_count[fewest])) / fewest
