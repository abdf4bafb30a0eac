"""C8: torch.compile: cost in the first epoch, saving in later epochs, and memory."""

import math
import statistics

from hpml_lab.labs.answer import (
    Answer,
    Brief,
    more_processes,
    plus_minus,
    process_seconds,
    setting,
)
from hpml_lab.runs.cases import alike, lab_cases, measured
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.stats.fastest import fastest
from hpml_lab.units import MIB, ratio

_MODES = ("eager", "default", "reduce-overhead", "max-autotune")
# A replayed CUDA graph allocates nothing, so its allocated bytes are far too small; its memory is
# in the reserved bytes (torch/_inductor/cudagraph_trees.py).
_REPLAYED = ("reduce-overhead", "max-autotune")
_NOT_OF_GRAPHS = "peak_allocated_bytes"
_READINGS = {
    "peak_step_bytes": "a step's own MiB",
    "peak_resident_bytes": "process MiB",
    "peak_allocated_bytes": "allocated MiB",
    "peak_reserved_bytes": "reserved MiB",
    "device_used_bytes": "device used MiB",
}


def answers(run: Run) -> list[Answer]:
    """Returns the answer to C8 for each device and setting in the run."""
    results = []
    for modes in alike(lab_cases(run, "compile_modes"), "compile_mode"):
        results.append(_c8(modes))
        readings = [name for name in _READINGS if all(name in case.memory for case in modes)]
        results += [_memory(modes, readings)] if readings else []
    return results


def break_even_epoch(first_s: float, steady_s: float, eager: tuple[float, float]) -> int | None:
    """Returns the break-even epoch, by whose end compiling has paid for itself; None if never.

    Args:
        first_s: seconds of the first epoch, compilation included.
        steady_s: seconds of each later epoch.
        eager: the same two times in eager mode.
    """
    eager_first_s, eager_steady_s = eager
    if first_s <= eager_first_s:
        return 1
    if steady_s >= eager_steady_s:
        return None
    return 1 + math.ceil((first_s - eager_first_s) / (eager_steady_s - steady_s))


def _c8(cases: list[Measurement]) -> Answer:
    by_mode = {str(case.case["compile_mode"]): case for case in cases}
    present = [mode for mode in _MODES if mode in by_mode]
    steady = measured(cases[0])
    missing = [mode for mode in _MODES if mode not in by_mode]
    sentences = [
        _words(mode, by_mode) for mode in present if mode != "eager" and "eager" in by_mode
    ]
    if missing:
        sentences.append(f"Not in this run: {', '.join(missing)}.")
    return Answer(
        "C8",
        "Compile modes",
        setting(cases[0]),
        [
            "mode",
            "epoch 1 s",
            f"epochs {steady[0].index}-{steady[-1].index} s",
            "break-even epoch",
            "graphs",
            "breaks",
            "recompiles",
        ],
        [_row(mode, by_mode) for mode in present],
        sentences,
        _brief(by_mode, present),
    )


def _brief(by_mode: dict[str, Measurement], present: list[str]) -> Brief:
    if "eager" not in present or len(present) < 2:
        return Brief(f"only {', '.join(present)} was measured", "all modes: --hpml-profile=short")
    times = {mode: process_seconds(by_mode[mode]) for mode in present}
    result = fastest(times)
    epoch = None if result.best == "eager" else _break_even(result.best, by_mode)
    pays = f", pays for itself after epoch {epoch}" if epoch else ""
    if result.is_told:
        return Brief(f"{result.best}{pays}")
    return Brief(f"cannot tell {result.best} from {', '.join(result.alike)}", more_processes(times))


def _memory(cases: list[Measurement], readings: list[str]) -> Answer:
    by_mode = {str(case.case["compile_mode"]): case.memory for case in cases}
    present = [mode for mode in _MODES if mode in by_mode]
    comparable = [name for name in readings if name != _NOT_OF_GRAPHS]
    return Answer(
        "",
        "Memory of compile modes",
        setting(cases[0]),
        ["mode", *(_READINGS[name] for name in readings)],
        [[mode, *(_reading(mode, name, by_mode) for name in readings)] for mode in present],
        _memory_words(by_mode, comparable[0]) if comparable else [],
    )


def _reading(mode: str, name: str, by_mode: dict[str, dict[str, int]]) -> str:
    if name == _NOT_OF_GRAPHS and mode in _REPLAYED:
        return "-"
    return f"{by_mode[mode][name] / MIB:,.1f}"


def _memory_words(by_mode: dict[str, dict[str, int]], reading: str) -> list[str]:
    eager = by_mode.get("eager")
    compiled = {mode: memory[reading] for mode, memory in by_mode.items() if mode != "eager"}
    if eager is None or not compiled:
        return []
    ratios = ", ".join(f"{mode} {ratio(size / eager[reading])}" for mode, size in compiled.items())
    return [f"{_READINGS[reading].removesuffix(' MiB').capitalize()} against eager: {ratios}."]


def _row(mode: str, by_mode: dict[str, Measurement]) -> list[str]:
    case = by_mode[mode]
    counts = [
        str(case.counters.get(name, "-")) for name in ("graphs", "graph_breaks", "recompiles")
    ]
    return [
        mode,
        f"{case.epochs[0].total_s:.2f}",
        plus_minus([epoch.total_s for epoch in measured(case)]),
        "-" if mode == "eager" else str(_break_even(mode, by_mode) or "never"),
        *counts,
    ]


def _break_even(mode: str, by_mode: dict[str, Measurement]) -> int | None:
    if "eager" not in by_mode:
        return None
    return break_even_epoch(
        *_first_and_steady_s(by_mode[mode]), _first_and_steady_s(by_mode["eager"])
    )


def _first_and_steady_s(case: Measurement) -> tuple[float, float]:
    return case.epochs[0].total_s, statistics.fmean(e.total_s for e in measured(case))


def _words(mode: str, by_mode: dict[str, Measurement]) -> str:
    _, steady_s = _first_and_steady_s(by_mode[mode])
    _, eager_s = _first_and_steady_s(by_mode["eager"])
    epoch = _break_even(mode, by_mode)
    pays = f"pays for itself after epoch {epoch}" if epoch else "never pays for itself"
    decided = fastest({name: process_seconds(by_mode[name]) for name in (mode, "eager")}).is_told
    sure = "" if decided else " (so few processes cannot tell which is faster)"
    return (
        f"{mode}: a later epoch takes {steady_s / eager_s:.2f}x the time of eager{sure}; it {pays}."
    )
