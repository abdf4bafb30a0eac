"""The journal of a run: keeps its results from the first case until the run is saved."""

import os
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hpml_lab.errors import InputError
from hpml_lab.pytest_plugin.session import Session
from hpml_lab.pytest_plugin.settings import Settings
from hpml_lab.runs.journal import Endings, Header, Journal, now
from hpml_lab.runs.merge import ProcessResult
from hpml_lab.runs.resume import find_resumable
from hpml_lab.runs.revision import Code, digest


class Journaling:
    """The plugin that keeps the journal; registered where a run is saved.

    Args:
        settings: whether to resume a run that died, and the settings that must be the same.
        benchmarks: the benchmark session, which knows the machine's folder.

    Attributes:
        resumed: the times at which this run was resumed.
    """

    def __init__(self, settings: Settings, benchmarks: Session) -> None:
        self.resumed: list[str] = []
        self._settings = settings
        self._benchmarks = benchmarks
        self._journal: Journal | None = None
        self._complete = False

    @property
    def name(self) -> str:
        """Name of the journal's file; empty before the journal is begun."""
        return self._journal.path.name if self._journal else ""

    def begin(self, items: Sequence[pytest.Item], due: Mapping[str, int]) -> Endings:
        """Begins a journal, or opens that of the run to resume.

        Args:
            items: the selected tests.
            due: the number of processes that each runs in.

        Returns:
            the results that the journal holds already.

        Raises:
            pytest.UsageError: if there is no such run, or no journal can be written.
        """
        folder = self._benchmarks.journal_folder
        header = self._header(items, due)
        try:
            self._journal = self._opened(folder, header)
        except InputError as error:
            raise pytest.UsageError(f"--hpml-resume: {error}") from error
        except OSError as error:
            raise pytest.UsageError(
                f"no journal can be written under {folder}: {error.strerror}; nothing was measured"
            ) from error
        self._benchmarks.recovery = f"hpml-lab recover {shlex.quote(str(self._journal.path))}"
        contents = self._journal.contents
        self.resumed = [*contents.resumed, *([now()] if self._settings.resume else [])]
        return contents.endings

    def append(self, nodeid: str, result: ProcessResult) -> None:
        """Appends the result of a test in one process; a full disk ends the run."""
        if self._journal is None:
            return
        try:
            self._journal.append(nodeid, result)
        except OSError as error:
            self._benchmarks.hand_over()
            pytest.exit(
                f"the journal cannot be written: {error.strerror}; what ended before {nodeid} is "
                f"in it: free space, then add --hpml-resume, or save it with: "
                f"{self._benchmarks.recovery}",
                1,
            )

    def complete(self) -> None:
        """Marks the run as complete, so that the journal is removed with the session."""
        self._complete = True

    def pytest_sessionfinish(self) -> None:
        """Removes the journal of a complete run, which pytest-benchmark has just saved."""
        if self._journal is not None and self._complete:
            self._journal.remove()

    def pytest_unconfigure(self) -> None:
        """Closes the journal, if it still exists, so that the run can be resumed."""
        if self._journal is not None:
            self._journal.close()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Says how to resume an interrupted run."""
        if self._journal is not None and not self._complete:
            terminalreporter.ensure_newline()
            terminalreporter.write_line(
                "Unfinished: the same command with --hpml-resume measures what is missing."
            )

    def _opened(self, folder: Path, header: Header) -> Journal:
        if not self._settings.resume:
            return Journal.create(folder, header)
        journal = find_resumable(folder, header)
        journal.go_on()
        return journal

    def _header(self, items: Sequence[pytest.Item], due: Mapping[str, int]) -> Header:
        settings = self._settings
        run = self._benchmarks.about()
        machine, commit = run["machine_info"]["hpml"], run["commit_info"]
        del machine["state"]["after"]  # not known before the run ends
        changes = digest(_files(items), Path.cwd())
        return Header(
            when=now(),
            process=os.getpid(),
            host=platform.node(),
            code=Code(str(commit.get("id")), bool(commit.get("dirty")), changes),
            machine=machine["id"],
            software=machine["software"],
            settings={
                "profile": settings.profile,
                "data": settings.data,
                "axis": settings.axis,
                **self._benchmarks.options,
            },
            processes=settings.processes,
            seed=settings.seed,
            selection=dict(due),
            name=self._benchmarks.name,
            run=run,
        )


def _files(items: Sequence[pytest.Item]) -> Iterator[Path]:
    """Yields the files of the tests, and every conftest.py in a folder above them."""
    folders: set[Path] = set()
    for path in {item.path for item in items}:
        if path.is_file():
            yield path
        folders.update(path.parents)
    yield from (path for folder in folders if (path := folder / "conftest.py").is_file())
