"""The checks of write-up 001 can find the opposite: a right formula right, a wrong one wrong.

That each of them finds what the ledger says is tested in `test_claim_checks`.
"""

from fractions import Fraction
from importlib import resources

import numpy as np
import pytest
import torch

from hpml_lab.claims import checking, published
from hpml_lab.claims.checks import convolution, pooling, tikhonov
from hpml_lab.claims.ledger import ledger
from hpml_lab.labs.claim_decisions import decide
from hpml_lab.labs.dropout import checks as dropout
from hpml_lab.labs.dropout import checks as dropout_runs
from hpml_lab.labs.edges import checks as edge_outcomes
from hpml_lab.labs.edges import checks as stripes
from hpml_lab.labs.edges.training import EdgeTraining
from hpml_lab.labs.memory_plan import checks as memory_lab
from hpml_lab.labs.optimizers import checks as update_rules


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
    assert checking.equal([1.0, 2.0], [1.0, 2.0], "sum").holds
    assert not checking.equal([1.0, 2.000002], [1.0, 2.0], "sum").holds
    unlike = checking.equal([[1.0, 2.0]], [1.0, 2.0], "sum")
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
    assert tikhonov.ridge_minimum(tikhonov.design).holds
    assert tikhonov.ridge_minimum(tikhonov.design, tikhonov.SQUARE).holds


def test_division_by_the_norm_is_found_right():
    """With the norm of the column below, not its square, the design that was refuted holds."""

    def right(x, keep):
        norms = np.linalg.norm(x, axis=0)
        return np.sqrt(tikhonov.LAMBDA * keep / (1 - keep)) * x / norms

    assert tikhonov.ridge_minimum(right).holds


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


def test_the_generator_of_2025_leaves_no_stripe_empty():
    """Where only stripes that fit are drawn, those that were found empty are there."""
    assert stripes.never_empty(2025).holds


def test_what_is_shown_at_home_was_not_trained_on():
    """Shifted networks that learn by heart know their own images, not all new ones there."""
    training = EdgeTraining(network="mlp", per_class=5, epochs=60, shifted=True)
    home = edge_outcomes.outcome(training, 3, at_home=True)
    away = edge_outcomes.outcome(training, 3)
    assert home.training_accuracy == away.training_accuracy > 0.9
    assert away.accuracy < home.accuracy < home.training_accuracy


def test_shares_of_a_class_add_up():
    """Each image is called something; the losses of right answers are the smaller ones."""
    seen = edge_outcomes.outcome(EdgeTraining(network="mlp", per_class=5, epochs=20), 2)
    torch.testing.assert_close(seen.confusion.sum(1), torch.ones(3))
    assert sum(seen.stripes) == pytest.approx(1)
    assert seen.loss_of_wrong > seen.loss


def test_stripes_are_right_turned_or_missed():
    """Of a horizontal 0.5, 0.3, 0.2 and a vertical 0.1, 0.8, 0.1 the means are 0.65, 0.2, 0.15."""
    table = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]])
    assert edge_outcomes.Outcome(1, table, 0, 0).stripes == pytest.approx((0.65, 0.2, 0.15))
