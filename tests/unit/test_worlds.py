"""What is predicted for more ranks than there are."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from hpml_lab import TrainingStep, plan
from hpml_lab.scaling.planned import sharded_plan
from hpml_lab.scaling.worlds import Links, predict_worlds, units

NAME = f"{Path(__file__)}:two_layers"


def two_layers(batch_size=8, trained=True):
    """Two equal layers of 64 x 64 without a bias: 16,384 bytes each."""
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False))
    model.requires_grad_(trained)
    head = nn.Linear(1, 1)  # so that the optimizer has a parameter
    optimizer = torch.optim.SGD([*model.parameters(), *head.parameters()], lr=0.1)
    batch = torch.randn(batch_size, 64), torch.randn(batch_size, 64)
    return TrainingStep(model, optimizer, nn.functional.mse_loss, batch)


def test_gradients_are_ready_by_their_flop():
    """Products of 1 unit: two forward, then the last layer's two, then the first layer's one.

    Autograd takes a layer's input gradient before or after its weight gradient, so the last
    layer's is ready after three or four of five.
    """
    gradients = plan(two_layers).gradients
    assert list(gradients) == ["1.weight", "0.weight"]
    assert [g.size_bytes for g in gradients.values()] == [16_384, 16_384]
    assert gradients["1.weight"].ready in {3 / 5, 4 / 5}
    assert gradients["0.weight"].ready == 1.0


def test_units_are_the_children_in_forward_order():
    """Shares of a step that sum to one, the backward pass twice the forward pass."""
    first, second = units(plan(two_layers))
    assert first.size_bytes == second.size_bytes == 16_384
    assert sum(u.forward + u.backward for u in (first, second)) == pytest.approx(1.0)
    assert first.backward == pytest.approx(2 * first.forward)


def test_one_bucket_is_exchanged_after_the_step():
    """32 KiB over four ranks, 1 ms a message at 1 GB/s: a tree of four messages, all exposed."""
    links = Links(0.1, 1e-3, 1e9)
    (case,) = predict_worlds(two_layers, {}, [4], "ddp", links).cases
    message_s = 1e-3 + 32_768 / 1e9
    assert case.exchange_s == pytest.approx(4 * message_s)
    assert case.step_s == pytest.approx(0.1 + 4 * message_s)
    assert case.exposed_s == pytest.approx(4 * message_s)
    assert case.efficiency == pytest.approx(0.1 / (0.1 + 4 * message_s))
    assert case.peak_bytes == plan(two_layers).peak_bytes + 32_768


def test_one_rank_exchanges_nothing():
    """Under both strategies."""
    for strategy in ("ddp", "fsdp"):
        (case,) = predict_worlds(two_layers, {}, [1], strategy, Links(0.1, 1e-3, 1e9)).cases
        assert (case.step_s, case.exchange_s) == (pytest.approx(0.1), 0)


def test_shards_are_smaller_in_more_ranks():
    """Of 32 KiB of parameters a rank of four has a quarter, a rank of 64 one part of 64."""
    four, many = (sharded_plan(two_layers, {}, world) for world in (4, 64))
    assert (four.parameters_bytes, many.parameters_bytes) == (8_192, 512)
    assert four.peak_bytes > many.peak_bytes


def test_the_command_predicts_worlds(run):
    """Keys of the JSON; without times only the memory."""
    status, out, _ = run(
        "predict", NAME, "--world", "2,4096", "--step-seconds", "0.1", "--latency", "5e-6",
        "--bandwidth", "25GB", "--json",
    )  # fmt: skip
    record = json.loads(out)
    assert status == 0
    assert [case["world"] for case in record["worlds"]] == [2, 4096]
    assert record["worlds"][1]["efficiency"] < record["worlds"][0]["efficiency"] < 1
    assert record["strategy"] == "ddp"
    assert any("equal" in sentence for sentence in record["assumptions"])
    status, out, _ = run("predict", NAME, "--world", "8", "--strategy", "fsdp")
    assert status == 0
    assert "Give --step-seconds, --latency and --bandwidth to predict times too." in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([NAME, "--world", "x"], "--world 'x' is no list of numbers"),
        ([NAME, "--world", "0"], "world '0' is no number of ranks"),
        ([NAME, "--world", "2", "--strategy", "pipeline"], "unknown strategy 'pipeline'"),
        ([NAME, "--world", "2", "--latency", "1"], "--step-seconds, --latency and --bandwidth"),
        (
            [NAME, "--world", "2", "--latency", "-1", "--step-seconds", "1", "--bandwidth", "1"],
            "latency_s is -1",
        ),
        (
            [NAME, "--world", "2", "--latency", "0", "--step-seconds", "1", "--bandwidth", "0"],
            "bytes_per_s is 0",
        ),
        ([NAME, "--set", "trained=false", "--world", "2"], "requires"),
        (["--network", "resnet18", "--batch", "2", "--world", "2"], "--world is for a workload"),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    """With what is wrong."""
    status, out, errors = run("predict", *arguments)
    assert (status, out, len(errors)) == (2, "", 1)
    assert message in errors[0]
