"""The command `hpml-lab machine`."""

import json

import click

from hpml_lab.cli.options import json_option
from hpml_lab.errors import InputError

_ANNOUNCEMENT = "Measuring what this machine can do at most: some seconds ..."


@click.command()
@click.option("--fresh", is_flag=True, help="Measure the ceilings again, such as when it is idle.")
@click.option("--probe", is_flag=True, help="Ask the GPU what only it can tell: a minute, JSON.")
@json_option
def machine(fresh: bool, probe: bool, as_json: bool) -> None:
    """Print what this machine is, how it is now, and what it can do at most.

    The JSON is what a saved run has under machine_info.hpml.
    """
    if probe and (fresh or as_json):
        raise InputError("--probe stands alone; leave out --fresh and --json")
    if probe:
        from hpml_lab.measure.probe import probe as ask

        ask(click.echo)
        return
    import msgspec

    from hpml_lab.measure.ceilings import ceilings
    from hpml_lab.measure.context import context_bytes
    from hpml_lab.measure.fingerprint import machine_record, state
    from hpml_lab.report import terminal
    from hpml_lab.report.machine import answers
    from hpml_lab.runs.machine import Machine

    if fresh:
        context_bytes(fresh=True)
    before = state()
    rates = ceilings(lambda: click.echo(_ANNOUNCEMENT, err=True), fresh=fresh)
    record = machine_record(before, rates)
    text = terminal.render(answers(msgspec.convert(record, Machine)))
    click.echo(json.dumps(record) if as_json else text, nl=as_json)
