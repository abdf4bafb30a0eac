"""Lets ``pytest --pyargs hpml_lab.labs`` run the labs from an installed package.

Their modules are called ``bench``, which pytest does not look for by itself.
"""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Adds the labs' fixtures and markers."""
    config.pluginmanager.import_plugin("hpml_lab.pytest_plugin.labs")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collects the labs' benches, named the same wherever the package is installed."""
    if file_path.name != "bench.py" or not file_path.is_relative_to(FOLDER):
        return None
    name = f"hpml_lab/labs/{file_path.relative_to(FOLDER).as_posix()}"
    return pytest.Module.from_parent(parent, path=file_path, nodeid=name)
