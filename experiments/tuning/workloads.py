"""Trainings of one's own, small enough that every configuration of them can be measured."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from hpml_lab import TrainingStep


class Block(nn.Module):
    """Causal attention and a perceptron, each beside a shortcut, normalised before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_perceptron = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project_in, self.project_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (batch, words, width) to the same shape."""
        parts = self.project_in(self.before_attention(x)).chunk(3, dim=-1)
        query, key, value = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        read = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.project_out(read.transpose(1, 2).flatten(2))
        return x + self.perceptron(self.before_perceptron(x))


def gpt_block(
    batch_size: int = 4, words: int = 128, width: int = 256, layers: int = 2
) -> TrainingStep:
    """A language model of a few GPT blocks."""
    embed, predict = nn.Embedding(1_000, width), nn.Linear(width, 1_000)
    model = nn.Sequential(embed, *[Block(width, 4) for _ in range(layers)], predict)
    tokens = torch.randint(0, 1_000, (batch_size, words + 1))
    return TrainingStep(
        model,
        torch.optim.AdamW(model.parameters(), lr=1e-4),
        lambda logits, labels: cross_entropy(logits.flatten(0, 1), labels.flatten()),
        batch=(tokens[:, :-1], tokens[:, 1:]),
        tokens=batch_size * words,
    )


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Two steps down, two up, with what was seen on the way down beside what comes up."""

    def __init__(self, width: int, kinds: int) -> None:
        super().__init__()
        self.down = nn.ModuleList([_double(3, width), _double(width, 2 * width)])
        self.bottom = _double(2 * width, 4 * width)
        self.wider = nn.ModuleList(
            [nn.ConvTranspose2d(n * width, n // 2 * width, 2, 2) for n in (4, 2)]
        )
        self.up = nn.ModuleList([_double(4 * width, 2 * width), _double(2 * width, width)])
        self.label = nn.Conv2d(width, kinds, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (batch, 3, height, width) to logits (batch, kinds, height, width)."""
        seen = []
        x = images
        for layer in self.down:
            seen.append(x := layer(x))
            x = nn.functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for wider, layer in zip(self.wider, self.up, strict=True):
            x = layer(torch.cat([seen.pop(), wider(x)], dim=1))
        return self.label(x)


def unet(batch_size: int = 4, side: int = 64, width: int = 16) -> TrainingStep:
    """Labels each pixel of an image as one of five kinds."""
    model = UNet(width, 5)
    batch = torch.randn(batch_size, 3, side, side), torch.randint(0, 5, (batch_size, side, side))
    return TrainingStep(
        model, torch.optim.SGD(model.parameters(), 0.01, momentum=0.9), cross_entropy, batch=batch
    )


class SlowImages(Dataset[tuple[torch.Tensor, int]]):
    """1,024 images of 96 x 96 pixels, each cropped, turned and blurred when it is asked for."""

    def __init__(self) -> None:
        self.change = v2.Compose(
            [
                v2.RandomResizedCrop(32, antialias=True),
                v2.RandomHorizontalFlip(),
                v2.GaussianBlur(5),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )

    def __len__(self) -> int:
        return 1_024

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        generator = torch.Generator().manual_seed(index)
        pixels = torch.randint(0, 256, (3, 96, 96), dtype=torch.uint8, generator=generator)
        return self.change(pixels), index % 10


def slow_loader(batch_size: int = 32, workers: int = 0) -> TrainingStep:
    """A convolution network that waits for its images."""
    model = nn.Sequential(
        _double(3, 32), nn.MaxPool2d(2), _double(32, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(64, 10),
    )  # fmt: skip
    timeout = 60 if workers else 0
    return TrainingStep(
        model,
        torch.optim.SGD(model.parameters(), 0.01, momentum=0.9),
        cross_entropy,
        loader=DataLoader(
            SlowImages(), batch_size, shuffle=True, num_workers=workers, timeout=timeout
        ),
    )
