"""The environment that tests start from."""

import os

OPTIONS = ("HPML_", "GITHUB_", "CI", "PYTEST_BENCHMARK_")
XDIST = "PYTEST_XDIST_"  # by which pytest-benchmark tells that it must not measure


def clear(monkeypatch, *prefixes):
    """Takes variables out of the environment."""
    for name in [name for name in os.environ if name.startswith(prefixes)]:
        monkeypatch.delenv(name)


def clear_options(monkeypatch):
    """Takes this run's options and those of a CI system out of the environment."""
    clear(monkeypatch, *OPTIONS)
    monkeypatch.setenv("HPML_QUIET_WAIT", "0")
