"""Small images, a folder for caches, a clock that a test moves, a project, and the command line."""

import numpy as np
import pytest

from hpml_lab import cli
from hpml_lab.measure import ceilings
from hpml_lab.training.cifar10 import Images
from support.clocks import FakeClock
from support.environment import XDIST, clear, clear_options


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
def alone(monkeypatch):
    """Hides from the runs that a test starts that others run side by side with it."""
    clear(monkeypatch, XDIST)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Keeps what a test caches out of the user's cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "hpml_lab"


@pytest.fixture
def clock():
    """A clock at zero."""
    return FakeClock()


@pytest.fixture
def project(pytester, monkeypatch):
    """A project of its own, on a machine whose ceilings are known, so that none are measured."""
    clear_options(monkeypatch)
    ceilings.keep({})
    return pytester


@pytest.fixture
def lab_in_one_process(project, monkeypatch):
    """Has the project's runs take one process unless told otherwise, with the lab's fixtures."""
    monkeypatch.setenv("HPML_PROCESSES", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "hpml_lab.pytest_plugin.labs")
    return project


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
