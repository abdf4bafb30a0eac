"""Where the time of a traced step went: its ten heaviest operators, and how much was idle."""

from hpml_lab.labs.answer import Answer
from hpml_lab.runs.schema import Benchmark, Run, Trace
from hpml_lab.units import percent, seconds

_SLOWER = "The profiler was at work: a step took longer than in the timed rounds."


def answers(run: Run) -> list[Answer]:
    """Returns a table for each case that was traced."""
    return [
        _answer(benchmark, case.trace)
        for benchmark in run.benchmarks
        if (case := benchmark.measurement) is not None and case.trace is not None
    ]


def _answer(benchmark: Benchmark, trace: Trace) -> Answer:
    on_device = any(operator.device_s for operator in trace.operators)
    rows = [
        [
            operator.name,
            f"{operator.calls:g}",
            seconds(operator.host_s),
            seconds(operator.device_s) if on_device else "-",
            percent((operator.device_s if on_device else operator.host_s) / trace.step_s),
        ]
        for operator in trace.operators
    ]
    where = "device" if on_device else "host"
    return Answer(
        "",
        "Heaviest operators",
        f"{benchmark.name}, a step of {seconds(trace.step_s)}; trace: {trace.file}",
        ["operator", "calls", "host", "device", f"of the {where}'s time"],
        rows,
        [f"The {where} was idle for {percent(trace.idle_share)} of the step. {_SLOWER}"],
    )
