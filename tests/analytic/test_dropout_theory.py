"""Dropout as a Tikhonov penalty: every formula against the enumeration of all masks."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.theory import dropout
from support import rational, strategies
from support.laws import agree, must_reject, planted
from support.rational import exact

SMALL = strategies.regressions(rows=4, size=8)
ANY = strategies.regressions()
PENALISED = strategies.regressions(keeps=strategies.PARTIAL, rows=4, size=8)
DROPPED = strategies.regressions(keeps=strategies.PARTIAL)
X, Y = np.array([[10.0, 1.0]]), np.array([11.0])


def norms(X):
    """The column norms, for the wrong variants."""
    return np.sqrt((np.asarray(X, float) ** 2).sum(axis=0))


def loss_with(fit=lambda keep: keep, penalty=lambda keep: keep * (1 - keep), power=1):
    """A loss with another factor of the fit or the penalty, or another power of the norms."""

    def loss(X, y, w, keep):
        X, y, w = (np.asarray(a, float) for a in (X, y, w))
        residual = y - fit(keep) * (X @ w)
        weighted = norms(X) ** power * w.reshape(len(w), -1).T
        return (residual**2).sum() + penalty(keep) * (weighted**2).sum()

    return loss


def loss_law(expected_loss, case):
    """The loss equals its mean over every mask of the whole matrix."""
    oracle = rational.expected_loss(exact(case.X), exact(case.y), exact(case.w), case.keep)
    agree("expected loss", expected_loss(*case.shown, float(case.keep)), oracle, 1.0)


def penalty_law(tikhonov_matrix, case):
    """||y - X w||^2 + ||G w||^2 with w = keep w~ is the loss of w~, mean over every mask."""
    G = np.asarray(tikhonov_matrix(case.shown[0], float(case.keep)))
    w = float(case.keep) * case.w
    traditional = ((case.y - case.X @ w) ** 2).sum() + ((G @ w) ** 2).sum()
    oracle = rational.expected_loss(exact(case.X), exact(case.y), exact(case.w), case.keep)
    agree("Tikhonov penalty", traditional, oracle, 1.0)


def minimiser_law(minimiser, case):
    """The minimiser solves the enumerated normal equations, and is the shortest that does."""
    A, b = rational.moments(exact(case.X), exact(case.y), case.keep, Fraction(1))
    oracle = rational.minimum_norm(A, b).reshape(case.w.shape)
    agree("minimiser", minimiser(*case.shown[:2], float(case.keep)), oracle, case.scale)


def inverted_law(inverted_minimiser, case):
    """The same, with what is kept divided by the keep probability."""
    A, b = rational.moments(exact(case.X), exact(case.y), case.keep, 1 / case.keep)
    oracle = rational.minimum_norm(A, b).reshape(case.w.shape)
    got = inverted_minimiser(*case.shown[:2], float(1 - case.keep))
    agree("inverted minimiser", got, oracle, case.scale)


def limit_law(limit_minimiser, case):
    """Among the least-squares weights the limit has the smallest penalty."""
    A, b = rational.moments(exact(case.X), exact(case.y), Fraction(1), Fraction(1))
    oracle = rational.weighted_minimum_norm(A, b).reshape(case.w.shape)
    agree("limit for drop to 0", limit_minimiser(*case.shown[:2]), oracle, case.scale)


@given(SMALL)
def test_the_expected_loss_is_the_mean_over_all_masks(case):
    """E ||y - (R o X) w||^2 in closed form equals the sum over all 2^(n d) masks."""
    loss_law(dropout.expected_loss, case)


@given(PENALISED)
def test_the_tikhonov_matrix_gives_the_penalty(case):
    """||y - X w||^2 + ||G w||^2 at w = keep w~ is the mean loss of w~ over all masks."""
    penalty_law(dropout.tikhonov_matrix, case)


@given(ANY)
def test_the_tikhonov_matrix_is_diagonal(case):
    """G has shape (d, d), no entry off its diagonal and none below 0."""
    G = np.asarray(dropout.tikhonov_matrix(case.shown[0], float(case.keep)))
    assert G.shape == (case.X.shape[1],) * 2
    assert (np.diag(np.diag(G)) == G).all()
    assert (G >= 0).all()


@given(ANY)
def test_the_minimiser_is_exact_for_any_rank(case):
    """The minimiser is the shortest solution of the enumerated normal equations."""
    minimiser_law(dropout.minimiser, case)


@given(ANY)
def test_the_inverted_minimiser_is_exact_for_any_rank(case):
    """So is that of inverted dropout, which rescales what it keeps."""
    inverted_law(dropout.inverted_minimiser, case)


@given(ANY)
def test_rescaling_turns_one_minimiser_into_the_other(case):
    """The minimiser without rescaling, times keep, is the minimiser of inverted dropout."""
    keep = float(case.keep)
    plain = dropout.minimiser(*case.shown[:2], keep)
    inverted = np.asarray(dropout.inverted_minimiser(*case.shown[:2], 1 - keep))
    agree("rescaling", dropout.rescale(plain, keep), inverted, case.scale)


@given(SMALL)
def test_no_other_weights_lose_less(case):
    """The enumerated mean loss of any weights is at least that of the minimiser."""
    best = np.asarray(dropout.minimiser(*case.shown[:2], float(case.keep)))
    X, y = exact(case.X), exact(case.y)
    floor = rational.expected_loss(X, y, exact(best), case.keep)
    other = rational.expected_loss(X, y, exact(case.w), case.keep)
    assert floor <= other + Fraction(1, 10**10) * (1 + other)


@given(ANY)
def test_the_limit_has_the_smallest_penalty(case):
    """For drop to 0 the minimiser tends to the least-squares weights of smallest penalty."""
    limit_law(dropout.limit_minimiser, case)


@given(ANY, st.sampled_from([2.0**-10, 2.0**-20, 2.0**-30]))
def test_a_smaller_drop_comes_closer_to_the_limit(case, drop):
    """Contributions are off the limit's by (drop odds) / s^2 at most, relatively.

    s is the smallest singular value, zeros aside, of X with columns of length 1.
    """
    lengths = norms(case.X)
    values = np.linalg.svd(case.X / (lengths + (lengths == 0)), compute_uv=False)
    smallest = min(values[values > 1e-12], default=1.0)
    limit = np.asarray(dropout.limit_minimiser(*case.shown[:2])).T * lengths
    near = np.asarray(dropout.inverted_minimiser(*case.shown[:2], drop)).T * lengths
    bound = drop / (1 - drop) / smallest**2
    assert np.linalg.norm(near - limit) <= (1.001 * bound + 1e-10) * np.linalg.norm(limit) + 1e-10


@given(ANY)
def test_the_jump_is_what_lies_between_the_limit_and_no_dropout(case):
    """The jump equals the limit minus the shortest least-squares weights, both exact."""
    A, b = rational.moments(exact(case.X), exact(case.y), Fraction(1), Fraction(1))
    oracle = rational.weighted_minimum_norm(A, b) - rational.minimum_norm(A, b)
    jump = dropout.jump_at_zero(*case.shown[:2])
    agree("jump at drop 0", jump, oracle.reshape(case.w.shape), case.scale)
    if np.linalg.matrix_rank(case.X) == case.X.shape[1]:
        assert not oracle.any()


WRONG_LOSSES = {
    "keep missing in the fit": loss_with(fit=lambda keep: 1),
    "keep squared in the fit": loss_with(fit=lambda keep: keep**2),
    "keep missing in the penalty": loss_with(penalty=lambda keep: 1 - keep),
    "1 - keep missing in the penalty": loss_with(penalty=lambda keep: keep),
    "keep squared in the penalty": loss_with(penalty=lambda keep: keep**2 * (1 - keep)),
    "squared norms": loss_with(power=2),
    "no penalty": loss_with(penalty=lambda keep: 0),
}
WRONG_MATRICES = {
    "squared norms": lambda X, keep: np.sqrt((1 - keep) / keep) * np.diag(norms(X) ** 2),
    "no factor": lambda X, keep: np.diag(norms(X)),
    "factor without its root": lambda X, keep: (1 - keep) / keep * np.diag(norms(X)),
    "factor of the loss, not of w": lambda X, keep: np.sqrt(keep * (1 - keep)) * np.diag(norms(X)),
    "odds of keeping": lambda X, keep: np.sqrt(keep / (1 - keep)) * np.diag(norms(X)),
    "sums of the columns": lambda X, keep: (
        np.sqrt((1 - keep) / keep) * np.diag(np.asarray(X, float).sum(axis=0))
    ),
}


def solved(A, b):
    """Weights by pseudo-inverse, for the wrong variants."""
    return np.linalg.pinv(A, hermitian=True) @ np.asarray(b, float)


def gram(X):
    """X^T X and its diagonal, for the wrong variants."""
    A = np.asarray(X, float).T @ np.asarray(X, float)
    return A, np.diag(np.diag(A))


def minimiser_with(
    quadratic=lambda keep: keep**2,
    linear=lambda keep: keep,
    penalty=lambda keep: keep * (1 - keep),
):
    """Weights from other powers of keep, for the wrong variants."""

    def minimiser(X, y, keep):
        A, N = gram(X)
        xy = np.asarray(X, float).T @ np.asarray(y, float)
        return solved(quadratic(keep) * A + penalty(keep) * N, linear(keep) * xy)

    return minimiser


def one(_keep):
    """No power of keep, for the wrong variants."""
    return 1


WRONG_MINIMISERS = {
    "keep squared missing": minimiser_with(one),
    "keep once, not squared": minimiser_with(lambda keep: keep),
    "keep missing beside the targets": minimiser_with(linear=one),
    "already rescaled": minimiser_with(one, one, lambda keep: (1 - keep) / keep),
    "odds of keeping": minimiser_with(lambda k: k, one, lambda k: k**2 / (1.01 - k)),
}
WRONG_INVERTED = {
    "not rescaled": lambda X, y, drop: dropout.minimiser(X, y, 1 - drop),
    "drop taken for keep": lambda X, y, drop: dropout.inverted_minimiser(X, y, 1 - drop),
    "drop for its odds": lambda X, y, drop: minimiser_with(one, one, lambda keep: 1 - keep)(
        X, y, 1 - drop
    ),
}
WRONG_LIMITS = {
    "the minimum norm": lambda X, y: dropout.minimiser(X, y, 1.0),
    "norms weighted twice": lambda X, y: (
        np.linalg.pinv(np.asarray(X, float) / (norms(X) ** 2 + (norms(X) == 0)))
        @ np.asarray(y, float)
    ),
}


@planted(
    (loss_law, WRONG_LOSSES, SMALL),
    (penalty_law, WRONG_MATRICES, PENALISED),
    (minimiser_law, WRONG_MINIMISERS, ANY),
    (inverted_law, WRONG_INVERTED, DROPPED),
    (limit_law, WRONG_LIMITS, ANY),
)
def test_a_planted_fault_breaks_the_law(law, wrong, cases):
    """Losses, penalties, minimisers of either convention and limits with a mistake are seen."""
    must_reject(law, wrong, cases)


def test_ordinary_least_squares_of_the_lab():
    """Without dropout the row (10, 1) with target 11 gives (110/101, 11/101)."""
    assert dropout.minimiser(X, Y, 1) == pytest.approx([110 / 101, 11 / 101], rel=1e-12)
    assert dropout.inverted_minimiser(X, Y, 0) == pytest.approx([110 / 101, 11 / 101], rel=1e-12)


def test_half_dropout_of_the_lab():
    """At drop 0.5: weights (11/30, 11/3), prediction 22/3, training floor 121/3."""
    w = dropout.inverted_minimiser(X, Y, 0.5)
    assert w == pytest.approx([11 / 30, 11 / 3], rel=1e-12)
    assert X @ w == pytest.approx([22 / 3], rel=1e-12)
    floor = dropout.expected_loss(X, Y, dropout.minimiser(X, Y, 0.5), 0.5)
    assert floor == pytest.approx(121 / 3, rel=1e-12)


@pytest.mark.parametrize("percent", range(1, 99))
def test_every_drop_probability_of_the_lab(percent):
    """10 w1 = w2 = 11 (1 - p) / (2 - p), with training floor 121 p / (2 - p)."""
    p = percent / 100
    w = dropout.inverted_minimiser(X, Y, p)
    assert [10 * w[0], w[1]] == pytest.approx([11 * (1 - p) / (2 - p)] * 2, rel=1e-12)
    floor = dropout.expected_loss(X, Y, dropout.minimiser(X, Y, 1 - p), 1 - p)
    assert floor == pytest.approx(121 * p / (2 - p), rel=1e-12)


def test_a_bias_left_on_in_the_lab():
    """With a bias the shortest solution is 11 (10, 1, 1) / 102."""
    w = dropout.minimiser(np.array([[10.0, 1.0, 1.0]]), Y, 1)
    assert w == pytest.approx([110 / 102, 11 / 102, 11 / 102], rel=1e-12)


def test_the_jump_of_the_lab():
    """For drop to 0 the weights tend to (0.55, 5.5), and at 0 they are (110/101, 11/101)."""
    assert dropout.limit_minimiser(X, Y) == pytest.approx([0.55, 5.5], rel=1e-12)
    jump = [0.55 - 110 / 101, 5.5 - 11 / 101]
    assert dropout.jump_at_zero(X, Y) == pytest.approx(jump, rel=1e-12)


@pytest.mark.parametrize("keep", [5e-324, 1e-200, 1 - 2**-53])
def test_extreme_keep_probabilities_stay_finite(keep):
    """As keep falls to 0 the weights tend to (X^T y)_j / ||X_j||^2; near 1 to the limit."""
    expected = [0.55, 5.5] if keep > 0.5 else [1.1, 11.0]
    assert dropout.minimiser(X, Y, keep) == pytest.approx(expected, rel=1e-9)


def test_columns_of_unlike_units_keep_their_digits():
    """With columns 1e150 apart each weight still has ten digits: contributions are equal."""
    wide = np.array([[1e150, 1.0]])
    w = dropout.inverted_minimiser(wide, Y, 0.5)
    assert (wide * w)[0] == pytest.approx([11 / 3, 11 / 3], rel=1e-12)


NAN = np.array([[np.nan, 1.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dropout.minimiser(X, Y, 0), r"keep is 0; it must be above 0 and at most 1"),
        (lambda: dropout.minimiser(X, Y, 1.5), r"keep is 1\.5; it must be above 0"),
        (lambda: dropout.minimiser(X, Y, float("nan")), r"keep is nan; it must be above 0"),
        (lambda: dropout.expected_loss(X, Y, Y, 0.5), r"w has shape \(1,\); it must be \(2,\)"),
        (lambda: dropout.expected_loss(X, Y, X.T, 0.5), r"w has shape \(2, 1\); .* 1 dimensions"),
        (lambda: dropout.expected_loss(X, Y, X[0], -1), r"keep is -1; it must be above 0"),
        (lambda: dropout.tikhonov_matrix(X, 0), r"keep is 0; it must be above 0"),
        (lambda: dropout.tikhonov_matrix(X[0], 0.5), r"X has shape \(2,\); .* 2 dimensions"),
        (lambda: dropout.rescale(Y, 2), r"keep is 2; it must be above 0"),
        (lambda: dropout.inverted_minimiser(X, Y, 1), r"drop is 1; it must be 0 or more and below"),
        (lambda: dropout.inverted_minimiser(X, Y, -0.1), r"drop is -0\.1; it must be 0 or more"),
        (lambda: dropout.inverted_minimiser(NAN, Y, 0.5), r"X holds NaN or infinity"),
        (lambda: dropout.minimiser(X, Y * np.inf, 0.5), r"y holds NaN or infinity"),
        (lambda: dropout.minimiser(X, X[0], 0.5), r"y has shape \(2,\); it must be \(1,\)"),
        (lambda: dropout.minimiser(X[:0], Y[:0], 0.5), r"X has shape \(0, 2\); no side may be 0"),
        (lambda: dropout.limit_minimiser(X * 1j, Y), r"X holds complex128 values"),
        (lambda: dropout.jump_at_zero(np.array([["a"]]), Y), r"X holds <U1 values"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    """Bad shapes, values and probabilities are refused: what, got, allowed."""
    with pytest.raises(InputError, match=message):
        call()
