"""Several ranks of one training take the same calls: what the first decides, all do."""

import sys
from typing import TypeVar

T = TypeVar("T")


def world_size() -> int:
    """Returns how many ranks `torch.distributed` joins; 1 where it is not in use."""
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    joined = distributed and distributed.is_available() and distributed.is_initialized()
    return int(distributed.get_world_size()) if distributed and joined else 1


def agreed(value: T) -> T:
    """Returns the first rank's value on every rank, once all of them have come here.

    A rank that took one more call than the others would wait in it for ever.
    """
    if world_size() == 1:
        return value
    held = [value]
    sys.modules["torch"].distributed.broadcast_object_list(held, src=0)
    return held[0]
