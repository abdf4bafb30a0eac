"""Small workloads that differ in their update: optimizers, closures, clipping, copies."""

import copy

import torch
from torch import nn
from torch.nn import functional

from support.workloads.parts import CLASSES, WIDTH, own, pair, rows

OPTIMIZERS = [
    (torch.optim.Adafactor, {}),
    (torch.optim.Muon, {"lr": 0.01}),
    (torch.optim.NAdam, {}),
    (torch.optim.RAdam, {}),
    (torch.optim.Adamax, {}),
    (torch.optim.ASGD, {}),
    (torch.optim.Rprop, {}),
    (torch.optim.Adam, {"amsgrad": True, "foreach": True}),
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "foreach": True}),
    (torch.optim.AdamW, {"fused": True}),
    (torch.optim.RMSprop, {"centered": True, "momentum": 0.5}),
]


def copied_target(batch_size=4):
    """A copy of the network, not trained, says where to go."""
    model = nn.Linear(WIDTH, WIDTH)
    target = copy.deepcopy(model).requires_grad_(False)
    inputs = torch.randn(batch_size, WIDTH)

    def loss(outputs, others):
        return functional.mse_loss(outputs, target(others))

    return pair(model, (inputs, inputs + 1), loss, torch.optim.Adam(model.parameters()))


def clipped(batch_size=4):
    """The norm of all gradients is limited before each update."""
    model = nn.Sequential(nn.Linear(WIDTH, 30), nn.ReLU(), nn.Linear(30, CLASSES))
    step = pair(model, rows(batch_size))

    def clip(*_):
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)

    step.optimizer.register_step_pre_hook(clip)
    return step


def averaged(batch_size=4):
    """A copy follows the weights behind each update."""
    model = nn.Sequential(nn.Linear(WIDTH, 8), nn.ReLU(), nn.Linear(8, CLASSES))
    following = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    step = pair(model, rows(batch_size))
    step.optimizer.register_step_post_hook(lambda *_: following.update_parameters(model))
    return step


def closure(batch_size=4):
    """LBFGS, which calls the step itself."""
    model = nn.Linear(WIDTH, CLASSES)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3, history_size=2)
    return pair(model, rows(batch_size), optimizer=optimizer)


def optimized(batch_size=4, kind=torch.optim.Adam, **options):
    """Two layers with some optimizer."""
    model = nn.Sequential(
        nn.Linear(WIDTH, 24, bias=False), nn.ReLU(), nn.Linear(24, CLASSES, bias=False)
    )
    return pair(model, rows(batch_size), optimizer=kind(model.parameters(), **options))


def accumulated(batch_size=4):
    """A step of its own makes: two halves, gradients added up in the loss."""
    model = nn.Sequential(nn.Linear(WIDTH, 24), nn.ReLU(), nn.Linear(24, CLASSES))

    def loss(model, batch):
        halves = zip(*(part.chunk(2) for part in batch), strict=True)
        return sum(functional.cross_entropy(model(x), y) for x, y in halves) / 2

    return own(model, rows(batch_size), loss)
