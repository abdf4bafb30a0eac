"""A run in this one interpreter: what it has no benchmark of is kept beside those it has."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hpml_lab.measure.record import Failure

_LONGEST_MESSAGE = 300


class OneProcess:
    """Registered as a plugin of its own where a run is saved by the interpreter that measures it.

    Args:
        seed: of the order of cases.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._failures: dict[str, list[Failure]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes down which tests fail, and so leave nothing."""
        if report.failed:
            from hpml_lab.measure.record import Failure

            crash = getattr(report.longrepr, "reprcrash", None)
            lines = (crash.message if crash else report.longreprtext).strip().splitlines() or [""]
            failure = Failure(1, "failed", lines[0][:_LONGEST_MESSAGE])
            self._failures.setdefault(report.nodeid, [failure])

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Adds what concerns the run and no single benchmark."""
        from hpml_lab.history.run import Replication

        output_json["hpml"] = asdict(Replication(1, self._seed, self._failures))
