"""What `hpml-lab predict` plans: a workload, or a named network."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpml_lab.errors import InputError, NothingFitsError

if TYPE_CHECKING:
    from hpml_lab.report.answers.answer import Answer
    from hpml_lab.theory.fitting import Device, Fit
    from hpml_lab.theory.memory import Step
    from hpml_lab.theory.timeline import Timeline
    from hpml_lab.workloads.declared import Workload

_BATCH = "batch_size"


@dataclass(frozen=True)
class Planned:
    """What was planned, ready to be shown.

    Attributes:
        title: in a line.
        timeline: the step.
        fit: on a GPU.
        record: as JSON takes it.
        answers: as tables.
    """

    title: str
    timeline: "Timeline"
    fit: "Fit"
    record: dict[str, Any]
    answers: "list[Answer]"


def of_workload(
    name: str, settings: Collection[str], batch: int | None, device: "Device", *, table: bool
) -> Planned:
    """Plans a declared step.

    Args:
        name: of the workload.
        settings: texts such as ``width=64``.
        batch: sets its parameter ``batch_size``; None to leave it.
        device: that it is to fit into.
        table: whether to plan other batches too.

    Raises:
        InputError: for what is no workload, or a step that cannot be planned.
    """
    from hpml_lab.report import workload_plan
    from hpml_lab.workloads.declared import has_setting, parsed, workload
    from hpml_lab.workloads.plans import as_on_gpu, plan, plan_changed

    function = workload(name)
    texts = dict(_pair(text) for text in settings)
    if batch is not None:
        texts[_BATCH] = str(batch)
    values = parsed(function, texts)
    fit = plan_changed(function, values, as_on_gpu).fit(device)
    sized = has_setting(function, _BATCH)
    wanted = device.memory_bytes is not None and sized
    found = workload_plan.WorkloadPlan(
        name,
        values,
        plan(function, **values),
        fit,
        _largest(function, device, values) if wanted else None,
        _batches(function, values) if table and sized else [],
        table,
    )
    return _with_ways(
        Planned(
            workload_plan.title(found),
            found.plan.timeline,
            fit,
            workload_plan.record(found),
            workload_plan.answers(found),
        ),
        function,
        values,
    )


def _largest(function: "Workload", device: "Device", values: Mapping[str, Any]) -> int | str:
    from hpml_lab.workloads.plans import plan_largest_batch

    try:
        return plan_largest_batch(function, device, values)
    except NothingFitsError:
        return 0
    except InputError as error:
        return str(error)


def _batches(function: "Workload", values: Mapping[str, Any]) -> list[dict[str, int]]:
    from hpml_lab.report.prediction import batch_table
    from hpml_lab.theory.batches import Batches
    from hpml_lab.workloads.declared import setting
    from hpml_lab.workloads.plans import plan

    timelines = Batches(lambda size: plan(function, **{**values, _BATCH: size}).timeline)
    return batch_table(timelines, setting(function, values, _BATCH))


def of_network(
    network: str,
    classes: int | None,
    image: int | None,
    checkpoint: Collection[str],
    channels_last: bool,
    width: int | None,
    batch_norm: bool,
    device: "Device",
    *,
    table: bool,
    **asked: Any,
) -> Planned:
    """Plans a step of a named network.

    Args:
        network: as `networks.build_network`.
        classes: outputs of its last layer; None for the usual number.
        image: the side of square images in pixels; None for the usual one.
        checkpoint: paths of the blocks that are recomputed.
        channels_last: whether weights and images lie in memory channel by channel.
        width: channels of the first stage of ``resnet18-cifar``; None for the lab's.
        batch_norm: whether it has batch norms.
        device: that it is to fit into.
        table: whether to plan other batches and optimizers too.
        **asked: how it is trained, as `theory.memory.Step` but for its implementation.

    Raises:
        InputError: for an unknown name, or a step that is not possible.
    """
    from hpml_lab.report import prediction as shown
    from hpml_lab.workloads.prediction import planned_network

    step = _step(**asked)
    planned = planned_network(
        network,
        classes,
        image,
        width=width,
        batch_norm=batch_norm,
        checkpoint=checkpoint,
        channels_last=channels_last,
    )
    timeline, fit = planned.plan(step), planned.fit(step, device)
    found = shown.Prediction(
        planned,
        step,
        planned.numbers(step),
        timeline,
        fit,
        largest_batch=shown.largest_batch(planned, step, device),
        batches=shown.batch_table(lambda b: planned.plan(step.of(b)), step.batch) if table else [],
        optimizers=shown.optimizer_table(planned, step, device) if table else [],
    )
    result = Planned(shown.title(found), timeline, fit, shown.record(found), shown.answers(found))
    if fit.fits is not False or checkpoint or channels_last or not batch_norm or width:
        return result
    from hpml_lab.workloads.network_step import network_step

    declared = network_step(network, planned.classes, planned.image, step)
    return _with_ways(result, declared, {_BATCH: step.batch})


def _with_ways(found: Planned, function: "Workload", values: Mapping[str, Any]) -> Planned:
    """Adds what would make a step fit that does not."""
    if found.fit.fits is not False:
        return found
    from hpml_lab.report.ways import ways_answer, ways_record
    from hpml_lab.workloads.ways import ways

    ways_found = ways(function, values, found.fit.device, found.fit)
    return replace(
        found,
        record=found.record | {"ways": ways_record(ways_found)},
        answers=[*found.answers, ways_answer(found.title, ways_found)],
    )


def _step(foreach: bool, fused: bool, **asked: Any) -> "Step":
    from hpml_lab.theory.memory import Step

    return Step(implementation="fused" if fused else "foreach" if foreach else "loop", **asked)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InputError(f"--set {text!r} is not NAME=VALUE")
    return name.replace("-", "_"), value
