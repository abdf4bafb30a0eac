"""Plans of declared steps, against the same steps taken and watched."""

import json
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from hpml_lab import TrainingStep, plan
from hpml_lab.errors import InputError, NothingFitsError
from hpml_lab.memory.fitting import Device
from hpml_lab.memory.trace import track
from hpml_lab.memory.training_plan import plan_training
from hpml_lab.memory.workload_plan import plan_largest_batch
from hpml_lab.training.training import Training


def linear(batch_size=8, width=16):
    """Two linear layers with Adam, on a pair."""
    model = nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 3))
    batch = torch.randn(batch_size, 5), torch.randint(0, 3, (batch_size,))
    return TrainingStep(
        model, torch.optim.Adam(model.parameters()), functional.cross_entropy, batch
    )


def attention(batch_size=4, dropout=0.1):
    """A transformer layer on a dict, dropout in its attention too."""
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=dropout, batch_first=True)
    return TrainingStep(
        layer,
        torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9),
        batch={"words": torch.randn(batch_size, 6, 16)},
        compute_loss=lambda model, batch: model(batch["words"]).square().mean(),
    )


def two_models(batch_size=4):
    """A writer and a reader, an optimizer each."""
    models = nn.Linear(5, 2), nn.Linear(2, 1)
    optimizers = [torch.optim.Adam(model.parameters()) for model in models]
    batch = torch.randn(batch_size, 5)
    return TrainingStep(
        models, optimizers, batch=batch, compute_loss=lambda m, b: m[1](m[0](b)).square().mean()
    )


def half_frozen(batch_size=4):
    """A layer in front that is not trained."""
    model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3))
    model[0].requires_grad_(requires_grad=False)
    optimizer = torch.optim.AdamW(model[2].parameters())
    batch = torch.randn(batch_size, 5), torch.randn(batch_size, 3)
    return TrainingStep(model, optimizer, nn.MSELoss(), batch)


def images(precision="bfloat16"):
    """A small convolution net, in autocast."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 3)
    )
    batch = torch.randn(4, 3, 8, 8), torch.randint(0, 3, (4,))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return TrainingStep(model, optimizer, functional.cross_entropy, batch, precision=precision)


def loaded(batch_size=4):
    """A step whose batch comes from a loader, shuffled."""
    rows = TensorDataset(torch.randn(64, 5), torch.randint(0, 3, (64,)))
    model = nn.Linear(5, 3)
    loader = DataLoader(rows, batch_size, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters())
    return TrainingStep(model, optimizer, functional.cross_entropy, loader=loader)


def pure_bfloat16():
    """A model that is converted whole, its tied weights too, before its optimizer is made."""
    model = nn.Sequential(nn.Embedding(20, 16), nn.Linear(16, 16), nn.Linear(16, 20, bias=False))
    model[2].weight = model[0].weight
    model.to(torch.bfloat16)
    optimizer = torch.optim.AdamW(model.parameters())
    batch = torch.randint(0, 20, (6, 5)), torch.randint(0, 20, (6, 5))

    def loss(logits, labels):
        return functional.cross_entropy(logits.flatten(0, 1), labels.flatten())

    return TrainingStep(model, optimizer, loss, batch)


def channels_last():
    """A convolution whose weights lie channel by channel."""
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 3))
    model.to(memory_format=torch.channels_last)
    inputs = torch.randn(4, 4, 8, 8).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    batch = inputs, torch.randint(0, 3, (4,))
    return TrainingStep(model, optimizer, functional.cross_entropy, batch)


def scaled():
    """Autocast in float16, with a gradient scaler."""
    return images("float16")


def scalar_loss(loss=functional.mse_loss):
    """A loss whose scalar keeps the storage of all its terms."""
    model = nn.Sequential(nn.Linear(5, 40), nn.Sigmoid())
    batch = torch.rand(6, 5), torch.rand(6, 40)
    return TrainingStep(model, torch.optim.SGD(model.parameters(), 0.1), loss, batch)


KEEPING = [
    functional.mse_loss,
    functional.smooth_l1_loss,
    functional.binary_cross_entropy,
    functional.soft_margin_loss,
    functional.l1_loss,
]
WORKLOADS = [
    linear, attention, two_models, half_frozen, images, loaded, pure_bfloat16, channels_last,
    scaled,
]  # fmt: skip


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one.__name__)
def test_a_plan_is_what_a_watched_step_allocates(workload):
    """Every part to the byte: the same step taken twice on real tensors, the second one watched."""
    planned = plan(workload)
    step = workload()
    for _ in range(20):  # a scaler takes no step before its scale has fallen
        step()
    watched = track(step)
    assert planned.peak_bytes == watched.peak_bytes
    assert planned.activations_bytes == watched.held_bytes("activations", "forward")
    assert planned.gradients_bytes == watched.held_bytes("gradients", "backward")
    assert planned.optimizer_state_bytes == watched.held_bytes("optimizer_state", "before")
    assert planned.input_bytes == watched.held_bytes("input", "before")


@pytest.mark.parametrize("loss", KEEPING, ids=lambda one: one.__name__)
def test_a_loss_that_keeps_its_terms_is_planned_with_them(loss):
    """Four of PyTorch's losses make their result as large as the input, and then a scalar of it."""
    step = scalar_loss(loss)
    step()
    assert plan(scalar_loss, loss=loss).peak_bytes == track(step).peak_bytes


def test_a_plan_of_two_linear_layers_is_counted_by_hand():
    """147 parameters; two moments of each; a batch of 5 float32 and a label each."""
    result = plan(linear)
    assert result.parameters == result.trainable_parameters == 5 * 16 + 16 + 16 * 3 + 3 == 147
    assert result.parameters_bytes == result.gradients_bytes == 4 * 147
    assert result.optimizer_state_bytes == 8 * 147
    assert result.input_bytes == 8 * (5 * 4 + 8)
    # Forward and weight gradients of both layers, and the input gradient of the second.
    assert result.flops_per_sample == 2 * (2 * 5 * 16 + 3 * 16 * 3)
    assert (result.samples, result.left_out) == (8, ())


def test_frozen_parameters_have_neither_gradient_nor_state():
    """Of 147 parameters 51 are trained."""
    result = plan(half_frozen)
    assert (result.parameters, result.trainable_parameters) == (147, 51)
    assert (result.gradients_bytes, result.optimizer_state_bytes) == (4 * 51, 8 * 51)


def test_settings_reach_the_workload():
    """A plan of another batch and width is the plan of that training."""
    assert plan(linear, batch_size=32, width=4).parameters == 5 * 4 + 4 + 4 * 3 + 3
    assert plan(linear, batch_size=32).input_bytes == 32 * 28


def test_what_decides_by_values_is_refused():
    """The loss reads a number of its batch."""

    def reads():
        model = nn.Linear(5, 3)
        return TrainingStep(
            model,
            torch.optim.SGD(model.parameters()),
            batch=torch.ones(4, 5),
            compute_loss=lambda m, b: m(b).sum() * b[0, 0].item(),
        )

    with pytest.raises(
        InputError,
        match="reads fails while it is planned, on tensors that have shapes but no values",
    ):
        plan(reads)


def test_the_largest_batch_is_the_last_that_fits():
    """Its peak is within the limit and that of the next one is not."""
    device = Device(memory_bytes=16 * 2**20)
    result = plan_largest_batch(linear, device, {"width": 16, "batch_size": 3})
    assert plan(linear, batch_size=result).fit(device).fits
    assert not plan(linear, batch_size=result + 1).fit(device).fits
    with pytest.raises(InputError, match="the workload has no parameter batch_size"):
        plan_largest_batch(images, device, {})
    with pytest.raises(NothingFitsError, match="one sample needs"):
        plan_largest_batch(linear, Device(memory_bytes=100), {})


def test_a_partial_function_is_planned():
    """Its parameters are those that are left."""
    assert plan(partial(linear, width=4)).parameters == 5 * 4 + 4 + 4 * 3 + 3


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_lab_s_training_is_a_workload_like_any_other(optimizer):
    """Its plan by trace is its plan by recurrence over the layers, with torch's loop on the CPU."""
    settings = {"width": 4, "images": 32, "batch_size": 16, "workers": 0, "optimizer": optimizer}
    traced = plan("hpml_lab.training.lab:training", **settings)
    by_recurrence = plan_training(Training(**settings))
    assert traced.activations_bytes == by_recurrence.held_bytes("activations", "forward")
    assert traced.optimizer_state_bytes == by_recurrence.held_bytes("optimizer_state", "before")
    assert traced.peak_bytes == pytest.approx(by_recurrence.peak_bytes, rel=1e-3)
    assert traced.samples == 16


def test_the_lab_s_training_refuses_what_it_has_not():
    """As any workload does."""
    with pytest.raises(InputError, match="training has no setting 'widht'; did you mean 'width'"):
        plan("hpml_lab.training.lab:training", widht=4)


FILE = """
import torch
from torch import nn
from hpml_lab import TrainingStep

def training(batch_size=8, width=16):
    model = nn.Linear(5, width)
    optimizer = torch.optim.SGD(model.parameters())
    batch = torch.zeros(batch_size, 5), torch.zeros(batch_size, width)
    return TrainingStep(model, optimizer, nn.MSELoss(), batch)
"""


@pytest.fixture
def file(tmp_path):
    """A file with a workload."""
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def test_the_command_plans_a_workload(run, file):
    """The JSON has the keys of a network's plan, and what was set."""
    status, out, _ = run(
        "predict", f"{file}:training", "--batch", "4", "--set", "width=3", "--json"
    )
    result = json.loads(out)
    assert status == 0
    assert result["parameters"] == 18
    assert result["input_bytes"] == 4 * (5 + 3) * 4
    assert result["settings"] == {"width": 3, "batch_size": 4}
    assert result["peak_bytes"] == sum(result["peak"]["live_bytes"].values())
    assert "largest_batch" not in result


def test_the_command_finds_the_largest_batch(run, file):
    """Sizes are given as people write them."""
    _, out, _ = run("predict", f"{file}:training", "--device-memory", "64MiB", "--json")
    batch = json.loads(out)["largest_batch"]
    device = Device(memory_bytes=64 * 2**20)
    plans = [plan(f"{file}:training", batch_size=one) for one in (batch, batch + 1)]
    assert [result.fit(device).fits for result in plans] == [True, False]


def test_the_command_says_it_in_words(run, file):
    """A table of bytes, where the peak is, and the largest batch."""
    _, out, _ = run("predict", f"{file}:training", "--device-memory", "1GB")
    assert "Memory of a training step, planned" in out
    assert "The peak is in the " in out
    assert "96 parameters; 0.000 GFLOP per sample" in out
    assert "Largest batch that fits: " in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch", "4"], "nothing to plan; give a workload such as FILE.py:NAME, or --network"),
        (["--network", "resnet18"], "nothing to plan; give a workload such as FILE.py:NAME, or"),
        (
            ["--network", "resnet18", "--batch", "4", "--set", "a=1"],
            "--set is for a workload such as FILE.py:NAME; give one",
        ),
        (["{file}:training", "--set", "width"], "--set 'width' is not NAME=VALUE"),
        (["{file}:training", "--set", "wide=3"], "training has no setting 'wide'; did you mean"),
        (
            ["{file}:training", "--optimizer", "adam"],
            "--optimizer is not for a workload, which says so itself or has a parameter for --set",
        ),
        (
            ["{file}:training", "--device-memory", "lots"],
            "--device-memory 'lots' is no size; give bytes, or a size like 16GiB or 80GB",
        ),
    ],
)
def test_the_command_refuses_in_one_line(run, file, arguments, said):
    """Exit status 2."""
    status, _, errors = run("predict", *(text.format(file=file) for text in arguments))
    assert status == 2
    (line,) = errors
    assert line.startswith(f"hpml-lab: {said}")
