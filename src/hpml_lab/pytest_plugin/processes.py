"""Runs the selected tests in fresh interpreters and makes one run of what they leave."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from hpml_lab.errors import InputError
from hpml_lab.history.ending import Ending
from hpml_lab.history.journal_lines import missing
from hpml_lab.history.merging import assembled
from hpml_lab.history.run import Replication
from hpml_lab.measure.quiet import wait_until_quiet
from hpml_lab.measure.record import Failure
from hpml_lab.measure.termination import termination_interrupts
from hpml_lab.pytest_plugin import plan
from hpml_lab.pytest_plugin.ending import ending, replay, replay_warning
from hpml_lab.pytest_plugin.estimate import case_s, peak_flops_per_s
from hpml_lab.pytest_plugin.interpreter import Death, Interpreter
from hpml_lab.pytest_plugin.journaling import Journaling
from hpml_lab.pytest_plugin.progress import Progress
from hpml_lab.pytest_plugin.session import Session
from hpml_lab.pytest_plugin.settings import Settings

_MISSING = (
    "a fresh interpreter collects no test of this name; give its parameters ids that stay the same"
)
_OF_SETS = ", or set PYTHONHASHSEED=0: a set has another order in every interpreter"


class Processes:
    """Registered as a plugin of its own where tests run in fresh interpreters.

    Args:
        config: this pytest's.
        settings: how many, the seed of their order, and how long a case may take.
        progress: told of every case.
        benchmarks: takes the merged ones; None without pytest-benchmark.
        journaling: keeps what has ended; None where nothing is saved.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        progress: Progress,
        benchmarks: Session | None,
        journaling: Journaling | None,
    ) -> None:
        self._config = config
        self._settings = settings
        self._progress = progress
        self._benchmarks = benchmarks
        self._journaling = journaling
        self._endings: defaultdict[str, list[Ending]] = defaultdict(list)
        self._unmeasured: dict[str, list[Failure]] = {}
        self._due: dict[str, int] = {}
        self._started = 0
        self._internal_errors: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Runs them, and hands on what has ended even if it is interrupted."""
        option = session.config.option
        broken = session.testsfailed and not option.continue_on_collection_errors
        if broken or option.collectonly:
            return None
        batches = self._planned(session.items)
        if batches:
            wait_until_quiet(self._settings.quiet_wait, self._progress.say)
        if self._journaling and batches:
            self._endings.update(self._journaling.begin(session.items, self._due))
        try:
            with termination_interrupts():
                self._run(batches)
            if self._journaling:
                self._journaling.complete()
        finally:
            self._hand_on(session.items)
        if self._internal_errors:
            pytest.exit(
                f"pytest's internal error in a fresh interpreter: {self._internal_errors[0]}",
                pytest.ExitCode.INTERNAL_ERROR,
            )
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        return True

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Adds what concerns the run and no single benchmark."""
        settings = self._settings
        journal = self._journaling
        record = Replication(
            settings.processes,
            settings.seed,
            self._unmeasured,
            missing(self._due, self._endings),
            journal.resumed if journal else [],
            journal.name if journal else "",
        )
        output_json["hpml"] = asdict(record)

    def _planned(self, items: list[pytest.Item]) -> list[tuple[int, list[str]]]:
        shortest_first = self._settings.profile == "short"
        peak = peak_flops_per_s() if shortest_first else None
        tests = [self._selected(item, peak) for item in items if not _skipped(item)]
        batches = [
            (process, batch)
            for process in range(1, self._settings.processes + 1)
            for batch in plan.batches(tests, self._settings.seed, process)
        ]
        due = {nodeid: process for process, batch in batches for nodeid in batch}
        self._due = {item.nodeid: due.get(item.nodeid, 0) for item in items}
        return batches

    def _selected(self, item: pytest.Item, peak_flops_per_s: float | None) -> plan.Selected:
        test = plan.selected(item)
        if peak_flops_per_s is None:
            return test
        try:
            return replace(test, seconds=case_s(item, self._settings, peak_flops_per_s))
        except InputError as error:
            raise pytest.UsageError(str(error)) from error

    def _run(self, batches: list[tuple[int, list[str]]]) -> None:
        left = missing(self._due, self._endings)
        batches = [
            (process, [nodeid for nodeid in batch if process in left.get(nodeid, ())])
            for process, batch in batches
        ]
        self._progress.expect([nodeid for _, batch in batches for nodeid in batch])
        for process, batch in batches:
            self._run_batch(process, batch)

    def _run_batch(self, process: int, ids: list[str]) -> None:
        """Runs tests in one interpreter, and in another those that its death has left."""
        while ids and not self._enough():
            ended = set(self._run_interpreter(process, ids))
            ids = [nodeid for nodeid in ids if nodeid not in ended]

    def _run_interpreter(self, process: int, ids: list[str]) -> Iterator[str]:
        """Yields every test that is done with: one at least."""
        job = {"process": process, "order": ids, "basetemp": self._basetemp()}
        current, began_s, ended, internal = None, 0.0, False, ""
        with Interpreter(self._config, job) as interpreter:
            for event in interpreter.events(self._settings.case_timeout):
                if isinstance(event, Death):
                    # One that cannot even start would do so again, so all are lost.
                    lost = [current] if current else [] if ended else ids
                    death = event.because(internal)
                    internal = ""
                    yield from self._lose(process, lost, death, time.monotonic() - began_s)
                elif "began" in event:
                    current, began_s = event["began"], time.monotonic()
                    self._progress.begin(current, process)
                elif "ended" in event:
                    current, ended = None, True
                    yield self._end(event["ended"], ending(process, event))
                elif "internal" in event:
                    internal = event["internal"]
                elif "missing" in event:
                    for nodeid in event["missing"]:
                        yield from self._lose(process, [nodeid], _missing(nodeid), 0.0)
                elif process == 1:
                    replay_warning(self._config, event)
                if self._enough():
                    break
        self._internal_errors += [internal] if internal else []

    def _lose(self, process: int, ids: list[str], death: Death, spent_s: float) -> Iterator[str]:
        for nodeid in ids:
            self._progress.begin(nodeid, process)
            failure = Failure(process, death.kind, death.message)
            yield self._end(nodeid, Ending(process, failure, [], None, death.log, spent_s))

    def _end(self, nodeid: str, ending: Ending) -> str:
        if self._journaling:
            self._journaling.append(nodeid, ending)
        self._endings[nodeid].append(ending)
        self._progress.end(nodeid, ending.outcome)
        return nodeid

    def _enough(self) -> bool:
        """Returns whether as many tests have failed as ``--maxfail`` allows."""
        allowed = self._config.getoption("maxfail")
        failed = (any(each.failure for each in endings) for endings in self._endings.values())
        return bool(allowed) and sum(failed) >= allowed

    def _basetemp(self) -> str | None:
        """Returns a folder of its own below the one asked for, as pytest empties it."""
        asked = self._config.getoption("basetemp")
        if not asked:
            return None
        Path(asked).mkdir(parents=True, exist_ok=True)
        self._started += 1
        return str(Path(asked).resolve() / f"interpreter{self._started}")

    def _hand_on(self, items: list[pytest.Item]) -> None:
        self._progress.muted = True
        for item in items:
            if _skipped(item):  # as quickly here as in any interpreter
                item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
            elif endings := self._endings.get(item.nodeid):
                replay(item, endings, self._settings.processes)
        self._progress.muted = False
        ended = {item.nodeid: self._endings.get(item.nodeid, []) for item in items}
        records, self._unmeasured = assembled(ended, self._settings.processes)
        for record in records:
            if self._benchmarks:
                self._benchmarks.add(record)


def _skipped(item: pytest.Item) -> bool:
    return item.get_closest_marker("skip") is not None


def _missing(nodeid: str) -> Death:
    return Death("failed", _MISSING + (_OF_SETS if "{" in nodeid else ""))
