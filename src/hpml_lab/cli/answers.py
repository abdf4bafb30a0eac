"""The command `hpml-lab answers`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hpml_lab.cli.options import json_option, storage_option

if TYPE_CHECKING:
    from hpml_lab.labs.answer import Answer
    from hpml_lab.runs.schema import Run


@click.command()
@click.argument("words", nargs=-1, metavar="[FILE] [ITEM]...")
@click.option("--all", "all_tables", is_flag=True, help="Print every table.")
@storage_option
@click.option(
    "--pictures", type=click.Path(path_type=Path), help="Draw what it holds into this folder."
)
@json_option
def answers(
    words: tuple[str, ...], all_tables: bool, storage: Path, pictures: Path | None, as_json: bool
) -> None:
    """Print what a saved run answers (default: the last one), on one screen.

    ITEM prints the tables of an answer: C3, Q1, techniques, warnings, cases. --json prints tables.
    """
    from hpml_lab.report import answers, summary, terminal
    from hpml_lab.runs.reading import read_run
    from hpml_lab.runs.store import latest

    file, items = _split(words)
    path = file or latest(storage)
    run = read_run(path)
    if as_json:
        click.echo(json.dumps([asdict(table) for table in _tables(run, items)]))
    elif not run.benchmarks or not (tables := _tables(run, items)):
        click.echo(_nothing(run, items))
    elif items or all_tables:
        click.echo(terminal.render(tables))
    else:
        screen = summary.summary(run, summary.previous_run(path))
        click.echo(terminal.render_summary(screen, summary.where(path)), nl=False)
    if pictures is not None:
        for drawn in answers.draw_run(run, pictures):
            click.echo(f"Drawn: {drawn}", err=True)


def _split(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Returns the file, if the first word names one, and the items."""
    if words and (words[0].endswith(".json") or Path(words[0]).exists()):
        return Path(words[0]), list(words[1:])
    return None, list(words)


def _tables(run: "Run", items: Sequence[str]) -> "list[Answer]":
    from hpml_lab.report import answers

    if not items:
        return answers.all_tables(run)
    return [table for item in items for table in answers.tables_of(run, item)]


def _nothing(run: "Run", items: Sequence[str]) -> str:
    if run.benchmarks and items:
        return f"This run has nothing for {', '.join(items)}."
    if run.benchmarks:
        return f"{len(run.benchmarks)} benchmarks without a record of ours; see: hpml-lab compare"
    return "No benchmark is in this run."
