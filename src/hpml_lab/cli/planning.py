"""Plans for `hpml-lab predict`: of a workload, or of a named network."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpml_lab.cli.options import pair
from hpml_lab.errors import InputError, NothingFitsError

if TYPE_CHECKING:
    from hpml_lab.labs.answer import Answer
    from hpml_lab.memory.fitting import Device, Fit
    from hpml_lab.memory.optimizer_step import Step
    from hpml_lab.memory.timeline import Timeline
    from hpml_lab.scaling.worlds import Links
    from hpml_lab.training.workload import Workload

_BATCH = "batch_size"


@dataclass(frozen=True)
class Planned:
    """The plan of a step, ready to be shown.

    Attributes:
        title: one line that names the step.
        timeline: memory over the step.
        fit: the fit of the step on a GPU.
        record: the plan as a JSON record.
        answers: the plan as tables.
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
        name: the workload.
        settings: texts such as ``width=64``.
        batch: the value of its parameter ``batch_size``; None to leave it.
        device: the GPU memory that it must fit into.
        table: whether to plan other batches too.

    Raises:
        InputError: for what is no workload, or a step that cannot be planned.
    """
    from hpml_lab.memory.workload_plan import as_on_gpu, plan, plan_changed
    from hpml_lab.report import prediction
    from hpml_lab.training.workload import has_setting

    function, values = _declared(name, settings, batch)
    fit = plan_changed(function, values, as_on_gpu).fit(device)
    sized = has_setting(function, _BATCH)
    wanted = device.memory_bytes is not None and sized
    planned = prediction.WorkloadPlan(
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
            prediction.workload_title(planned),
            planned.plan.timeline,
            fit,
            prediction.workload_record(planned),
            prediction.workload_answers(planned),
        ),
        function,
        values,
    )


def _declared(
    name: str, settings: Collection[str], batch: int | None
) -> "tuple[Workload, dict[str, Any]]":
    """Returns a workload and the values of its parameters that are set."""
    from hpml_lab.training.workload import parsed, workload

    function = workload(name)
    texts = dict(pair("--set", text) for text in settings)
    if batch is not None:
        texts[_BATCH] = str(batch)
    return function, parsed(function, texts)


def over_ranks(
    planned: Planned,
    name: str,
    settings: Collection[str],
    batch: int | None,
    worlds: Sequence[int],
    strategy: str,
    links: "Links | None",
) -> Planned:
    """Adds what is predicted for a workload over more ranks.

    Args:
        planned: the plan of one rank.
        name: the workload.
        settings: as in `of_workload`.
        batch: as in `of_workload`.
        worlds: numbers of ranks.
        strategy: ``ddp`` or ``fsdp``.
        links: what times are predicted from; None for the memory alone.

    Raises:
        InputError: as `predict_worlds`.
    """
    from hpml_lab.report.scaling import worlds_answer
    from hpml_lab.scaling.worlds import predict_worlds

    predicted = predict_worlds(*_declared(name, settings, batch), worlds, strategy, links)
    return replace(
        planned,
        record=planned.record | predicted.record(),
        answers=[*planned.answers, worlds_answer(planned.title, predicted)],
    )


def _largest(function: "Workload", device: "Device", values: Mapping[str, Any]) -> int | str:
    from hpml_lab.memory.workload_plan import plan_largest_batch

    try:
        return plan_largest_batch(function, device, values)
    except NothingFitsError:
        return 0
    except InputError as error:
        return str(error)


def _batches(function: "Workload", values: Mapping[str, Any]) -> list[dict[str, int]]:
    from hpml_lab.memory.largest_batch import Batches
    from hpml_lab.memory.workload_plan import plan
    from hpml_lab.report.prediction import batch_table
    from hpml_lab.training.workload import setting

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
        channels_last: whether weights and images are in channels-last format.
        width: channels of the first stage of ``resnet18-cifar``; None for the lab's.
        batch_norm: whether it has batch norms.
        device: the GPU memory that it must fit into.
        table: whether to plan other batches and optimizers too.
        **asked: how it is trained, as `memory.optimizer_step.Step` but for its implementation.

    Raises:
        InputError: for an unknown name, or a step that is not possible.
    """
    from hpml_lab.memory.network_plan import planned_network
    from hpml_lab.report import prediction as shown

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
    predicted = shown.Prediction(
        planned,
        step,
        planned.numbers(step),
        timeline,
        fit,
        largest_batch=shown.largest_batch(planned, step, device),
        batches=shown.batch_table(lambda b: planned.plan(step.with_batch_size(b)), step.batch_size)
        if table
        else [],
        optimizers=shown.optimizer_table(planned, step, device) if table else [],
    )
    result = Planned(
        shown.title(predicted), timeline, fit, shown.record(predicted), shown.answers(predicted)
    )
    if fit.fits is not False or checkpoint or channels_last or not batch_norm or width:
        return result
    from hpml_lab.memory.training_plan import network_step

    declared = network_step(network, planned.classes, planned.image, step)
    return _with_ways(result, declared, {_BATCH: step.batch_size})


def _with_ways(planned: Planned, function: "Workload", values: Mapping[str, Any]) -> Planned:
    """Adds changes that would make a step fit, if it does not."""
    if planned.fit.fits is not False:
        return planned
    from hpml_lab.memory.ways import ways
    from hpml_lab.report.fit import ways_answer, ways_record

    changes = ways(function, values, planned.fit.device, planned.fit)
    return replace(
        planned,
        record=planned.record | {"ways": ways_record(changes)},
        answers=[*planned.answers, ways_answer(planned.title, changes)],
    )


def _step(foreach: bool, fused: bool, optimizer: str, momentum: float, **asked: Any) -> "Step":
    """Returns the requested step; a name such as ``sgd-momentum`` sets what it does in `train`."""
    from hpml_lab.memory.optimizer_step import Step
    from hpml_lab.theory.optimizers import NAMED

    optimizer, own = NAMED.get(optimizer, (optimizer, {}))
    momentum = momentum or own.get("momentum", 0)
    asked["nesterov"] = asked["nesterov"] or own.get("nesterov", False)
    implementation = "fused" if fused else "foreach" if foreach else "for-loop"
    return Step(optimizer=optimizer, implementation=implementation, momentum=momentum, **asked)
