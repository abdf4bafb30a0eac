"""Saved runs made up so that their answers are known."""

from hpml_lab.history.run import Benchmark, ExtraInfo, Machine, MachineInfo, Run, Stats
from hpml_lab.measure.epochs import Epoch, Parts
from hpml_lab.measure.machine import Identity, State, Unit
from hpml_lab.measure.record import Measurement

CASE = {
    "device": "cpu", "network": "resnet18-cifar", "width": 8, "images": 100, "batch_size": 10,
    "workers": 2, "optimizer": "sgd-momentum", "optimizer_settings": "lab", "source": "generated",
    "batch_norm": True, "compile_mode": "eager", "pin_memory": False,
}  # fmt: skip


def epoch(index, total_s, *, warm_up=False, wait_s=0.0, loss=1.0, accuracy=0.5):
    """Returns an epoch of 100 samples that only waits and computes."""
    parts = Parts(wait_s, 0.0, total_s - wait_s, 0.0, 0.0)
    return Epoch(index, warm_up, 100, loss, accuracy, total_s, parts)


def benchmark(group, epochs=(), *, counters=None, memory=None, seconds=(), samples=100, **case):
    """Returns a saved benchmark; its rounds are its measured epochs unless given."""
    seconds = list(seconds) or [e.total_s for e in epochs if not e.warm_up]
    record = Measurement(
        CASE | case, samples, [seconds], counters or {}, memory or {}, {}, list(epochs)
    )
    stats = Stats(1, 1, 1, 0, 1, len(seconds))
    return Benchmark("test", f"test[{case}]", stats, group, ExtraInfo(record))


def run_of(*benchmarks):
    """Returns a run of a machine with two processors."""
    machine = Machine("m", Identity("c", 2, 24, None, 0, 0, False), Unit("h"), {}, {}, {})
    machine.state["before"] = State(0.0, None, None)
    return Run(MachineInfo(machine), list(benchmarks), "2026", "5")
