"""Tracking of allocations by layer and phase: forward, backward, recomputation and update.

Tracking does not change which tensors are alive. Full backward hooks would: they add nodes to the
graph that hold a module's inputs and outputs.
"""

import weakref
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    is_traceable_wrapper_subclass,
    is_traceable_wrapper_subclass_type,
)
from torch.utils.hooks import RemovableHandle

from hpml_lab.errors import MemoryLimitError
from hpml_lab.memory.timeline import Recorder, Timeline
from hpml_lab.training.batches import strided, tensors
from hpml_lab.training.optimizers import kept_tensors
from hpml_lab.training.step import TrainingStep

OUTSIDE = ""
_UNNUMBERED = 2**64 - 1  # nodes that accumulate a parameter's gradient


class LayerTrace:
    """A context that tracks which module runs.

    Autograd numbers its nodes in the order in which the forward pass creates them, so the numbers
    at which modules begin and end give the module of a node when the backward pass runs it.

    Args:
        model: The model; its modules are named by their paths.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._working = [OUTSIDE]
        self._first_nodes: list[int] = []
        self._owners: list[str] = []
        self._last = OUTSIDE
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> "LayerTrace":
        for name, module in self._model.named_modules():
            self._hooks += [
                module.register_forward_pre_hook(lambda *_, name=name: self._begin(name)),
                module.register_forward_hook(lambda *_: self._end(), always_call=True),
            ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    @property
    def inside(self) -> bool:
        """Whether a module's forward is running."""
        return len(self._working) > 1

    def current(self) -> str:
        """Returns the path of the running module; empty outside all modules."""
        node = backward_node()
        if self.inside or node is None:
            return self._working[-1]
        self._last = self._owner(node._sequence_nr())
        return self._last

    def _owner(self, number: int) -> str:
        if number == _UNNUMBERED:  # runs right after the node that computed the gradient
            return self._last
        place = bisect_right(self._first_nodes, number)
        return self._owners[place - 1] if place else OUTSIDE

    def _begin(self, name: str) -> None:
        self._working.append(name)
        self._mark()

    def _end(self) -> None:
        self._working.pop()
        self._mark()

    def _mark(self) -> None:
        # No public function returns the number of the next node.
        self._first_nodes.append(torch.autograd._get_sequence_nr())  # type: ignore[attr-defined]
        self._owners.append(self._working[-1])


def backward_node() -> torch.autograd.graph.Node | None:
    """Returns the node that the backward pass runs; None outside it."""
    return torch._C._current_autograd_node()  # no public function returns it


_ROOT_GRADIENT = torch.ops.aten.ones_like.default
_QUESTION = torch.ops.prim.device.default  # query for the device of a fake tensor


def track(step: TrainingStep, limit_bytes: int | None = None) -> Timeline:
    """Runs a training step and returns its timeline, with the blocks from before it.

    Gradients of an earlier step are freed first. The optimizer's state exists from the start if the
    step has run before.

    Args:
        step: Not compiled.
        limit_bytes: Largest number of raw live bytes on the step's device; None for no limit.

    Raises:
        MemoryLimitError: if the step needs more than the limit. Its allocations are freed.
    """
    step.zero_grad()
    model = step.models[0] if len(step.models) == 1 else nn.ModuleList(step.models)
    tracker = AllocationTracker(model, step.device, step.optimizers, limit_bytes)
    tracker.hold(tensors(step.batch), "input")
    try:
        with tracker:
            step()
    except MemoryLimitError as error:
        step.zero_grad()
        # The frames of the traceback hold the step's tensors.
        raise error.with_traceback(None) from None
    return tracker.recorder.timeline()


class AllocationTracker(TorchDispatchMode):
    """A context that records each storage allocated or freed in it, shared storage once.

    The optimizer's step counters and other scalars of its step are left out, as in
    `theory.optimizers`.

    Args:
        model: Its parameters, gradients and buffers are alive from the start; its modules name the
            layers.
        device: Device type of the storages that are counted; those of fake tensors are on ``meta``.
        optimizers: Their existing state is alive from the start.
        limit_bytes: Largest number of live bytes; None for no limit.

    Attributes:
        recorder: Recorder of the events.

    Raises:
        MemoryLimitError: by the operator, or the held tensor, that exceeds the limit.
    """

    def __init__(
        self,
        model: nn.Module,
        device: str,
        optimizers: Sequence[Any] = (),
        limit_bytes: int | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder = Recorder()
        self._device = device
        self._limit_bytes = limit_bytes
        self._layers = LayerTrace(model)
        self._parameters = list(model.parameters())
        self._is_sharded = any(map(is_traceable_wrapper_subclass, self._parameters))
        self._optimizers = optimizers
        self._hooks: list[Any] = []
        self._updating = False
        self._watched: dict[int, tuple[int, int, Any]] = {}
        self.hold(self._parameters, "parameters")
        self.hold(model.buffers(), "buffers")
        self._hold_gradients()
        self._hold_state()

    def __enter__(self) -> "AllocationTracker":
        self._layers.__enter__()
        for optimizer in self._optimizers:
            self._hooks += [
                optimizer.register_step_pre_hook(lambda *_: self._begin_update()),
                optimizer.register_step_post_hook(lambda *_: self._end_update()),
            ]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._layers.__exit__(kind, error, trace)
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._leave_backward()
        self._watched.clear()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operator and records its allocations."""
        if any(is_traceable_wrapper_subclass_type(kind) for kind in types):
            return NotImplemented  # the operators inside the wrapper are dispatched in turn
        if func is _QUESTION:
            return func(*args)
        self._place(func, args)
        self._note_resized()
        results = self.call(func, args, kwargs or {})
        self._note_all(results)
        return results

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Runs an operator."""
        return func(*args, **kwargs)

    def hold(self, held: Iterable[Tensor], category: str) -> None:
        """Records tensors, if they are not recorded yet, and sets their category."""
        for tensor in held:
            for part in strided(tensor):
                block = self._note(part)
                if block is not None:
                    self.recorder.label(block, category)

    def _place(self, func: Any, args: Any) -> None:
        phase = self._phase(func, args)
        if phase in {"forward", "optimizer"}:
            self._leave_backward()
        elif phase != self.recorder.phase:
            self.recorder.keep_activations()
        self.recorder.phase, self.recorder.layer = phase, self._layers.current()

    def _phase(self, func: Any, args: Any) -> str:
        # The root gradient of a backward pass is allocated before autograd runs any node.
        root = func is _ROOT_GRADIENT and not args[0].dim() and not self._layers.inside
        if root or backward_node() is not None:
            return "backward"
        if self._updating and not self._layers.inside:
            return "optimizer"
        begins = self._layers.inside or self.recorder.phase == "before"
        return "forward" if begins else self.recorder.phase

    def _leave_backward(self) -> None:
        if self.recorder.phase == "backward":
            self._hold_gradients()

    def _begin_update(self) -> None:
        self._leave_backward()
        self._updating = True
        self.recorder.phase, self.recorder.layer = "optimizer", OUTSIDE

    def _end_update(self) -> None:
        self._updating = False
        self._hold_state()

    def _hold_gradients(self) -> None:
        gradients = (parameter.grad for parameter in self._parameters)
        self.hold((gradient for gradient in gradients if gradient is not None), "gradients")

    def _hold_state(self) -> None:
        kept = kept_tensors(*self._optimizers)
        own = {id(parameter) for parameter in self._parameters}
        self.hold((t for key, t in kept if key != "step" and id(t) not in own), "optimizer_state")

    def _note_all(self, results: Any) -> None:
        if isinstance(results, Tensor):
            for part in strided(results):
                self._note(part)
        elif isinstance(results, tuple | list):
            for result in results:
                self._note_all(result)

    def _note_resized(self) -> None:
        """Notes storages that were resized by no operator, as FSDP frees gathered parameters."""
        if not self._is_sharded:
            return
        for key, (block, size, reference) in list(self._watched.items()):
            storage = reference()
            if storage is not None and storage.nbytes() != size:
                self._watch(storage, key, storage.nbytes(), block)

    def _note(self, tensor: Tensor) -> int | None:
        if self.recorder.phase == "optimizer" and not tensor.dim():
            return None
        storage = tensor.untyped_storage()
        if storage.device.type != self._device:
            return None
        key, size = id(storage), storage.nbytes()
        block, known, _ = self._watched.get(key, (-1, -1, None))
        return block if size == known else self._watch(storage, key, size, block)

    def _watch(self, storage: torch.UntypedStorage, key: int, size: int, old: int) -> int:
        self.recorder.free(old)  # if a storage was resized
        block = self.recorder.allocate(size)
        self._watched[key] = block, size, weakref.ref(storage, partial(self._forget, key, block))
        self._check_limit()
        return block

    def _forget(self, key: int, block: int, _reference: Any) -> None:
        self._watched.pop(key, None)
        self.recorder.free(block)

    def _check_limit(self) -> None:
        live = self.recorder.live_bytes
        if self._limit_bytes is not None and live > self._limit_bytes:
            layer = f" at {self.recorder.layer}" if self.recorder.layer else ""
            raise MemoryLimitError(
                f"out of memory: {live:,} bytes are needed in phase {self.recorder.phase}{layer} "
                f"and {self._limit_bytes:,} are allowed; choose a smaller batch"
            )
