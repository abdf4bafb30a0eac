"""Batch norm on meta tensors: the quick rule gives what PyTorch's own does."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.memory.meta import QuickBatchNorm

ATEN = torch.ops.aten
# Two values a channel at least; torch.nn refuses fewer.
SHAPES = st.tuples(st.integers(2, 9), st.integers(1, 9), st.lists(st.integers(1, 9), max_size=3))
TYPES = st.sampled_from([torch.float32, torch.float64, torch.bfloat16])


def described(results):
    """Returns what is there of tensors without values."""
    return [None if r is None else (r.shape, r.stride(), r.dtype, r.device) for r in results]


def both_ways(shape, dtype, affine, training, wanted):
    """Returns what the forward and the backward pass of a batch norm give."""
    inputs = torch.empty(shape, dtype=dtype, device="meta")
    channel = torch.empty(shape[1], dtype=dtype, device="meta")
    weight = channel if affine else None
    moments = channel, channel
    forward = ATEN.native_batch_norm.default(inputs, weight, weight, *moments, training, 0.1, 1e-5)
    backward = ATEN.native_batch_norm_backward.default(
        inputs, inputs, weight, *moments, *forward[1:], training, 1e-5, wanted
    )
    return described([*forward, *backward])


@given(SHAPES, TYPES, st.booleans(), st.booleans(), st.booleans())
def test_the_quick_rule_is_pytorch_s(shape, dtype, affine, training, wanted):
    """Shape, strides, dtype and device of every result; other dtypes and evaluation go through."""
    batch, channels, sides = shape
    arguments = [batch, channels, *sides], dtype, affine, training, [True, wanted, wanted]
    with QuickBatchNorm():
        quick = both_ways(*arguments)
    assert quick == both_ways(*arguments)


@pytest.mark.parametrize("affine", [True, False])
def test_no_gradient_is_made_that_is_not_wanted(affine):
    """As in `batch_norm_cpu` of aten/src/ATen/native/Normalization.cpp, unlike PyTorch's rule."""
    with QuickBatchNorm():
        result = both_ways([2, 3, 4, 4], torch.float32, affine, True, [False, affine, affine])
    assert result[3] is None
