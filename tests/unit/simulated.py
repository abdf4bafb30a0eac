"""Projects whose times do not depend on the machine, and saved runs planted in them."""

import json
from dataclasses import asdict

from hpml_lab.measure.machine import identity, state
from hpml_lab.measure.record import Measurement

# `work(duration_s)` moves the clock by that much a call: a little more in each further process.
CONFTEST = """
    from pathlib import Path

    import pytest
    from hpml_lab.measure import clock

    class Simulated(clock.HostClock):
        time_s = 0.0

        def now_s(self):
            return self.time_s

    @pytest.fixture
    def work(monkeypatch, request):
        simulated = Simulated()
        monkeypatch.setattr(clock, "clock_for", lambda *_devices: simulated)
        times = Path(__file__).with_name(f"{request.node.name}.times")
        before = len(times.read_text()) if times.exists() else 0
        times.write_text("x" * (before + 1))

        def make(duration_s):
            longer_s = duration_s * (1 + 0.001 * (before % 3))

            def step():
                simulated.time_s += longer_s

            return step

        return make
"""


def rounds_of(duration_s, processes=3):
    """Returns what so many processes measure of work that takes so long."""
    return [[duration_s * (1 + 0.001 * process)] * 5 for process in range(processes)]


def machine_info(**changed):
    """Returns this machine's record, as a saved run holds it."""
    named = identity()
    record = {"id": named.id, "identity": asdict(named), "unit": {"host": "h"}, "software": {}}
    return record | {"state": {"before": asdict(state())}} | changed


def saved_run(cases, *, machine=None, commit=None, counters=None, settings=None):
    """Returns a run as JSON holds it.

    Args:
        cases: rounds by process, by full name.
        machine: our machine record; this one's unless given.
        commit: of `commit_info`.
        counters: of every case.
        settings: of every case.
    """
    return {
        "machine_info": {"hpml": machine or machine_info()},
        "commit_info": commit or {},
        "datetime": "2026-01-02T03:04:05",
        "version": "5.2.3",
        "benchmarks": [
            _benchmark(fullname, rounds, counters or {}, settings or {})
            for fullname, rounds in cases.items()
        ],
    }


def plant(storage, name, run):
    """Saves a run in the machine's folder under a file's name; returns the file."""
    folder = storage / run["machine_info"]["hpml"]["id"]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(run))
    return file


def _benchmark(fullname, rounds, counters, settings):
    seconds = [second for process in rounds for second in process] or [1.0]
    numbers = {"min": min(seconds), "max": max(seconds), "mean": seconds[0], "stddev": 0.0}
    stats = {**numbers, "median": seconds[0], "rounds": len(seconds)}
    record = asdict(Measurement(settings, None, rounds, counters))
    extra = {"hpml": record}
    name = fullname.rpartition("::")[2]
    return {"name": name, "fullname": fullname, "stats": stats, "extra_info": extra}
