"""One declaration of a training: what it takes, what it refuses, what one call of it does."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from hpml_lab.errors import InputError
from hpml_lab.training.step import TrainingStep

WORDS, LABELS = torch.zeros(8, 5), torch.zeros(8, dtype=torch.long)
LAYER = nn.Linear(5, 3)
OPTIMIZER = torch.optim.SGD(LAYER.parameters(), 0.1)


def made(
    model=LAYER, optimizer=OPTIMIZER, loss=functional.cross_entropy, batch=(WORDS, LABELS), **more
):
    """Returns a step with one thing other than usual."""
    return TrainingStep(model, optimizer, loss, batch, **more)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": None}, "model is None; give a torch.nn.Module or several"),
        ({"model": nn.Linear}, "model is the class Linear; give a torch.nn.Module or several"),
        ({"model": []}, "model is None; give a torch.nn.Module or several"),
        ({"model": [LAYER, "x"]}, "model is a str; give a torch.nn.Module or several"),
        ({"model": [LAYER, LAYER]}, "takes the outputs of one model, and 2 were given"),
        ({"optimizer": None}, "optimizer is None; give a torch.optim.Optimizer or several"),
        ({"optimizer": torch.optim.SGD}, "optimizer is the class SGD"),
        ({"optimizer": LAYER.parameters()}, "optimizer is a generator"),
        (
            {"optimizer": torch.optim.SGD(nn.Linear(5, 3).parameters())},
            "the optimizer updates none of the model's parameters",
        ),
        (
            {"optimizer": [torch.optim.LBFGS(LAYER.parameters()), OPTIMIZER]},
            "a LBFGS needs a closure, which goes with no second optimizer",
        ),
        (
            {"optimizer": torch.optim.LBFGS(LAYER.parameters()), "precision": "float16"},
            "a LBFGS needs a closure, which goes with no second optimizer and no gradient scaler",
        ),
        ({"loss": None}, "takes loss or compute_loss, and got neither"),
        ({"compute_loss": lambda *_: None}, "takes loss or compute_loss, and got both"),
        ({"loss": "cross_entropy"}, "the loss is a str, which cannot be called"),
        ({"batch": None}, "batch is None; give the tensors that a step trains on, or a loader"),
        ({"batch": "text"}, "batch is a str"),
        ({"batch": {"x": WORDS}}, "inputs and targets, and got a dict; give compute_loss"),
        ({"batch": (WORDS, WORDS, LABELS)}, "and got a tuple of 3; give compute_loss"),
        ({"batch": WORDS}, "and got a Tensor; give compute_loss"),
        ({"batch": (WORDS[:0], LABELS[:0])}, "the batch holds no sample"),
        ({"precision": "fp32"}, "unknown precision 'fp32'; choose one of: float32, bfloat16, fl"),
        ({"precision": None}, "unknown precision None"),
        ({"samples": 2.5}, "samples is 2.5; it must be a whole number, 1 or more"),
        ({"samples": 0}, "samples is 0; it must be a whole number, 1 or more"),
        ({"tokens": "many"}, "tokens is 'many'; it must be a whole number, 1 or more"),
    ],
)
def test_what_cannot_be_trained_is_refused_when_it_is_made(changed, said):
    """One line each, before any time is spent."""
    with pytest.raises(InputError, match=said) as refused:
        made(**changed)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda out, _: out, r"the loss is a Tensor of shape \(8, 3\); return one number"),
        (lambda out, _: out.sum().item(), "the loss is a float; return one number as a tensor"),
        (lambda out, _: (out.sum(), 1), "the loss is a tuple; return one number as a tensor"),
        (lambda *_: None, "the loss is None; return one number as a tensor"),
        (lambda out, _: out.detach().sum(), "depends on no parameter that requires a gradient"),
        (lambda out, _: out.sum() * float("nan"), "the first loss is nan; check the batch"),
        (lambda out, _: out.sum() + float("inf"), "the first loss is inf; check the batch"),
    ],
)
def test_a_first_loss_that_is_no_finite_number_is_refused(loss, said):
    """The first call says so, and moves no weight."""
    before = LAYER.weight.detach().clone()
    with pytest.raises(InputError, match=said):
        made(loss=loss)()
    assert torch.equal(LAYER.weight, before)


def test_only_the_first_loss_is_read():
    """To read a loss waits for the device; the second one may be anything."""
    values = iter([1.0, float("nan")])
    step = made(loss=lambda out, _: out.sum() * 0 + next(values))
    assert step().item() == 1.0
    assert step().isnan()


@dataclass
class Sentence:
    """A batch of somebody's own."""

    words: torch.Tensor
    labels: torch.Tensor


@pytest.mark.parametrize(
    ("batch", "loss"),
    [
        ({"x": WORDS, "y": LABELS}, lambda m, b: functional.cross_entropy(m(b["x"]), b["y"])),
        (Sentence(WORDS, LABELS), lambda m, b: functional.cross_entropy(m(b.words), b.labels)),
        (
            (list(WORDS), LABELS),
            lambda m, b: functional.cross_entropy(m(torch.stack(b[0])), b[1]),
        ),
        (WORDS, lambda m, b: m(b).square().mean()),
    ],
    ids=["dict", "dataclass", "list of tensors", "tensor"],
)
def test_any_batch_goes_with_a_loss_of_one_s_own(batch, loss):
    """The model and the batch reach compute_loss as they were given; a step moves the weights."""
    model = nn.Linear(5, 3)
    before = [p.detach().clone() for p in model.parameters()]
    step = TrainingStep(
        model, torch.optim.SGD(model.parameters(), 0.1), batch=batch, compute_loss=loss
    )
    assert step().dim() == 0
    assert any(not torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_two_models_and_two_optimizers_take_one_step():
    """A model that writes and one that reads, each with an optimizer of its own."""
    models = nn.Linear(5, 2), nn.Linear(2, 1)
    optimizers = [
        torch.optim.SGD(models[0].parameters(), 0.1),
        torch.optim.Adam(models[1].parameters()),
    ]
    step = TrainingStep(
        models, optimizers, batch=torch.ones(4, 5), compute_loss=lambda m, b: m[1](m[0](b)).sum()
    )
    before = [model.weight.detach().clone() for model in models]
    step()
    assert not any(torch.equal(b, m.weight) for b, m in zip(before, models, strict=True))
    assert (step.models, step.optimizers) == (models, tuple(optimizers))


def test_lbfgs_is_given_its_closure():
    """Twenty iterations fit a line through four points; the loss is the one before the step."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=20)
    step = TrainingStep(model, optimizer, nn.MSELoss(), (x, 2 * x + 1))
    first = nn.MSELoss()(model(x), 2 * x + 1).item()
    assert step().item() == pytest.approx(first)
    assert step().item() < 1e-4


class NeverCalls(torch.optim.SGD):
    """Takes a closure and leaves it alone."""

    def step(self, closure):
        pass


def test_a_closure_that_is_never_called_is_said():
    """There is no loss to return."""
    model = nn.Linear(5, 3)
    step = made(model=model, optimizer=NeverCalls(model.parameters(), 0.1))
    with pytest.raises(InputError, match="a NeverCalls never called its closure"):
        step()


def test_float16_scales_its_gradients():
    """The scaler is there, its scale a power of two, and the step still moves the weights."""
    model = nn.Linear(5, 3)
    step = made(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), 0.1),
        batch=(torch.ones(8, 5), LABELS),
        precision="float16",
    )
    before = model.weight.detach().clone()
    step()
    assert step.scaler.get_scale() > 1
    assert not torch.equal(model.weight, before)
    assert made().scaler is None


def test_float16_gradients_are_unscaled_before_the_update():
    """A step of float16 ends where one of bfloat16 would, to their precision."""
    ends = []
    for precision in ("float16", "bfloat16"):
        torch.manual_seed(0)
        model = nn.Linear(5, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        made(
            model=model, optimizer=optimizer, batch=(torch.ones(8, 5), LABELS), precision=precision
        )()
        ends.append(model.weight.detach())
    assert torch.allclose(*ends, atol=1e-2)


def test_samples_are_those_of_the_pair_whatever_holds_it():
    """A loader gives lists; inputs may be a mapping."""
    assert made().samples == 8
    assert made(batch=[WORDS, LABELS]).samples == 8
    assert made(batch=({"x": WORDS}, LABELS)).samples == 8
    assert made(samples=3).samples == 3


def test_samples_are_not_guessed_where_time_comes_first():
    """An LSTM that reads (time, batch, features) has its time in dimension 0."""
    words = torch.zeros(12, 4, 5), torch.zeros(12, 4, 3)
    for batch_first, samples in ((True, 12), (False, None)):
        model = nn.LSTM(5, 3, batch_first=batch_first)
        optimizer = torch.optim.SGD(model.parameters())
        step = TrainingStep(model, optimizer, lambda out, y: (out[0] - y).sum(), words)
        assert step.samples == samples


def test_the_first_batch_of_a_loader_is_the_fixed_one():
    """It is fetched when it is needed, not when the step is made."""
    fetched = []

    class Rows(TensorDataset):
        def __getitem__(self, index):
            fetched.append(index)
            return super().__getitem__(index)

    step = made(batch=None, loader=DataLoader(Rows(WORDS, LABELS), 4))
    assert fetched == []
    assert step.samples == 4
    assert fetched == [0, 1, 2, 3]
    assert step.batch is step.batch


def test_a_batch_is_moved_to_where_the_model_is():
    """The device of the model's first parameter."""
    model = nn.Linear(5, 3, device="meta")
    step = made(model=model, optimizer=torch.optim.SGD(model.parameters()))
    assert step.device == "meta"
    assert step.to_device({"x": WORDS})["x"].device.type == "meta"


def test_a_loader_without_a_batch_is_refused():
    """Three samples in batches of four, of which the last is left out: one line, no traceback."""
    model = torch.nn.Linear(2, 2)
    data = torch.utils.data.TensorDataset(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long))
    loader = torch.utils.data.DataLoader(data, batch_size=4, drop_last=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = TrainingStep(model, optimizer, torch.nn.functional.cross_entropy, loader=loader)
    with pytest.raises(InputError, match="the loader gives no batch; use more samples"):
        step()
