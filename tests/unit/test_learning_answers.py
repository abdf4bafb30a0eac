"""C6 and C7 over several seeds, from runs made up so that the answer is known."""

import pytest

from hpml_lab.report.answers import answers
from support.runs import benchmark, epoch, run_of


def seeds(group, *shares, **axis):
    """Returns a case for each seed: two epochs of one second, the last with the share given."""
    return [
        benchmark(group, epochs=[epoch(1, 1.0), epoch(2, 1.0, accuracy=share)], seed=seed, **axis)
        for seed, share in enumerate(shares)
    ]


def answer(*cases):
    """Returns the one answer."""
    (result,) = answers(run_of(*cases))
    return result


SGD = seeds("optimizers", 0.60, 0.62, 0.64, optimizer="sgd-momentum")
NESTEROV = seeds("optimizers", 0.61, 0.63, 0.65, optimizer="nesterov")
ADAM = seeds("optimizers", 0.20, 0.21, 0.22, optimizer="adam")


def test_c6_has_one_row_for_an_optimizer_and_its_spread_over_the_seeds():
    """62 ± 2 % in the last epoch; each seed's mean of two epochs spreads by 1 %."""
    result = answer(*SGD, *ADAM)
    assert [row[0] for row in result.rows] == ["sgd-momentum", "adam"]
    assert result.rows[0][4:] == ["50.0 62.0", "56.0 ± 1.0"]
    order = "Top-1 after epoch 2: sgd-momentum 62.0 ± 2.0 %, adam 21.0 ± 1.0 %."
    assert result.sentences[0] == order


def test_c6_says_which_optimizers_the_seeds_cannot_tell_apart():
    """A point between two means is nothing beside a deviation of two points each."""
    result = answer(*SGD, *NESTEROV, *ADAM)
    assert result.sentences[-1] == (
        "Over 3 seeds (± is their standard deviation) within the spread: nesterov and sgd-momentum."
    )


def test_c6_says_when_all_are_told_apart():
    """41 points are far beyond the spread."""
    assert answer(*SGD, *ADAM).sentences[-1].endswith("each is clear of the next.")


@pytest.mark.parametrize("group", ["optimizers", "batch_norm"])
def test_one_seed_cannot_tell(group):
    """However large the gap: without a second seed there is no spread."""
    axis = {"optimizers": ("optimizer", "sgd", "adam"), "batch_norm": ("batch_norm", True, False)}
    name, one, other = axis[group]
    result = answer(*seeds(group, 0.9, **{name: one}), *seeds(group, 0.1, **{name: other}))
    assert result.sentences[-1].startswith("One seed: cannot tell")
    assert "±" not in result.rows[0][3]


def test_one_setting_with_a_single_seed_spoils_the_comparison():
    """Five seeds of one and one of the other cannot tell either."""
    cases = seeds("batch_norm", *[0.9] * 5, batch_norm=True)
    result = answer(*cases, *seeds("batch_norm", 0.1, batch_norm=False))
    assert result.sentences[-1].startswith("One seed: cannot tell")


def test_c7_gives_both_accuracies_with_their_spread():
    """Batch norm first in the table; the better one first in words."""
    with_norm = seeds("batch_norm", 0.70, 0.72, batch_norm=True)
    without = seeds("batch_norm", 0.60, 0.62, batch_norm=False)
    result = answer(*without, *with_norm)
    assert [row[0] for row in result.rows] == ["batch norm", "none"]
    assert result.sentences[1] == "Top-1 after epoch 2: batch norm 71.0 ± 1.4 %, none 61.0 ± 1.4 %."
    assert result.sentences[2].endswith("each is clear of the next.")
