"""The command `hpml-lab predict`."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hpml_lab.errors import InputError

if TYPE_CHECKING:
    from hpml_lab.report.prediction import Prediction
    from hpml_lab.theory.gpu_memory import Workspace
    from hpml_lab.theory.memory import Step


@click.command()
@click.option("--network", required=True, help="resnet18-cifar, resnet50, torchvision:NAME, ...")
@click.option("--batch", required=True, type=int, help="Samples a step.")
@click.option("--image", type=int, help="Side of the images in pixels.  [default: 32 or 224]")
@click.option("--classes", type=int, help="Outputs of the last layer.  [default: 10 or 1000]")
@click.option("--optimizer", default="sgd", show_default=True)
@click.option("--momentum", default=0.0, help="Of sgd or rmsprop.")
@click.option("--weight-decay", default=0.0)
@click.option("--foreach/--no-foreach", default=True, help="All tensors at once, or a loop.")
@click.option("--fused", is_flag=True, help="The optimizer's step in one kernel.")
@click.option("--dtype", default="float32", show_default=True, help="bfloat16 is autocast.")
@click.option("--device-memory", type=int, help="Bytes: gives the largest batch that fits.")
@click.option("--gpu-capability", help="Of the GPU, such as 9.0: adds its workspace.")
@click.option("--gpu-context", help="Bytes that CUDA's context takes, or measure.")
@click.option("--table", is_flag=True, help="Other batches and optimizers too.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the step as PNG or SVG.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def predict(picture: Path | None, as_json: bool, **asked: Any) -> None:
    """Plan the memory of a training step to the byte, without running it and without a GPU."""
    from hpml_lab.report import prediction, terminal

    found = _predicted(**asked)
    if picture is not None:
        from hpml_lab.report.figures import draw_memory

        timeline = found.network.plan(found.step)
        draw_memory({"predicted": timeline.outline()}, prediction.title(found), picture)
    text = terminal.render(prediction.answers(found))
    click.echo(json.dumps(prediction.record(found)) if as_json else text, nl=as_json)


def _predicted(
    network: str,
    classes: int | None,
    image: int | None,
    device_memory: int | None,
    gpu_capability: str | None,
    gpu_context: str | None,
    table: bool,
    **asked: Any,
) -> "Prediction":
    from hpml_lab.report.prediction import Prediction, batch_table, optimizer_table
    from hpml_lab.theory.gpu_memory import gpu_memory
    from hpml_lab.workloads.prediction import planned_network

    step = _step(**asked)
    planned = planned_network(network, classes, image)
    timeline = planned.plan(step)
    limit = device_memory
    return Prediction(
        planned,
        step,
        planned.numbers(step),
        timeline.peak,
        gpu_memory(
            timeline,
            workspace=_workspace(gpu_capability, planned.products),
            context_bytes=_context_bytes(gpu_context),
        ),
        largest_batch=None if limit is None else planned.largest_batch(step, limit),
        batches=batch_table(planned, step) if table else [],
        optimizers=optimizer_table(planned, step, limit) if table else [],
    )


def _step(
    batch: int,
    optimizer: str,
    momentum: float,
    weight_decay: float,
    foreach: bool,
    fused: bool,
    dtype: str,
) -> "Step":
    from hpml_lab.theory.memory import Step

    return Step(
        batch=batch,
        optimizer=optimizer,
        momentum=momentum,
        weight_decay=weight_decay,
        implementation="fused" if fused else "foreach" if foreach else "loop",
        dtype=dtype,
    )


def _workspace(capability: str | None, layers: Collection[str]) -> "Workspace | None":
    from hpml_lab.theory.gpu_memory import Workspace, workspace_bytes

    if capability is None:
        return None
    major, point, minor = capability.partition(".")
    if not (point and major.isdecimal() and minor.isdecimal()):
        raise InputError(f"--gpu-capability {capability!r} is not one; give it like 9.0")
    return Workspace(size_bytes=workspace_bytes((int(major), int(minor))), layers=layers)


def _context_bytes(given: str | None) -> int | None:
    if given is None:
        return None
    if given == "measure":
        from hpml_lab.measure.context import context_bytes

        return context_bytes()
    if not given.isdecimal():
        raise InputError(f"--gpu-context {given!r} is neither a number of bytes nor measure")
    return int(given)
