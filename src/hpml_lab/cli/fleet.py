"""The command `hpml-lab fleet`."""

import json
from pathlib import Path

import click

from hpml_lab.cli.options import json_option, storage_option
from hpml_lab.errors import RunFileError


@click.command()
@storage_option
@click.option(
    "--alpha",
    type=float,
    default=0.01,
    show_default=True,
    help="Chance of any false finding in the fleet.",
)
@json_option
def fleet(storage: Path, alpha: float, as_json: bool) -> None:
    """Print machines of one model beside each other, and which of them are slow or odd."""
    from hpml_lab.comparison import fleet as fleets
    from hpml_lab.report.fleet import record, render
    from hpml_lab.runs.store import no_run, saved_runs
    from hpml_lab.runs.summary import summarise

    runs = []
    for run in summarise(saved_runs(storage)):
        if isinstance(run, RunFileError):
            click.echo(f"hpml-lab: skipped: {run}", err=True)
        else:
            runs.append(run)
    if not runs:
        raise no_run(storage)
    shown = fleets.fleet(runs, alpha)
    click.echo(json.dumps(record(shown)) if as_json else render(shown), nl=as_json)
