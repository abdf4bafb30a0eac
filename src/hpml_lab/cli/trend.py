"""The command `hpml-lab trend`."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hpml_lab.cli.options import json_option, storage_option
from hpml_lab.errors import RunFileError, unknown

if TYPE_CHECKING:
    from hpml_lab.runs.summary import Summary


@click.command()
@storage_option
@click.option("--machine", help="Whose history (default: that of the run saved last).")
@click.option(
    "--alpha",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0.001, 0.5),
    help="Chance of any false move in a history.",
)
@json_option
def trend(storage: Path, machine: str | None, alpha: float, as_json: bool) -> None:
    """Print which cases moved over a machine's history, by how much, and at which run."""
    from hpml_lab.comparison import trend as trends
    from hpml_lab.report.trend import record, render
    from hpml_lab.runs.store import no_run, saved_runs
    from hpml_lab.runs.summary import summarise

    summaries = list(summarise(saved_runs(storage)))
    for error in summaries:
        if isinstance(error, RunFileError):
            click.echo(f"hpml-lab: skipped: {error}", err=True)
    runs = [run for run in summaries if not isinstance(run, RunFileError)]
    if not runs:
        raise no_run(storage)
    chosen = _of_machine(runs, machine)
    shown = trends.trend(chosen, alpha)
    click.echo(json.dumps(record(shown)) if as_json else render(shown), nl=as_json)
    others = sorted({run.machine for run in runs} - {chosen[0].machine})
    if others and not as_json:
        click.echo(f"Other machines here: {', '.join(others)}; choose with --machine.")


def _of_machine(runs: list["Summary"], machine: str | None) -> list["Summary"]:
    """Returns the runs of a machine; for a folder's name, of the machine in it with most runs."""
    known = Counter(run.machine for run in runs)
    named = machine or max(runs, key=lambda run: run.time).machine
    if named not in known:
        within = [name for name in sorted(known) if name.partition("/")[0] == named]
        if not within:
            raise unknown("machine", named, sorted(known))
        named = max(within, key=known.__getitem__)
    return [run for run in runs if run.machine == named]
