"""The recurrence beside torch's own memory tracker, at the sizes people train at.

The tracker watches meta tensors, or fake ones where autocast has to act, so that any batch fits.
On fake tensors it takes the statistics of a bfloat16 batch norm for bfloat16; real kernels keep
them in float32 (`test_memory_trackers` compares on real tensors), which is all of the difference.
"""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.nn import functional

from hpml_lab.memory.meta import EmptyWeights, without_storage
from hpml_lab.memory.optimizer_step import Step
from hpml_lab.memory.recurrence import resnet_timeline
from hpml_lab.memory.resnet import RESNETS
from hpml_lab.training.networks import build_network
from support.laws import LARGEST

pytestmark = pytest.mark.slow
NAMES = [name for name in RESNETS if name != "resnet18-cifar"]
OPTIMIZERS = {
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9},
    "adagrad": {"optimizer": "adagrad"},
    "rmsprop": {"optimizer": "rmsprop"},
    "adadelta": {"optimizer": "adadelta"},
    "adam": {"optimizer": "adam"},
}
KINDS = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
    "adam": torch.optim.Adam,
}


def tracked(name, image, step):
    """Returns activations and peak of a step as torch's tracker sees them, scalars of state out."""
    fake = step.precision == "bfloat16"
    device = "cpu" if fake else "meta"
    with FakeTensorMode() if fake else nullcontext():
        with EmptyWeights():
            model = build_network(name, classes=10)
        model = without_storage(model, device)
        settings = {"momentum": step.momentum} if step.momentum else {}
        optimizer = KINDS[step.optimizer](model.parameters(), foreach=True, lr=0.1, **settings)
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter)
        optimizer.step()
        optimizer.zero_grad()
        images = torch.empty(step.batch_size, 3, image, image, device=device)
        labels = torch.empty(step.batch_size, dtype=torch.long, device=device)
        return watched(model, optimizer, images, labels, autocast=fake)


def watched(model, optimizer, images, labels, *, autocast):
    """Returns what a forward pass adds, and the peak of the step."""
    tracker = MemTracker()
    tracker.track_external(model, optimizer, images, labels)
    before = live(tracker, images.device)
    with tracker:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = functional.cross_entropy(model(images), labels)
        added = live(tracker, images.device) - before
        loss.backward()
        optimizer.step()
    peak = tracker.get_tracker_snapshot("peak")[images.device]["Total"]
    state = [value for kept in optimizer.state.values() for value in kept.values()]
    counters = [v for v in state if torch.is_tensor(v) and not v.dim()]
    return added, peak - sum(v.nbytes for v in counters if v.device == images.device)


def live(tracker, device):
    """Returns the bytes that torch's tracker sees alive."""
    return tracker.get_tracker_snapshot()[device]["Total"]


def compare(name, image, step):
    """Asserts that recurrence and tracker differ by no byte but those of the statistics."""
    network = replace(RESNETS[name], classes=10)
    timeline = resnet_timeline(network, image, step)
    activations, peak = tracked(name, image, step)
    more = timeline.held_bytes("activations", "forward") - activations
    higher = timeline.peak_bytes - peak
    for what, value, case in (("activations", more, activations), ("peak", higher, peak)):
        law = f"ResNets beside torch's tracker: {what}, {step.precision}"
        LARGEST[law] = max(abs(value) / case, LARGEST.get(law, 0.0))
    channels = sum(layer.outputs for layer in network.layout(image).convolutions)
    statistics = 4 * channels if step.precision == "bfloat16" else 0
    assert more == statistics
    assert -4 <= higher <= statistics


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("image", "batch"), [(32, 256), (224, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_resnets_need_what_torch_s_tracker_sees(name, image, batch, dtype):
    """Five depths, two image sides, batches from 1 to 256, with momentum."""
    step = Step(batch_size=batch, momentum=0.9, precision=dtype)
    compare(name, image, step)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("name", "batch"), [("resnet18", 4), ("resnet152", 1)])
def test_optimizers_need_what_torch_s_tracker_sees(name, batch, optimizer):
    """Six optimizers, as foreach, where their step is the peak and where it is not."""
    compare(name, 224, Step(batch_size=batch, **OPTIMIZERS[optimizer]))
