"""Clocks that a test moves, in this process and in a project of its own."""

from dataclasses import dataclass, field

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


@dataclass
class FakeClock:
    """A clock that stands still until told otherwise; waiting for the device is counted."""

    time_s: float = 0.0
    synchronised: int = 0
    log: list[str] = field(default_factory=list)

    def now_s(self):
        self.log.append("now")
        return self.time_s

    def synchronise(self):
        self.synchronised += 1
        self.log.append("sync")

    def mark(self):
        return None

    def between_s(self, _first, _last):
        return None

    def advance(self, duration_s):
        self.time_s += duration_s
