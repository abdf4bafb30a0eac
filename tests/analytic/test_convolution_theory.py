"""Gradients of a convolution: against autograd and against sums in fractions."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from hpml_lab.errors import InputError
from hpml_lab.theory.convolution import bias_gradient, weight_gradient, weights_after_sgd
from support import rational, strategies
from support.laws import agree, must_reject, planted
from support.rational import exact

ANY = strategies.convolutions()
PLAIN = strategies.convolutions(dimensions=(2,), strided=False)
SMALL_IMAGES = np.ones((4, 4))


def batch(values):
    """Returns images as (N, C, H, W) tensors."""
    array = torch.tensor(np.asarray(values).copy())
    return array.reshape((1,) * (4 - array.ndim) + tuple(array.shape))


def autograd(case):
    """Returns the gradients of weights and bias that autograd finds, float64."""
    x, dy = batch(case.x), batch(case.dy)
    w = torch.zeros(dy.shape[1], x.shape[1], *case.kernel, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(dy.shape[1], dtype=torch.float64, requires_grad=True)
    functional.conv2d(x, w, b, case.stride, case.padding).backward(dy)
    plain = case.x.ndim == 2
    return (w.grad[0, 0], b.grad[0]) if plain else (w.grad, b.grad)


def options(case):
    """Returns the keyword arguments of a case."""
    return {"kernel": case.kernel, "stride": case.stride, "padding": case.padding}


def weight_law(weight_gradient, case):
    """The gradient of the weights is autograd's."""
    got = weight_gradient(*case.shown, **options(case))
    agree("convolution weight gradient", got, autograd(case)[0], case.scale)


def bias_law(bias_gradient, case):
    """The gradient of the bias is autograd's."""
    scale = float(np.abs(case.dy).max())
    agree("convolution bias gradient", bias_gradient(case.shown[1]), autograd(case)[1], scale)


@given(ANY)
def test_the_weight_gradient_is_autograd_s(case):
    """Any channels, images, kernel, stride and padding: equal to conv2d's backward."""
    weight_law(weight_gradient, case)


@given(ANY)
def test_the_bias_gradient_is_autograd_s(case):
    """The bias collects dy over images and pixels, as conv2d's backward does."""
    bias_law(bias_gradient, case)


@given(PLAIN)
def test_the_weight_gradient_is_the_sum_of_the_definition(case):
    """dw_hl = sum_ij dy_ij x_(i+h-1)(j+l-1), added up in fractions; the kernel is inferred."""
    x, dy = exact(case.x), exact(case.dy)
    rows, columns = dy.shape
    oracle = exact(np.zeros(case.kernel))
    for h, line in np.ndindex(*case.kernel):
        oracle[h, line] = (dy * x[h : h + rows, line : line + columns]).sum()
    got = weight_gradient(*case.shown)
    agree("weight gradient by definition", got, oracle, case.scale)


@given(PLAIN)
def test_the_weight_gradient_is_linear_in_both(case):
    """Doubling dy and tripling x makes the gradient six times as large."""
    once = weight_gradient(case.x, case.dy)
    more = weight_gradient(3 * case.x, 2 * case.dy)
    agree("bilinear", more, 6 * once, case.scale)


@given(ANY, strategies.STRENGTHS, st.integers(1, 4))
def test_sgd_adds_up_weighted_images(case, lr, steps):
    """After T steps of torch's SGD the weights are w0 - lr sum_t (x_t correlated with dy_t)."""
    x, dy = batch(case.x), batch(case.dy)
    w = torch.ones(dy.shape[1], x.shape[1], *case.kernel, dtype=torch.float64)
    first, learned = w.clone(), w.requires_grad_()
    optimizer = torch.optim.SGD([learned], lr=float(lr) / 64)
    images, gradients = [], []
    for step in range(steps):
        optimizer.zero_grad()
        output = functional.conv2d(x + step, learned, None, case.stride, case.padding)
        # The loss sum((y + dy)^2) / 200 makes each gradient depend on the weights so far.
        residual = (output + dy) / 100
        ((output + dy) ** 2 / 200).sum().backward()
        images.append(x + step)
        gradients.append(residual.detach())
        optimizer.step()
    rate, moves = float(lr) / 64, {"stride": case.stride, "padding": case.padding}
    got = weights_after_sgd(first, images, gradients, rate, **moves)
    agree("weights after SGD", got, learned.detach(), 1.0)


def correlated(x, dy, kernel, stride, padding):
    """The right gradient by plain loops, to plant mistakes in."""
    x, dy = np.asarray(batch(x)), np.asarray(batch(dy))
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    out = np.zeros((dy.shape[1], x.shape[1], *kernel))
    for h, c in np.ndindex(*kernel):
        for i, j in np.ndindex(*dy.shape[2:]):
            row, column = h + stride[0] * i, c + stride[1] * j
            if row < x.shape[2] and column < x.shape[3]:
                out[:, :, h, c] += dy[:, :, i, j].T @ x[:, :, row, column]
    return out


def variant(change=lambda x, dy, kw: (x, dy, kw), after=lambda dw, dy: dw):
    """A gradient with its arguments or its result changed, for the wrong variants."""

    def gradient(x, dy, **keywords):
        x2, dy2, kw = change(np.asarray(x, float), np.asarray(dy, float), dict(keywords))
        result = after(correlated(x2, dy2, **kw), batch(dy))
        return result[0, 0] if np.ndim(x) == 2 else result

    return gradient


WRONG_WEIGHTS = {
    "flipped kernel": variant(after=lambda dw, dy: dw[:, :, ::-1, ::-1]),
    "flipped output gradient": variant(lambda x, dy, kw: (x, dy[..., ::-1, ::-1], kw)),
    "image transposed": variant(
        lambda x, dy, kw: (np.swapaxes(x, -1, -2) if x.shape[-1] == x.shape[-2] else x, dy, kw)
    ),
    "stride ignored": variant(lambda x, dy, kw: (x, dy, kw | {"stride": (1, 1)})),
    "stride axes swapped": variant(lambda x, dy, kw: (x, dy, kw | {"stride": kw["stride"][::-1]})),
    "padding ignored": variant(lambda x, dy, kw: (x, dy, kw | {"padding": (0, 0)})),
    "mean over images": variant(after=lambda dw, dy: dw / len(dy)),
    "mean over pixels": variant(after=lambda dw, dy: dw / (dy.shape[-1] * dy.shape[-2])),
    "sign of a descent step": variant(after=lambda dw, dy: -dw),
}
WRONG_BIASES = {
    "no gradient": lambda dy: 0 * bias_gradient(dy),
    "mean over pixels": lambda dy: (
        np.asarray(bias_gradient(dy)) / np.prod(np.asarray(dy).shape[-2:])
    ),
    "one image only": lambda dy: bias_gradient(dy[:1] if dy.ndim == 4 else dy),
}


@given(ANY)
def test_the_loops_without_a_mistake_pass(case):
    """The loops in which mistakes are planted obey the law as they stand."""
    weight_law(variant(), case)


@planted((weight_law, WRONG_WEIGHTS, ANY), (bias_law, WRONG_BIASES, ANY))
def test_a_planted_fault_breaks_the_law(law, wrong, cases):
    """A gradient of weights or bias with a mistake differs from autograd's."""
    must_reject(law, wrong, cases)


def test_a_literal_gradient():
    """A 3x3 ramp under dy ((1, 0), (0, -1)) gives -4 for each of the 2x2 weights; the bias 0."""
    dy = np.array([[1.0, 0.0], [0.0, -1.0]])
    ramp = np.arange(9.0).reshape(3, 3)
    assert weight_gradient(ramp, dy).tolist() == [[-4.0, -4.0], [-4.0, -4.0]]
    assert bias_gradient(dy) == 0
    assert weight_gradient(ramp, np.eye(2)).tolist() == [[4.0, 6.0], [10.0, 12.0]]


def test_a_literal_step():
    """Two steps of lr 0.5 on the same image take the gradient off once in all."""
    ramp = np.arange(4.0).reshape(2, 2)
    after = weights_after_sgd(np.zeros((2, 2)), [ramp] * 2, [np.ones((1, 1))] * 2, 0.5)
    assert after.tolist() == [[0.0, -1.0], [-2.0, -3.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weight_gradient(SMALL_IMAGES, np.ones((5, 5))), r"dy has \(5, 5\) pixels; for x "),
        (lambda: weight_gradient(SMALL_IMAGES, np.ones((1, 2, 2))), r"as many dimensions and imag"),
        (
            lambda: weight_gradient(np.ones((2, 1, 4, 4)), np.ones((3, 1, 2, 2))),
            r"dy has shape \(3, 1, 2, 2\); it must have as many dimensions and images as x \(2,",
        ),
        (
            lambda: weight_gradient(SMALL_IMAGES, np.ones((2, 2)), stride=2),
            r"kernel is not given and stride is \(2, 2\); give the kernel's size",
        ),
        (
            lambda: weight_gradient(SMALL_IMAGES, np.ones((1, 1)), kernel=5),
            "kernel is 5; it must be at most 4, the image with padding",
        ),
        (
            lambda: weight_gradient(SMALL_IMAGES, np.ones((2, 2)), kernel=(1, 2, 3)),
            r"kernel is \(1, 2, 3\); it must be one number, or two",
        ),
        (
            lambda: weight_gradient(SMALL_IMAGES, np.ones((2, 2)), padding=-1),
            "padding is -1; it must be a whole number, 0 or more",
        ),
        (
            lambda: weight_gradient(SMALL_IMAGES, np.ones((2, 2)), stride=0),
            "stride is 0; it must be a whole number, 1 or more",
        ),
        (lambda: weight_gradient(SMALL_IMAGES * np.nan, np.ones((2, 2))), "x holds NaN or infin"),
        (
            lambda: weight_gradient(np.ones(4), np.ones(2)),
            r"x has shape \(4,\); .* 2 or 3 or 4 dim",
        ),
        (lambda: bias_gradient(np.ones(4)), r"dy has shape \(4,\); it must have 2 or 3 or 4 dimen"),
        (
            lambda: weights_after_sgd(np.ones((3, 3)), [SMALL_IMAGES], [], 0.1),
            "there are 0 gradients; give one per image, 1",
        ),
        (
            lambda: weights_after_sgd(np.ones((3, 3)), [], [], 0),
            "lr is 0; it must be finite and above 0",
        ),
        (
            lambda: weights_after_sgd(
                np.ones((1, 2, 3, 3)), [np.ones((1, 1, 4, 4))], [np.ones((1, 1, 2, 2))], 0.1
            ),
            r"weights have shape \(1, 2, 3, 3\); x and dy ask for \(1, 1, 3, 3\)",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    """Shapes that do not fit, kernels larger than the image and NaN are refused."""
    with pytest.raises(InputError, match=message):
        call()


def test_no_steps_leave_the_weights_alone():
    """With no image the weights come back as they were."""
    assert weights_after_sgd(np.eye(2), [], [], 0.1).tolist() == [[1.0, 0.0], [0.0, 1.0]]


@given(PLAIN)
def test_fractions_and_autograd_agree_on_the_bias(case):
    """The sum of dy in fractions is the bias gradient."""
    scale = float(np.abs(case.dy).max())
    agree("bias by definition", bias_gradient(case.shown[1]), exact(case.dy).sum(), scale)


def test_rational_helpers_are_exact():
    """The oracle's own arithmetic holds a float as the fraction that it is."""
    assert rational.exact([0.75])[0] == 3 * rational.HALF / 2
