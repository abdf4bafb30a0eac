"""The published numbers as runs of their machines: a history that is read and never written.

A write-up measured each program once, in one process. Its epochs are the rounds of that process,
without those that our own runs warm up in; a time that was printed as a mean alone is one round.
What the write-up or its caveats say against a number is among the case's flags. What was printed
wrong is left out, or is what holds instead where that can be derived. Not here: waiting times of
loaders, which are no run times, and first epochs by themselves.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from hpml_lab.claims.published import Metric, PublishedRun, Text, published
from hpml_lab.history.run import Benchmark, ExtraInfo, Machine, MachineInfo, Run, Stats
from hpml_lab.measure.machine import Identity, Unit
from hpml_lab.measure.record import Measurement, Value

ONE_PROCESS = "every program ran once, in one process"

# The groups of benchmarks that answer an item of the labs.
_GROUPS = {
    "C2": ["workers"], "C3": ["workers"], "C3.1": ["workers"], "C4": ["workers"],
    "C5": ["device"], "C6": ["optimizers"], "C7": ["batch_norm"], "C8": ["compile_modes"],
    "Q2a": ["memory_plan"], "5(b)": ["memory_plan"],
    "Q3a": ["memory_plan"], "5(c)": ["memory_plan", "batch_learning"],
    "Q1-Q4": ["memory"], "C7/Q1-Q4": ["memory"],
}  # fmt: skip
_TIMED = {"workers", "device", "optimizers", "batch_norm", "compile_modes", "batch_learning"}
_WARM_UP = {"C8": 5}  # epochs; 1 elsewhere

_EPOCHS = ("epoch_time", "run_time", "time_since_start")
_MEANS = ("run_time_mean", "run_time_total", "train_time_mean")
_COUNTS = {
    "trainable_parameters": "trainable_parameters",
    "trainable_parameters_sgd": "trainable_parameters",
    "gradients_sgd": "gradients",
    "conv_layers": "convolutions",
    "last_linear_input": "last_linear_inputs",
}
# How the labs and we name the same thing. The HPML lab's SGD has momentum 0.9.
_NETWORKS = {
    "resnet18_cifar": "resnet18-cifar",
    "resnet18_stride2_stem": "resnet18-cifar with a stem of stride 2",
    "resnet152 (10 classes)": "resnet152",
    "resnet18 (10 classes)": "resnet18",
}
_HPML = {"002", "003", "004"}
_CIFAR: dict[str, Value] = {
    "width": 64,
    "image": 32,
    "images": 0,  # all, as in our own cases
    "optimizer_settings": "lab",
    "source": "cifar10",
}
_SAMPLES = {"batch_learning": 4096}  # 50,000 elsewhere


@dataclass(frozen=True)
class PublishedMachine:
    """A machine of a write-up.

    Attributes:
        name: the write-up and what it says of the machine.
        caveats: what holds against all of its numbers.
        run: them.
    """

    name: str
    caveats: list[str]
    run: Run


def published_machines() -> list[PublishedMachine]:
    """Returns the machine of each write-up, in order."""
    return [
        _machine(write_up, about["caveat"]) for write_up, about in published().write_ups.items()
    ]


def _machine(write_up: str, caveat: str) -> PublishedMachine:
    runs = [run for run in published().runs if run.write_up == write_up]
    gpu = next((run.machine["gpu"] for run in runs if _stated(run)), "unstated")
    gpu = gpu.partition(" (")[0].replace("unstated", "GPU unstated")
    cpu = next((run.machine["cpu"] for run in runs if "unstated" not in run.machine["cpu"]), "-")
    identity = Identity(cpu, 0, 0, gpu, 1, 0, mig=False)  # 0: not stated
    machine = Machine(f"published-{write_up}", identity, Unit("unstated"), {}, {})
    benchmarks = [benchmark for run in runs for benchmark in _benchmarks(run)]
    return PublishedMachine(
        f"published {write_up}: {gpu}",
        [ONE_PROCESS, caveat],
        Run(MachineInfo(machine), _first_of_each(benchmarks), "unstated", "unstated"),
    )


def _stated(run: PublishedRun) -> bool:
    return run.machine["gpu"] not in ("unstated", "not used")


def _first_of_each(benchmarks: list[Benchmark]) -> list[Benchmark]:
    """Returns the first benchmark of each case: programs were run again under other items."""
    first: dict[tuple[str, str], Benchmark] = {}
    for benchmark in benchmarks:
        case = benchmark.measurement.case if benchmark.measurement else {}
        first.setdefault((benchmark.group or "", repr(sorted(case.items()))), benchmark)
    return list(first.values())


def _benchmarks(run: PublishedRun) -> Iterator[Benchmark]:
    for group in _groups(run):
        rounds, warnings = _seconds(run) if group in _TIMED else ([], _caveats(run, group))
        counters = _counters(run) if group == "memory" else {}
        memory = _memory(run) if group == "memory_plan" else {}
        if not (rounds or memory or counters):
            continue
        case = Measurement(
            _case(run),
            _SAMPLES.get(group, 50_000),
            [rounds] if rounds else [],
            counters=counters,
            memory=memory,
            flags=[*filter(None, [*warnings, run.caveat])],
        )
        # Statistics of no rounds are not known; nothing of ours reads them.
        stats = Stats(0, 0, 0, 0, 0, len(rounds))
        yield Benchmark(run.id, f"{run.id} {group}", stats, group, ExtraInfo(case))


def _caveats(run: PublishedRun, group: str) -> list[str]:
    read = {"device_memory_used"} if group == "memory_plan" else _COUNTS.keys()
    return [metric.caveat for metric in run.metrics if metric.name in read]


def _groups(run: PublishedRun) -> list[str]:
    groups = _GROUPS.get(run.item, [])
    # Two write-ups set C7 against the SGD of C6.
    own = any(r.id == f"{run.write_up}-C7-bn" for r in published().runs)
    with_norm = run.item == "C6" and run.config["optimizer"] == "sgd" and not own
    return [*groups, "batch_norm"] if with_norm else groups


def _case(run: PublishedRun) -> dict[str, Value]:
    of = run.config
    case: dict[str, Value] = {"network": _NETWORKS.get(str(of["model"]), str(of["model"]))}
    if run.item.endswith("Q1-Q4"):
        return case | {"width": _CIFAR["width"], "batch_norm": of["batch_norm"] == "true"}
    if run.write_up in _HPML:
        case |= _CIFAR | {"compile_mode": str(of.get("compile", "eager"))}
        case["batch_norm"] = of["batch_norm"] == "true"
    for name in ("batch_size", "workers"):
        if str(of.get(name, "")).isdecimal():
            case[name] = int(str(of[name]))
    if "device" in of:
        case["device"] = {"gpu": "cuda"}.get(str(of["device"]), str(of["device"]))
    if "optimizer" in of:
        lab_s = run.write_up in _HPML and of["optimizer"] == "sgd"
        case["optimizer"] = "sgd-momentum" if lab_s else str(of["optimizer"]).replace("_", "-")
    return case


def _seconds(run: PublishedRun) -> tuple[list[float], list[str]]:
    """Returns the seconds of an epoch, by epoch behind the warm-up or as one mean, and caveats."""
    metrics = {metric.name: metric for metric in run.metrics}
    warm_up = _WARM_UP.get(run.item, 1)
    epochs = int(str(run.config.get("epochs", 0)))
    if "timestamp" in metrics:
        ends = [float(text) for text in _texts(metrics["timestamp"])]
        differences = [after - before for before, after in itertools.pairwise(ends)]
        return differences, ["whole seconds between time stamps, evaluation included"]
    for name in _EPOCHS:
        if name in metrics:
            by_epoch = _by_epoch(metrics[name])
            kept = [seconds for epoch, seconds in by_epoch.items() if epoch > warm_up]
            return kept, [metrics[name].caveat]
    for name in _MEANS:
        if name in metrics and epochs > 1:
            total = float(metrics[name].value) / (epochs if name == "run_time_total" else 1)
            return [total], [f"mean of {epochs} epochs, the first included", metrics[name].caveat]
    return [], []


def _by_epoch(metric: Metric) -> dict[int, float]:
    """Returns seconds by epoch, corrected; of a counter that was not reset, the corrected alone."""
    printed = {} if metric.name == "time_since_start" else dict(enumerate(_texts(metric), 1))
    corrected = metric.corrected if isinstance(metric.corrected, list) else []
    by_epoch = printed | dict(zip(metric.corrected_epochs, map(str, corrected), strict=True))
    return {epoch: float(text) for epoch, text in by_epoch.items()}


def _texts(metric: Metric) -> list[str]:
    return [str(text) for text in metric.values or [metric.value]]


def _memory(run: PublishedRun) -> dict[str, int]:
    for metric in run.metrics:
        if metric.name == "device_memory_used" and run.config.get("device") == "gpu":
            return {"device_used_bytes": round(Decimal(_texts(metric)[-1]) * 10**6)}
    return {}


def _counters(run: PublishedRun) -> dict[str, int]:
    found = {}
    for metric in run.metrics:
        count = _whole(metric.corrected) or _whole(metric.value)
        if metric.name in _COUNTS and count is not None:
            found[_COUNTS[metric.name]] = count
    return found


def _whole(text: Text | dict[str, str]) -> int | None:
    try:
        return int(Decimal(str(text)))
    except InvalidOperation:
        return None
