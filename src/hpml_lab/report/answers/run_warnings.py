"""What speaks against a run's numbers: what failed, what was unsteady, what was flagged."""

from collections.abc import Iterator

from hpml_lab.history.run import Benchmark, Run
from hpml_lab.report.answers.answer import Answer
from hpml_lab.text import short


def answers(run: Run) -> list[Answer]:
    """Returns one table of all warnings, the gravest first; none of a run without any."""
    rows = [*_unmeasured(run)]
    for kind in (_failed, _flagged, _unsteady):
        rows += [row for benchmark in run.benchmarks for row in kind(benchmark)]
    if not rows:
        return []
    rows = _one_row_each(rows)
    columns = ["what", "case", "process", "why"]
    return [Answer("", "Warnings", "all else ran as it should", columns, rows)]


def _one_row_each(rows: list[list[str]]) -> list[list[str]]:
    """Returns one row of those that differ in the process alone."""
    processes: dict[tuple[str, str, str], list[str]] = {}
    for what, case, process, why in rows:
        processes.setdefault((what, short(case), why), []).append(process)
    return [[what, case, ", ".join(told), why] for (what, case, why), told in processes.items()]


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
