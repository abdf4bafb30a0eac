"""Runs the selected tests in worker processes and merges their results into one run."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from hpml_lab.errors import InputError
from hpml_lab.measure.load import wait_until_quiet
from hpml_lab.measure.termination import termination_interrupts
from hpml_lab.pytest_plugin import schedule
from hpml_lab.pytest_plugin.estimate import case_s, peak_flops_per_s
from hpml_lab.pytest_plugin.interpreter import WorkerFailure, WorkerProcess
from hpml_lab.pytest_plugin.journaling import Journaling
from hpml_lab.pytest_plugin.progress import Progress
from hpml_lab.pytest_plugin.replay import process_result, replay, replay_warning
from hpml_lab.pytest_plugin.session import Session
from hpml_lab.pytest_plugin.settings import Settings
from hpml_lab.runs.journal import missing
from hpml_lab.runs.merge import ProcessResult, merge_results
from hpml_lab.runs.schema import Failure, Replication

_MISSING = (
    "a fresh interpreter collects no test of this name; give its parameters ids that stay the same"
)
_SET_HINT = ", or set PYTHONHASHSEED=0: a set has another order in every interpreter"


class Processes:
    """The plugin that runs the tests; registered where they run in worker processes.

    Args:
        config: the configuration of this pytest.
        settings: number of processes, seed of their order, and time limit of a case.
        progress: shows every case.
        benchmarks: takes the merged benchmarks; None without pytest-benchmark.
        journaling: keeps the results; None where nothing is saved.
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
        self._results: defaultdict[str, list[ProcessResult]] = defaultdict(list)
        self._unmeasured: dict[str, list[Failure]] = {}
        self._due: dict[str, int] = {}
        self._started = 0
        self._internal_errors: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Runs the tests, and forwards their results even if it is interrupted."""
        option = session.config.option
        broken = session.testsfailed and not option.continue_on_collection_errors
        if broken or option.collectonly:
            return None
        batches = self._planned(session.items)
        if batches:
            wait_until_quiet(self._settings.quiet_wait, self._progress.say)
        if self._journaling and batches:
            self._results.update(self._journaling.begin(session.items, self._due))
        try:
            with termination_interrupts():
                self._run(batches)
            if self._journaling:
                self._journaling.complete()
        finally:
            self._progress.close()
            self._forward(session.items)
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
        """Adds the record of the run as a whole."""
        settings = self._settings
        journal = self._journaling
        record = Replication(
            settings.processes,
            settings.seed,
            self._unmeasured,
            missing(self._due, self._results),
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
            for batch in schedule.batches(tests, self._settings.seed, process)
        ]
        due = {nodeid: process for process, batch in batches for nodeid in batch}
        self._due = {item.nodeid: due.get(item.nodeid, 0) for item in items}
        return batches

    def _selected(self, item: pytest.Item, peak_flops_per_s: float | None) -> schedule.Selected:
        test = schedule.selected(item)
        if peak_flops_per_s is None:
            return test
        try:
            return replace(test, seconds=case_s(item, self._settings, peak_flops_per_s))
        except InputError as error:
            raise pytest.UsageError(str(error)) from error

    def _run(self, batches: list[tuple[int, list[str]]]) -> None:
        remaining = missing(self._due, self._results)
        batches = [
            (process, [nodeid for nodeid in batch if process in remaining.get(nodeid, ())])
            for process, batch in batches
        ]
        self._progress.expect([nodeid for _, batch in batches for nodeid in batch])
        for process, batch in batches:
            self._run_batch(process, batch)

    def _run_batch(self, process: int, ids: list[str]) -> None:
        """Runs tests in one worker process, and those that its death leaves in another."""
        while ids and not self._maxfail_reached():
            ended = set(self._run_worker(process, ids))
            ids = [nodeid for nodeid in ids if nodeid not in ended]

    def _run_worker(self, process: int, ids: list[str]) -> Iterator[str]:
        """Runs tests in one worker process; yields each that has ended or failed, at least one."""
        job = {"process": process, "order": ids, "basetemp": self._basetemp()}
        current, began_s, ended, internal = None, 0.0, False, ""
        with WorkerProcess(self._config, job) as worker:
            for event in worker.events(self._settings.case_timeout):
                if isinstance(event, WorkerFailure):
                    # One that cannot even start would fail again, and so do all its tests.
                    failed = [current] if current else [] if ended else ids
                    failure = event.because(internal)
                    internal = ""
                    spent_s = time.monotonic() - began_s
                    yield from self._record_failure(process, failed, failure, spent_s)
                elif "began" in event:
                    current, began_s = event["began"], time.monotonic()
                    self._progress.begin(current, process)
                elif "ended" in event:
                    current, ended = None, True
                    yield self._end(event["ended"], process_result(process, event))
                elif "internal" in event:
                    internal = event["internal"]
                elif "missing" in event:
                    for nodeid in event["missing"]:
                        failure = _not_collected(nodeid)
                        yield from self._record_failure(process, [nodeid], failure, 0.0)
                elif process == 1:
                    replay_warning(self._config, event)
                if self._maxfail_reached():
                    break
        self._internal_errors += [internal] if internal else []

    def _record_failure(
        self, process: int, ids: list[str], cause: WorkerFailure, spent_s: float
    ) -> Iterator[str]:
        for nodeid in ids:
            self._progress.begin(nodeid, process)
            failure = Failure(process, cause.kind, cause.message, cause.signal)
            yield self._end(nodeid, ProcessResult(process, failure, [], None, cause.log, spent_s))

    def _end(self, nodeid: str, result: ProcessResult) -> str:
        if self._journaling:
            self._journaling.append(nodeid, result)
        self._results[nodeid].append(result)
        self._progress.end(nodeid, result.outcome)
        return nodeid

    def _maxfail_reached(self) -> bool:
        """Whether as many tests have failed as ``--maxfail`` allows."""
        allowed = self._config.getoption("maxfail")
        failed = (any(result.failure for result in results) for results in self._results.values())
        return bool(allowed) and sum(failed) >= allowed

    def _basetemp(self) -> str | None:
        """Returns a new folder for a worker under ``--basetemp``: pytest empties its own."""
        asked = self._config.getoption("basetemp")
        if not asked:
            return None
        Path(asked).mkdir(parents=True, exist_ok=True)
        self._started += 1
        return str(Path(asked).resolve() / f"interpreter{self._started}")

    def _forward(self, items: list[pytest.Item]) -> None:
        self._progress.muted = True
        for item in items:
            if _skipped(item):  # as quickly here as in any interpreter
                item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
            elif results := self._results.get(item.nodeid):
                replay(item, results, self._settings.processes)
        self._progress.muted = False
        ended = {item.nodeid: self._results.get(item.nodeid, []) for item in items}
        records, self._unmeasured = merge_results(ended, self._settings.processes)
        for record in records:
            if self._benchmarks:
                self._benchmarks.add(record)


def _skipped(item: pytest.Item) -> bool:
    return item.get_closest_marker("skip") is not None


def _not_collected(nodeid: str) -> WorkerFailure:
    return WorkerFailure("failed", _MISSING + (_SET_HINT if "{" in nodeid else ""))
