"""Memory plan of any declared step: two steps of it on tensors without storage."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from hpml_lab.errors import InputError
from hpml_lab.memory.fake_values import readable, without_values
from hpml_lab.memory.fitting import Device, fits
from hpml_lab.memory.largest_batch import Batches, largest_batch
from hpml_lab.memory.module_plan import ShapeTracker
from hpml_lab.memory.plan import Plan
from hpml_lab.memory.timeline import Timeline
from hpml_lab.theory.data_parallel import Gradient
from hpml_lab.training.batches import mapped, tensors
from hpml_lab.training.flops import OperatorCounter
from hpml_lab.training.optimizers import optimizer_state
from hpml_lab.training.step import TrainingStep
from hpml_lab.training.workload import Workload, built, check_workload, has_setting, workload

Change = Callable[[TrainingStep], None]

_MOST_STEPS = 20
_FIRST = 2  # batch of the first plan of a search


def plan(function: Workload | str, **settings: Any) -> Plan:
    """Plans a step of a workload without its memory, its computation and its device.

    Args:
        function: A function that returns a `TrainingStep` when called without arguments, or its
            name such as ``FILE.py:NAME``.
        **settings: Its parameters, in place of their defaults.

    Raises:
        InputError: for an invalid workload, or a step with control flow by tensor values.
    """
    function = workload(function) if isinstance(function, str) else check_workload(function)
    return plan_changed(function, settings)


def plan_changed(
    function: Workload,
    settings: Mapping[str, Any],
    change: Change = lambda _: None,
) -> Plan:
    """Plans a changed step of a workload.

    Args:
        function: As in `plan`.
        settings: Its parameters, in place of their defaults.
        change: Called with the step before it runs.

    Raises:
        InputError: as in `plan`.
    """
    with without_values(getattr(function, "__qualname__", "the workload")) as mode:
        step = built(function, settings)
        mode.building = False
        change(step)
        step.scaler = step.scaler and _Scaler(step.device)
        _fetch(step, mode)
        with readable(step):
            with OperatorCounter() as counter, _noted(step, counter) as ready:
                step()
            _refuse_sparse(step)
            _fill(step)
            timeline = _watched(step)
    return _plan(step, counter, ready, timeline)


@contextmanager
def _noted(step: TrainingStep, counter: OperatorCounter) -> Iterator[dict[str, tuple[int, int]]]:
    """Notes the bytes of each gradient and the FLOP before it, in the order of the gradients."""
    ready: dict[str, tuple[int, int]] = {}

    def note(name: str) -> Callable[[Tensor], None]:
        return lambda parameter: ready.update({name: (parameter.nbytes, counter.flops)})

    hooks = [
        parameter.register_post_accumulate_grad_hook(note(name))
        for name, parameter in _model(step).named_parameters()
        if parameter.requires_grad
    ]
    try:
        yield ready
    finally:
        for hook in hooks:
            hook.remove()


def as_on_gpu(step: TrainingStep) -> None:
    """Makes optimizers use foreach, unless they have another setting.

    This is the default on a GPU and not on a CPU; source: `_default_to_fused_or_foreach` of
    torch.optim.optimizer.
    """
    for optimizer in step.optimizers:
        for group in optimizer.param_groups:
            if "foreach" in group and group["foreach"] is None and not group.get("fused"):
                group["foreach"] = True


def plan_largest_batch(function: Workload, device: Device, settings: Mapping[str, Any]) -> int:
    """Returns the largest ``batch_size`` of a workload that fits into a GPU.

    Raises:
        InputError: if it has no such parameter, or a batch of one sample does not fit.
    """
    if not has_setting(function, "batch_size"):
        raise InputError(
            "the workload has no parameter batch_size, so no batch can be the largest; give it one"
        )
    others = {name: value for name, value in settings.items() if name != "batch_size"}
    plans: dict[int, Plan] = {}

    def planned(batch: int) -> Timeline:
        plans[batch] = plan_changed(function, others | {"batch_size": batch}, as_on_gpu)
        return plans[batch].timeline

    timelines = Batches(planned)
    timelines(_FIRST)
    products, counters = plans[_FIRST].products, plans[_FIRST].counters
    return largest_batch(
        timelines,
        device.known_bytes,
        lambda timeline: fits(timeline, device, products=products, counters=counters),
    )


class _Scaler:
    """A gradient scaler that takes every step; the real one reads values to skip steps."""

    def __init__(self, device: str) -> None:
        self._scale = torch.ones((), device=device)

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        """Returns the loss times the scale."""
        return loss * self._scale

    def step(self, optimizer: Any) -> None:
        """Steps an optimizer."""
        optimizer.step()

    def update(self) -> None:
        """Keeps the scale."""


def _fetch(step: TrainingStep, mode: FakeTensorMode) -> None:
    """Reads the first batch of a loader with real values, and converts it to fake tensors."""
    if step.loader is not None:
        with unset_fake_temporarily():
            batch = step.first_batch()
        step.batch = step.to_device(mapped(batch, mode.from_tensor))


def _refuse_sparse(step: TrainingStep) -> None:
    for model in step.models:
        for name, parameter in model.named_parameters():
            if parameter.grad is not None and parameter.grad.is_sparse:
                raise InputError(
                    f"the gradient of {name} is sparse, and how many rows it has the values of the "
                    "batch say; plan it with sparse=False for an upper bound"
                )


def _fill(step: TrainingStep) -> None:
    """Runs steps until the optimizer state stops growing, as for LBFGS with a full history.

    Other optimizers have all of their state after the first step.
    """
    if not step.needs_closure:
        return
    kept = -1
    for _ in range(_MOST_STEPS):
        before, kept = kept, optimizer_state(*step.optimizers)["optimizer_state_bytes"]
        if kept == before:
            return
        step()


def _watched(step: TrainingStep) -> Timeline:
    step.zero_grad()
    tracker = ShapeTracker(_model(step), "meta", step.optimizers)
    tracker.hold(tensors(step.batch), "input")
    with tracker:
        step()
    return tracker.recorder.timeline()


def _model(step: TrainingStep) -> nn.Module:
    return step.models[0] if len(step.models) == 1 else nn.ModuleList(step.models)


def _plan(
    step: TrainingStep,
    counter: OperatorCounter,
    ready: Mapping[str, tuple[int, int]],
    timeline: Timeline,
) -> Plan:
    held = {id(p): p for model in step.models for p in model.parameters()}.values()
    updating = [moment for moment in timeline.moments() if moment.phase == "optimizer"]
    samples = step.samples
    return Plan(
        parameters=sum(p.numel() for p in held),
        trainable_parameters=sum(p.numel() for p in held if p.requires_grad),
        parameters_bytes=_held(timeline, "parameters", "before"),
        buffers_bytes=_held(timeline, "buffers", "before"),
        gradients_bytes=_held(timeline, "gradients", "backward"),
        optimizer_state_bytes=_held(timeline, "optimizer_state", "before"),
        optimizer_temporary_bytes=max(
            (moment.live_bytes["temporaries"] for moment in updating), default=0
        ),
        activations_bytes=_held(timeline, "activations", "forward"),
        input_bytes=_held(timeline, "input", "before"),
        peak_bytes=timeline.peak_bytes,
        flops_per_sample=None if samples is None else counter.flops // samples,
        samples=samples,
        left_out=tuple(sorted(counter.left_out)),
        products=tuple(_products(step)),
        counters=sum(map(_counters, step.optimizers)),
        gradients=_gradients(ready, counter.flops),
        timeline=timeline,
    )


def _gradients(ready: Mapping[str, tuple[int, int]], flops: int) -> dict[str, Gradient]:
    """Returns when each gradient is ready, by FLOP; all at the end if none are counted."""
    return {
        name: Gradient(size, done / flops if flops else 1.0) for name, (size, done) in ready.items()
    }


def _products(step: TrainingStep) -> Iterator[str]:
    for name, module in _model(step).named_modules():
        if isinstance(module, nn.Linear):
            yield name


def _counters(optimizer: Any) -> int:
    on_device = (g for g in optimizer.param_groups if g.get("fused") or g.get("capturable"))
    return sum(len(group["params"]) for group in on_device)


def _held(timeline: Timeline, category: str, phase: str) -> int:
    known = any(event.phase == phase for event in timeline.events)
    return timeline.held_bytes(category, phase) if known else 0
