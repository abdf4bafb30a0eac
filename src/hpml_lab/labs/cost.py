"""Work of a training, for the estimate of its duration."""

from hpml_lab.memory.resnet import RESNETS
from hpml_lab.theory.duration import Work
from hpml_lab.training.training import Training

CIFAR10_IMAGES = 50_000


def epochs_work(training: Training, epochs: int, seconds: float = 0.0) -> Work:
    """Returns the work of some epochs.

    Args:
        training: the training of a ResNet.
        epochs: number of epochs, warm-up included.
        seconds: additional seconds of a compiler.
    """
    cost = RESNETS[training.network].cost(training.image)
    return Work(
        samples=epochs * (training.images or CIFAR10_IMAGES),
        flops_per_sample=cost.flops,
        loaded_pixels=training.image**2,
        workers=training.workers,
        seconds=seconds,
    )


def steps_work(training: Training, steps: int) -> Work:
    """Returns the work of some steps on one batch.

    Args:
        training: the training of a ResNet.
        steps: number of steps of its batch size.
    """
    cost = RESNETS[training.network].cost(training.image)
    return Work(samples=steps * training.batch_size, flops_per_sample=cost.flops)
