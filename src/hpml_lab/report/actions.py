"""What GitHub Actions is shown of a comparison, where a run is one of its jobs."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from hpml_lab.report.annotations import Place, annotations, inert
from hpml_lab.report.markdown import render
from hpml_lab.verdict.comparison import Comparison


def in_actions() -> bool:
    """Returns whether this is a job of GitHub Actions, which reads our output for commands."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def harmless(text: str) -> str:
    """Returns text in which no line is taken for a command by a job of GitHub Actions."""
    return inert(text) if in_actions() else text


def show(
    comparison: Comparison,
    write_line: Callable[[str], object],
    places: Mapping[str, Place] | None = None,
) -> None:
    """Appends the comparison to the job's summary and writes its annotations, where there is a job.

    Args:
        comparison: what is shown.
        write_line: to standard output.
        places: of cases, where known.
    """
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(render(comparison) + "\n")
        except OSError as error:
            write_line(f"No job summary: it cannot be written: {error.strerror}")
    if in_actions():
        for line in annotations(comparison.refusals, places or {}):
            write_line(line)
