"""Warnings about a run's results: failed, flagged and unsteady cases."""

from collections.abc import Iterator

from hpml_lab.labs.answer import Answer
from hpml_lab.runs.schema import Benchmark, Run
from hpml_lab.text import short


def answers(run: Run) -> list[Answer]:
    """Returns one table of all warnings, the gravest first; no table if there is none."""
    rows = [*_unmeasured(run)]
    for kind in (_failed, _flagged, _unsteady):
        rows += [row for benchmark in run.benchmarks for row in kind(benchmark)]
    if not rows:
        return []
    rows = _merge_processes(rows)
    columns = ["what", "case", "process", "why"]
    return [Answer("", "Warnings", "all else ran as it should", columns, rows)]


def _merge_processes(rows: list[list[str]]) -> list[list[str]]:
    """Merges rows that differ in the process alone."""
    by_warning: dict[tuple[str, str, str], list[str]] = {}
    for what, case, process, why in rows:
        by_warning.setdefault((what, short(case), why), []).append(process)
    return [
        [what, case, ", ".join(processes), why]
        for (what, case, why), processes in by_warning.items()
    ]


def _unmeasured(run: Run) -> Iterator[list[str]]:
    for name, failures in (run.hpml.unmeasured if run.hpml else {}).items():
        for failure in failures:
            yield ["no result", name, str(failure.process), f"{failure.kind}: {failure.message}"]


def _failed(benchmark: Benchmark) -> Iterator[list[str]]:
    for failure in benchmark.measurement.failures if benchmark.measurement else []:
        why = f"{failure.kind}: {failure.message}"
        yield ["failed", benchmark.fullname, str(failure.process), why]


def _flagged(benchmark: Benchmark) -> Iterator[list[str]]:
    for flag in benchmark.measurement.flags if benchmark.measurement else []:
        yield ["flagged", benchmark.fullname, "-", flag]


def _unsteady(benchmark: Benchmark) -> Iterator[list[str]]:
    sampled = benchmark.measurement.sampling if benchmark.measurement else []
    for process, sampling in enumerate(sampled, 1):
        for sign in sampling.unstable if sampling else []:
            yield ["unsteady", benchmark.fullname, str(process), sign]
