"""The dropout lab's linear model: together as alone, and around the course that theory expects."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from hpml_lab.errors import InputError
from hpml_lab.labs.dropout import training as linear_dropout
from hpml_lab.labs.dropout.training import LEARNING_RATE, ROW, TARGET, Member, train
from hpml_lab.theory.dropout_training import standard_errors, weights_covariance

X, Y = np.array([ROW]), np.array([TARGET])
DROP, STEPS = 0.3, 300  # at 0.5 keep and drop cannot be told apart


def seeds(count, drop=DROP):
    """Returns members of one drop probability."""
    return [Member(drop, seed) for seed in range(count)]


def off(members=None, drop=DROP, steps=STEPS, **how):
    """Returns how many standard errors 200 seeds are off the expected course, at most."""
    course = train(members or seeds(200), steps=steps, **how)
    ends = course.weights[-1, :, :2].double().numpy()
    return np.abs(standard_errors(ends, X, Y, drop, LEARNING_RATE, steps)).max()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("batch_size", [1, 64])
def test_members_train_as_if_alone(optimizer, batch_size):
    """Each of six members, of two drop probabilities, has the course it has without the others."""
    members = [Member(drop, seed) for drop, seed in product((0.0, 0.5), (0, 1, 7))]
    how = {"batch_size": batch_size, "steps": 50, "optimizer": optimizer}
    together = train(members, **how)
    for index, member in enumerate(members):
        alone = train([member], **how)
        torch.testing.assert_close(together.weights[:, index], alone.weights[:, 0])
        torch.testing.assert_close(together.losses[:, index], alone.losses[:, 0])


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_member_is_torch_s_own_training(name):
    """nn.Linear without a bias, from zero, by torch's optimizer on the same dropped rows."""
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[name]
    optimizer = kind(model.parameters(), lr=1e-3)
    rows = linear_dropout.dropped_rows([Member(0.5, 3)], ROW, 8, 40, "cpu")
    for batch in rows:
        optimizer.zero_grad()
        functional.mse_loss(model(batch[0]), torch.full((8, 1), 11.0)).backward()
        optimizer.step()
    course = train([Member(0.5, 3)], batch_size=8, steps=40, optimizer=name)
    torch.testing.assert_close(course.weights[-1], model.weight.detach())


def test_masks_are_independent_and_as_frequent_as_asked():
    """As torch.nn.Dropout's: kept inputs rescaled; of 40,000 rows each mask has its share."""
    drawn = torch.stack([*linear_dropout.dropped_rows([Member(DROP, 0)], ROW, 4, 10_000, "cpu")])
    assert set(drawn.flatten().tolist()) == {0.0, *(torch.tensor(ROW) / (1 - DROP)).tolist()}
    kept = (drawn > 0).reshape(-1, 2)
    for first, second in product((True, False), repeat=2):
        share = (0.7 if first else 0.3) * (0.7 if second else 0.3)
        seen = ((kept[:, 0] == first) & (kept[:, 1] == second)).double().mean().item()
        assert abs(seen - share) < 5 * (share * (1 - share) / len(kept)) ** 0.5


def test_the_mean_of_many_seeds_is_the_expected_one():
    """Two hundred seeds are within five standard errors after 1, 10 and 300 steps."""
    assert max(off(steps=steps) for steps in (1, 10, STEPS)) < 5


def one_mask_for_the_row(members, row, batch_size, steps, device):
    """Drops all inputs of a row or none."""
    for batch in DRAWN(members, (1.0, 1.0), batch_size, steps, device):
        yield batch[..., :1] * torch.tensor(row)


def every_step_the_same(members, row, batch_size, steps, device):
    """Draws once for all steps."""
    return [next(DRAWN(members, row, batch_size, 1, device))] * steps


DRAWN = linear_dropout.dropped_rows
FAULTS = {
    "kept inputs are not rescaled": {"row": (10 * 0.7, 0.7)},
    "rescaled by the drop probability": {"row": (10 * 0.7 / 0.3, 0.7 / 0.3)},
    "keep taken for drop": {"members": seeds(200, 0.7)},
    "no dropout": {"members": seeds(200, 0.0)},
    "a bias left on": {"row": (*ROW, 1.0)},
    "another optimizer": {"optimizer": "adam"},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_training_leaves_the_course(name):
    """Each planted fault takes the mean beyond ten standard errors."""
    assert off(**FAULTS[name]) > 10


@pytest.mark.parametrize("rows", [one_mask_for_the_row, every_step_the_same])
def test_faulty_masks_leave_the_course(rows, monkeypatch):
    """So do masks that are right one by one, but not independent."""
    monkeypatch.setattr(linear_dropout, "dropped_rows", rows)
    assert off() > 10


def test_one_mask_for_a_whole_batch_shows_in_the_spread(monkeypatch):
    """It keeps the mean and takes from a large batch what it is for: a calmer course."""

    def shared(members, row, batch_size, steps, device):
        return (b.expand(-1, batch_size, -1) for b in DRAWN(members, row, 1, steps, device))

    deviation = weights_covariance(X, Y, DROP, LEARNING_RATE, STEPS, 64).diagonal() ** 0.5
    right = train(seeds(200), batch_size=64, steps=STEPS).weights[-1].std(0).numpy()
    monkeypatch.setattr(linear_dropout, "dropped_rows", shared)
    wrong = train(seeds(200), batch_size=64, steps=STEPS).weights[-1].std(0).numpy()
    assert right == pytest.approx(deviation, rel=0.3)
    assert (wrong > 4 * deviation).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": []}, "there are no members to train"),
        ({"members": [Member(1.0, 0)]}, r"drop is 1\.0; it must be 0 or more and below 1"),
        ({"batch_size": 0}, "batch_size is 0; it must be a whole number, 1 or more"),
        ({"steps": -1}, "steps is -1; it must be a whole number, 0 or more"),
        ({"optimizer": "sdg"}, "unknown optimizer 'sdg'; choose one of: sgd"),
    ],
)
def test_bad_settings_are_refused(change, message):
    """One line each, before anything is trained."""
    members = change.pop("members", [Member(0.5, 0)])
    with pytest.raises(InputError, match=message):
        train(members, **change)
