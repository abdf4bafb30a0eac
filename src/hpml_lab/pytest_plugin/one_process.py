"""A run in this one process: its failures are saved together with its benchmarks."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hpml_lab.runs.schema import Failure


_LONGEST_MESSAGE = 300


class OneProcess:
    """The plugin that records failures; registered where the process that measures a run saves it.

    Args:
        seed: the seed of the order of cases.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._failures: dict[str, list[Failure]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Records the tests that fail, which have no benchmark."""
        if report.failed:
            from hpml_lab.runs.schema import Failure

            crash = getattr(report.longrepr, "reprcrash", None)
            lines = (crash.message if crash else report.longreprtext).strip().splitlines() or [""]
            failure = Failure(1, "failed", lines[0][:_LONGEST_MESSAGE])
            self._failures.setdefault(report.nodeid, [failure])

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Adds the record of the run as a whole."""
        from hpml_lab.runs.schema import Replication

        output_json["hpml"] = asdict(Replication(1, self._seed, self._failures))
