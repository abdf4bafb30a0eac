"""The command `hpml-lab scale`."""

import json
from typing import Any

import click

from hpml_lab.cli.options import LAB, LAB_ON_CPU, json_option, pair, settings_option
from hpml_lab.errors import InputError


@click.command()
@click.argument("workload", required=False)
@click.option("--world", required=True, help="Numbers of ranks, such as 1,2,4.")
@click.option("--strategy", default="ddp", show_default=True, help="ddp or fsdp.")
@click.option("--backend", default="gloo", show_default=True, help="gloo or nccl.")
@settings_option
@click.option("--timeout", default=300.0, show_default=True, help="Seconds of a launch.")
@json_option
@click.pass_context
def scale(
    context: click.Context,
    workload: str | None,
    world: str,
    strategy: str,
    backend: str,
    settings: tuple[str, ...],
    timeout: float,
    as_json: bool,
) -> None:
    """Measure a training over several ranks, started by torchrun, beside what is predicted.

    WORKLOAD is a function that returns a TrainingStep, as FILE.py:NAME or package.module:NAME;
    without one, the lab's network. Exit status 1: the ranks of a case failed.
    """
    from hpml_lab.report.scaling import render
    from hpml_lab.scaling.scale import scale as run
    from hpml_lab.training import workload as workloads

    name = workload or LAB
    function = workloads.workload(name)
    texts = dict(pair("--set", text) for text in settings)
    parameters: dict[str, Any] = workloads.parsed(function, texts)
    if workload is None and backend == "gloo":
        parameters = LAB_ON_CPU | parameters
    result = run(
        name, function, parameters, _worlds(world), strategy=strategy, backend=backend,
        timeout_s=timeout, say=lambda line: click.echo(line, err=True),
    )  # fmt: skip
    click.echo(json.dumps(result.record()) if as_json else render(result), nl=as_json)
    context.exit(1 if any(case.failure for case in result.cases) else 0)


def _worlds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--world {text!r} is no list of numbers; give one such as 1,2,4"
        ) from None
