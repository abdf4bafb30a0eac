"""Runs of planted process medians, to be compared."""

from hpml_lab.history.run import (
    Benchmark,
    Cpu,
    ExtraInfo,
    Machine,
    MachineInfo,
    Replication,
    Run,
    Stats,
)
from hpml_lab.measure.machine import Identity, Unit
from hpml_lab.measure.record import Measurement

IDENTITY = Identity("c", 2, 24, None, 0, 0, False)


def case(fullname, *medians, counters=None, memory=None, flags=(), failures=(), **settings):
    """Returns a benchmark with one round in each process; None is a process that failed."""
    processes = [[] if median is None else [median] for median in medians]
    record = Measurement(
        settings,
        None,
        processes,
        counters or {},
        memory or {},
        flags=list(flags),
        failures=list(failures),
    )
    return Benchmark(fullname, fullname, Stats(1, 1, 1, 0, 1, 1), None, ExtraInfo(record))


def run(*cases, machine="m", software=None, unmeasured=None):
    """Returns a run of ours."""
    info = Machine(machine, IDENTITY, Unit("h"), software or {"torch": "2.15"}, {})
    replication = Replication(3, 0, unmeasured or {})
    return Run(MachineInfo(info), list(cases), "2026", "5", replication)


def stock(fullname, median, cpu="c"):
    """Returns a stock file of pytest-benchmark, which is one process."""
    stats = Stats(median, median, median, 0.0, median, 5)
    info = MachineInfo(system="Linux", machine="x86_64", cpu=Cpu(cpu, 2))
    return Run(info, [Benchmark(fullname, fullname, stats)], "2026", "5")


def verdict_of(comparison, fullname="a"):
    """Returns what is said of one case."""
    (found,) = [each for each in comparison.verdicts if each.fullname == fullname]
    return found
