"""Batches: tensors in any nesting of mappings, sequences, dataclasses and objects."""

import copy
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
_DEEPEST = 8  # ends the recursion for an object that contains itself


def tensors(batch: Any, depth: int = 0) -> Iterator[Tensor]:
    """Yields every tensor of a batch, in any nesting.

    Args:
        batch: A tensor, mapping, sequence, dataclass, or object with tensors in its attributes.
        depth: Depth of the recursion.
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
    """Returns a batch on a device; objects with a method ``to`` are moved by it."""
    return mapped(batch, lambda part: part.to(device), by=lambda part: hasattr(part, "to"))


def mapped(
    batch: Any,
    change: Callable[[Any], Any],
    by: Callable[[Any], bool] = lambda part: isinstance(part, Tensor),
    depth: int = 0,
) -> Any:
    """Returns a batch of the same structure with a function applied to some of its parts.

    Args:
        batch: Left unchanged; objects that hold no tensor stay as they are, unless `by` selects
            them.
        change: Function to apply to a part.
        by: Predicate for the parts to change; tensors by default.
        depth: Depth of the recursion.
    """

    def inner(part: Any) -> Any:
        return mapped(part, change, by, depth + 1)

    if by(batch):
        return change(batch)
    if depth >= _DEEPEST:
        return batch
    if isinstance(batch, Mapping):
        return {key: inner(value) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(inner, batch))
    if isinstance(batch, list | tuple | set | frozenset):
        return type(batch)(map(inner, batch))
    if is_dataclass(batch) and not isinstance(batch, type):
        return type(batch)(**{f.name: inner(getattr(batch, f.name)) for f in fields(batch)})
    return _mapped_object(batch, inner) if any(True for _ in tensors(batch)) else batch


def _mapped_object(batch: Any, inner: Callable[[Any], Any]) -> Any:
    """Returns a copy of an object with tensors in its attributes, these changed."""
    copied = copy.copy(batch)
    vars(copied).update({name: inner(value) for name, value in vars(batch).items()})
    return copied


def common_length(batch: Any) -> int | None:
    """Returns the common length of dimension 0 of all tensors of a batch; None without one.

    A list of tensors with equally many dimensions, such as images, or a tuple of them within the
    batch is a collection: their dimension 0 may be channels, so the result is None. Scalars have no
    dimension 0.
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
    """Returns dtypes and shapes of a batch's tensors, as in ``float32[8,5] int64[8]``.

    After the first eight only the number of the others.
    """
    texts = [
        f"{str(tensor.dtype).removeprefix('torch.')}[{','.join(map(str, tensor.shape))}]"
        for tensor in tensors(batch)
        if not tensor.is_nested
    ]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return " ".join(texts[:_SHOWN]) + more


def strided(tensor: Any) -> Iterator[Tensor]:
    """Yields the strided tensors that a tensor consists of; a strided tensor yields itself.

    Sparse tensors consist of indices and values, nested and distributed ones of the tensors inside.
    """
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        parts = (getattr(tensor, name) for name in names)
        for part in parts:
            if isinstance(part, Tensor):  # a distributed tensor has its mesh among them
                yield from strided(part)
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
    """Returns the bytes of a tensor's elements; for a sparse one of indices and values."""
    return sum(part.nbytes for part in strided(tensor))
