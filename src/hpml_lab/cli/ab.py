"""`hpml-lab ab`: two revisions measured side by side on this machine."""

import json
import secrets
from pathlib import Path

import click

from hpml_lab.cli.options import json_option


class _Behind(click.Command):
    """A command that leaves everything behind ``--`` as it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, behind = args, list[str]()
        if "--" in args:
            place = args.index("--")
            own, behind = args[:place], args[place + 1 :]
        ctx.meta[__name__] = behind
        return super().parse_args(ctx, own)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "-- PYTEST_ARGS..."]


@click.command(cls=_Behind)
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
    from hpml_lab.ab.session import Asked, side_by_side
    from hpml_lab.report import actions, comparison

    drawn = secrets.randbelow(2**32) if seed is None else seed
    arguments = context.meta[__name__]
    asked = Asked(base, new, arguments, Path.cwd(), budget, alpha, margin, drawn)
    answer = side_by_side(asked, lambda line: click.echo(line, err=True))
    if as_json:
        sides = {"base": answer.commits[0], "new": answer.commits[1] or None}
        record = sides | {"pairs": answer.pairs, "seed": drawn}
        click.echo(json.dumps(record | comparison.record(answer.comparison)))
    else:
        text = comparison.render(answer.comparison)
        text += f"{answer.pairs} pairs, seed {drawn}.\n"
        click.echo(actions.harmless(text), nl=False)
    actions.show(answer.comparison, lambda line: click.echo(line, err=as_json))
    context.exit(answer.comparison.exit)
