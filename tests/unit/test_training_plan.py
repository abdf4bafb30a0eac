"""The plan of a training configuration against the step that it describes."""

from dataclasses import replace

import pytest

from hpml_lab.errors import InputError
from hpml_lab.memory.trace import track
from hpml_lab.memory.training_plan import described, plan_training
from hpml_lab.training.optimizers import OPTIMIZERS, optimizer_state
from hpml_lab.training.trainer import Trainer
from hpml_lab.training.training import Training

SMALL = Training(width=4, images=8, batch_size=8, workers=0)
SCALAR_BYTES = 4  # the loss is alive while the optimizer works; the plan lets it go before


def second_step(training, images):
    """Returns a real step whose optimizer state is there, and that state's bytes."""
    trainer = Trainer(training, images)
    step = trainer.fixed_step()
    track(step)
    return track(step), optimizer_state(trainer.optimizer)["optimizer_state_bytes"]


@pytest.mark.parametrize(
    "changes",
    [
        *({"optimizer": name} for name in OPTIMIZERS),
        {"optimizer_settings": "default"},
        {"batch_norm": False},
        {"precision": "bfloat16"},
        {"batch_size": 3},
        {"network": "resnet18", "width": 64, "image": 40},
        {"network": "torchvision:mobilenet_v3_small", "width": 64},
    ],
    ids=str,
)
def test_the_plan_is_the_step_to_the_byte(changes, images):
    """Whatever the configuration, as many bytes are alive at the peak as were planned."""
    training = replace(SMALL, **changes)
    step, state = second_step(training, images)
    planned = plan_training(training)
    assert 0 <= step.peak_bytes - planned.peak_bytes <= SCALAR_BYTES
    assert max(moment.live_bytes["optimizer_state"] for moment in planned.moments()) == state


def test_the_number_of_images_is_not_looked_at():
    """Planning opens no data and builds no weights: only one batch is ever alive."""
    assert plan_training(SMALL) == plan_training(replace(SMALL, images=0, data="download"))


@pytest.mark.parametrize(("device", "implementation"), [("cpu", "for-loop"), ("cuda", "foreach")])
def test_torch_chooses_the_optimizer_s_implementation_by_device(device, implementation):
    """Nobody names one, so it is foreach on CUDA alone."""
    assert described(replace(SMALL, device=device)).implementation == implementation


def test_settings_decide_the_optimizer_s_temporaries():
    """The lab's settings decay the weights, SGD's own do not."""
    assert described(SMALL).weight_decay == 5e-4
    assert described(replace(SMALL, optimizer_settings="default")).weight_decay == 0


def test_images_that_a_network_cannot_take_are_refused():
    """The error is that of the plan, before any image is read."""
    with pytest.raises(InputError, match="25"):
        plan_training(replace(SMALL, image=16))
