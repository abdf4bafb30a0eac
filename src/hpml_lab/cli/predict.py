"""The command `hpml-lab predict`."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hpml_lab.cli.options import json_option, numbers_of_ranks
from hpml_lab.cli.planning import of_network, of_workload, over_ranks
from hpml_lab.errors import InputError
from hpml_lab.units import MIB, parse_bytes

if TYPE_CHECKING:
    from hpml_lab.labs.answer import Answer
    from hpml_lab.memory.fitting import Device
    from hpml_lab.memory.timeline import Timeline
    from hpml_lab.scaling.worlds import Links


@click.command()
@click.argument("workload", required=False)
@click.option("--network", help="resnet18-cifar, resnet50, torchvision:NAME, ...")
@click.option("--set", "settings", multiple=True, help="NAME=VALUE: a parameter of the workload.")
@click.option("--batch", "--batch-size", "batch_size", type=int, help="Samples a step.")
@click.option("--image", type=int, help="Side of the images in pixels.  [default: 32 or 224]")
@click.option("--classes", type=int, help="Outputs of the last layer.  [default: 10 or 1000]")
@click.option(
    "--optimizer",
    default="sgd",
    show_default=True,
    help="As in hpml-lab train: sgd, sgd-momentum, adam, ...",
)
@click.option("--momentum", default=0.0, help="Of sgd or rmsprop.")
@click.option("--nesterov", is_flag=True, help="Of sgd.")
@click.option("--amsgrad", is_flag=True, help="Of adam or adamw.")
@click.option("--centered", is_flag=True, help="Of rmsprop.")
@click.option("--weight-decay", default=0.0, help="Any but 0 needs a temporary.")
@click.option("--foreach/--no-foreach", default=True, help="All tensors at once, or a loop.")
@click.option("--fused", is_flag=True, help="The optimizer's step in one kernel.")
@click.option(
    "--dtype", "--precision", "precision", default="float32", show_default=True,
    help="bfloat16 is autocast.",
)  # fmt: skip
@click.option("--accumulate", default=1, help="Passes before a step of the optimizer.")
@click.option("--keep-gradients", is_flag=True, help="Zeroed instead of set to None.")
@click.option("--checkpoint", multiple=True, help="A block to recompute, such as layer1.0.")
@click.option("--channels-last", is_flag=True, help="Weights and images channel by channel.")
@click.option("--width", type=int, help="Channels of the first stage of resnet18-cifar.")
@click.option("--batch-norm/--no-batch-norm", default=True, help="Of a ResNet.")
@click.option("--device-memory", help="Such as 16GiB or 80GB: says whether the step fits.")
@click.option("--gpu", help='Such as "A100 80GB": its memory and its workspace.')
@click.option("--gpu-capability", help="Of the GPU, such as 9.0: adds its workspace.")
@click.option("--gpu-context", help="Bytes that CUDA's context takes, or measure.")
@click.option("--margin", default=0.0, help="Share of the memory to keep free, such as 0.05.")
@click.option("--check", is_flag=True, help="Exit status 1 if the step does not fit.")
@click.option("--table", is_flag=True, help="Layers, other batches and optimizers too.")
@click.option("--world", help="Numbers of ranks, such as 2,64: what a rank of a workload needs.")
@click.option("--strategy", default="ddp", show_default=True, help="Of the ranks: ddp or fsdp.")
@click.option("--step-seconds", type=float, help="Of one rank's step, to predict that of more.")
@click.option("--latency", type=float, help="Seconds of an empty message between two ranks.")
@click.option("--bandwidth", help="Bytes a second between two ranks, such as 25GB.")
@click.option("--overlap/--no-overlap", default=True, help="Exchange while the step computes.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the step as PNG or SVG.")
@json_option
@click.pass_context
def predict(
    context: click.Context,
    /,
    workload: str | None,
    settings: tuple[str, ...],
    batch_size: int | None,
    table: bool,
    picture: Path | None,
    check: bool,
    as_json: bool,
    world: str | None,
    strategy: str,
    step_seconds: float | None,
    latency: float | None,
    bandwidth: str | None,
    overlap: bool,
    **asked: Any,
) -> None:
    """Plan the memory of a training step to the byte, without running it and without a GPU.

    WORKLOAD is a function that returns a TrainingStep, as FILE.py:NAME or package.module:NAME;
    without one, --network names a network and the options below say how it is trained.
    """
    about_gpu = ("device_memory", "gpu", "gpu_capability", "gpu_context", "margin")
    device = _device(**{name: asked.pop(name) for name in about_gpu})
    if check and device.memory_bytes is None:
        raise InputError("--check needs the memory: give --device-memory or --gpu")
    links = _links(step_seconds, latency, bandwidth, overlap=overlap)
    if workload is not None:
        _refuse_network_options(context)
        with _uncollected():
            planned = of_workload(workload, settings, batch_size, device, table=table)
            if world is not None:
                ranks = numbers_of_ranks(world)
                planned = over_ranks(
                    planned, workload, settings, batch_size, ranks, strategy, links
                )
    else:
        if asked["network"] is None or batch_size is None:
            raise InputError(
                "nothing to plan; give a workload such as FILE.py:NAME, or --network NAME --batch N"
            )
        for option, value in (("--set", settings), ("--world", world)):
            if value:
                raise InputError(f"{option} is for a workload such as FILE.py:NAME; give one")
        with _uncollected():
            planned = of_network(batch_size=batch_size, device=device, table=table, **asked)
    _print(as_json, planned.record, planned.answers)
    if picture is not None:
        _draw(picture, planned.timeline, planned.title)
    if check and not planned.fit.fits:
        context.exit(1)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pauses garbage collection, a third of the command's time for the many events of a plan."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


_FOR_WORKLOADS = frozenset({
    "workload", "settings", "batch_size", "device_memory", "gpu", "gpu_capability", "gpu_context",
    "margin", "check", "table", "picture", "as_json", "world", "strategy", "step_seconds",
    "latency", "bandwidth", "overlap",
})  # fmt: skip


def _refuse_network_options(context: click.Context) -> None:
    """Refuses options that a workload decides itself.

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


def _links(
    step_s: float | None, latency_s: float | None, bandwidth: str | None, *, overlap: bool
) -> "Links | None":
    """Returns what the times of more ranks are predicted from; None if nothing is given.

    Raises:
        InputError: if only a part of it is given.
    """
    if step_s is None and latency_s is None and bandwidth is None:
        return None
    if step_s is None or latency_s is None or bandwidth is None:
        raise InputError(
            "--step-seconds, --latency and --bandwidth predict times together; give all three, or "
            "none for the memory alone"
        )
    from hpml_lab.scaling.worlds import Links

    return Links(step_s, latency_s, parse_bytes("--bandwidth", bandwidth), overlap)


def _draw(picture: Path | None, timeline: "Timeline", title: str) -> None:
    if picture is not None:
        from hpml_lab.labs.memory_plan.figure import draw_memory

        draw_memory(timeline, title, picture)


def _print(as_json: bool, record: dict[str, Any], tables: "list[Answer]") -> None:
    from hpml_lab.report import terminal

    click.echo(json.dumps(record) if as_json else terminal.render(tables), nl=as_json)


def _device(
    device_memory: str | None,
    gpu: str | None,
    gpu_capability: str | None,
    gpu_context: str | None,
    margin: float,
) -> "Device":
    from hpml_lab.memory.fitting import Device, card
    from hpml_lab.memory.gpu import workspace_bytes

    if gpu is not None and device_memory is not None:
        raise InputError("--gpu and --device-memory both say the memory; give one of them")
    known = None if gpu is None else card(gpu)
    memory_bytes = known.memory_bytes if known else None
    if device_memory is not None:
        memory_bytes = parse_bytes("--device-memory", device_memory)
        if memory_bytes < MIB:
            raise InputError(
                f"--device-memory {device_memory!r} is {memory_bytes} bytes; give a unit, such as "
                "16GiB or 80GB"
            )
    capability = known.capability if known else None
    if gpu_capability is not None:
        capability = _capability(gpu_capability)
    return Device(
        memory_bytes=memory_bytes,
        workspace_bytes=workspace_bytes(capability) if capability else None,
        context_bytes=_context_bytes(gpu_context),
        margin=margin,
        convolution_bytes=_probed_bytes() if gpu_context == "measure" else None,
    )


def _probed_bytes() -> int | None:
    """Returns the bytes of the largest workspace that a probe of this machine's GPU measured."""
    from hpml_lab.measure.probe import recall

    seen = recall().get("workspace_tf32_bytes")
    return None if seen is None else int(seen)


def _capability(given: str) -> tuple[int, int]:
    major, point, minor = given.partition(".")
    if not (point and major.isdecimal() and minor.isdecimal()):
        raise InputError(f"--gpu-capability {given!r} is not one; give it like 9.0")
    return int(major), int(minor)


def _context_bytes(given: str | None) -> int | None:
    if given is None:
        return None
    if given == "measure":
        from hpml_lab.measure.context import context_bytes

        measured = context_bytes()
        if measured is None:
            raise InputError("--gpu-context measure needs an NVIDIA GPU here; give its bytes")
        return measured
    if not given.isdecimal():
        raise InputError(f"--gpu-context {given!r} is neither a number of bytes nor measure")
    return int(given)
