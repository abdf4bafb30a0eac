"""Runs under the names of their machines."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hpml_lab.history.run import Run


@dataclass(frozen=True)
class Subject:
    """A run under the name of its machine, with what holds for all of its numbers."""

    name: str
    run: Run
    caveats: list[str] = field(default_factory=list)


def subjects(runs: Sequence[tuple[str, Run]]) -> list[Subject]:
    """Returns runs under the names of their machines, or of their files where machines are alike.

    Args:
        runs: by the name of the file, which is a stock run's name too.
    """
    names = [run.machine_info.hpml.id if run.machine_info.hpml else file for file, run in runs]
    return [
        Subject(name if names.count(name) == 1 else file, run)
        for name, (file, run) in zip(names, runs, strict=True)
    ]
