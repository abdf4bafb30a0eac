"""Workloads of many kinds by name: what people train, small, as functions that return a step."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from support.workloads.parts import CLASSES, WIDTH, own, pair, rows, words
from support.workloads.sequences import (
    attention,
    cells,
    encoder,
    multihead,
    recurrent,
    rotary,
    strided_attention,
    tied,
    translator,
)
from support.workloads.updates import (
    OPTIMIZERS,
    accumulated,
    averaged,
    clipped,
    closure,
    copied_target,
    optimized,
)


class UNet(nn.Module):
    """Down, up, and across."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU())
        self.deep = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.GELU(),
            nn.ConvTranspose2d(16, 8, 2, stride=2),
        )  # fmt: skip
        self.out = nn.Conv2d(16, 2, 1)

    def forward(self, images):
        wide = self.down(images)
        return self.out(torch.cat([wide, self.deep(wide)], 1))


def unet(batch_size=2):
    """Pixels into two classes."""
    labels = torch.randint(0, 2, (batch_size, 16, 16))
    return pair(UNet(), (torch.randn(batch_size, 3, 16, 16), labels))


def upsampled(batch_size=2):
    """Interpolated, padded and normalised by instance."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.InstanceNorm2d(4, affine=True),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.ReflectionPad2d(1),
        nn.Conv2d(4, 3, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return pair(model, (torch.randn(batch_size, 3, 10, 10), torch.randint(0, 3, (batch_size,))))


class TwoHeads(nn.Module):
    """A trunk with two heads in a dict."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(WIDTH, 32)
        self.heads = nn.ModuleDict({"a": nn.Linear(32, CLASSES), "b": nn.Linear(32, 1)})

    def forward(self, inputs):
        shared = self.trunk(inputs).relu()
        return {name: head(shared) for name, head in self.heads.items()}


def two_heads(batch_size=4):
    """A sum of two losses."""
    inputs, labels = rows(batch_size)
    batch = {"inputs": inputs, "labels": labels, "values": torch.randn(batch_size, 1)}

    def loss(model, batch):
        out = model(batch["inputs"])
        first = functional.cross_entropy(out["a"], batch["labels"])
        return first + functional.huber_loss(out["b"], batch["values"])

    return own(TwoHeads(), batch, loss)


class Blocks(nn.Module):
    """Linear layers, each recomputed if so told, called by what."""

    def __init__(self, *, recompute=False, by_forward=False, plain_list=False):
        super().__init__()
        layers = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh()) for _ in range(3)]
        self.layers = layers if plain_list else nn.ModuleList(layers)
        self.recompute, self.by_forward = recompute, by_forward
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, inputs):
        for layer in self.layers:
            call = layer.forward if self.by_forward else layer
            inputs = (
                checkpoint(call, inputs, use_reentrant=False) if self.recompute else call(inputs)
            )
        return self.head(inputs)


def blocks(batch_size=4, **options):
    """Three of them."""
    return pair(Blocks(**options), rows(batch_size))


def plain_list(batch_size=4):
    """Layers in a list that PyTorch does not know; the optimizer does."""
    model = Blocks(plain_list=True)
    parameters = [*model.parameters(), *(p for layer in model.layers for p in layer.parameters())]
    optimizer = torch.optim.SGD(parameters, 0.01, momentum=0.9)
    return pair(model, rows(batch_size), optimizer=optimizer)


def deep(batch_size=4, frozen=(), activation=nn.Tanh):
    """Four layers of which some are frozen."""
    model = nn.Sequential(
        nn.Linear(WIDTH, 24), activation(), nn.Linear(24, 24), activation(), nn.Linear(24, CLASSES)
    )
    for number in frozen:
        model[number].requires_grad_(requires_grad=False)
    return pair(model, rows(batch_size), optimizer=torch.optim.AdamW(model.parameters()))


class LowRank(nn.Module):
    """A frozen layer and two narrow ones beside it."""

    def __init__(self, layer, rank=2):
        super().__init__()
        self.layer = layer.requires_grad_(requires_grad=False)
        self.down = nn.Linear(layer.in_features, rank, bias=False)
        self.up = nn.Linear(rank, layer.out_features, bias=False)

    def forward(self, inputs):
        return self.layer(inputs) + self.up(self.down(inputs))


def lora(batch_size=4):
    """Adapters of rank two."""
    model = nn.Sequential(LowRank(nn.Linear(WIDTH, 24)), nn.GELU(), LowRank(nn.Linear(24, CLASSES)))
    return pair(model, rows(batch_size))


def computed(batch_size=4, initialise=nn.init.trunc_normal_):
    """Widths, and a rate of dropout for each layer, computed with tensors; weights drawn again."""
    widths = (torch.linspace(1, 2, 3) * 12 / 8).round().mul(8).int().tolist()
    rates = [rate.item() for rate in torch.linspace(0, 0.5, len(widths) - 1)]
    layers = []
    for narrow, wide, rate in zip(widths[:-1], widths[1:], rates, strict=True):
        layers += [nn.Linear(narrow, wide), nn.Dropout(rate), nn.GELU()]
    for layer in layers[::3]:
        initialise(layer.weight, std=0.02)
    model = nn.Sequential(nn.Linear(WIDTH, widths[0]), *layers, nn.Linear(widths[-1], CLASSES))
    return pair(model, rows(batch_size))


class KnownNorm(nn.Module):
    """Root mean squares, times weights that begin as ones."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, inputs):
        return inputs * inputs.square().mean(-1, keepdim=True).rsqrt() * self.weight


def known_norm(batch_size=4, kind=torch.optim.AdamW):
    """Weights whose first values are known, in bfloat16; their state is of that type."""
    model = nn.Sequential(KnownNorm(), nn.Linear(WIDTH, CLASSES)).to(torch.bfloat16)
    inputs, labels = rows(batch_size)
    return pair(model, (inputs.bfloat16(), labels), optimizer=kind(model.parameters()))


def from_tensors(batch_size=4):
    """Numbers that a tensor says, and numbers that are written into one."""
    rates = torch.linspace(start=0, end=torch.tensor(0.5), steps=3) * 2
    buffer = torch.empty(WIDTH)
    ones = torch.ones(WIDTH, out=buffer) + buffer
    model = nn.Sequential(nn.Dropout(rates[1].item()), nn.Linear(WIDTH, CLASSES))
    inputs, labels = rows(batch_size)
    return pair(model, (inputs * ones, labels))


def drawn_actions(batch_size=4):
    """A policy whose drawn actions are rewarded."""
    model = nn.Linear(WIDTH, CLASSES)

    def loss(model, batch):
        states, rewards = batch
        policy = torch.distributions.Categorical(logits=model(states))
        return -(policy.log_prob(policy.sample()) * rewards).mean()

    return own(model, (torch.randn(batch_size, WIDTH), torch.randn(batch_size)), loss)


def mixed_up(batch_size=4):
    """Rows and others in a drawn share."""
    model = nn.Linear(WIDTH, CLASSES)

    def loss(model, batch):
        inputs, labels = batch
        share = torch.distributions.Beta(0.2, 0.2).sample()
        order = torch.randperm(len(inputs))
        outputs = model(share * inputs + (1 - share) * inputs[order])
        return share * functional.cross_entropy(outputs, labels) + (
            1 - share
        ) * functional.cross_entropy(outputs, labels[order])

    return own(model, rows(batch_size), loss)


def bag(batch_size=4):
    """An embedding that adds its words up."""
    model = nn.Sequential(nn.EmbeddingBag(50, WIDTH), nn.Linear(WIDTH, CLASSES))
    return pair(model, (words(batch_size)[0], rows(batch_size)[1]))


class Listed(nn.Module):
    """Weights in a ParameterList, and a tensor that is no buffer."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList(torch.randn(WIDTH, WIDTH) for _ in range(3))
        self.scale = torch.full((WIDTH,), 0.5)

    def forward(self, inputs):
        for weight in self.weights:
            inputs = (inputs @ weight).tanh() * self.scale
        return inputs


def parameter_list(batch_size=4):
    """Three of them."""
    return own(Listed(), rows(batch_size)[0], lambda m, b: m(b).square().mean())


def normed(batch_size=4, how=parametrizations.weight_norm):
    """A weight that is computed from others."""
    model = nn.Sequential(how(nn.Linear(WIDTH, 24)), nn.ReLU(), nn.Linear(24, CLASSES))
    return pair(model, rows(batch_size))


def convolution(batch_size=2, dimensions=1):
    """Of one or three dimensions."""
    kind = {1: nn.Conv1d, 3: nn.Conv3d}[dimensions]
    model = nn.Sequential(kind(3, 4, 3), nn.Flatten(), nn.Linear(4 * 4**dimensions, CLASSES))
    inputs = torch.randn(batch_size, 3, *[6] * dimensions)
    return pair(model, (inputs, torch.randint(0, CLASSES, (batch_size,))))


def bilinear(batch_size=4):
    """Two inputs multiplied."""
    model = nn.Bilinear(WIDTH, WIDTH, 3)
    return own(model, [rows(batch_size)[0]] * 2, lambda m, b: m(*b).square().mean())


def spectral(batch_size=2):
    """Through a Fourier transform and back."""
    model = nn.Linear(WIDTH, WIDTH)

    def loss(model, batch):
        return torch.fft.irfft(torch.fft.rfft(model(batch)), n=WIDTH).square().mean()

    return own(model, rows(batch_size)[0], loss)


def penalty(batch_size=4):
    """A gradient of a gradient, as critics are held smooth."""
    model = nn.Sequential(nn.Linear(WIDTH, 24), nn.Tanh(), nn.Linear(24, 1))

    def loss(model, batch):
        inputs = batch.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(inputs).sum(), inputs, create_graph=True)
        return (slope.norm(dim=1) - 1).square().mean()

    return own(model, rows(batch_size)[0], loss)


def contrastive(batch_size=6):
    """All pairs of a batch: bytes grow with its square."""
    model = nn.Linear(WIDTH, 8)

    def loss(model, batch):
        out = functional.normalize(model(batch))
        return functional.cross_entropy(out @ out.T, torch.arange(len(batch), device=batch.device))

    return own(model, rows(batch_size)[0], loss)


KINDS = {
    "lstm": recurrent,
    "lstm, two layers": partial(recurrent, num_layers=2, dropout=0.2),
    "lstm, both ways": partial(recurrent, bidirectional=True),
    "gru": partial(recurrent, kind=nn.GRU),
    "rnn": partial(recurrent, kind=nn.RNN),
    "lstm cells": cells,
    "attention": attention,
    "attention, dropout": partial(attention, dropout=0.3),
    "attention, causal": partial(attention, mask="causal"),
    "attention, boolean mask": partial(attention, mask="boolean"),
    "attention, learnt mask": partial(attention, mask="learnt"),
    "attention, strided": strided_attention,
    "multihead, weights": multihead,
    "multihead, no weights": partial(multihead, need_weights=False),
    "u-net": unet,
    "upsampled": upsampled,
    "two heads": two_heads,
    "checkpointed": partial(blocks, recompute=True),
    "called by forward": partial(blocks, by_forward=True),
    "plain list": plain_list,
    "frozen front": partial(deep, frozen=(0,)),
    "frozen middle": partial(deep, frozen=(2,)),
    "frozen end": partial(deep, frozen=(4,)),
    "all but the last frozen": partial(deep, frozen=(0, 2)),
    "mish": partial(deep, activation=nn.Mish),
    "selu": partial(deep, activation=nn.SELU),
    "softplus": partial(deep, activation=nn.Softplus),
    "hardswish": partial(deep, activation=nn.Hardswish),
    "prelu": partial(deep, activation=nn.PReLU),
    "rrelu": partial(deep, activation=nn.RReLU),
    "lora": lora,
    "computed": computed,
    "encoder": encoder,
    "encoder and decoder": translator,
    "copied target": copied_target,
    "clipped": clipped,
    "known norm, bfloat16": known_norm,
    "known norm, bfloat16, rmsprop": partial(known_norm, kind=torch.optim.RMSprop),
    "from tensors": from_tensors,
    "drawn actions": drawn_actions,
    "mixed up": mixed_up,
    "averaged": averaged,
    "rotary": rotary,
    "tied": tied,
    "tied, bfloat16 autocast": partial(tied, precision="bfloat16"),
    "tied, pure bfloat16": partial(tied, dtype=torch.bfloat16),
    "tied, float16 and scaler": partial(tied, precision="float16"),
    "lbfgs": closure,
    "embedding bag": bag,
    "parameter list": parameter_list,
    "weight norm": normed,
    "spectral norm": partial(normed, how=parametrizations.spectral_norm),
    "one dimension": convolution,
    "three dimensions": partial(convolution, dimensions=3),
    "bilinear": bilinear,
    "fourier": spectral,
    "accumulated": accumulated,
    "gradient penalty": penalty,
    "contrastive": contrastive,
} | {
    f"{kind.__name__.lower()} {' '.join(options)}".strip(): partial(optimized, kind=kind, **options)
    for kind, options in OPTIMIZERS
}
