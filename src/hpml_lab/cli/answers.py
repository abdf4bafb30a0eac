"""The command `hpml-lab answers`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from hpml_lab.cli.options import json_option, storage_option


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@storage_option
@click.option(
    "--pictures", type=click.Path(path_type=Path), help="Draw what it holds into this folder."
)
@json_option
def answers(file: Path | None, storage: Path, pictures: Path | None, as_json: bool) -> None:
    """Print the lab's tables from a saved run (default: the last one)."""
    from hpml_lab.report import answers, terminal
    from hpml_lab.runs.reading import read_run
    from hpml_lab.runs.store import latest

    run = read_run(file or latest(storage))
    tables = answers.all_tables(run)
    if not (tables or as_json):
        click.echo(
            f"{len(run.benchmarks)} benchmarks without a record of ours; see: hpml-lab compare"
            if run.benchmarks
            else "No benchmark is in this run."
        )
        return
    record = [asdict(table) for table in tables]
    click.echo(json.dumps(record) if as_json else terminal.render(tables))
    if pictures is not None:
        from hpml_lab.report.answers import draw_run

        for path in draw_run(run, pictures):
            click.echo(f"Drawn: {path}", err=True)
