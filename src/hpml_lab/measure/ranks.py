"""Agreement between the ranks of a training: all take the decisions of rank 0."""

import sys
from typing import TypeVar

T = TypeVar("T")


def world_size() -> int:
    """Returns the number of ranks of `torch.distributed`; 1 if it is not in use."""
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    joined = distributed and distributed.is_available() and distributed.is_initialized()
    return int(distributed.get_world_size()) if distributed and joined else 1


def agreed(value: T) -> T:
    """Returns rank 0's value on every rank; blocks until all ranks call it.

    A rank that made one more call than the others would wait in it forever.
    """
    if world_size() == 1:
        return value
    held = [value]
    sys.modules["torch"].distributed.broadcast_object_list(held, src=0)
    return held[0]
