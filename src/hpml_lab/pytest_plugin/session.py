"""All benchmarks of one pytest run; only `benchmark` too touches pytest-benchmark's objects."""

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hpml_lab.errors import InputError
from hpml_lab.history.store import publish, replace, strict_json

_COMPARISON = pytest.StashKey[Any]()


class Session:
    """The benchmark session of one pytest run.

    Args:
        config: of a run in which pytest-benchmark is active.

    Attributes:
        recovery: the command that saves what has ended, if the run cannot be; empty without.
        handed_over: whether this session leaves saving to others.
    """

    recovery = ""
    handed_over = False

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._session: Any = config._benchmarksession  # type: ignore[attr-defined]
        self._stock_id: str = self._session.machine_id
        self._saved: list[Path] = []
        self._machine_info: dict[str, Any] = {}
        self._session.get_machine_info = self.described_machine
        self._session.save_json = self._write

    @property
    def active(self) -> bool:
        """Whether benchmarks are measured."""
        return not self._session.disabled and not self._session.skip

    @property
    def saves(self) -> bool:
        """Whether the run will be saved or written to a file."""
        return bool(self._session.save or self._session.autosave or self._session.json)

    @property
    def compares(self) -> bool:
        """Whether the run will be compared with an earlier one by pytest-benchmark."""
        return bool(self._config.stash[_COMPARISON])

    @property
    def files(self) -> list[Path]:
        """The files that hold the run, once the session has ended."""
        files = list(self._saved)
        if (asked := self._session.json) is not None:  # a path; before 5.3 an open file
            files.append(Path(asked if isinstance(asked, str | Path) else asked.name))
        return [path for path in files if path.is_file()]

    @property
    def folder(self) -> Path:
        """Where this machine's runs are, once `use_folder` has named it.

        Raises:
            InputError: if runs are kept in a database.
        """
        if not hasattr(self._session.storage, "path"):
            raise InputError("runs in a database are no baselines; use --benchmark-storage=FOLDER")
        return Path(self._session.storage.path, self._session.machine_id)

    @property
    def folders(self) -> list[Path]:
        """Where runs of this machine are: ours, then those that pytest-benchmark saved alone.

        Raises:
            InputError: if runs are kept in a database.
        """
        return list(dict.fromkeys((self.folder, self.folder.with_name(self._stock_id))))

    def run(self, machine_info: dict[str, Any]) -> dict[str, Any]:
        """Returns what is measured so far as it would be saved, without commit and all rounds.

        Args:
            machine_info: of the run.
        """
        hook = self._config.hook
        told = {"config": self._config, "benchmarks": self._session.benchmarks}
        run: dict[str, Any] = hook.pytest_benchmark_generate_json(
            **told, include_data=False, machine_info=machine_info, commit_info={}
        )
        hook.pytest_benchmark_update_json(**told, output_json=run)
        return run

    def described_machine(self) -> dict[str, Any]:
        """Returns the machine's record as it is now, without asking twice for what takes long."""
        hook = self._config.hook
        if not self._machine_info:
            self._machine_info = hook.pytest_benchmark_generate_machine_info(config=self._config)
        info = deepcopy(self._machine_info)
        hook.pytest_benchmark_update_machine_info(config=self._config, machine_info=info)
        return info

    @property
    def journal_folder(self) -> Path:
        """Where a run's journal is: next to the runs; pytest-benchmark's own for a database."""
        storage = getattr(self._session.storage, "path", ".benchmarks")
        return Path(storage) / str(self._session.machine_id)

    @property
    def name(self) -> str:
        """What the run will be saved as; empty if it is only written to a file."""
        return str(self._session.save or self._session.autosave or "")

    @property
    def options(self) -> dict[str, str]:
        """Those of pytest-benchmark that change a result, by name."""
        kept = ("min_time", "max_time", "min_rounds", "warmup", "warmup_iterations", "disable_gc")
        return {name: str(self._session.options[name]) for name in kept}

    def about(self) -> dict[str, Any]:
        """Returns what a saved run has beside its benchmarks, but for the time."""
        from pytest_benchmark import __version__

        hook = self._config.hook
        commit_info = hook.pytest_benchmark_generate_commit_info(config=self._config)
        hook.pytest_benchmark_update_commit_info(config=self._config, commit_info=commit_info)
        return {
            "machine_info": self.described_machine(),
            "commit_info": commit_info,
            "version": __version__,
        }

    def use_folder(self, machine_id: str) -> None:
        """Saves and compares in the machine's folder; a database keeps its own order."""
        if not hasattr(self._session.storage, "path"):
            return
        self._session.machine_id = self._session.storage.default_machine_id = machine_id
        self._session.storage.save = self._save
        if self.compares:
            self._session.compare = self._config.stash[_COMPARISON]
            self._session.handle_loading()

    def hand_over(self) -> None:
        """Neither saves nor shows anything at the end; `take` gives the benchmarks away."""
        self.handed_over = True
        self._session.finish = lambda: None  # without it there is nothing to display either

    def take(self) -> dict[str, Any] | None:
        """Returns what the test that has just ended measured, as it would be saved, and drops it.

        Returns:
            with every round in ``stats.data``; None of a test without a result.
        """
        found = [bench for bench in self._session.benchmarks if bench and not bench.has_error]
        self._session.benchmarks.clear()
        record: dict[str, Any] | None = found[-1].as_dict(include_data=True) if found else None
        return record

    def add(self, record: dict[str, Any]) -> None:
        """Adds a benchmark as `take` returns it, with statistics over the rounds in it."""
        from pytest_benchmark.stats import Metadata

        described = ("name", "fullname", "group", "param", "params", "extra_info")
        fixture = SimpleNamespace(
            **{name: record[name] for name in described}, cprofile_stats=None, has_error=False
        )
        bench: Any = Metadata(fixture, record["stats"]["iterations"], record["options"])  # type: ignore[no-untyped-call]
        bench.stats.data.extend(record["stats"]["data"])
        self._session.benchmarks.append(bench)

    def _save(self, run: dict[str, Any], name: str) -> None:
        if not run["benchmarks"]:
            return
        folder = Path(self._session.storage.path) / self._session.machine_id
        try:
            self._saved.append(publish(run, folder, name))
        except OSError as error:
            self._give_up(f"the run could not be saved under {folder}: {error.strerror}")

    def _write(self, run: dict[str, Any]) -> None:
        """Writes the file of ``--benchmark-json``, which may be there already."""
        asked = self._session.json
        path = Path(asked if isinstance(asked, str | Path) else asked.name).resolve()
        try:
            if path.exists() and not path.is_file():  # /dev/stdout, a pipe
                path.write_text(strict_json(run))
            else:
                replace(run, path)
        except OSError as error:
            self._give_up(f"the run could not be written to {path}: {error.strerror}")

    def _give_up(self, why: str) -> None:
        kept = f"; free space, then save it with: {self.recovery}" if self.recovery else ""
        pytest.exit(f"{why}{kept}", 1)


def will_save(config: pytest.Config) -> bool:
    """Returns whether a run measures and is asked to keep what it measures."""
    disabled = config.getoption("benchmark_disable", None)
    if disabled and not config.getoption("benchmark_enable", None):
        return False
    asked = ("benchmark_save", "benchmark_autosave", "benchmark_json")
    saves = any(config.getoption(name, None) for name in asked)
    return saves and not config.getoption("benchmark_skip", None)


def hold_comparison(config: pytest.Config) -> None:
    """Puts ``--benchmark-compare`` off until the machine's folder is known.

    pytest-benchmark reads the earlier run when it is configured, from a folder of its own naming.
    """
    config.stash[_COMPARISON] = config.getoption("benchmark_compare", None)
    if config.stash[_COMPARISON]:
        config.option.benchmark_compare = []
