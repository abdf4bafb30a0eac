"""NumPy or torch in, the same kind out, float64, whatever the dtype and layout."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.theory import convolution, dropout, dropout_training, pooling
from hpml_lab.theory.arrays import floats, like
from support import strategies

KEEP = 0.5
# Each takes a matrix (n, d) of ones, as it is presented, and gives arrays of its kind.
FUNCTIONS = {
    "expected_loss": lambda X: dropout.expected_loss(X, X[:, 0], X[0], KEEP),
    "tikhonov_matrix": lambda X: dropout.tikhonov_matrix(X, KEEP),
    "minimiser": lambda X: dropout.minimiser(X, X[:, 0], KEEP),
    "inverted_minimiser": lambda X: dropout.inverted_minimiser(X, X[:, 0], KEEP),
    "limit_minimiser": lambda X: dropout.limit_minimiser(X, X[:, 0]),
    "jump_at_zero": lambda X: dropout.jump_at_zero(X, X[:, 0]),
    "rescale": lambda X: dropout.rescale(X, KEEP),
    "ridge_design": lambda X: dropout.ridge_design(X, dropout.tikhonov_matrix(X, KEEP), 1),
    "ridge_weights": lambda X: dropout.ridge_weights(X[0], dropout.tikhonov_matrix(X, KEEP), 1),
    "expected_hessian": lambda X: dropout_training.expected_hessian(X, KEEP),
    "expected_weights": lambda X: dropout_training.expected_weights(X, X[:, 0], KEEP, 0.1, 3),
    "weight_gradient": lambda X: convolution.weight_gradient(X, X),
    "bias_gradient": convolution.bias_gradient,
    "weights_after_sgd": lambda X: convolution.weights_after_sgd(X[:1, :1], [X], [X], 0.1),
    "max_pool_gradient": lambda X: pooling.max_pool_gradient(X, X, 1),
    "avg_pool_gradient": lambda X: pooling.avg_pool_gradient(X.shape, X, 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(data=st.data(), shape=strategies.pairs(1, 3))
def test_the_kind_that_goes_in_comes_out(name, data, shape):
    """A tensor gives a float64 tensor, an array a float64 array; order and dtype change nothing."""
    X = data.draw(strategies.presented(np.ones(shape)))
    result = FUNCTIONS[name](X)
    assert type(result) is type(X)
    assert result.dtype == (torch.float64 if isinstance(X, torch.Tensor) else np.float64)
    plain = FUNCTIONS[name](np.ones(shape))
    assert np.asarray(result).shape == plain.shape
    assert (np.asarray(result) == plain).all()


@given(st.sampled_from([torch.bfloat16, torch.float16, torch.int32, torch.bool]))
def test_every_real_dtype_is_widened(dtype):
    """bfloat16, half, integers and truth values are read as float64."""
    result = dropout.tikhonov_matrix(torch.ones(2, 1).to(dtype), KEEP)
    assert result.dtype == torch.float64
    assert float(result) == pytest.approx(2**0.5, rel=1e-12)


def test_a_parameter_with_a_gradient_is_read():
    """A tensor that requires a gradient is accepted; the result has no autograd history."""
    X = torch.ones(2, 2, requires_grad=True)
    assert not dropout.minimiser(X, X[:, 0], KEEP).requires_grad


def test_the_result_shares_no_memory():
    """Writing to a result leaves the argument as it was."""
    X = np.ones((2, 2))
    like(X, X)[0, 0] = 5
    floats("X", X, {2})[0, 0] = 5
    assert X[0, 0] == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.ones(2, 2, dtype=torch.complex64), "X holds complex64 values; they must be real"),
        (np.array([["1"]]), "X holds <U1 values; they must be real numbers"),
        (np.array([[None]]), "X holds object values; they must be real numbers"),
        (np.ones(3), r"X has shape \(3,\); it must have 2 or 4 dimensions"),
        (np.ones((0, 3)), r"X has shape \(0, 3\); no side may be 0"),
        (np.array([[np.inf]]), "X holds NaN or infinity; every value must be finite"),
        (torch.tensor([[float("nan")]]), "X holds NaN or infinity; every value must be finite"),
    ],
)
def test_what_is_not_an_array_of_numbers_is_refused(values, message):
    """Complex values, text, objects, other dimensions, empty sides and NaN: one error each."""
    with pytest.raises(InputError, match=message):
        floats("X", values, {2, 4})
