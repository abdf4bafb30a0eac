"""The command `hpml-lab trend`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hpml_lab.errors import InputError, unknown

if TYPE_CHECKING:
    from hpml_lab.history.summary import Summary


@click.command()
@click.option(
    "--storage", default=Path("benchmarks"), type=click.Path(path_type=Path), show_default=True
)
@click.option("--machine", help="Whose history (default: that of the run saved last).")
@click.option(
    "--alpha",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0.001, 0.5),
    help="Chance of any false move in a history.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def trend(storage: Path, machine: str | None, alpha: float, as_json: bool) -> None:
    """Print which cases moved over a machine's history, by how much, and at which run."""
    from hpml_lab.history.store import saved_runs
    from hpml_lab.history.summary import summarise
    from hpml_lab.report.trend import record, render
    from hpml_lab.verdict import trend as trends

    runs = list(summarise(saved_runs(storage)))
    if not runs:
        raise InputError(f"no saved run under {str(storage)!r}; make one with: make bench")
    found = trends.trend(_of_machine(runs, machine), alpha)
    click.echo(json.dumps(record(found)) if as_json else render(found), nl=as_json)


def _of_machine(runs: list["Summary"], machine: str | None) -> list["Summary"]:
    named = machine or max(runs, key=lambda run: run.time).machine
    chosen = [run for run in runs if run.machine == named]
    if not chosen:
        raise unknown("machine", named, sorted({run.machine for run in runs}))
    return chosen
