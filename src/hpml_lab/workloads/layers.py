"""Which module is at work: in the forward pass, in the backward pass and in a recomputation.

Nothing here changes what is alive. Full backward hooks would: they put nodes into the graph that
hold a module's inputs and outputs.
"""

from bisect import bisect_right
from types import TracebackType

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

OUTSIDE = ""
_UNNUMBERED = 2**64 - 1  # nodes that add up a parameter's gradient


class LayerTrace:
    """A context in which every call of a module is noticed.

    Autograd numbers its nodes in the order in which the forward pass makes them, so the numbers at
    which modules begin and end say to which module a node belongs once the backward pass is at it.

    Args:
        model: its modules are named by their path in it.
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
        """Returns the path of the module at work; empty outside all modules."""
        node = backward_node()
        if self.inside or node is None:
            return self._working[-1]
        self._last = self._owner(node._sequence_nr())
        return self._last

    def _owner(self, number: int) -> str:
        if number == _UNNUMBERED:  # runs right behind the node that made the gradient
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
        # No public function tells the number of the next node.
        self._first_nodes.append(torch.autograd._get_sequence_nr())  # type: ignore[attr-defined]
        self._owners.append(self._working[-1])


def backward_node() -> torch.autograd.graph.Node | None:
    """Returns the node that the backward pass is at, None outside it."""
    return torch._C._current_autograd_node()  # no public function tells it
