"""The pipelines of a training: what the trainer makes of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hpml_lab.training.cifar10 import Images
from hpml_lab.training.trainer import Trainer
from hpml_lab.training.training import Training

SMALL = Training(width=2, images=24, batch_size=8, workers=0)


@pytest.fixture(scope="module")
def images():
    """Random pixels of 24 images."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    return Images(pixels, np.arange(24) % 10, "generated")


@pytest.mark.parametrize("pipeline", ["lab", "batched", "resident"])
def test_every_pipeline_trains_on_every_image(images, pipeline):
    """Three batches of eight, in the layout of the training, on its device."""
    training = replace(SMALL, pipeline=pipeline, memory_format="channels_last")
    trainer = Trainer(training, images)
    batches = [trainer.to_device(batch) for batch in trainer.loader]
    labels = torch.cat([labels for _, labels in batches])
    assert sorted(labels.tolist()) == sorted(images.labels.tolist())
    assert all(inputs.is_contiguous(memory_format=torch.channels_last) for inputs, _ in batches)
    assert sum(len(labels) for _, labels in trainer.evaluation_loader) == 24


def test_fixed_batches_are_the_first_images_in_every_pipeline(images):
    """The labels are those of the first eight; batched ones are neither cropped nor mirrored."""
    for pipeline in ("lab", "batched", "resident"):
        trainer = Trainer(replace(SMALL, pipeline=pipeline), images)
        inputs, labels = trainer.fixed_step().batch
        assert labels.tolist() == images.labels[:8].tolist()
        if pipeline != "lab":
            first, _ = next(iter(trainer.evaluation_loader))
            assert torch.equal(inputs, first[:8])


def test_resident_images_take_no_worker():
    """The case says so, whatever the default is."""
    trainer = Trainer(replace(SMALL, pipeline="resident", workers=2))
    assert trainer.training.workers == 0


@pytest.mark.parametrize("implementation", ["for-loop", "foreach", "fused"])
def test_an_implementation_updates_as_the_default_does(images, implementation):
    """Three steps on the same batches: the weights are equal to rounding."""
    trained = []
    for name in ("default", implementation):
        trainer = Trainer(replace(SMALL, optimizer_implementation=name), images)
        for batch in list(trainer.loader)[:3]:
            trainer.step(trainer.to_device(batch))
        trained.append(torch.cat([weight.flatten() for weight in trainer.model.parameters()]))
    assert (trained[0] - trained[1]).abs().max() < 1e-4


def test_what_torch_keeps_for_the_process_is_set_by_every_trainer(images):
    """TF32 and cuDNN's search end with the training that asked for them."""
    Trainer(replace(SMALL, float32_matmul_precision="high", cudnn_benchmark=True), images)
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.backends.cudnn.benchmark
    Trainer(SMALL, images)
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.benchmark
