"""GPU-memory lab: predicted and measured memory of a training step, and its peak."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from hpml_lab.labs.answer import Answer, Brief, setting
from hpml_lab.memory.timeline import CATEGORIES, Timeline, by_layer, grouped
from hpml_lab.runs.cases import alike, lab_cases
from hpml_lab.runs.schema import Measurement, Row, Run
from hpml_lab.units import MIB, mebibytes, percent, ratio

_PARTS = ("parameters", "gradients", "optimizer_state", "activations")
_ALIVE = ("parameters", "buffers", "optimizer_state", "input")  # at the start of a step
_NEEDED = (*(f"tracked_{part}_bytes" for part in _PARTS), "planned_peak_bytes", "first_peak_bytes")
_TERMS = ("rounding", "workspace", "cached", "context")
_AXES = ("optimizer", "batch_norm", "batch_size", "images", "learning_rate")
_PHASES = {
    "before": "before the forward pass",
    "forward": "in the forward pass",
    "backward": "in the backward pass",
    "optimizer": "in the optimizer's step",
}
_SMALL = 0.01  # share of the peak below which a category is not named

_Named = dict[str, Measurement]


def answers(run: Run) -> list[Answer]:
    """Returns predicted and measured memory for each network, device and setting in the run."""
    results = []
    for group in alike(lab_cases(run, "memory_plan", epochs=False, counters=_NEEDED), *_AXES):
        named = _named(sorted(group, key=lambda case: (_batch(case), _planned(case))))
        results.append(_plan(named))
        results += [_device(named)] if all(map(_on_gpu, group)) else []
    return results


def _named(cases: list[Measurement]) -> _Named:
    """Returns the cases by the settings in which they differ."""
    varied = _varied(cases) or ["optimizer"]
    return {", ".join(_word(case, axis) for axis in varied): case for case in cases}


def _word(case: Measurement, axis: str) -> str:
    value = case.case[axis]
    if axis == "batch_norm":
        return "batch norm" if value else "no batch norm"
    return f"batch {value}" if axis == "batch_size" else str(value)


def _varied(cases: list[Measurement]) -> list[str]:
    axes = ("batch_size", "optimizer", "batch_norm")
    return [axis for axis in axes if len({case.case[axis] for case in cases}) > 1]


def _setting(named: _Named) -> str:
    cases = list(named.values())
    return f"{setting(cases[0], 'images', 'workers', *_varied(cases))}; MiB"


def _plan(named: _Named) -> Answer:
    return Answer(
        "",
        "Memory: predicted and measured",
        _setting(named),
        [
            "step",
            "parameters",
            "gradients",
            "state",
            "activations",
            "peak, step 1",
            "predicted",
            "measured",
            "ratio",
        ],
        [_row(name, case) for name, case in named.items()],
        [*_sentences(named)],
        Brief(f"at most {_worst_bytes(list(named.values())):,} bytes off"),
    )


def _row(name: str, case: Measurement) -> list[str]:
    sizes = [case.counters[f"tracked_{part}_bytes"] for part in _PARTS]
    sizes += [case.counters["first_peak_bytes"], _planned(case), _measured(case)]
    return [name, *map(_mib, sizes), f"{_measured(case) / _planned(case):.4f}"]


def _sentences(named: _Named) -> Iterator[str]:
    yield _deviation(list(named.values()))
    for name, case in named.items():
        if case.timelines.get("tracked"):
            yield f"Peak, {name}: {_peak(case.timelines['tracked'])}."
    yield from _late_state(named)
    yield from _without_norm(list(named.values()))
    yield from _slope(list(named.values()))
    yield from _kernels(list(named.values()))


def _deviation(cases: list[Measurement]) -> str:
    quantity = "allocated memory" if _on_gpu(cases[0]) else "memory of live tensors"
    return f"The prediction misses the {quantity} by at most {_worst(cases)}."


def _worst(cases: list[Measurement]) -> str:
    worst = max(cases, key=lambda case: abs(_measured(case) / _planned(case) - 1))
    off = abs(_measured(worst) - _planned(worst))
    return f"{off:,} bytes ({100 * off / _planned(worst):.4f} %)"


def _worst_bytes(cases: list[Measurement]) -> int:
    return max(abs(_measured(case) - _planned(case)) for case in cases)


def _peak(rows: list[Row]) -> str:
    row = max(rows, key=_total)
    live = dict(zip(CATEGORIES, row.live_bytes, strict=True))
    parts = ", ".join(
        f"{name.replace('_', ' ')} {_mib(live[name])}"
        for name in sorted(live, key=lambda name: -live[name])
        if live[name] > _SMALL * _total(row)
    )
    where = f"{_PHASES[row.phase]}{f' at {row.layer}' if row.layer else ''}"
    return f"{where}, {mebibytes(_total(row))} ({parts})"


def _total(row: Row) -> int:
    return sum(row.live_bytes)


def _late_state(named: _Named) -> Iterator[str]:
    name = max(named, key=lambda name: _grown(named[name]))
    if _grown(named[name]) > 0 and len({case.case["optimizer"] for case in named.values()}) > 1:
        counts = named[name].counters
        yield (
            f"One step cannot show the state: {name} peaks at {_mib(counts['first_peak_bytes'])} "
            f"MiB in step 1 and at {_mib(counts['tracked_peak_bytes'])} later."
        )


def _grown(case: Measurement) -> int:
    return case.counters["tracked_peak_bytes"] - case.counters["first_peak_bytes"]


def _without_norm(cases: list[Measurement]) -> Iterator[str]:
    kept = {bool(c.case["batch_norm"]): c.counters["tracked_activations_bytes"] for c in cases}
    if len(kept) == 2 == len(cases):
        yield (
            f"Without batch norm {_mib(kept[False])} MiB of activations are kept instead of "
            f"{_mib(kept[True])}, {ratio(kept[False] / kept[True])}."
        )


def _slope(cases: list[Measurement]) -> Iterator[str]:
    few, many = cases[0], cases[-1]
    if _batch(few) < _batch(many):
        per_image = (_measured(many) - _measured(few)) / (_batch(many) - _batch(few))
        sizes = f"From batch {_batch(few)} to {_batch(many)}"
        yield f"{sizes}, each image more takes {mebibytes(per_image)}."


def _kernels(cases: list[Measurement]) -> Iterator[str]:
    if all("peak_step_bytes" in case.memory for case in cases):
        most = percent(max(map(_allocator_share, cases)) - 1)
        yield f"With what kernels take for themselves, the allocator gave out up to {most} more."


def _allocator_share(case: Measurement) -> float:
    alive = sum(case.counters[f"tracked_{name}_bytes"] for name in _ALIVE)
    return (alive + case.memory["peak_step_bytes"]) / case.counters["tracked_peak_bytes"]


def _device(named: _Named) -> Answer:
    return Answer(
        "",
        "Memory: what the device shows",
        _setting(named),
        ["step", "tensors", *_TERMS, "predicted", "reserved", "device used"],
        [_device_row(name, case) for name, case in named.items()],
        [
            "Predicted is the sum of the columns before it. Device used, which nvidia-smi shows, "
            "is reserved + context + all else on the GPU."
        ],
    )


def _device_row(name: str, case: Measurement) -> list[str]:
    terms = [case.counters["planned_peak_bytes"]]
    terms += [case.memory.get(f"planned_{term}_bytes", 0) for term in _TERMS]
    shown = [case.memory[f"{reading}_bytes"] for reading in ("peak_reserved", "device_used")]
    return [name, *map(_mib, [*terms, sum(terms), *shown])]


def _on_gpu(case: Measurement) -> bool:
    return "peak_allocated_bytes" in case.memory


def _planned(case: Measurement) -> int:
    return case.memory.get("planned_allocated_bytes", case.counters["planned_peak_bytes"])


def _measured(case: Measurement) -> int:
    return case.memory.get("peak_allocated_bytes", case.counters["tracked_peak_bytes"])


def _batch(case: Measurement) -> int:
    return int(case.case["batch_size"] or 0)


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / MIB:,.1f}"


_MOST_ROWS = 30


OUTSIDE = "(outside the modules)"


def layers_record(timeline: Timeline) -> list[dict[str, Any]]:
    """Returns the memory by layer in a form for JSON."""
    return [asdict(layer) for layer in by_layer(timeline)]


def layers_answer(heading: str, timeline: Timeline) -> Answer:
    """Returns the memory by layer as a table; many layers are grouped by block."""
    layers = grouped(by_layer(timeline), _MOST_ROWS)
    return Answer(
        "",
        "Memory by layer",
        heading,
        ["layer", "kept for the backward pass", "at the peak"],
        [[x.layer or OUTSIDE, mebibytes(x.kept_bytes), mebibytes(x.peak_bytes)] for x in layers],
        ["At the peak: what was allocated in the step; parameters and state are there before it."],
    )
