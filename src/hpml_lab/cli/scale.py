"""The command `hpml-lab scale`."""

import json
from typing import Any

import click

from hpml_lab.cli.options import (
    LAB,
    LAB_ON_CPU,
    json_option,
    numbers_of_ranks,
    pair,
    settings_option,
)


@click.command()
@click.argument("workload", required=False)
@click.option("--world", required=True, help="Numbers of ranks, such as 1,2,4.")
@click.option("--strategy", default="ddp", show_default=True, help="ddp or fsdp.")
@click.option("--backend", default="gloo", show_default=True, help="gloo or nccl.")
@click.option("--strong", is_flag=True, help="The ranks share one batch.  [default: one each]")
@click.option("--bucket-mib", type=float, help="Of gradients that DDP exchanges at once.")
@click.option("--nnodes", default=1, show_default=True, help="Nodes that run this command.")
@click.option("--rdzv-endpoint", default="", help="HOST:PORT at which several nodes meet.")
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
    strong: bool,
    bucket_mib: float | None,
    nnodes: int,
    rdzv_endpoint: str,
    settings: tuple[str, ...],
    timeout: float,
    as_json: bool,
) -> None:
    """Measure a training over several ranks, started by torchrun, beside what is predicted.

    WORKLOAD is a function that returns a TrainingStep, as FILE.py:NAME or package.module:NAME;
    without one, the lab's network. Exit status 1: the ranks of a case failed.
    """
    from hpml_lab.report.scaling import render
    from hpml_lab.scaling.launch import Nodes
    from hpml_lab.scaling.scale import Setup
    from hpml_lab.scaling.scale import scale as run
    from hpml_lab.training import workload as workloads

    name = workload or LAB
    function = workloads.workload(name)
    texts = dict(pair("--set", text) for text in settings)
    parameters: dict[str, Any] = workloads.parsed(function, texts)
    if workload is None and backend == "gloo":
        parameters = LAB_ON_CPU | parameters
    setup = Setup(strategy, backend, strong, bucket_mib, timeout, Nodes(nnodes, rdzv_endpoint))
    worlds = numbers_of_ranks(world)
    result = run(name, function, parameters, worlds, setup, lambda line: click.echo(line, err=True))
    click.echo(json.dumps(result.record()) if as_json else render(result), nl=as_json)
    context.exit(1 if any(case.failure for case in result.cases) else 0)
