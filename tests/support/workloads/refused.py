"""Workloads of which the values decide what is allocated, and why each is refused."""

import torch
from torch import nn

from support.workloads.parts import CLASSES, WIDTH, own, pair, rows, words
from support.workloads.sequences import packed


class ChosenExperts(nn.Module):
    """Each row goes to the one of two layers that a third chooses."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(WIDTH, 2)
        self.experts = nn.ModuleList(nn.Linear(WIDTH, CLASSES) for _ in range(2))

    def forward(self, inputs):
        chosen = self.gate(inputs).argmax(-1)
        outputs = inputs.new_zeros(len(inputs), CLASSES)
        for index, expert in enumerate(self.experts):
            (own,) = torch.where(chosen == index)
            outputs[own] = expert(inputs[own])
        return outputs


def chosen_experts(batch_size=4):
    """How many rows an expert has the values say."""
    return pair(ChosenExperts(), rows(batch_size))


def checked(batch_size=4):
    """The data are looked at before they are trained on."""
    inputs, labels = rows(batch_size)
    assert torch.isfinite(inputs).all()
    return pair(nn.Linear(WIDTH, CLASSES), (inputs, labels))


def sparse(batch_size=4):
    """Gradients of an embedding that hold its rows alone."""
    model = nn.Embedding(50, WIDTH, sparse=True)
    inputs, _ = words(batch_size)
    optimizer = torch.optim.SparseAdam(model.parameters())
    return own(model, inputs, lambda m, b: m(b).square().mean(), optimizer)


def lazy(batch_size=4):
    """A layer whose width its first input says."""
    return pair(nn.Sequential(nn.LazyLinear(CLASSES)), rows(batch_size))


def reading(batch_size=4):
    """A loss that decides by a value."""
    model = nn.Linear(WIDTH, CLASSES)

    def loss(model, batch):
        value = model(batch).square().mean()
        return value if value.item() > 0 else -value

    return own(model, rows(batch_size)[0], loss)


REFUSED = {
    "packed sequences": (packed, "_pack_padded_sequence"),
    "sparse embedding": (sparse, "the gradient of weight is sparse"),
    "lazy layer": (lazy, "lazy layers cannot be planned; give them their widths"),
    "a loss that reads": (reading, "fails while it is planned, on tensors that have shapes"),
    "chosen experts": (chosen_experts, r"aten.nonzero.default asks for values, as .item\(\), int"),
    "checked": (
        checked,
        r"checked failed at refused.py:\d+: aten._local_scalar_dense.default",
    ),
}
