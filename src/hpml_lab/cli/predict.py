"""The command `hpml-lab predict`."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hpml_lab.errors import InputError
from hpml_lab.units import parse_bytes

if TYPE_CHECKING:
    from hpml_lab.report.answers.answer import Answer
    from hpml_lab.report.prediction import Prediction
    from hpml_lab.report.workload_plan import WorkloadPlan
    from hpml_lab.theory.gpu_memory import Workspace
    from hpml_lab.theory.memory import Step
    from hpml_lab.theory.timeline import Timeline


@click.command()
@click.argument("workload", required=False)
@click.option("--network", help="resnet18-cifar, resnet50, torchvision:NAME, ...")
@click.option("--set", "settings", multiple=True, help="NAME=VALUE: a parameter of the workload.")
@click.option("--batch", type=int, help="Samples a step.")
@click.option("--image", type=int, help="Side of the images in pixels.  [default: 32 or 224]")
@click.option("--classes", type=int, help="Outputs of the last layer.  [default: 10 or 1000]")
@click.option("--optimizer", default="sgd", show_default=True)
@click.option("--momentum", default=0.0, help="Of sgd or rmsprop.")
@click.option("--weight-decay", default=0.0)
@click.option("--foreach/--no-foreach", default=True, help="All tensors at once, or a loop.")
@click.option("--fused", is_flag=True, help="The optimizer's step in one kernel.")
@click.option("--dtype", default="float32", show_default=True, help="bfloat16 is autocast.")
@click.option("--device-memory", help="Such as 16GiB or 80GB: gives the largest batch that fits.")
@click.option("--gpu-capability", help="Of the GPU, such as 9.0: adds its workspace.")
@click.option("--gpu-context", help="Bytes that CUDA's context takes, or measure.")
@click.option("--table", is_flag=True, help="Other batches and optimizers too.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the step as PNG or SVG.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def predict(
    context: click.Context,
    /,
    workload: str | None,
    settings: tuple[str, ...],
    batch: int | None,
    device_memory: str | None,
    picture: Path | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Plan the memory of a training step to the byte, without running it and without a GPU.

    WORKLOAD is a function that returns a TrainingStep, as FILE.py:NAME or package.module:NAME;
    without one, --network names a network and the options below say how it is trained.
    """
    limit = None if device_memory is None else parse_bytes("--device-memory", device_memory)
    if workload is not None:
        _refuse_network_options(context)
        _show_workload(_of_workload(workload, settings, batch, limit), picture, as_json)
        return
    if asked["network"] is None or batch is None:
        raise InputError(
            "nothing to plan; give a workload such as FILE.py:NAME, or --network NAME --batch N"
        )
    if settings:
        raise InputError("--set is for a workload such as FILE.py:NAME; give one")
    _show_network(_predicted(batch=batch, device_memory=limit, **asked), picture, as_json)


def _show_workload(found: "WorkloadPlan", picture: Path | None, as_json: bool) -> None:
    from hpml_lab.report import workload_plan

    _draw(picture, found.plan.timeline, workload_plan.title(found))
    _print(as_json, workload_plan.record(found), workload_plan.answers(found))


def _show_network(found: "Prediction", picture: Path | None, as_json: bool) -> None:
    from hpml_lab.report import prediction

    if picture is not None:
        _draw(picture, found.network.plan(found.step), prediction.title(found))
    _print(as_json, prediction.record(found), prediction.answers(found))


_FOR_WORKLOADS = frozenset({"workload", "settings", "batch", "device_memory", "picture", "as_json"})


def _refuse_network_options(context: click.Context) -> None:
    """Refuses options that a workload says itself.

    Raises:
        InputError: for the first of them.
    """
    default = click.core.ParameterSource.DEFAULT
    for option in context.command.params:
        name = str(option.name)
        if name not in _FOR_WORKLOADS and context.get_parameter_source(name) is not default:
            raise InputError(
                f"{option.opts[0]} is not for a workload, which says so itself or has a parameter "
                "for --set NAME=VALUE"
            )


def _of_workload(
    name: str, settings: tuple[str, ...], batch: int | None, limit: int | None
) -> "WorkloadPlan":
    from hpml_lab.report.workload_plan import WorkloadPlan
    from hpml_lab.workloads.declared import parsed, workload
    from hpml_lab.workloads.plans import plan, plan_largest_batch

    function = workload(name)
    texts = dict(_pair(text) for text in settings)
    if batch is not None:
        texts["batch_size"] = str(batch)
    values = parsed(function, texts)
    largest = None if limit is None else plan_largest_batch(function, limit, values)
    return WorkloadPlan(name, values, plan(function, **values), largest)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InputError(f"--set {text!r} is not NAME=VALUE")
    return name.replace("-", "_"), value


def _draw(picture: Path | None, timeline: "Timeline", title: str) -> None:
    if picture is not None:
        from hpml_lab.report.figures import draw_memory

        draw_memory({"predicted": timeline.outline()}, title, picture)


def _print(as_json: bool, record: dict[str, Any], found: "list[Answer]") -> None:
    from hpml_lab.report import terminal

    click.echo(json.dumps(record) if as_json else terminal.render(found), nl=as_json)


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
