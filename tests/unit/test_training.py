"""One training configuration, and the step built from it."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from hpml_lab.errors import InputError
from hpml_lab.labs import compile_modes
from hpml_lab.measure.epochs import evaluate, run_epoch
from hpml_lab.measure.torch_settings import threads
from hpml_lab.theory.optimizers import OPTIMIZERS as KNOWN
from hpml_lab.theory.optimizers import counter_bytes, state_bytes
from hpml_lab.training.optimizers import (
    OPTIMIZERS,
    build_optimizer,
    learning_rate_for,
    optimizer_state,
    theory_name,
)
from hpml_lab.training.profiles import PROFILES, profile_for
from hpml_lab.training.step import TrainingStep
from hpml_lab.training.trainer import Trainer
from hpml_lab.training.training import Training, parse_field

SMALL = Training(width=2, images=16, batch_size=8, workers=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "sdg"}, "unknown optimizer 'sdg'; choose one of: sgd, sgd-momentum,"),
        ({"workers": -1}, "workers -1 is too small; give 0 or more"),
        ({"batch_size": 0}, "batch_size 0 is too small; give 1 or more"),
        ({"images": -1}, "images -1 is too small; give 0 or more"),
        ({"seed": -1}, "seed -1 is too small"),
        ({"batch_size": 17}, "batch_size 17 is larger than the 16 training images; give 1 to 16"),
        ({"data": "/nowhere"}, "no data folder at '/nowhere'"),
        ({"compile_mode": "fast"}, "unknown compile_mode 'fast'; choose one of: eager, default,"),
        ({"precision": "float8"}, "unknown precision 'float8'; choose one of: float32, bfloat16"),
        ({"memory_format": "rows"}, "unknown memory_format 'rows'"),
        ({"device": "tpu"}, "unknown device 'tpu'; choose one of: cpu, cuda"),
        ({"optimizer_settings": "best"}, "unknown optimizer_settings 'best'"),
        ({"network": "lenet"}, "unknown network 'lenet'"),
        ({"width": 0}, "width 0 is not a number of channels"),
        ({"image": 0}, "image 0 is too small; give 1 or more"),
        ({"transforms": "blur"}, "unknown transforms 'blur'; choose one of: lab, plain"),
        ({"learning_rate": -0.1}, "learning_rate -0.1 is too small; give 0 or more"),
        ({"learning_rate": float("nan")}, "learning_rate nan is not a finite number"),
    ],
)
def test_bad_values_are_refused_at_once(changes, message):
    """A configuration that cannot be trained cannot be made; the error names what can."""
    with pytest.raises(InputError, match=message):
        replace(SMALL, **changes)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("workers", "4", 4),
        ("batch_norm", "false", False),
        ("optimizer", "adam", "adam"),
        ("learning_rate", "1e-4", 1e-4),
    ],
)
def test_a_field_can_be_read_from_text(name, text, value):
    """Text becomes the type of the field."""
    assert parse_field(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("wokers", "4", "unknown axis 'wokers'; choose one of: network, width,"),
        ("workers", "four", "workers 'four' is not a whole number"),
        ("batch_norm", "no", "batch_norm 'no' is neither true nor false"),
        ("learning_rate", "fast", "learning_rate 'fast' is not a number"),
    ],
)
def test_text_of_the_wrong_kind_is_refused(name, text, message):
    """Unknown fields and texts of another type are errors."""
    with pytest.raises(InputError, match=message):
        parse_field(name, text)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_lab_settings_are_the_lab_s(name):
    """The lab gives every optimizer learning rate 0.1 and weight decay 5e-4."""
    group = build_optimizer(name, [nn.Parameter(torch.zeros(2))]).param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.1, 5e-4)
    assert group.get("momentum", 0) == (0.9 if name in {"sgd-momentum", "nesterov"} else 0)
    assert group.get("nesterov", False) == (name == "nesterov")


@pytest.mark.parametrize(
    ("name", "rate"), [("sgd-momentum", 1e-3), ("adagrad", 1e-2), ("adadelta", 1.0), ("adam", 1e-3)]
)
def test_default_settings_are_the_library_s(name, rate):
    """Their own defaults keep each optimizer's learning rate."""
    group = build_optimizer(name, [nn.Parameter(torch.zeros(2))], "default").param_groups[0]
    assert group["lr"] == rate


def test_a_learning_rate_replaces_that_of_the_settings():
    """Asked for 0.5, the lab's weight decay stays; 0 asks for nothing."""
    parameters = [nn.Parameter(torch.zeros(2))]
    group = build_optimizer("sgd", parameters, "lab", 0.5).param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.5, 5e-4)
    assert build_optimizer("sgd", parameters, "lab", 0).param_groups[0]["lr"] == 0.1


def test_learning_rates_by_batch_are_the_lab_s():
    """In proportion to the batch up to 256, and no further."""
    table = {
        4: 1e-4, 8: 2e-4, 16: 4e-4, 32: 8e-4, 64: 1.6e-3, 128: 3.2e-3, 256: 6.4e-3, 512: 6.4e-3,
        1024: 6.4e-3,
    }  # fmt: skip
    assert {batch: learning_rate_for(batch) for batch in table} == table


def test_unknown_optimizers_are_refused():
    """An unknown name is an error, never plain SGD."""
    with pytest.raises(InputError, match="unknown optimizer 'sdg'"):
        build_optimizer("sdg", [])
    with pytest.raises(InputError, match="unknown optimizer_settings 'x'"):
        build_optimizer("sgd", [], "x")


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if theory_name(n)[0] in KNOWN])
def test_state_has_the_bytes_of_the_closed_form(name, images):
    """After one step every optimizer keeps what theory says, byte for byte."""
    trainer = Trainer(replace(SMALL, optimizer=name), images)
    trainer.fixed_step()()
    shapes = [parameter.shape for parameter in trainer.model.parameters()]
    kind, momentum = theory_name(name)
    state = optimizer_state(trainer.optimizer)
    assert state["optimizer_state_bytes"] == state_bytes(kind, shapes, momentum=momentum)
    assert state["step_counter_bytes"] == counter_bytes(kind, shapes)


def test_a_step_is_the_textbook_s():
    """One step of plain SGD moves a weight by learning rate times gradient."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    batch = torch.tensor([[3.0]]), torch.tensor([[0.0]])
    step = TrainingStep(model, torch.optim.SGD(model.parameters(), 0.01), nn.MSELoss(), batch)
    assert step().item() == 36.0
    assert model.weight.item() == pytest.approx(2.0 - 0.01 * 2 * 3 * 6)
    assert (step.samples, step.device) == (1, "cpu")


def test_a_fixed_step_starts_no_worker(images, monkeypatch):
    """Its batch holds the first images, read in this process."""
    trainer = Trainer(replace(SMALL, workers=2), images)
    monkeypatch.setattr(DataLoader, "__iter__", None)
    _, labels = trainer.fixed_step().batch
    assert labels.tolist() == images.labels[: SMALL.batch_size].tolist()


def test_bfloat16_is_autocast(images):
    """In bfloat16 the logits are, and the weights stay float32."""
    trainer = Trainer(replace(SMALL, precision="bfloat16"), images)
    step = trainer.fixed_step()
    _, logits = step.step(step.batch)
    assert logits.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in trainer.model.parameters()} == {torch.float32}


def test_channels_last_is_kept_by_model_and_batch(images):
    """Weights and batches have the memory format asked for."""
    trainer = Trainer(replace(SMALL, memory_format="channels_last"), images)
    inputs, _ = trainer.fixed_step().batch
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert trainer.model.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_seed_gives_the_same_training_again(images):
    """Two trainings with one seed end with equal weights; another seed ends elsewhere."""

    def weights(seed):
        trainer = Trainer(replace(SMALL, seed=seed), images)
        for batch in trainer.loader:
            trainer.step(trainer.to_device(batch))
        return trainer.model.linear.weight

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_a_trainer_takes_as_many_images_as_asked(images):
    """A trainer says where its images come from and uses the number asked for."""
    trainer = Trainer(SMALL, images)
    assert (trainer.source, len(trainer.loader)) == ("generated", 2)
    assert len(Trainer(replace(SMALL, images=0), images).loader) == 5


def test_images_have_the_side_asked_for(images):
    """Resized images make larger batches, for training and for evaluation."""
    trainer = Trainer(replace(SMALL, image=40, transforms="plain"), images)
    for loader in (trainer.loader, trainer.evaluation_loader):
        inputs, _ = next(iter(loader))
        assert inputs.shape[1:] == (3, 40, 40)


def test_a_prediction_leaves_the_network_as_it_was(images):
    """Batch norm's running means stay, no gradient is kept, and training mode comes back."""
    trainer = Trainer(SMALL, images)
    inputs, _ = next(iter(trainer.evaluation_loader))
    before = [buffer.clone() for buffer in trainer.model.buffers()]
    logits = trainer.predict(inputs)
    assert not logits.requires_grad
    assert all(map(torch.equal, before, trainer.model.buffers()))
    assert trainer.model.training


def test_evaluating_changes_no_training(images, clock):
    """Two epochs end with the same weights, whether the first was followed by an evaluation."""

    def weights(evaluated):
        trainer = Trainer(SMALL, images)
        for index in (1, 2):
            run_epoch(trainer, clock, index, timing="throughput")
            if evaluated:
                evaluate(trainer, clock)
        return trainer.model.linear.weight

    assert torch.equal(weights(evaluated=True), weights(evaluated=False))


@pytest.mark.parametrize(("device", "pinned"), [("cpu", False), ("cuda", True)])
def test_profiles_pin_memory_for_cuda_alone(device, pinned):
    """The full profile is the lab's: width 64, batch 128, 2 workers, all images."""
    training = profile_for("full", device).training
    assert (training.width, training.batch_size, training.workers) == (64, 128, 2)
    assert (training.images, training.pin_memory, training.device) == (0, pinned, device)


def test_unknown_profiles_are_refused():
    """A profile is quick, short or full."""
    with pytest.raises(
        InputError, match="unknown profile 'huge'; choose one of: quick, short, full"
    ):
        profile_for("huge", "cpu")


def test_an_axis_goes_before_a_profile_s_number_of_images():
    """A question has its own number of images, unless 500 were asked for."""
    quick = profile_for("quick", "cpu")
    asked = quick.training_with({"images": 500})
    assert quick.sized(quick.training, images=1024).images == 1024
    assert quick.sized(asked, images=1024).images == 500


def test_sizes_of_a_question_can_name_another_network():
    """A torchvision network has no width to choose, so the profile's 8 is left behind."""
    sized = profile_for("quick", "cpu").sized
    training = sized(profile_for("quick", "cpu").training, network="resnet18", image=64)
    assert (training.network, training.width, training.image) == ("resnet18", 64, 64)


@pytest.mark.parametrize("name", PROFILES)
def test_compile_images_are_whole_batches(name):
    """Where compile modes are compared there is no smaller last batch."""
    batch_size = profile_for(name, "cpu").training.batch_size
    assert compile_modes.SIZES[name].images % batch_size == 0


def test_threads_are_those_of_the_training_and_then_torch_s_own_again(images):
    """One thread for one training; the next one, which asks for none, has torch's number."""
    before = torch.get_num_threads()
    Trainer(replace(SMALL, threads=1), images)
    assert torch.get_num_threads() == 1
    Trainer(SMALL, images)
    assert torch.get_num_threads() == before


def test_how_threads_wait_is_recorded(monkeypatch):
    """Numbers of this process, and OpenMP's policy as it is set."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    result = threads()
    assert result["wait_policy"] == "passive"
    assert result["intraop_threads"] == torch.get_num_threads()
    assert result["affinity"] >= 1
