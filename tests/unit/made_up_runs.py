"""Saved runs made up so that their answers are known."""

from hpml_lab.history.run import (
    Benchmark,
    ExtraInfo,
    Machine,
    MachineInfo,
    Replication,
    Run,
    Stats,
)
from hpml_lab.measure.epochs import Epoch, Parts
from hpml_lab.measure.machine import Identity, State, Unit
from hpml_lab.measure.record import Failure, Measurement, Sampling

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


def changed(found, **values):
    """Returns a saved benchmark or run with other values."""
    for name, value in values.items():
        object.__setattr__(found, name, value)
    return found


def doubtful():
    """Returns a run in which one case failed once, one is flagged, one was unsteady."""
    lost = benchmark("batch_size", seconds=[0.01], samples=10, batch_size=10)
    lost.measurement.processes.append([])
    lost.measurement.failures.append(Failure(2, "crashed", "killed by SIGSEGV"))
    flagged = benchmark("batch_size", seconds=[0.02], samples=20, batch_size=20)
    flagged.measurement.flags.append("counters differ")
    unsteady = benchmark("batch_size", seconds=[0.03], samples=30, batch_size=30)
    unsteady.measurement.processes.append([0.033])
    unsteady.measurement.sampling.extend(
        [Sampling(1, 1, "precise"), Sampling(1, 1, "budget", ["two modes: so and so"])]
    )
    failure = Failure(1, "out-of-memory", "tried to allocate 2 GiB")
    run = run_of(lost, flagged, unsteady)
    return changed(run, hpml=Replication(2, 0, {"test_gone": [failure]}))
