"""The ways in which people train, each counted against numbers derived by hand.

A linear layer from I to O features on N rows multiplies N*I*O pairs forward and as many for each
gradient that is asked for: of its weight always, of its input where a layer lies before it. A
multiply-add is two FLOP. Adam keeps two float32 for each parameter.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hpml_lab import TrainingStep
from hpml_lab.measure.counters import count_step
from hpml_lab.measure.subject import subject_of
from hpml_lab.training.optimizers import optimizer_state

ADAM = 8  # bytes of state for a parameter


def counted(step, calls=1, **reported):
    """Returns what is counted of a step that has run twice, and its samples."""
    for _ in range(2 * calls):
        step()
    subject = subject_of(step, **reported)
    result = count_step(step, subject, calls=calls)
    return {**result.counters, **result.memory, "samples": subject.samples, "flags": result.flags}


def linear_flops(rows, inputs, outputs, products):
    """Returns the FLOP of a linear layer in so many products."""
    return 2 * rows * inputs * outputs * products


class Keyword(nn.Module):
    """Called with keywords; returns a dict with its own loss."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 4)

    def forward(self, input_ids, labels):
        """Returns loss and logits."""
        logits = self.head(self.embed(input_ids).mean(1))
        return {"loss": functional.cross_entropy(logits, labels), "logits": logits}


def test_a_dict_in_and_a_dict_out():
    """8 sentences of 12 words and a label each; one layer of 16 by 4, whose input is embedded."""
    model = Keyword()
    batch = {"input_ids": torch.zeros(8, 12, dtype=torch.long), "labels": torch.zeros(8).long()}
    optimizer = torch.optim.AdamW(model.parameters())
    result = counted(
        TrainingStep(model, optimizer, batch=batch, compute_loss=lambda m, b: m(**b)["loss"])
    )
    parameters = 50 * 16 + 16 * 4 + 4
    assert (result["samples"], result["parameters"]) == (8, parameters)
    assert result["optimizer_state_bytes"] == ADAM * parameters
    assert result["sample_bytes"] == 12 * 8 + 8
    assert result["step_flops"] == linear_flops(8, 16, 4, products=3)
    assert result["flags"] == []


class Detector(nn.Module):
    """In training takes a list of images and one of targets; returns a dict of losses."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(3, 8, 3, padding=1)
        self.boxes = nn.Linear(8, 4)

    def forward(self, images, targets):
        """Returns two losses."""
        features = self.backbone(torch.stack(images)).mean((2, 3))
        boxes = self.boxes(features)
        wanted = torch.stack([target["boxes"].mean(0) for target in targets])
        return {"boxes": (boxes - wanted).abs().mean(), "size": boxes.square().mean()}


def test_detection_has_lists_of_images_and_of_boxes():
    """Two images of 3 x 8 x 8: their first dimension is channels, so samples have to be given."""
    model = Detector()
    targets = [{"boxes": torch.zeros(3, 4)}, {"boxes": torch.zeros(3, 4)}]
    batch = [torch.zeros(3, 8, 8), torch.zeros(3, 8, 8)], targets
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def loss(model, batch):
        return sum(model(*batch).values())

    result = counted(TrainingStep(model, optimizer, batch=batch, compute_loss=loss))
    assert result["samples"] is None
    assert result["flags"][0].startswith("sample_bytes is not counted")
    convolution = 2 * 2 * (8 * 8) * 8 * (3 * 9) * 2  # forward and weight
    assert result["step_flops"] == convolution + linear_flops(2, 8, 4, products=3)
    given = counted(TrainingStep(model, optimizer, batch=batch, compute_loss=loss, samples=2))
    assert (given["samples"], given["flags"]) == (2, [])
    assert given["sample_bytes"] == 3 * 8 * 8 * 4 + 3 * 4 * 4


@pytest.mark.parametrize("batch_first", [True, False])
def test_an_lstm_reads_its_batch_or_its_time_first(batch_first):
    """6 steps of 4 sequences through 4 gates; time first the samples are not guessed."""
    model = nn.LSTM(16, 8, batch_first=batch_first)
    shape = (4, 6) if batch_first else (6, 4)
    batch = torch.randn(*shape, 16), torch.randn(*shape, 8)
    optimizer = torch.optim.Adam(model.parameters())
    result = counted(
        TrainingStep(model, optimizer, lambda out, wanted: (out[0] - wanted).square().mean(), batch)
    )
    parameters = 4 * 8 * (16 + 8 + 2)
    assert result["samples"] == (4 if batch_first else None)
    assert result["parameters"] == parameters
    assert result["optimizer_state_bytes"] == ADAM * parameters
    # oneDNN computes forward, both gradients, the input's too: three products of every weight.
    assert result["step_flops"] == 3 * 2 * 6 * 4 * (4 * 8) * (16 + 8)


def test_a_gan_trains_two_networks_in_turn():
    """A function of one's own, told its models, optimizers and batch."""
    generator, discriminator = nn.Linear(4, 6), nn.Linear(6, 1)
    optimizers = [torch.optim.Adam(m.parameters()) for m in (generator, discriminator)]
    real = torch.randn(8, 6)

    def step():
        made = generator(torch.randn(8, 4))
        optimizers[1].zero_grad()
        (discriminator(made.detach()).mean() - discriminator(real).mean()).backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        (-discriminator(made).mean()).backward()
        optimizers[0].step()

    result = counted(step, model=[generator, discriminator], optimizer=optimizers, batch=real)
    assert (result["samples"], result["parameters"]) == (8, 4 * 6 + 6 + 6 + 1)
    assert result["optimizer_state_bytes"] == ADAM * 37
    of_generator = linear_flops(8, 4, 6, products=2)
    # Twice forward with the weight's gradient, then forward with both gradients.
    of_discriminator = linear_flops(8, 6, 1, products=2 + 2 + 3)
    assert result["step_flops"] == of_generator + of_discriminator


def test_lbfgs_evaluates_its_closure_several_times():
    """With three iterations a step the closure runs three times; the history is its state."""
    model = nn.Linear(5, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=1e-3, max_iter=3, history_size=4)
    step = TrainingStep(model, optimizer, nn.MSELoss(), (torch.randn(16, 5), torch.randn(16, 1)))
    result = counted(step)
    products = linear_flops(16, 5, 1, products=2)
    pairs = (
        4  # of the history, each with two dot products of 6 weights an iteration, and a few more
    )
    assert 3 * products <= result["step_flops"] <= 3 * (products + 2 * 6 * (2 * pairs + 4))
    (state,) = optimizer.state.values()
    vectors = [*state["old_dirs"], *state["old_stps"], state["d"], state["prev_flat_grad"]]
    scalars = [one for one in (*state["ro"], state["H_diag"]) if torch.is_tensor(one)]
    kept = optimizer_state(optimizer)["optimizer_state_bytes"]
    assert kept >= 24 * len(vectors)
    assert kept <= 24 * len(vectors) + 4 * (len(scalars) + 2 * pairs)


class SharpnessAware(torch.optim.Optimizer):
    """Climbs, then descends from where it came: two passes a step (Foret et al., 2021)."""

    def __init__(self, parameters, radius=0.05):
        super().__init__(parameters, {})
        self.base = torch.optim.SGD(self.param_groups, 0.1, momentum=0.9)
        self.radius = radius

    @torch.no_grad()
    def step(self, closure):
        """Takes a closure, which is run twice."""
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["old"] = parameter.clone()
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter += self.radius * parameter.grad
        with torch.enable_grad():
            closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.copy_(self.state[parameter]["old"])
        self.base.step()
        return loss


def test_sharpness_aware_steps_take_two_passes():
    """Twice forward and weight gradient; the old weights, and the momentum of the base."""
    model = nn.Linear(5, 3)
    batch = torch.randn(8, 5), torch.randint(0, 3, (8,))
    optimizer = SharpnessAware(model.parameters())
    result = counted(TrainingStep(model, optimizer, functional.cross_entropy, batch))
    assert result["step_flops"] == 2 * linear_flops(8, 5, 3, products=2)
    assert result["optimizer_state_bytes"] == 2 * 4 * 18


def test_scaler_accumulation_clipping_and_scheduler_in_one_step():
    """A function that accumulates two batches: its FLOP are those of two passes."""
    model = nn.Linear(5, 3)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    batch = torch.randn(8, 5), torch.randint(0, 3, (8,))

    def step():
        optimizer.zero_grad()
        for _ in range(2):
            with torch.autocast("cpu", torch.bfloat16):
                loss = functional.cross_entropy(model(batch[0]), batch[1]) / 2
            scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()

    result = counted(step, model=model, optimizer=optimizer, batch=batch)
    assert result["samples"] == 8
    assert result["step_flops"] == 2 * linear_flops(8, 5, 3, products=2)
    assert result["optimizer_state_bytes"] == ADAM * 18
    assert result["flags"] == []


def test_an_optimizer_that_is_stepped_by_each_eighth_call():
    """Told so, counts are of a cycle: every call has its passes, one in eight the update."""
    model = nn.Linear(5, 3)
    optimizer = torch.optim.Adam(model.parameters())
    batch = torch.randn(8, 5), torch.randint(0, 3, (8,))
    calls = iter(range(10**6))

    def step():
        (functional.cross_entropy(model(batch[0]), batch[1]) / 8).backward()
        if next(calls) % 8 == 7:
            optimizer.step()
            optimizer.zero_grad()

    result = counted(step, calls=8, model=model, optimizer=optimizer, batch=batch)
    assert result["step_flops"] == linear_flops(8, 5, 3, products=2)
    assert result["optimizer_state_bytes"] == ADAM * 18


def test_a_gradient_penalty_counts_its_second_backward_pass():
    """Forward; the slope at the inputs; then the gradients of both through the one weight."""
    model = nn.Linear(5, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    inputs = torch.randn(8, 5)

    def loss(model, batch):
        batch = batch.detach().requires_grad_()
        outputs = model(batch)
        (slope,) = torch.autograd.grad(outputs.sum(), batch, create_graph=True)
        return outputs.mean() + (slope.norm(dim=1) - 1).square().mean()

    result = counted(TrainingStep(model, optimizer, batch=inputs, compute_loss=loss))
    # Forward, slope, weight and input of the forward pass, weight of the slope.
    assert result["step_flops"] == linear_flops(8, 5, 1, products=5)
    assert result["samples"] == 8


def test_a_function_of_two_optimizers_with_sparse_gradients():
    """An embedding with SparseAdam beside a layer with AdamW: dense state of both."""
    embed, head = nn.Embedding(50, 16, sparse=True), nn.Linear(16, 4)
    optimizers = torch.optim.SparseAdam(embed.parameters()), torch.optim.AdamW(head.parameters())
    words, labels = torch.zeros(8, dtype=torch.long), torch.zeros(8, dtype=torch.long)

    def step():
        for optimizer in optimizers:
            optimizer.zero_grad()
        functional.cross_entropy(head(embed(words)), labels).backward()
        for optimizer in optimizers:
            optimizer.step()

    result = counted(step, model=[embed, head], optimizer=optimizers, batch=(words, labels))
    assert result["optimizer_state_bytes"] == ADAM * (50 * 16 + 16 * 4 + 4)
    assert result["step_flops"] == linear_flops(8, 16, 4, products=3)
    assert result["flags"] == []
