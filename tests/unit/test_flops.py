"""FLOP of operators, against counts of multiply-adds by hand; what is not counted is named."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hpml_lab.training.flops import OperatorCounter, flops

BATCH, STEPS, INPUTS, HIDDEN = 4, 6, 16, 8


def counted(function):
    """Returns the counter of a call."""
    with OperatorCounter() as counter:
        function()
    return counter


def backward_of(module, *inputs):
    """Returns a call that runs a module forward and backward."""

    def call():
        result = module(*inputs)
        (result[0] if isinstance(result, tuple) else result).sum().backward()

    return call


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_a_recurrent_layer_meets_every_weight_at_every_step(kind, gates):
    """Forward, gradient of the inputs and gradient of the weights are three equal products.

    Cell by cell the CPU leaves out the gradient of the first state, which nobody asks for.
    """
    layer = kind(INPUTS, HIDDEN, batch_first=True)
    words = torch.randn(BATCH, STEPS, INPUTS, requires_grad=True)
    product = 2 * BATCH * STEPS * gates * HIDDEN * (INPUTS + HIDDEN)
    first = 0 if kind is nn.LSTM else 2 * BATCH * gates * HIDDEN * HIDDEN
    assert counted(backward_of(layer, words)).flops == 3 * product - first


def test_layers_and_directions_of_an_lstm_add_up():
    """The second of two layers reads both directions of the first."""
    layer = nn.LSTM(INPUTS, HIDDEN, num_layers=2, bidirectional=True)
    words = torch.randn(STEPS, BATCH, INPUTS, requires_grad=True)
    first, second = (HIDDEN * (one + HIDDEN) for one in (INPUTS, 2 * HIDDEN))
    product = 2 * STEPS * BATCH * 4 * 2 * (first + second)
    assert counted(backward_of(layer, words)).flops == 3 * product


def test_a_recurrent_layer_on_cuda_is_one_operator():
    """CuDNN's operator takes its weights as a list; packed sequences are rows; biases are none."""
    rows = torch.empty(11, INPUTS, device="meta")
    weights = [torch.empty(shape) for shape in ((32, 16), (32, 8), (32,), (32,))]
    forward = 2 * 11 * 32 * (16 + 8)
    cudnn = torch.ops.aten._cudnn_rnn.default
    backward = torch.ops.aten._cudnn_rnn_backward.default
    assert flops(cudnn, (rows, weights, 4), {}, None) == forward
    for weights_too, products in ((True, 2), (False, 1)):
        mask = [True, False, False, weights_too]
        assert flops(backward, (rows, weights, 4, mask), {}, None) == products * forward


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: torch.ones(3, 4) @ torch.ones(4), 2 * 12),
        (lambda: torch.addmv(torch.ones(3), torch.ones(3, 4), torch.ones(4)), 2 * 12),
        (lambda: torch.dot(torch.ones(5), torch.ones(5)), 2 * 5),
        (
            lambda: torch.addbmm(torch.ones(2, 3), torch.ones(4, 2, 5), torch.ones(4, 5, 3)),
            2 * 4 * 2 * 5 * 3,
        ),
        (lambda: torch.einsum("bi,ij->bj", torch.ones(3, 4), torch.ones(4, 5)), 2 * 60),
    ],
    ids=["mv", "addmv", "dot", "addbmm", "einsum"],
)
def test_products_that_torch_s_counter_leaves_out(function, expected):
    """One multiply-add for every pair that meets."""
    outcome = counted(function)
    assert (outcome.flops, outcome.left_out) == (expected, set())


def test_a_bilinear_layer_is_a_product_with_the_outer_product():
    """Forward 2*3*7*5*6; the weight's gradient as much."""
    layer = nn.Bilinear(5, 6, 7)
    outcome = counted(backward_of(layer, torch.ones(3, 5), torch.ones(3, 6)))
    assert outcome.flops == 2 * (2 * 3 * 7 * 5 * 6)


def test_a_grouped_convolution_s_weight_gradient_is_counted_once():
    """8 filters of 2 channels and 9 places at 64 pixels of 2 images, forward and backward."""
    layer = nn.Conv2d(4, 8, 3, groups=2, padding=1)
    assert counted(backward_of(layer, torch.ones(2, 4, 8, 8))).flops == 2 * (2 * 2 * 64 * 8 * 18)


def test_a_gradient_within_the_step_is_counted():
    """Forward, gradient of the input, and the two products of its own backward pass: 5 of 384."""
    layer = nn.Linear(INPUTS, BATCH, bias=False)

    def step():
        inputs = torch.ones(3, INPUTS, requires_grad=True)
        outputs = layer(inputs)
        (slope,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
        (outputs.sum() + slope.norm()).backward()

    outcome = counted(step)
    product = 2 * 3 * INPUTS * BATCH
    # Forward; slope; weight and input of the penalty's outputs; weight of the slope.
    assert outcome.flops == 5 * product


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda: torch.linalg.solve(torch.eye(4), torch.ones(4, 2)), "aten._linalg_solve_ex"),
        (lambda: torch.fft.fft(torch.ones(8)), "aten._fft_r2c"),
        (lambda: torch.sparse.mm(torch.eye(3).to_sparse(), torch.eye(3)), "aten._sparse_addmm"),
        (lambda: torch.cdist(torch.ones(3, 2), torch.ones(40, 2)), "aten._euclidean_dist"),
    ],
    ids=["solve", "fft", "sparse", "cdist"],
)
def test_what_multiplies_and_has_no_formula_is_named(function, name):
    """Its work is in no number, and its name says so."""
    outcome = counted(function)
    assert outcome.left_out == {name}
    assert outcome.flops == 0


def test_what_multiplies_no_matrices_is_neither_counted_nor_named():
    """Normalisation, activation, pooling, embedding, sorting and loss."""

    def step():
        images = torch.ones(2, 4, 8, 8, requires_grad=True)
        hidden = functional.max_pool2d(functional.group_norm(images, 2).relu(), 2)
        words = functional.embedding(torch.tensor([1, 2]), torch.ones(5, 256))
        scores = functional.layer_norm(hidden.flatten(1)[:, :64], (64,)).sort().values
        (functional.cross_entropy(scores, torch.tensor([0, 1])) + words.sum()).backward()

    outcome = counted(step)
    assert (outcome.flops, outcome.left_out) == (0, set())


def test_nested_tensors_are_named():
    """Their shapes are of no one size."""
    ragged = torch.nested.nested_tensor([torch.ones(3, 4), torch.ones(5, 4)], layout=torch.jagged)
    outcome = counted(lambda: nn.Linear(4, 2)(ragged))
    assert outcome.flops == 0
    assert "aten.linear" in outcome.left_out
