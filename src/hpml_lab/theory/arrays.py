"""Conversion between NumPy arrays or torch tensors and float64 NumPy arrays.

Results have the type of the argument named in each docstring, on its device, of dtype float64, in
new memory and without an autograd history.
"""

import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Union

import numpy as np
import numpy.typing as npt

from hpml_lab.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", npt.NDArray[Any], "Tensor")
Floats = npt.NDArray[np.float64]
Values = Union[npt.ArrayLike, "Tensor"]


def floats(what: str, values: Values, dimensions: Collection[int]) -> Floats:
    """Returns the values as float64.

    Args:
        what: Name of the argument, for the error.
        values: Real numbers of any dtype, layout and device.
        dimensions: Allowed numbers of dimensions.

    Raises:
        InputError: for other dimensions, an empty array, NaN, infinity, or values that are no
            numbers.
    """
    array = _numbers(what, values)
    if array.ndim not in dimensions:
        allowed = " or ".join(map(str, sorted(dimensions)))
        raise InputError(f"{what} has shape {array.shape}; it must have {allowed} dimensions")
    if array.size == 0:
        raise InputError(f"{what} has shape {array.shape}; no side may be 0")
    if not np.isfinite(array).all():
        raise InputError(f"{what} holds NaN or infinity; every value must be finite")
    return array


def of_shape(what: str, values: Values, shape: Sequence[int]) -> Floats:
    """Returns the values as float64, checked for a shape.

    Raises:
        InputError: for another shape, and as `floats`.
    """
    array = floats(what, values, {len(shape)})
    if array.shape != tuple(shape):
        raise InputError(f"{what} has shape {array.shape}; it must be {tuple(shape)}")
    return array


def like(sample: Array, result: npt.ArrayLike) -> Array:
    """Returns the result as float64 in the array type of the sample."""
    converted: Array = _converted(sample, np.array(result, dtype=np.float64, order="C"))
    return converted


def _converted(sample: Any, array: Floats) -> Any:
    torch = _torch_of(sample)
    return array if torch is None else torch.from_numpy(array).to(sample.device)


def _torch_of(values: Any) -> Any:
    """Returns torch if the values are a tensor; torch is then imported already."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(values, torch.Tensor) else None


def _numbers(what: str, values: Any) -> Floats:
    torch = _torch_of(values)
    if torch is not None:
        values = _widened(values.detach(), torch.float64)
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} holds {array.dtype} values; they must be real numbers")
    return array.astype(np.float64)


def _widened(tensor: "Tensor", float64: Any) -> npt.NDArray[Any]:
    # NumPy has no bfloat16; complex values are refused later by their dtype.
    wide = tensor if tensor.is_complex() else tensor.to(float64)
    numbers: npt.NDArray[Any] = wide.cpu().resolve_conj().numpy()
    return numbers
