"""The environment that tests start from."""

import os

OPTIONS = ("HPML_", "GITHUB_", "CI", "PYTEST_BENCHMARK_")


def clear_options(monkeypatch):
    """Takes this run's options and those of a CI system out of the environment."""
    for name in [name for name in os.environ if name.startswith(OPTIONS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HPML_QUIET_WAIT", "0")
