"""The only module that touches pytest-benchmark's objects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROUND_S = 0.010
WARM_UP_CALLS = 2


class Bench:
    """One test's `benchmark` fixture.

    Args:
        fixture: pytest-benchmark's ``BenchmarkFixture``.
    """

    def __init__(self, fixture: Any) -> None:
        self._fixture = fixture

    def describe(self, record: dict[str, Any]) -> None:
        """Sets what is saved beside the statistics: our record, and its case as parameters."""
        if self._fixture.stats is not None:
            self._fixture.stats.params = record["case"]
        self._fixture.extra_info["hpml"] = record

    def discard(self) -> None:
        """Leaves no result of this test."""
        self._fixture.has_error = True

    def rounds_s(self) -> list[float]:
        """Seconds of an iteration in each round; empty while nothing is measured."""
        return list(self._fixture.stats.stats.data) if self._fixture.stats else []

    def time(self, step: Callable[[], Any], timer: Callable[[], float]) -> Any:
        """Calls a step in rounds of `ROUND_S` or longer, as pytest-benchmark's options say.

        Returns:
            what the last call returned.
        """
        self._prepare(timer)
        self._fixture._min_time = max(self._fixture._min_time, ROUND_S)
        for _ in range(WARM_UP_CALLS):
            step()
        return self._fixture(step)

    def time_exactly(
        self, step: Callable[[], Any], timer: Callable[[], float], *, rounds: int, warm_up: int
    ) -> Any:
        """Calls a step once in each round, behind a number of calls outside the statistics."""
        self._prepare(timer)
        return self._fixture.pedantic(step, rounds=rounds, warmup_rounds=warm_up)

    def _prepare(self, timer: Callable[[], float]) -> None:
        # A collection inside a round would be timed with it.
        self._fixture._disable_gc = True
        self._fixture._timer = timer


class Session:
    """The benchmark session of one pytest run.

    Args:
        config: of a run in which pytest-benchmark is active.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._session: Any = config._benchmarksession  # type: ignore[attr-defined]

    @staticmethod
    def active(config: pytest.Config) -> bool:
        """Returns whether pytest-benchmark runs here and measures."""
        session = getattr(config, "_benchmarksession", None)
        return session is not None and not session.disabled and not session.skip

    @property
    def saves(self) -> bool:
        """Whether the run will be saved or written to a file."""
        return bool(self._session.save or self._session.autosave or self._session.json)

    def keep_under(
        self, machine_id: str, publish: Callable[[dict[str, Any], Path, str], Path]
    ) -> list[Path]:
        """Saves this run in the machine's folder.

        Args:
            machine_id: the folder's name.
            publish: called with the run's JSON, the folder and the run's name.

        Returns:
            a list that holds the saved file once the session has ended.
        """
        saved: list[Path] = []
        storage = self._session.storage
        if not hasattr(storage, "path"):  # a database keeps its own order
            return saved
        self._session.machine_id = storage.default_machine_id = machine_id

        def save(run: dict[str, Any], name: str) -> None:
            if run["benchmarks"]:
                saved.append(publish(run, Path(storage.path) / machine_id, name))

        storage.save = save
        return saved
