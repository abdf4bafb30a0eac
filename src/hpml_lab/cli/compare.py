"""The command `hpml-lab compare`."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from hpml_lab.cli.options import default_storage, json_option
from hpml_lab.errors import InputError


class ManyFiles(click.Command):
    """A command whose options for files take several values after one name, or repeat the name.

    ``--base a b`` is read as ``--base a --base b``: click's options take a fixed number of values.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the arguments with the option's name before each value."""
        several = {name for option in self.params if _takes_several(option) for name in option.opts}
        return super().parse_args(ctx, _repeated(args, several))


def _takes_several(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and parameter.multiple


def _repeated(args: list[str], several: set[str]) -> list[str]:
    """Returns the arguments with the option's name before each of its values."""
    expanded: list[str] = []
    option, awaited = "", False
    for arg in args:
        if arg.startswith("-") and arg != "-" and not awaited:
            name = arg.partition("=")[0]
            option = name if name in several else ""
            awaited = name in several and "=" not in arg
        elif awaited or not option:
            awaited = False
        else:
            expanded.append(option)
        expanded.append(arg)
    return expanded


_files = partial(click.option, multiple=True, type=click.Path(path_type=Path), metavar="FILE...")


@click.command(cls=ManyFiles)
@_files("--base", help="Saved runs of the baseline: files, or names or numbers of runs.")
@_files("--new", help="Saved runs of what is compared with it.")
@_files(
    "--across",
    help="Instead of both: saved runs of machines to compare with the first, and published ones.",
)
@click.option("--alpha", default=0.01, show_default=True, help="Chance of any false alarm.")
@click.option(
    "--margin", default=0.02, show_default=True, help="Changes up to this share are none."
)
@json_option
@click.pass_context
def compare(
    context: click.Context,
    base: tuple[Path, ...],
    new: tuple[Path, ...],
    across: tuple[Path, ...],
    alpha: float,
    margin: float,
    as_json: bool,
) -> None:
    """Say of every case whether it became slower, from the processes of saved runs.

    Stock pytest-benchmark files are one process each. Exit status 1: something regressed, is
    missing or is not comparable, or nothing was judged.

    --across compares what machines share instead: ratios, exact counters, shares of the roofline.
    """
    if across:
        if base or new:
            raise InputError("--across stands alone; leave out --base and --new")
        click.echo(_across(across, alpha, as_json), nl=as_json)
        return
    for option, files in (("--base", base), ("--new", new)):
        if not files:
            raise InputError(f"{option} is missing; name one or more saved runs")
    from hpml_lab.comparison.compare import compare as compared
    from hpml_lab.report.comparison import record, render
    from hpml_lab.runs.reading import read_run

    runs: list[list[Any]] = [[read_run(_file(file)) for file in files] for files in (base, new)]
    comparison = compared(*runs, alpha=alpha, margin=margin)
    text = json.dumps(record(comparison), allow_nan=False) if as_json else render(comparison)
    click.echo(text, nl=as_json)
    context.exit(comparison.exit)


def _file(named: Path) -> Path:
    """Returns the file of a run: as it is named, or by its name or number among the saved runs."""
    from hpml_lab.runs.baselines import find_baseline
    from hpml_lab.runs.store import machines

    if named.suffix == ".json":
        return named
    storage = default_storage()
    return find_baseline(str(named), machines(storage) or [storage], Path())


def _across(files: tuple[Path, ...], alpha: float, as_json: bool) -> str:
    """Returns the cross-machine comparison of the runs and the published machines."""
    from hpml_lab.comparison.across import across
    from hpml_lab.comparison.sides import Subject, subjects
    from hpml_lab.labs.answer import records_fit
    from hpml_lab.labs.published_machines import published_machines
    from hpml_lab.labs.questions import CONTRASTS
    from hpml_lab.report.across import answers, record
    from hpml_lab.report.terminal import render
    from hpml_lab.runs.reading import read_run

    own = subjects([(str(file), read_run(file)) for file in files])
    published = [
        Subject(machine.name, machine.run, machine.caveats) for machine in published_machines()
    ]
    with records_fit():
        comparison = across([*own, *published], CONTRASTS, alpha)
    if as_json:
        return json.dumps(record(comparison), allow_nan=False)
    return render(answers(comparison))
