"""What measuring on anyone's machine needs."""

from pathlib import Path

import pytest

from hpml_lab.pytest_plugin.settings import text_of
from hpml_lab.workloads.profiles import profile_for

# What is left in the allocator's cache of a GPU would count for the next case.
MEMORY = {"memory", "memory_plan", "largest_batch"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shows warnings instead of failing: a driver's or a compiler's must not lose a measurement."""
    shown = pytest.mark.filterwarnings(
        "default",
        "ignore::DeprecationWarning",
        "ignore::pytest_benchmark.logger.PytestBenchmarkWarning",
    )
    for item in items:
        if not item.path.is_relative_to(Path(__file__).parent):
            continue
        item.add_marker(shown)
        if item.get_closest_marker("gpu") and _group(item) in MEMORY and _apart(item):
            item.add_marker(pytest.mark.hpml_alone)


def _apart(item: pytest.Item) -> bool:
    return profile_for(text_of(item.config, "profile"), "cuda").alone


def _group(item: pytest.Item) -> object:
    marker = item.get_closest_marker("benchmark")
    return marker.kwargs.get("group") if marker else None
