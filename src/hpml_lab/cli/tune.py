"""The command `hpml-lab tune`."""

import json
from pathlib import Path
from typing import Any

import click

from hpml_lab.cli.options import (
    LAB,
    LAB_ON_CPU,
    json_option,
    pair,
    settings_option,
    storage_option,
)
from hpml_lab.errors import InputError


@click.command()
@click.argument("workload", required=False)
@click.option(
    "--budget",
    type=float,
    default=300.0,
    show_default=True,
    help="Seconds to spend; the last trial may end later.",
)
@click.option("--vary", multiple=True, help="NAME=V1,V2: values of the workload's parameter.")
@click.option("--keep", multiple=True, help="A setting to leave as it is, such as precision.")
@settings_option
@click.option("--device", help="Sets the workload's parameter device.")
@click.option("--steps", type=int, help="Steps of the training to come: compiling must pay off.")
@click.option("--save", default="tune", show_default=True, help="Name of the saved run.")
@storage_option
@json_option
def tune(
    workload: str | None,
    budget: float,
    vary: tuple[str, ...],
    keep: tuple[str, ...],
    settings: tuple[str, ...],
    device: str | None,
    steps: int | None,
    save: str,
    storage: Path,
    as_json: bool,
) -> None:
    """Find the settings under which a training is fastest on this machine.

    WORKLOAD is a function that returns a TrainingStep, as FILE.py:NAME or package.module:NAME;
    without one, the lab's network. Each trial runs in a process of its own. Ctrl-C prints what is
    known so far.
    """
    from hpml_lab.measure.fingerprint import identity, state
    from hpml_lab.report.tuning import render
    from hpml_lab.runs.store import save_run
    from hpml_lab.training import workload as workloads
    from hpml_lab.tuning.saved import run_of
    from hpml_lab.tuning.tune import tune as run

    if steps is not None and steps < 1:
        raise InputError(f"--steps {steps} is no training; give 1 or more")
    if not save or set(save) & {"/", "\0"}:
        raise InputError(f"a run cannot be saved as {save!r}; give a name without '/'")
    name = workload or LAB
    function = workloads.workload(name)
    texts = dict(pair("--set", text) for text in settings)
    if device is not None:
        texts["device"] = device
    parameters: dict[str, Any] = workloads.parsed(function, texts)
    if workload is None and texts.get("device", "cpu") == "cpu":
        parameters = LAB_ON_CPU | parameters
    varied = {name: text.split(",") for name, text in (pair("--vary", text) for text in vary)}
    before = state()
    tuned = run(
        name, function, parameters, budget_s=budget, vary=varied, keep=keep, steps=steps,
        say=lambda line: click.echo(line, err=True),
    )  # fmt: skip
    # Printed first: what cannot be saved is not lost.
    click.echo(json.dumps(tuned.record()) if as_json else render(tuned), nl=as_json)
    if tuned.logs:
        file = save_run(run_of(tuned, before), storage / identity().id, save)
        click.echo(f"Saved: {file}", err=True)
