"""`hpml-lab ab`: two revisions measured side by side on this machine."""

import json
import secrets
from pathlib import Path

import click

from hpml_lab.cli.options import json_option


class _WithPytestArguments(click.Command):
    """A command that leaves everything after ``--`` as it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, after = args, list[str]()
        if "--" in args:
            place = args.index("--")
            own, after = args[:place], args[place + 1 :]
        ctx.meta[__name__] = after
        return super().parse_args(ctx, own)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "-- PYTEST_ARGS..."]


@click.command(cls=_WithPytestArguments)
@click.argument("base", metavar="BASE_REV")
@click.argument("new", metavar="[NEW_REV]", required=False)
@click.option(
    "--budget",
    default=600.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="No pair begins that would likely end later. At least one is measured, unless one side "
    "alone takes longer (or a minute, where that is more).",
)
@click.option("--alpha", default=0.01, show_default=True, help="Chance of any false alarm.")
@click.option("--margin", default=0.02, show_default=True, help="Changes up to this are none.")
@click.option("--seed", type=click.IntRange(min=0), help="Of all orders (default: a new one).")
@json_option
@click.pass_context
def ab(
    context: click.Context,
    base: str,
    new: str | None,
    budget: float,
    alpha: float,
    margin: float,
    seed: int | None,
    as_json: bool,
) -> None:
    """Measure two revisions in turn on this machine, and say what has changed.

    Each is checked out into a folder of its own; without NEW_REV the contender is the working tree
    as it is. Pairs of fresh processes, in random order, are measured until every case is settled or
    the time is spent. Exit status 1: a case has regressed, is missing, or nothing was judged.
    """
    from hpml_lab.comparison.ab.revisions import AbRequest, run_ab
    from hpml_lab.report import actions, comparison

    drawn = secrets.randbelow(2**32) if seed is None else seed
    arguments = context.meta[__name__]
    request = AbRequest(base, new, arguments, Path.cwd(), budget, alpha, margin, drawn)
    result = run_ab(request, lambda line: click.echo(line, err=True))
    if as_json:
        sides = {"base": result.commits[0], "new": result.commits[1] or None}
        record = sides | {"pairs": result.pairs, "seed": drawn}
        click.echo(json.dumps(record | comparison.record(result.comparison)))
    else:
        text = comparison.render(result.comparison)
        text += f"{result.pairs} pairs, seed {drawn}.\n"
        click.echo(actions.without_commands(text), nl=False)
    actions.show(result.comparison, lambda line: click.echo(line, err=as_json))
    context.exit(result.comparison.exit)
