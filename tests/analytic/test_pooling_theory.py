"""Gradients of pooling: against autograd, and the laws that they keep."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from hpml_lab.errors import InputError
from hpml_lab.theory.pooling import avg_pool_gradient, max_pool_gradient
from support import strategies
from support.laws import agree, must_reject, planted
from support.rational import exact

ANY = strategies.poolings()
TOUCHING = strategies.poolings(overlapping=False)
DY = np.array([[1.0, 2.0], [3.0, 4.0]])


def autograd(pool, case):
    """Returns dx as autograd finds it, float64."""
    shape = (1,) * (4 - case.x.ndim) + case.x.shape
    x = torch.tensor(case.x.copy()).reshape(shape).requires_grad_()
    out = pool(x, case.kernel, case.stride)
    out.backward(torch.tensor(case.dy.copy()).reshape(out.shape))
    return x.grad.reshape(case.x.shape)


def max_law(gradient, case):
    """The dx of max pooling is autograd's, ties included."""
    got = gradient(*case.shown, case.kernel, case.stride)
    agree("max pooling gradient", got, autograd(functional.max_pool2d, case), 1.0)


def average_law(gradient, case):
    """The dx of average pooling is autograd's."""
    got = gradient(case.x.shape, case.shown[1], case.kernel, case.stride)
    agree("average pooling gradient", got, autograd(functional.avg_pool2d, case), 1.0)


@given(ANY)
def test_the_max_gradient_is_autograd_s(case):
    """Any kernel, stride, size and tie: equal to max_pool2d's backward."""
    max_law(max_pool_gradient, case)


@given(ANY)
def test_the_average_gradient_is_autograd_s(case):
    """Any kernel, stride and size: equal to avg_pool2d's backward."""
    average_law(avg_pool_gradient, case)


@given(ANY)
def test_both_conserve_the_sum(case):
    """The sum of dx is the sum of dy, where windows overlap and where they leave gaps."""
    total, scale = exact(case.dy).sum(), float(np.abs(case.dy).sum())
    largest = np.asarray(max_pool_gradient(*case.shown, case.kernel, case.stride))
    average = np.asarray(avg_pool_gradient(case.x.shape, case.shown[1], case.kernel, case.stride))
    agree("max pooling conserves", largest.sum(), total, scale)
    agree("average pooling conserves", average.sum(), total, scale)


@given(TOUCHING)
def test_touching_windows_hand_dy_to_one_pixel_each(case):
    """With stride = kernel, each window has dy at its first maximum and 0 beside it."""
    dx = np.asarray(max_pool_gradient(*case.shown, case.kernel))
    flat = case.x.reshape(-1, *case.x.shape[-2:])
    oracle = np.zeros(flat.shape)
    for image, i, j in np.ndindex(len(flat), *case.dy.shape[-2:]):
        rows = range(case.kernel[0] * i, case.kernel[0] * (i + 1))
        columns = range(case.kernel[1] * j, case.kernel[1] * (j + 1))
        cells = [(r, c) for r in rows for c in columns]
        best = max(flat[image][cell] for cell in cells)
        first = next(cell for cell in cells if flat[image][cell] == best)
        oracle[image][first] = case.dy.reshape(-1, *case.dy.shape[-2:])[image, i, j]
    agree("first maximum", dx, oracle.reshape(case.x.shape), 1.0)


@given(ANY)
def test_the_result_has_memory_of_its_own(case):
    """Neither gradient writes to its input."""
    before = [np.array(np.asarray(shown)) for shown in case.shown]
    max_pool_gradient(*case.shown, case.kernel, case.stride)
    avg_pool_gradient(case.x.shape, case.shown[1], case.kernel, case.stride)
    assert all((a == np.asarray(b)).all() for a, b in zip(before, case.shown, strict=True))


@given(st.integers(1, 3), st.integers(1, 2), st.data())
def test_stacked_average_layers_divide_by_four_each(layers, side, data):
    """L stacked 2x2 layers act as one with side 2^L: every pixel gets dy / 4^L."""
    dy = data.draw(strategies.grids((side, side)))
    dx = dy
    for _ in range(layers):
        dx = avg_pool_gradient(tuple(2 * s for s in dx.shape), dx)
    block = np.kron(dy, np.ones((2**layers, 2**layers))) / 4**layers
    agree("stacked average pooling", dx, block, 1.0)


@given(st.integers(1, 2), st.data())
def test_stacked_max_layers_act_as_one(side, data):
    """Without ties two stacked 2x2 layers hand dy to the pixel that a 4x4 layer picks."""
    order = data.draw(st.permutations(range((4 * side) ** 2)))
    x = np.array(order, float).reshape(4 * side, 4 * side)
    dy = data.draw(strategies.grids((side, side)))
    hidden = x.reshape(2 * side, 2, 2 * side, 2).max(axis=(1, 3))
    twice = max_pool_gradient(x, max_pool_gradient(hidden, dy))
    agree("stacked max pooling", twice, max_pool_gradient(x, dy, 4), 1.0)


def windows_of(case_shape, kernel, stride):
    """Yields each output pixel and its window's slices, for the wrong variants."""
    for i in range((case_shape[-2] - kernel[0]) // stride[0] + 1):
        for j in range((case_shape[-1] - kernel[1]) // stride[1] + 1):
            top, left = stride[0] * i, stride[1] * j
            yield i, j, (..., slice(top, top + kernel[0]), slice(left, left + kernel[1]))


def max_with(share, add=True):
    """Max pooling with another share of a window's pixels in dy, for the wrong variants."""

    def gradient(x, dy, kernel, stride):
        x, dy = np.asarray(x, float), np.asarray(dy, float)
        dx = np.zeros(x.shape)
        for i, j, cut in windows_of(x.shape, kernel, stride):
            window = x[cut]
            part = share(window) * dy[..., i, j][..., None, None]
            dx[cut] = dx[cut] + part if add else np.where(part != 0, part, dx[cut])
        return dx

    return gradient


def ties(window):
    """The maxima of each window, as 0 and 1."""
    return (window == window.max(axis=(-2, -1), keepdims=True)).astype(float)


def last(window):
    """The last maximum of each window."""
    flat = ties(window)[..., ::-1, ::-1].reshape(*window.shape[:-2], -1)
    one = np.zeros_like(flat)
    np.put_along_axis(one, flat.argmax(-1)[..., None], 1.0, axis=-1)
    return one.reshape(window.shape)[..., ::-1, ::-1]


def first_by_columns(window):
    """The first maximum of each window, columns before rows."""
    flat = np.swapaxes(ties(window), -1, -2).reshape(*window.shape[:-2], -1)
    one = np.zeros_like(flat)
    np.put_along_axis(one, flat.argmax(-1)[..., None], 1.0, axis=-1)
    turned = (*window.shape[:-2], window.shape[-1], window.shape[-2])
    return np.swapaxes(one.reshape(turned), -1, -2)


def first(window):
    """The first maximum of each window in row-major order: no mistake."""
    return last(window[..., ::-1, ::-1])[..., ::-1, ::-1]


WRONG_MAXIMA = {
    "split among ties": max_with(lambda w: ties(w) / ties(w).sum(axis=(-2, -1), keepdims=True)),
    "all of dy to every tie": max_with(ties),
    "last maximum": max_with(last),
    "columns before rows": max_with(first_by_columns),
    "minimum": max_with(lambda window: first(-window)),
    "largest by size": max_with(lambda window: first(np.abs(window))),
    "overlaps overwritten": max_with(first, add=False),
    "spread like an average": max_with(
        lambda window: np.ones(window.shape) / np.prod(window.shape[-2:])
    ),
}


def average_with(weight, add=True):
    """Average pooling with another weight, or overlaps overwritten, for the wrong variants."""

    def gradient(shape, dy, kernel, stride):
        dy, dx = np.asarray(dy, float), np.zeros(shape)
        for i, j, cut in windows_of(shape, kernel, stride):
            part = dy[..., i, j][..., None, None] * weight(kernel, stride)
            dx[cut] = part + add * dx[cut]
        return dx

    return gradient


WRONG_AVERAGES = {
    "divided by the stride": average_with(lambda kernel, stride: 1 / (stride[0] * stride[1])),
    "divided by one side": average_with(lambda kernel, stride: 1 / kernel[0]),
    "not divided": average_with(lambda kernel, stride: 1.0),
    "divided by four": average_with(lambda kernel, stride: 0.25),
    "overlaps overwritten": average_with(lambda k, s: 1 / (k[0] * k[1]), add=False),
}


@given(ANY)
def test_the_loops_without_a_mistake_pass(case):
    """The loops in which mistakes are planted obey both laws as they stand."""
    max_law(max_with(first), case)
    average_law(average_with(lambda k, s: 1 / (k[0] * k[1])), case)


@planted((max_law, WRONG_MAXIMA, ANY), (average_law, WRONG_AVERAGES, ANY))
def test_a_planted_fault_breaks_the_law(law, wrong, cases):
    """Another choice among ties, share or divisor, or overlaps that overwrite, are seen."""
    must_reject(law, wrong, cases)


def test_a_tie_goes_to_the_first():
    """In a window of equal pixels the upper left one takes all; averages give a quarter each."""
    dx = max_pool_gradient(np.zeros((4, 4)), DY)
    assert dx.tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    assert avg_pool_gradient((2, 2), np.ones((1, 1))).tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_odd_sizes_leave_the_last_row_and_column_at_zero():
    """On 5x5 pixels the last row and column lie in no window."""
    dx = avg_pool_gradient((5, 5), DY)
    assert not dx[4].any()
    assert not dx[:, 4].any()
    assert not max_pool_gradient(np.arange(25.0).reshape(5, 5), DY)[:, 4].any()


def test_overlapping_windows_add_up():
    """With stride 1 the peak of a 3x3 image lies in all four windows and collects 1 + 2 + 3 + 4."""
    x = np.zeros((3, 3))
    x[1, 1] = 1
    assert max_pool_gradient(x, DY, 2, 1)[1, 1] == 10
    assert avg_pool_gradient((3, 3), DY, 2, 1)[1, 1] == 2.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: max_pool_gradient(np.ones((4, 4)), DY, 5), "kernel is 5; it must be at most 4"),
        (lambda: max_pool_gradient(np.ones((4, 4)), DY, 0), "kernel is 0; it must be a whole numb"),
        (lambda: max_pool_gradient(np.ones((4, 4)), DY, 2, 0), "stride is 0; it must be a whole"),
        (lambda: max_pool_gradient(np.ones((6, 6)), DY), r"dy has shape \(2, 2\); it must be \(3,"),
        (
            lambda: max_pool_gradient(np.ones(4), DY),
            r"x has shape \(4,\); it must have 2 or 3 or 4",
        ),
        (lambda: max_pool_gradient(np.full((4, 4), np.nan), DY), "x holds NaN or infinity"),
        (lambda: avg_pool_gradient((4, 4), DY * np.inf), "dy holds NaN or infinity"),
        (lambda: avg_pool_gradient((4,), DY), r"shape is \(4,\); it must have 2 or 3 or 4 sides"),
        (
            lambda: avg_pool_gradient((4, -4), DY),
            "a side of shape is -4; it must be a whole number",
        ),
        (lambda: avg_pool_gradient((2, 4, 4), DY), r"dy has shape \(2, 2\); it must have 3 dimens"),
        (lambda: avg_pool_gradient((1, 4), DY), "kernel is 2; it must be at most 1, the image"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    """Kernels larger than the image, shapes that do not fit and NaN are refused."""
    with pytest.raises(InputError, match=message):
        call()
