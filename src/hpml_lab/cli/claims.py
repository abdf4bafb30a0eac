"""The command `hpml-lab claims`."""

import json

import click

from hpml_lab.cli.options import json_option


@click.command()
@click.option("--write-up", help="Only this write-up, such as 001.")
@json_option
@click.pass_context
def claims(context: click.Context, write_up: str | None, as_json: bool) -> None:
    """Print published answers of the labs, whether they hold, and what decided that.

    Exit status 1: a computed check disagrees with the ledger.
    """
    from hpml_lab.claims.ledger import claims_of
    from hpml_lab.labs.claim_decisions import decide
    from hpml_lab.report.claims import record, render

    decisions = [decide(claim) for claim in claims_of(write_up)]
    click.echo(json.dumps(record(decisions)) if as_json else render(decisions), nl=as_json)
    context.exit(0 if all(decision.agrees for decision in decisions) else 1)
