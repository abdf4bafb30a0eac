"""Small images, a folder for caches, a clock that a test moves, a project, and the command line."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from hpml_lab import cli
from hpml_lab.measure import ceilings
from hpml_lab.workloads.cifar10 import Images


@pytest.fixture
def images():
    """Forty random images of all ten classes."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 32, 32, 3), np.uint8)
    return Images(pixels, np.arange(40) % 10, "generated")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Waits for no quiet machine: no test depends on how fast or free one is."""
    monkeypatch.setenv("HPML_QUIET_WAIT", "0")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Keeps what a test caches out of the user's cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "hpml_lab"


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


@pytest.fixture
def clock():
    """A clock at zero."""
    return FakeClock()


@pytest.fixture
def project(pytester, monkeypatch):
    """A project of its own, without this one's options in the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.path / "cache"))
    monkeypatch.setenv("HPML_PROCESSES", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "hpml_lab.pytest_plugin.labs")
    ceilings.keep({})  # known, so that no test measures them
    return pytester


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command; returns its exit status, output and error lines."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["hpml-lab", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        done = capsys.readouterr()
        return stopped.value.code or 0, done.out, done.err.splitlines()

    return call
