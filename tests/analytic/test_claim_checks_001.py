"""The checks of write-up 001 can find the opposite: a right formula right, a wrong one wrong.

That each of them finds what the ledger says is tested in `test_claim_checks`.
"""

from fractions import Fraction
from importlib import resources

import numpy as np
import pytest
import torch

from hpml_lab.claims import published
from hpml_lab.claims.checks import (
    convolution,
    dropout,
    dropout_runs,
    formulas,
    memory_lab,
    perceptron,
    pooling,
    ridge,
    stripes,
    tikhonov,
    update_rules,
)
from hpml_lab.claims.decide import decide
from hpml_lab.claims.ledger import ledger


@pytest.mark.parametrize(
    ("claim_id", "old", "new"),
    [
        ("001-1a-value", "1.08910891, 0.10891089", "1.08910892, 0.10891089"),
        ("001-1b-value", "values: [1.0784, 0.1078]", "values: [1.0891, 0.1089]"),
        ("001-5a-size", "value: 232.657192", "value: 232.657193"),
        ("001-5a-overhead", "head, unit: MiB, value: 814", "head, unit: MiB, value: 592"),
        ("001-5c-t16", "unit: s, value: 220", "unit: s, value: 250"),
        ("001-5c-fast", "1677113847, 1677113875", "1677113847, 1677113855"),
        ("001-5c-final", "value: 2738.0", "value: 2739.0"),
    ],
)
def test_a_changed_number_flips_its_check(monkeypatch, claim_id, old, new):
    """With another number in print the verdict is the other one: the check reads that number."""
    text = resources.files("hpml_lab.claims").joinpath("published.yaml").read_text()
    assert text.count(old) == 1
    changed = published.parse(text.replace(old, new).encode())
    monkeypatch.setattr(published, "published", lambda: changed)
    assert not decide(ledger()[claim_id]).agrees


def test_numbers_that_differ_are_not_equal():
    """A difference of one part in a million, or another shape, is found and shown."""
    assert formulas.equal([1.0, 2.0], [1.0, 2.0], "sum").holds
    assert not formulas.equal([1.0, 2.000002], [1.0, 2.0], "sum").holds
    unlike = formulas.equal([[1.0, 2.0]], [1.0, 2.0], "sum")
    assert not unlike.holds
    assert "1 x 2" in unlike.evidence


def test_rows_of_another_order_are_refused():
    """The weights of 1(g) belong to one order of the rows: with another one they are wrong."""
    assert not dropout.weighted_solution(((10, 1), (10, 0), (0, 0), (0, 1))).holds


def test_replayed_adam_is_torchs():
    """The Adam that the runs replay takes the steps of torch.optim.Adam."""
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer, rule, replayed = torch.optim.Adam([weights], lr=1e-3), dropout_runs.Adam(), 0.0
    for step in range(20):
        gradient = np.array([np.sin(step), 10.0 - step])
        weights.grad = torch.from_numpy(gradient)
        optimizer.step()
        replayed = replayed + rule(gradient)
    np.testing.assert_allclose(weights.detach(), replayed, rtol=1e-12)


def test_right_matrix_between_is_found_right():
    """With keep squared beside the diagonal, the objective that was refuted holds."""

    def right(keep):
        gram = tikhonov.CASE.x.T @ tikhonov.CASE.x
        return keep**2 * gram + keep * (1 - keep) * np.diag(np.diag(gram))

    assert tikhonov.objective(tikhonov.with_second_moment(right)).holds


def test_design_with_the_inverse_on_the_right_is_found_right():
    """With the inverse of G behind X, square or not, the design that was refuted holds."""
    assert ridge.ridge_minimum(ridge.design).holds
    assert ridge.ridge_minimum(ridge.design, tikhonov.SQUARE).holds


def test_division_by_the_norm_is_found_right():
    """With the norm of the column below, not its square, the design that was refuted holds."""

    def right(x, keep):
        norms = np.linalg.norm(x, axis=0)
        return np.sqrt(ridge.LAMBDA * keep / (1 - keep)) * x / norms

    assert ridge.ridge_minimum(right).holds


def test_pixel_of_a_cross_correlation_is_found_right():
    """With the sign that PyTorch's convolution has, the index that was refuted holds."""
    assert convolution.pixel_of_derivative(lambda b, i: b + i - 1).holds


def test_variance_of_m_squared_is_found_right():
    """With m squared for m, the variance that was refuted holds, for pixels far from normal."""
    assert convolution.variance(lambda m: m**2).holds


def test_one_window_per_pixel_is_found_right():
    """With i/2 rounded down and nothing beside it, the windows that were refuted hold."""
    assert pooling.influence(lambda i: (Fraction(i // 2),)).holds


def test_adams_own_first_moment_is_found_right():
    """With 1 - beta1 for the learning rate, the moment that was refuted holds."""

    def right(m, grad, theta):
        decayed = grad + update_rules.GAMMA * theta
        return update_rules.LAMBDA * m + (1 - update_rules.LAMBDA) * decayed

    assert update_rules.adam_moment("exp_avg", right).holds


def test_decay_twice_in_the_buffer_is_refused():
    """A buffer with twice the decay, the gradient of gamma theta^2, is not torch's."""

    def doubled(m, grad, theta):
        decayed = grad + 2 * update_rules.GAMMA * theta
        return update_rules.LAMBDA * m + update_rules.ETA * decayed

    assert not update_rules.momentum(doubled).holds


def test_accuracies_on_another_grid_are_refused():
    """The printed accuracies are shares of 4,096 images, not of 4,000 or 4,095."""
    assert memory_lab.on_grid(4096).holds
    assert not memory_lab.on_grid(4000).holds
    assert not memory_lab.on_grid(4095).holds


def test_starts_before_the_end_leave_no_stripe_empty():
    """Without the start at 27, the stripes that were found empty are there."""
    assert stripes.never_empty(stripes.Stripes(range(1, 27), 27)).holds


def test_images_show_their_stripe_in_its_direction():
    """A horizontal stripe is constant along rows, a vertical one along columns, none everywhere."""
    images, labels = stripes.EVERYWHERE.images(20, 0)
    along_rows, along_columns = images.std(2).amax(1), images.std(1).amax(1)
    assert torch.all(along_rows[labels == 0] < 1e-6)
    assert torch.all(along_columns[labels == 1] < 1e-6)
    assert torch.all(along_rows[labels == 2] + along_columns[labels == 2] < 1e-6)
    assert torch.mean((along_columns[labels == 0] > 0).float()) > 0.8


def test_stacked_training_is_that_of_one_network():
    """One of many MLPs trained together ends where a network of its own ends."""
    images, labels = stripes.EVERYWHERE.images(10, 0)
    images = images.flatten(1)
    stacked = perceptron.Perceptrons(2)
    alone = torch.nn.Sequential(
        torch.nn.Linear(784, 50),
        torch.nn.ReLU(),
        torch.nn.Linear(50, 10),
        torch.nn.ReLU(),
        torch.nn.Linear(10, 3),
    )
    with torch.no_grad():
        for parameter, weights in zip(alone.parameters(), stacked.weights, strict=True):
            parameter.copy_(weights[1].T.reshape(parameter.shape))
    stacked.train(images.expand(2, -1, -1), labels, 2)
    optimizer = torch.optim.SGD(alone.parameters(), lr=1e-2, momentum=0.9)
    generator = torch.Generator().manual_seed(1)
    for _ in range(2):
        for batch in torch.randperm(30, generator=generator).split(10):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(alone(images[batch]), labels[batch]).backward()
            optimizer.step()
    torch.testing.assert_close(stacked(images.expand(2, -1, -1))[1], alone(images))
