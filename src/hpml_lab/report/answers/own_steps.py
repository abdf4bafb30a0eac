"""The steps of a user's own: how fast, how near the roof, how much memory, how long they wait."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hpml_lab.history.cases import typical_s
from hpml_lab.history.run import Benchmark, Run
from hpml_lab.measure.record import Measurement
from hpml_lab.report.answers.answer import Answer
from hpml_lab.theory.roofline import position
from hpml_lab.units import flop_rate, mebibytes, per_second, percent, seconds
from hpml_lab.verdict.roofline import peak_name

_UNKNOWN = "-"
_ABOUT = {
    "FLOP/s": "FLOP: convolutions, matrix products and recurrent layers, multiply-add = 2.",
    "share of roof": "Share of roof: of what the machine's measured arithmetic and memory "
    "bandwidth allow, if every operator reads its inputs and writes its outputs once.",
    "peak": "Peak: the most bytes alive at once of those that a step allocates.",
    "waits": "Waits: share of the time that the training waits for its loader, once that has "
    "started.",
}


@dataclass(frozen=True)
class _Step:
    benchmark: Benchmark
    case: Measurement
    ceilings: Mapping[str, float | None]

    @property
    def step_s(self) -> float:
        return typical_s(self.case)


def answers(run: Run) -> list[Answer]:
    """Returns one table of the steps that are not the lab's; none of a run without any."""
    machine = run.machine_info.hpml
    steps = [
        _Step(benchmark, case, machine.ceilings if machine else {})
        for benchmark in run.benchmarks
        if (case := benchmark.measurement) is not None and _is_own(case)
    ]
    columns = [name for name, cell in _CELLS.items() if any(cell(s) != _UNKNOWN for s in steps)]
    if not steps or columns == ["step", "time"]:
        return []
    rows = [[_CELLS[name](step) for name in columns] for step in steps]
    about = [text for name, text in _ABOUT.items() if name in columns]
    return [Answer("", "Your steps", "one call each; - is unknown", columns, rows, about)]


def _is_own(case: Measurement) -> bool:
    # The lab's cases name their network, or say what it learnt.
    of_the_lab = "network" in case.case or case.learning is not None
    return any(case.processes) and not of_the_lab


def _time(step: _Step) -> str:
    return seconds(step.step_s)


def _samples(step: _Step) -> str:
    return per_second(step.case.samples / step.step_s) if step.case.samples else _UNKNOWN


def _tokens(step: _Step) -> str:
    return per_second(step.case.tokens / step.step_s) if step.case.tokens else _UNKNOWN


def _flops(step: _Step) -> str:
    work = step.case.counters.get("step_flops")
    return flop_rate(work / step.step_s) if work else _UNKNOWN


def _share(step: _Step) -> str:
    counters, of = step.case.counters, step.case.case
    work, moved = counters.get("step_flops"), counters.get("step_moved_bytes")
    device, precision = of.get("device"), of.get("precision", "float32")
    if not (work and moved and device):
        return _UNKNOWN
    convolutions = of.get("convolution_precision")
    peak = step.ceilings.get(peak_name(str(device), str(precision), convolutions))
    bandwidth = step.ceilings.get(f"{device}_memory_bytes_per_s")
    share = position(1 / step.step_s, work, moved, peak, bandwidth).fraction
    return _UNKNOWN if share is None else percent(share)


def _peak(step: _Step) -> str:
    found = step.case.peaks
    return mebibytes(max(found.values())) if found else _UNKNOWN


def _state(step: _Step) -> str:
    kept = step.case.counters.get("optimizer_state_bytes")
    return _UNKNOWN if kept is None else mebibytes(kept)


def _waits(step: _Step) -> str:
    share = step.case.stalls.get("wait_share")
    return _UNKNOWN if share is None else percent(share)


_CELLS: dict[str, Callable[[_Step], str]] = {
    "step": lambda step: step.benchmark.name,
    "time": _time,
    "samples/s": _samples,
    "tokens/s": _tokens,
    "FLOP/s": _flops,
    "share of roof": _share,
    "peak": _peak,
    "state": _state,
    "waits": _waits,
}
