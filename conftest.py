"""What this project's own tests need beyond the plugin that it tests.

`pytest tests/analytic --hypothesis-profile=thorough`, or HYPOTHESIS_PROFILE=thorough for any
command, tries each law on 20 times as many examples, and on other ones each time.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

EXAMPLES = 100
# The same examples in every run, so that a red test is a change of the code and nothing else.
settings.register_profile("fast", max_examples=EXAMPLES, deadline=None, derandomize=True)
settings.register_profile(
    "thorough", max_examples=20 * EXAMPLES, deadline=None, derandomize=False, print_blob=True
)
ROOT = Path(__file__).parent
LONG = ("integration", "slow")
pytest_plugins = ["pytester", "hpml_lab.pytest_plugin.labs"]


def pytest_configure(config: pytest.Config) -> None:
    """Chooses how many examples are tried, and keeps saved runs in the repository."""
    asked = config.getoption("--hypothesis-profile", None)
    settings.load_profile(asked or os.environ.get("HYPOTHESIS_PROFILE", "fast"))
    if config.getoption("benchmark_storage") == "file://./.benchmarks":
        config.option.benchmark_storage = f"file://{ROOT / 'benchmarks'}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves tests/perf to those who ask: by a path, by a marker or by saving."""
    return True if collection_path == ROOT / "tests" / "perf" and _plain(config) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves what takes seconds or minutes out of a plain `pytest`."""
    if not _plain(config):
        return
    long = [item for item in items if any(map(item.get_closest_marker, LONG))]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


def _plain(config: pytest.Config) -> bool:
    asked = config.option.markexpr or config.option.benchmark_save or config.option.benchmark_json
    return config.args_source is not pytest.Config.ArgsSource.ARGS and not asked
