"""Saved runs made up so that what is said of them is known: as records, and as JSON holds them."""

import json
from dataclasses import asdict, replace

from hpml_lab.measure.fingerprint import identity, state
from hpml_lab.runs.machine import Cpu, Identity, Machine, MachineInfo, State, Unit
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.schema import (
    Benchmark,
    Epoch,
    ExtraInfo,
    Failure,
    Measurement,
    Parts,
    Replication,
    Run,
    Sampling,
    Stats,
)

IDENTITY = Identity(
    cpu="c", cpu_count=2, memory_gib=24, gpu=None, gpu_count=0, gpu_memory_gib=0, mig=False
)
CEILINGS = {"cpu_matmul_float32_flops_per_s": 200e3, "cpu_memory_bytes_per_s": 20e3}
SETTINGS = {
    "device": "cpu", "network": "resnet18-cifar", "width": 8, "images": 100, "batch_size": 10,
    "workers": 2, "optimizer": "sgd-momentum", "optimizer_settings": "lab", "source": "generated",
    "batch_norm": True, "compile_mode": "eager", "pin_memory": False,
}  # fmt: skip
# A file of pytest-benchmark alone.
STOCK = {
    "machine_info": {"node": "somewhere"},
    "commit_info": {},
    "benchmarks": [
        {
            "name": "test_a",
            "fullname": "tests/test_a.py::test_a",
            "group": None,
            "extra_info": {},
            "stats": {
                "min": 1.0, "max": 2.0, "mean": 1.5, "stddev": 0.5, "median": 1.5, "rounds": 2,
            },
        }
    ],
    "datetime": "2026-01-01T00:00:00+00:00",
    "version": "5.1.0",
}  # fmt: skip


def stats(second=1.0, rounds=1):
    """Returns the statistics of rounds that all took as long."""
    return Stats(min=second, max=second, mean=second, stddev=0.0, median=second, rounds=rounds)


def recorded(record, *, group=None, name="test", fullname=None):
    """Returns a saved benchmark with our record, or without one."""
    info = ExtraInfo(hpml=record)
    return Benchmark(
        name=name, fullname=fullname or name, stats=stats(), group=group, extra_info=info
    )


def epoch(index, total_s, *, warm_up=False, wait_s=0.0, loss=1.0, accuracy=0.5):
    """Returns an epoch of 100 samples that only waits and computes."""
    parts = Parts(wait_s=wait_s, copy_s=0.0, compute_s=total_s - wait_s, other_s=0.0, start_s=0.0)
    return Epoch(
        index=index, warm_up=warm_up, samples=100, loss=loss, accuracy=accuracy, total_s=total_s,
        parts=parts,
    )  # fmt: skip


def benchmark(group, *, epochs=(), counters=None, memory=None, seconds=(), samples=100, **settings):
    """Returns a case of the lab; its rounds are its measured epochs unless given."""
    record = Measurement(
        case=SETTINGS | settings,
        samples=samples,
        processes=[list(seconds) or [e.total_s for e in epochs if not e.warm_up]],
        counters=counters or {},
        memory=memory or {},
        epochs=list(epochs),
    )
    return recorded(record, group=group, fullname=f"test[{settings}]")


def case(fullname, *medians, counters=None, memory=None, flags=(), failures=(), **settings):
    """Returns a case with one round in each process; None is a process that failed."""
    record = Measurement(
        case=settings,
        samples=None,
        processes=[[] if median is None else [median] for median in medians],
        counters=counters or {},
        memory=memory or {},
        flags=list(flags),
        failures=list(failures),
    )
    return recorded(record, name=fullname)


def run_of(*benchmarks, machine="m", software=None, ceilings=None, unmeasured=None):
    """Returns a run of three processes on a machine with two processors."""
    record = Machine(
        id=machine,
        identity=IDENTITY,
        unit=Unit(host="h"),
        software=software or {"torch": "2.15"},
        state={"before": State(load_1min=0.0, cpu_mhz=None, governor=None)},
        ceilings=ceilings or {},
    )
    return Run(
        machine_info=MachineInfo(hpml=record),
        benchmarks=list(benchmarks),
        datetime="2026",
        version="5",
        hpml=Replication(processes=3, seed=0, unmeasured=unmeasured or {}),
    )


def stock_run(medians, *, cpu="c"):
    """Returns a run of pytest-benchmark, which is one process, with these medians by name."""
    return Run(
        machine_info=MachineInfo(system="Linux", machine="x86_64", cpu=Cpu(brand_raw=cpu, count=2)),
        benchmarks=[
            Benchmark(name=name, fullname=name, stats=stats(median, rounds=5))
            for name, median in medians.items()
        ],
        datetime="2026",
        version="5",
    )


def doubtful():
    """Returns a run in which one case failed once, one is flagged, one was unsteady."""
    lost = benchmark("batch_size", seconds=[0.01], samples=10, batch_size=10)
    lost.measurement.processes.append([])
    lost.measurement.failures.append(
        Failure(process=2, kind="crashed", message="killed by SIGSEGV")
    )
    flagged = benchmark("batch_size", seconds=[0.02], samples=20, batch_size=20)
    flagged.measurement.flags.append("counters differ")
    unsteady = benchmark("batch_size", seconds=[0.03], samples=30, batch_size=30)
    unsteady.measurement.processes.append([0.033])
    steady = Sampling(iterations=1, warm_up=1, stopped="precise")
    modes = replace(steady, stopped="budget", unstable=["two modes: so and so"])
    unsteady.measurement.sampling.extend([steady, modes])
    failure = Failure(process=1, kind="out-of-memory", message="tried to allocate 2 GiB")
    run = run_of(lost, flagged, unsteady)
    return replace(run, hpml=Replication(processes=2, seed=0, unmeasured={"test_gone": [failure]}))


def verdict_of(comparison, fullname="a"):
    """Returns what is said of one case."""
    (verdict,) = [verdict for verdict in comparison.verdicts if verdict.fullname == fullname]
    return verdict


def rounds_of(duration_s, processes=3):
    """Returns what so many processes measure of work that takes so long."""
    return [[duration_s * (1 + 0.001 * process)] * 5 for process in range(processes)]


def machine_info(**changed):
    """Returns this machine's record as JSON holds it."""
    named = identity()
    record = {"id": named.id, "identity": asdict(named), "unit": {"host": "h"}, "software": {}}
    return record | {"state": {"before": asdict(state())}} | changed


def stock_json(medians, **changed):
    """Returns a run of pytest-benchmark as JSON holds it, with these medians by full name."""
    return {
        "machine_info": {},
        "commit_info": {},
        "benchmarks": [_benchmark_json(name, [median]) for name, median in medians.items()],
        "datetime": "2026-01-02T03:04:05+00:00",
        "version": "5.2.3",
    } | changed


def run_json(cases, *, machine=None, commit=None, counters=None, settings=None):
    """Returns a run of ours as JSON holds it.

    Args:
        cases: rounds by process, by full name.
        machine: our machine record; this one's unless given.
        commit: of `commit_info`.
        counters: of every case.
        settings: of every case.
    """
    benchmarks = []
    for fullname, rounds in cases.items():
        record = Measurement(
            case=settings or {}, samples=None, processes=rounds, counters=counters or {}
        )
        seconds = [second for process in rounds for second in process] or [1.0]
        extra = {"hpml": asdict(record)}
        benchmarks.append(_benchmark_json(fullname, seconds) | {"extra_info": extra})
    return stock_json(
        {},
        machine_info={"hpml": machine or machine_info()},
        commit_info=commit or {},
        benchmarks=benchmarks,
    )


def plant(storage, name, run):
    """Saves a run's JSON in the machine's folder under a file's name; returns the file."""
    folder = storage / run["machine_info"]["hpml"]["id"]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(run))
    return file


def saved_in(project, storage=".benchmarks"):
    """Returns the runs that were saved in a project's folder."""
    return [read_run(path) for path in sorted(project.glob(f"{storage}/*/*.json"))]


def _benchmark_json(fullname, seconds):
    numbers = {"min": min(seconds), "max": max(seconds), "mean": seconds[0], "stddev": 0.0}
    return {
        "name": fullname.rpartition("::")[2],
        "fullname": fullname,
        "stats": {**numbers, "median": seconds[0], "rounds": len(seconds)},
    }
