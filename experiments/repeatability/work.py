"""Six pieces of work of a training, each of some milliseconds: the code of both suites."""

import torch
from torch import nn

from hpml_lab.training.step import TrainingStep


def matmul():
    """Returns a product of two matrices."""
    left, right = torch.randn(512, 512), torch.randn(512, 512)
    return lambda: left @ right


def convolution_step():
    """Returns a step of a small convolutional network on 32 images."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    batch = torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return TrainingStep(model, optimizer, nn.functional.cross_entropy, batch)


def adam_update():
    """Returns an update of a million parameters."""
    parameters = [nn.Parameter(torch.randn(1000, 100)) for _ in range(10)]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return torch.optim.Adam(parameters).step


def batch_norm():
    """Returns batch normalisation forward and backward."""
    layer, images = nn.BatchNorm2d(32), torch.randn(32, 32, 16, 16, requires_grad=True)
    return lambda: layer(images).sum().backward()


def loading():
    """Returns the loading of 256 samples, one by one, in this process."""
    data = torch.utils.data.TensorDataset(torch.randn(256, 3, 32, 32), torch.zeros(256))
    loader = torch.utils.data.DataLoader(data, batch_size=64, shuffle=True)
    return lambda: sum(1 for _ in loader)


def interpreter():
    """Returns a loop of Python alone."""
    return lambda: sum(index % 7 for index in range(20_000))


WORK = [matmul, convolution_step, adam_update, batch_norm, loading, interpreter]
