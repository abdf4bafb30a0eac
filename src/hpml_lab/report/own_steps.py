"""A user's own steps: rates, share of the roofline, memory, and waiting for the loader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hpml_lab.comparison.roofline_points import peak_name
from hpml_lab.labs.answer import Answer
from hpml_lab.runs.cases import typical_s
from hpml_lab.runs.schema import Benchmark, Measurement, Run
from hpml_lab.theory.roofline import position
from hpml_lab.units import flop_rate, mebibytes, per_second, percent, seconds

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
    """Returns one table of the user's own steps; no table if the run has none."""
    machine = run.machine_info.hpml
    steps = [
        _Step(benchmark, case, machine.ceilings if machine else {})
        for benchmark in run.benchmarks
        if (case := benchmark.measurement) is not None and is_own(case)
    ]
    columns = [name for name, cell in _CELLS.items() if any(cell(s) != _UNKNOWN for s in steps)]
    if not steps or columns == ["step", "time"]:
        return []
    rows = [[_CELLS[name](step) for name in columns] for step in steps]
    about = [text for name, text in _ABOUT.items() if name in columns]
    return [Answer("", "Your steps", "one call each; - is unknown", columns, rows, about)]


def is_own(case: Measurement) -> bool:
    """Whether a case has rounds and is none of the lab's."""
    # The lab's cases name their network, or have learning curves; a tuning's name what was tuned.
    of_the_lab = bool({"network", "tuned"} & case.case.keys()) or case.learning is not None
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
    counters, parameters = step.case.counters, step.case.case
    work, moved = counters.get("step_flops"), counters.get("step_moved_bytes")
    device, precision = parameters.get("device"), parameters.get("precision", "float32")
    if not (work and moved and device):
        return _UNKNOWN
    convolutions = parameters.get("convolution_precision")
    peak = step.ceilings.get(peak_name(str(device), str(precision), convolutions))
    bandwidth = step.ceilings.get(f"{device}_memory_bytes_per_s")
    share = position(1 / step.step_s, work, moved, peak, bandwidth).fraction
    return _UNKNOWN if share is None else percent(share)


def _peak(step: _Step) -> str:
    peaks = step.case.peaks
    return mebibytes(max(peaks.values())) if peaks else _UNKNOWN


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
