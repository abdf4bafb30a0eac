"""Epoch times of loader workers and threads, predicted from epochs without workers."""

import math
import statistics
from dataclasses import dataclass
from functools import cached_property

from hpml_lab.labs.answer import (
    Answer,
    Brief,
    first_of,
    measured_parts,
    more_processes,
    plus_minus,
    process_seconds,
    setting,
)
from hpml_lab.runs.cases import alike, lab_cases, measured
from hpml_lab.runs.schema import Measurement, Parts, Run
from hpml_lab.stats.fastest import fastest
from hpml_lab.theory.loading import Pipeline
from hpml_lab.units import ratio, seconds

_THREADS = ("threads", "intraop_threads")


@dataclass(frozen=True)
class _Sweep:
    """The cases of one number of threads, by worker count; 0 workers are among them."""

    threads: int
    cases: dict[int, Measurement]
    cores: int

    @cached_property
    def batches(self) -> int:
        alone = self.cases[0]
        return math.ceil(measured(alone)[0].samples / int(alone.case["batch_size"] or 0))

    @cached_property
    def pipeline(self) -> Pipeline:
        parts = measured_parts(self.cases[0])
        load_s = statistics.fmean(part.wait_s - part.start_s for part in parts) / self.batches
        step_s = statistics.fmean(map(_step_s, parts)) / self.batches
        on_cpu = self.cases[0].case.get("device") == "cpu"
        return Pipeline(load_s, step_s, self.cores, min(self.threads, self.cores) if on_cpu else 1)

    @cached_property
    def copy_s(self) -> float:
        parts = measured_parts(self.cases[0])
        return statistics.fmean(part.copy_s for part in parts) / self.batches

    @cached_property
    def start_s(self) -> float:
        return statistics.fmean(part.start_s for part in self._forked) / self._fewest

    @cached_property
    def fork_s(self) -> float:
        return statistics.fmean(_fork_s(part, self.batches) for part in self._forked)

    @property
    def _fewest(self) -> int:
        return min(workers for workers in self.cases if workers)

    @property
    def _forked(self) -> list[Parts]:
        return measured_parts(self.cases[self._fewest])

    def epoch_s(self, workers: int) -> float:
        return self.pipeline.epoch_s(self.batches, workers, self.start_s, self.fork_s)

    def measured_s(self, workers: int) -> list[float]:
        return [epoch.total_s for epoch in measured(self.cases[workers])]


def answers(run: Run) -> list[Answer]:
    """Returns predicted and measured epochs for each device and setting in the run."""
    machine = run.machine_info.hpml
    if machine is None:  # the number of processors is unknown
        return []
    return [
        _answer(sweeps)
        for cases in alike(lab_cases(run, "workers"), "workers", *_THREADS)
        if (sweeps := _sweeps(cases, machine.identity.cpu_count))
    ]


def _sweeps(cases: list[Measurement], cores: int) -> list[_Sweep]:
    by_threads: dict[int, dict[int, Measurement]] = {}
    for case in cases:
        threads = int(case.case.get("intraop_threads") or case.case.get("threads") or cores)
        by_threads.setdefault(threads, {})[_count(case)] = case
    return [
        _Sweep(threads, dict(sorted(by_count.items())), cores)
        for threads, by_count in sorted(by_threads.items())
        if 0 in by_count and len(by_count) > 1 and all(map(measured_parts, by_count.values()))
    ]


def _count(case: Measurement) -> int:
    return int(case.case.get("workers") or 0)


def _step_s(part: Parts) -> float:
    return part.copy_s + part.compute_s + part.other_s


def _fork_s(part: Parts, batches: int) -> float:
    """Returns by how much the first step after a fork is longer than the others; 0 if unknown."""
    if part.first_compute_s is None or batches < 2:
        return 0.0
    others_s = (part.compute_s - part.first_compute_s) / (batches - 1)
    return max(0.0, part.first_compute_s - others_s)


def _answer(sweeps: list[_Sweep]) -> Answer:
    pairs = [(sweep, workers) for sweep in sweeps for workers in sweep.cases]
    predicted, workers = min(pairs, key=lambda pair: pair[0].epoch_s(pair[1]))
    best = _name(predicted.threads, workers)
    times = {_name(s.threads, n): process_seconds(s.cases[n]) for s, n in pairs}
    return Answer(
        "",
        "Workers and threads predicted",
        setting(sweeps[0].cases[0], "workers"),
        [
            "threads",
            "workers",
            "predicted s/epoch",
            "measured s/epoch",
            "measured/predicted",
            "bound by",
        ],
        [_row(sweep, n) for sweep, n in pairs],
        [
            *map(_inputs, sweeps),
            f"Shortest epoch of the pairs tried: predicted with {best}, measured: "
            f"{first_of(times)}.",
        ],
        _brief(best, times),
    )


def _brief(predicted: str, times: dict[str, list[float]]) -> Brief:
    result = fastest(times)
    if result.is_told:
        return Brief(f"{predicted}; measured {result.best}")
    alike = (result.best, *result.alike)
    among = "one" if predicted in alike else "not one"
    return Brief(f"{predicted}; {among} of {len(alike)} alike", more_processes(times))


def _name(threads: int, workers: int) -> str:
    threads_word = "thread" if threads == 1 else "threads"
    return f"{threads} {threads_word}, {workers} {'worker' if workers == 1 else 'workers'}"


def _row(sweep: _Sweep, workers: int) -> list[str]:
    predicted_s, measured_s = sweep.epoch_s(workers), sweep.measured_s(workers)
    return [
        str(sweep.threads),
        str(workers),
        f"{predicted_s:.3f}",
        plus_minus(measured_s),
        ratio(statistics.fmean(measured_s) / predicted_s),
        sweep.pipeline.bound(workers, sweep.copy_s),
    ]


def _inputs(sweep: _Sweep) -> str:
    pipeline = sweep.pipeline
    forked = f", and {seconds(sweep.fork_s)} of copied pages in the first step after a fork"
    threads_word = "thread" if sweep.threads == 1 else "threads"
    return (
        f"{sweep.threads} {threads_word}, from the epochs without workers: "
        f"{seconds(pipeline.load_s)} to load a batch, {seconds(pipeline.step_s)} a step, which "
        f"takes {pipeline.step_cores:g} of {sweep.cores} processors; from those with the fewest "
        f"workers: {seconds(sweep.start_s)} to start one{forked if sweep.fork_s else ''}."
    )
