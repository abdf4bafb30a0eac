"""What measuring on anyone's machine needs."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shows warnings instead of failing: a driver's or a compiler's must not lose a measurement."""
    shown = pytest.mark.filterwarnings(
        "default",
        "ignore::DeprecationWarning",
        "ignore::pytest_benchmark.logger.PytestBenchmarkWarning",
    )
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(shown)
