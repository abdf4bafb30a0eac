"""What a batch holds: any nesting of tensors, in mappings, sequences, records and objects."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

_COMPRESSED = {
    torch.sparse_csr: ("crow_indices", "col_indices"),
    torch.sparse_bsr: ("crow_indices", "col_indices"),
    torch.sparse_csc: ("ccol_indices", "row_indices"),
    torch.sparse_bsc: ("ccol_indices", "row_indices"),
}
_SHOWN = 8
_DEEPEST = 8  # an object that holds itself ends here


def tensors(batch: Any, depth: int = 0) -> Iterator[Tensor]:
    """Yields every tensor of a batch, however nested.

    Args:
        batch: a tensor, mapping, sequence, dataclass, or object that keeps its parts in attributes.
        depth: how deep in another batch it lies.
    """
    if isinstance(batch, Tensor):
        yield batch
    elif depth < _DEEPEST:
        for part in _parts(batch):
            yield from tensors(part, depth + 1)


def _parts(batch: Any) -> list[Any]:
    if isinstance(batch, Mapping):
        return list(batch.values())
    if isinstance(batch, list | tuple | set | frozenset):
        return list(batch)
    if isinstance(batch, type | str | bytes) or callable(batch):
        return []
    return list(vars(batch).values()) if hasattr(batch, "__dict__") else _slots(batch)


def _slots(batch: Any) -> list[Any]:
    return [getattr(batch, f.name) for f in fields(batch)] if is_dataclass(batch) else []


def on_device(batch: Any, device: torch.device) -> Any:
    """Returns a batch whose tensors are on a device; what has a method ``to`` moves itself."""
    return mapped(batch, lambda part: part.to(device), by=lambda part: hasattr(part, "to"))


def mapped(
    batch: Any,
    change: Callable[[Any], Any],
    by: Callable[[Any], bool] = lambda part: isinstance(part, Tensor),
) -> Any:
    """Returns a batch of the same form with some of its parts changed.

    Args:
        batch: left as it is; objects that are neither mapping, sequence nor dataclass are handed
            on as they are, unless they are changed whole.
        change: of a part.
        by: which parts are changed; tensors unless given.
    """

    def inner(part: Any) -> Any:
        return mapped(part, change, by)

    if by(batch):
        return change(batch)
    if isinstance(batch, Mapping):
        return {key: inner(value) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(inner, batch))
    if isinstance(batch, list | tuple):
        return type(batch)(map(inner, batch))
    if is_dataclass(batch) and not isinstance(batch, type):
        return type(batch)(**{f.name: inner(getattr(batch, f.name)) for f in fields(batch)})
    return batch


def common_length(batch: Any) -> int | None:
    """Returns the length of dimension 0 that all tensors of a batch share; None without one.

    A list of like tensors, such as images, or a tuple of them within the batch is a collection:
    their dimension 0 may be channels, so nothing is said. Scalars have no dimension 0.
    """
    parts = batch if isinstance(batch, tuple) else (batch,)
    lengths = {length for part in parts for length in _lengths(part)}
    return lengths.pop() if len(lengths) == 1 else None


def _lengths(batch: Any, depth: int = 0) -> Iterator[int | None]:
    if isinstance(batch, Tensor):
        if batch.dim():
            yield batch.size(0)
    elif isinstance(batch, list | tuple) and _is_collection(list(batch)):
        yield None
    elif depth < _DEEPEST:
        for part in _parts(batch):
            yield from _lengths(part, depth + 1)


def _is_collection(parts: list[Any]) -> bool:
    kinds = {part.dim() if isinstance(part, Tensor) else type(part) for part in parts}
    holds = any(True for _ in tensors(parts))
    return holds and len(kinds) == 1


def shapes(batch: Any) -> str:
    """Returns types and shapes of a batch's tensors, as in ``float32[8,5] int64[8]``.

    Of more than eight the rest is counted.
    """
    found = [
        f"{str(tensor.dtype).removeprefix('torch.')}[{','.join(map(str, tensor.shape))}]"
        for tensor in tensors(batch)
        if not tensor.is_nested
    ]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return " ".join(found[:_SHOWN]) + more


def strided(tensor: Any) -> Iterator[Tensor]:
    """Yields the tensors with memory of their own that a tensor is made of, itself if it has some.

    Sparse tensors are made of indices and values, nested and distributed ones of what they wrap.
    """
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        for name in names:
            yield from strided(getattr(tensor, name))
    elif tensor.layout == torch.sparse_coo:
        yield from (tensor._indices(), tensor._values())
    elif tensor.layout in _COMPRESSED:
        yield tensor.values()
        for part in _COMPRESSED[tensor.layout]:
            yield getattr(tensor, part)()
    elif tensor.is_nested:
        yield tensor.values()
    elif tensor.layout == torch.strided:
        yield tensor


def own_bytes(tensor: Tensor) -> int:
    """Returns the bytes of a tensor's elements; of a sparse one those of indices and values."""
    return sum(part.nbytes for part in strided(tensor))
