"""The command `hpml-lab claims`."""

import json
from pathlib import Path

import click

from hpml_lab.cli.options import json_option


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path), metavar="[RUN]")
@click.option("--write-up", help="Only this write-up, such as 001.")
@click.option(
    "--check", type=click.Path(path_type=Path), metavar="FILE", help="Mark a student's answers."
)
@json_option
@click.pass_context
def claims(
    context: click.Context,
    run: Path | None,
    write_up: str | None,
    check: Path | None,
    as_json: bool,
) -> None:
    """Print published answers of the labs, whether they hold, and what decided that.

    RUN is a saved run: what it measured stands beside answers that depend on the machine. --check
    marks a YAML file in the ledger's form, a list of {id: ..., claim: ...}: an answer that repeats
    a published one is judged like it. Exit status 1: a computed check disagrees with the ledger, or
    a student's answer is wrong.
    """
    if check is not None:
        context.exit(_check(check, run, as_json))
    from hpml_lab.claims.ledger import claims_of
    from hpml_lab.labs.claim_decisions import decide
    from hpml_lab.report.claims import record, render
    from hpml_lab.runs.reading import read_run

    measured = read_run(run) if run else None
    decisions = [decide(claim, measured) for claim in claims_of(write_up)]
    click.echo(json.dumps(record(decisions)) if as_json else render(decisions), nl=as_json)
    context.exit(0 if all(decision.agrees for decision in decisions) else 1)


def _check(path: Path, run: Path | None, as_json: bool) -> int:
    """Prints the marks of a student's answers and returns the exit status."""
    from hpml_lab.claims.student import read_answers
    from hpml_lab.labs.marks import marks
    from hpml_lab.report.marks import record, render
    from hpml_lab.runs.reading import read_run

    given = marks(read_answers(path), read_run(run) if run else None)
    click.echo(json.dumps(record(given)) if as_json else render(given), nl=as_json)
    return 1 if any(mark.mark == "wrong" for mark in given) else 0
