"""What this project's own tests need beyond the plugin that it tests."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
pytest_plugins = ["pytester", "hpml_lab.pytest_plugin.labs"]


def pytest_configure(config: pytest.Config) -> None:
    """Keeps saved runs in the repository, from whichever folder pytest is started."""
    if config.getoption("benchmark_storage") == "file://./.benchmarks":
        config.option.benchmark_storage = f"file://{ROOT / 'benchmarks'}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves tests/perf to those who ask: by a path, by a marker or by saving."""
    return True if collection_path == ROOT / "tests" / "perf" and _plain(config) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves slow tests out of a plain `pytest`."""
    slow = [item for item in items if item.get_closest_marker("slow")] if _plain(config) else []
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def _plain(config: pytest.Config) -> bool:
    asked = config.option.markexpr or config.option.benchmark_save or config.option.benchmark_json
    return config.args_source is not pytest.Config.ArgsSource.ARGS and not asked
