"""All benchmarks of one run; this module and `benchmark` alone touch pytest-benchmark's objects."""

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hpml_lab.errors import InputError
from hpml_lab.runs.store import overwrite_run, save_run, strict_json

_COMPARISON = pytest.StashKey[Any]()
_SESSION = pytest.StashKey["Session"]()


class Session:
    """The benchmark session of one pytest run.

    Args:
        config: the configuration of a run in which pytest-benchmark is active.

    Attributes:
        recovery: the command that saves what has ended, if the run cannot be; empty without.
        handed_over: whether this session neither saves nor shows its benchmarks.
    """

    recovery = ""
    handed_over = False

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._session: Any = config._benchmarksession  # type: ignore[attr-defined]
        self._stock_id: str = self._session.machine_id
        self._saved: list[Path] = []
        self._machine_info: dict[str, Any] = {}

    def take_over(self) -> None:
        """Replaces pytest-benchmark's machine description and file writer by ours."""
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
        """The folder of this machine's runs, after `use_folder` has named it.

        Raises:
            InputError: if runs are kept in a database.
        """
        if not hasattr(self._session.storage, "path"):
            raise InputError("runs in a database are no baselines; use --benchmark-storage=FOLDER")
        return Path(self._session.storage.path, self._session.machine_id)

    @property
    def folders(self) -> list[Path]:
        """The folders of this machine's runs: ours, then that of pytest-benchmark alone.

        Raises:
            InputError: if runs are kept in a database.
        """
        return list(dict.fromkeys((self.folder, self.folder.with_name(self._stock_id))))

    def run(self, machine_info: dict[str, Any]) -> dict[str, Any]:
        """Returns the run so far as it would be saved, without commit and rounds.

        Args:
            machine_info: the machine's record.
        """
        hook = self._config.hook
        arguments = {"config": self._config, "benchmarks": self._session.benchmarks}
        run: dict[str, Any] = hook.pytest_benchmark_generate_json(
            **arguments, include_data=False, machine_info=machine_info, commit_info={}
        )
        hook.pytest_benchmark_update_json(**arguments, output_json=run)
        return run

    def described_machine(self) -> dict[str, Any]:
        """Returns the machine's current record; its slow part is read once."""
        hook = self._config.hook
        if not self._machine_info:
            self._machine_info = hook.pytest_benchmark_generate_machine_info(config=self._config)
        info = deepcopy(self._machine_info)
        hook.pytest_benchmark_update_machine_info(config=self._config, machine_info=info)
        return info

    @property
    def journal_folder(self) -> Path:
        """The journal's folder: next to the runs; pytest-benchmark's default for a database."""
        storage = getattr(self._session.storage, "path", ".benchmarks")
        return Path(storage) / str(self._session.machine_id)

    @property
    def name(self) -> str:
        """The name that the run will be saved under; empty if it is only written to a file."""
        return str(self._session.save or self._session.autosave or "")

    @property
    def options(self) -> dict[str, str]:
        """The options of pytest-benchmark that change a result, by name."""
        kept = ("min_time", "max_time", "min_rounds", "warmup", "warmup_iterations", "disable_gc")
        return {name: str(self._session.options[name]) for name in kept}

    def about(self) -> dict[str, Any]:
        """Returns the metadata of a saved run: machine, commit and version."""
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
        """Saves and compares in the machine's folder; leaves a database as it is."""
        if not hasattr(self._session.storage, "path"):
            return
        self._session.machine_id = self._session.storage.default_machine_id = machine_id
        self._session.storage.save = self._save
        if self.compares:
            self._session.compare = self._config.stash[_COMPARISON]
            self._session.handle_loading()

    def hand_over(self) -> None:
        """Disables saving and output at the end; `take` returns the benchmarks instead."""
        self.handed_over = True
        self._session.finish = lambda: None  # without it there is nothing to display either

    def take(self) -> dict[str, Any] | None:
        """Pops the last test's benchmark record, in pytest-benchmark's JSON form.

        Returns:
            the record, with every round in ``stats.data``; None for a test without a result.
        """
        measured = [bench for bench in self._session.benchmarks if bench and not bench.has_error]
        self._session.benchmarks.clear()
        if not measured:
            return None
        record: dict[str, Any] = measured[-1].as_dict(include_data=True)
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
            self._saved.append(save_run(run, folder, name))
        except OSError as error:
            self._abort(f"the run could not be saved under {folder}: {error.strerror}")

    def _write(self, run: dict[str, Any]) -> None:
        """Writes the file of ``--benchmark-json``, which may exist already."""
        asked = self._session.json
        path = Path(asked if isinstance(asked, str | Path) else asked.name).resolve()
        try:
            if path.exists() and not path.is_file():  # /dev/stdout, a pipe
                path.write_text(strict_json(run))
            else:
                overwrite_run(run, path)
        except OSError as error:
            self._abort(f"the run could not be written to {path}: {error.strerror}")

    def _abort(self, why: str) -> None:
        kept = f"; free space, then save it with: {self.recovery}" if self.recovery else ""
        pytest.exit(f"{why}{kept}", 1)


def session_of(config: pytest.Config) -> Session | None:
    """Returns the benchmark session of a run, the same each time; None without pytest-benchmark."""
    if not hasattr(config, "_benchmarksession"):
        return None
    if _SESSION not in config.stash:
        config.stash[_SESSION] = Session(config)
        config.stash[_SESSION].take_over()
    return config.stash[_SESSION]


def will_save(config: pytest.Config) -> bool:
    """Whether a run measures and is to be saved or written to a file."""
    disabled = config.getoption("benchmark_disable", None)
    if disabled and not config.getoption("benchmark_enable", None):
        return False
    asked = ("benchmark_save", "benchmark_autosave", "benchmark_json")
    saves = any(config.getoption(name, None) for name in asked)
    return saves and not config.getoption("benchmark_skip", None)


def defer_comparison(config: pytest.Config) -> None:
    """Defers ``--benchmark-compare`` until the machine's folder is known.

    pytest-benchmark reads the earlier run when it is configured, from a folder of its own naming.
    """
    config.stash[_COMPARISON] = config.getoption("benchmark_compare", None)
    if config.stash[_COMPARISON]:
        config.option.benchmark_compare = []
