"""The published numbers as runs of their machines: a read-only history.

A write-up measured each program once, in one process. Its epochs are the rounds of that process,
without our own runs' warm-up epochs; a time that was only printed as a mean is one round. Caveats
against a number are among the case's flags. A number that was printed wrong is corrected where the
right one can be derived, and left out otherwise. Also left out are waiting times of loaders, which
are no run times, and times of first epochs alone.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from hpml_lab.claims.published import Metric, PublishedRun, Text, published
from hpml_lab.labs.question import Published
from hpml_lab.labs.questions import QUESTIONS
from hpml_lab.runs.machine import Identity, Machine, MachineInfo, Unit
from hpml_lab.runs.schema import Benchmark, ExtraInfo, Measurement, Run, Stats, Value

ONE_PROCESS = "every program ran once, in one process"

_EPOCHS = ("epoch_time", "run_time", "time_since_start")
_MEANS = ("run_time_mean", "run_time_total", "train_time_mean")
_COUNTS = {
    "trainable_parameters": "trainable_parameters",
    "trainable_parameters_sgd": "trainable_parameters",
    "gradients_sgd": "gradients",
    "conv_layers": "convolutions",
    "last_linear_input": "last_linear_inputs",
}
# The labs' names of networks, and ours. The HPML lab's SGD has momentum 0.9.
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


@dataclass(frozen=True)
class PublishedMachine:
    """The machine of a write-up.

    Attributes:
        name: the write-up and its name of the machine.
        caveats: caveats against all of its numbers.
        run: the numbers.
    """

    name: str
    caveats: list[str]
    run: Run


def published_machines() -> list[PublishedMachine]:
    """Returns the machines of all write-ups, in order."""
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
    """Returns the first benchmark of each case; other items repeat the same programs."""
    first: dict[tuple[str, str], Benchmark] = {}
    for benchmark in benchmarks:
        case = benchmark.measurement.case if benchmark.measurement else {}
        first.setdefault((benchmark.group or "", repr(sorted(case.items()))), benchmark)
    return list(first.values())


def _benchmarks(run: PublishedRun) -> Iterator[Benchmark]:
    for group, printed in _printed_for(run):
        quantity = printed.quantity
        timed = quantity == "seconds"
        rounds, warnings = _seconds(run, printed) if timed else ([], _caveats(run, quantity))
        counters = _counters(run) if quantity == "counts" else {}
        memory = _memory(run) if quantity == "bytes" else {}
        if not (rounds or memory or counters):
            continue
        case = Measurement(
            _case(run),
            printed.samples,
            [rounds] if rounds else [],
            counters=counters,
            memory=memory,
            flags=[*filter(None, [*warnings, run.caveat])],
        )
        # The statistics are unknown; nothing of ours reads them.
        stats = Stats(0, 0, 0, 0, 0, len(rounds))
        yield Benchmark(run.id, f"{run.id} {group}", stats, group, ExtraInfo(case))


def _caveats(run: PublishedRun, quantity: str) -> list[str]:
    read = {"device_memory_used"} if quantity == "bytes" else _COUNTS.keys()
    return [metric.caveat for metric in run.metrics if metric.name in read]


def _printed_for(run: PublishedRun) -> list[tuple[str, Published]]:
    """Returns the benchmark groups that a published run belongs to, with its printed numbers."""
    printed = {q.group: q.published for q in QUESTIONS if q.published is not None}
    groups = [group for group, numbers in printed.items() if run.item in numbers.items]
    # Two write-ups set C7 against the SGD of C6.
    own = any(r.id == f"{run.write_up}-C7-bn" for r in published().runs)
    if run.item == "C6" and run.config["optimizer"] == "sgd" and not own:
        groups.append("batch_norm")
    return [(group, printed[group]) for group in groups]


def _case(run: PublishedRun) -> dict[str, Value]:
    config = run.config
    case: dict[str, Value] = {"network": _NETWORKS.get(str(config["model"]), str(config["model"]))}
    if run.item.endswith("Q1-Q4"):
        return case | {"width": _CIFAR["width"], "batch_norm": config["batch_norm"] == "true"}
    if run.write_up in _HPML:
        case |= _CIFAR | {"compile_mode": str(config.get("compile", "eager"))}
        case["batch_norm"] = config["batch_norm"] == "true"
    for name in ("batch_size", "workers"):
        if str(config.get(name, "")).isdecimal():
            case[name] = int(str(config[name]))
    if "device" in config:
        case["device"] = {"gpu": "cuda"}.get(str(config["device"]), str(config["device"]))
    if "optimizer" in config:
        lab_s = run.write_up in _HPML and config["optimizer"] == "sgd"
        case["optimizer"] = "sgd-momentum" if lab_s else str(config["optimizer"]).replace("_", "-")
    return case


def _seconds(run: PublishedRun, printed: Published) -> tuple[list[float], list[str]]:
    """Returns the seconds of the epochs after the warm-up, or their mean, and caveats."""
    metrics = {metric.name: metric for metric in run.metrics}
    epochs = int(str(run.config.get("epochs", 0)))
    if "timestamp" in metrics:
        ends = [float(text) for text in _texts(metrics["timestamp"])]
        differences = [after - before for before, after in itertools.pairwise(ends)]
        return differences, ["whole seconds between time stamps, evaluation included"]
    for name in _EPOCHS:
        if name in metrics:
            by_epoch = _by_epoch(metrics[name])
            kept = [seconds for epoch, seconds in by_epoch.items() if epoch > printed.warm_up]
            return kept, [metrics[name].caveat]
    for name in _MEANS:
        if name in metrics and epochs > 1:
            total = float(metrics[name].value) / (epochs if name == "run_time_total" else 1)
            return [total], [f"mean of {epochs} epochs, the first included", metrics[name].caveat]
    return [], []


def _by_epoch(metric: Metric) -> dict[int, float]:
    """Returns corrected seconds by epoch; only corrected ones if the counter was not reset."""
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
    counters = {}
    for metric in run.metrics:
        count = _whole(metric.corrected) or _whole(metric.value)
        if metric.name in _COUNTS and count is not None:
            counters[_COUNTS[metric.name]] = count
    return counters


def _whole(text: Text | dict[str, str]) -> int | None:
    try:
        return int(Decimal(str(text)))
    except InvalidOperation:
        return None
