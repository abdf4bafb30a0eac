"""The commands `hpml-lab history` and `hpml-lab recover`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from hpml_lab.cli.options import json_option, storage_option
from hpml_lab.text import printable


@click.command()
@storage_option
@json_option
def history(storage: Path, as_json: bool) -> None:
    """List the saved runs of each machine, and the journals of runs that did not end.

    A file that cannot be read is listed with the reason.
    """
    from hpml_lab.report.history import render
    from hpml_lab.runs.listing import listing

    runs, journals = listing(storage)
    record = {"runs": [*map(asdict, runs)], "journals": [*map(asdict, journals)]}
    click.echo(json.dumps(record) if as_json else render(runs, journals), nl=as_json)


@click.command()
@click.argument("journal", required=False, type=click.Path(path_type=Path))
@storage_option
@json_option
def recover(journal: Path | None, storage: Path, as_json: bool) -> None:
    """Save what a run has measured that died, from its journal (default: the newest one).

    The run is marked as incomplete: hpml.missing in it says what it did not get to.
    """
    from hpml_lab.runs.reading import read_run
    from hpml_lab.runs.recovery import newest_dead
    from hpml_lab.runs.recovery import recover as save

    journal = journal or newest_dead(storage)
    file = save(journal)
    run = read_run(file)
    missing = run.hpml.missing if run.hpml else {}
    if as_json:
        record = {"file": str(file), "journal": str(journal), "cases": len(run.benchmarks)}
        click.echo(json.dumps(record | {"missing": missing, "complete": not missing}))
        return
    for nodeid, processes in missing.items():
        click.echo(f"Missing: {printable(nodeid)} in process {', '.join(map(str, processes))}")
    click.echo(f"Saved: {file}, {len(run.benchmarks)} cases")
