"""`hpml-lab predict`: the contract's numbers, tables, the picture, and a line for bad input."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from hpml_lab.cli import cli
from hpml_lab.memory.optimizer_step import Step, with_optimizer
from hpml_lab.memory.recurrence import resnet_timeline
from hpml_lab.memory.resnet import ResNet

CONTRACT = {
    "parameters",
    "trainable_parameters",
    "parameters_bytes",
    "buffers_bytes",
    "gradients_bytes",
    "optimizer_state_bytes",
    "optimizer_temporary_bytes",
    "activations_bytes",
    "input_bytes",
    "peak_bytes",
    "flops_per_sample",
}


def predicted(arguments, *more):
    """Returns what the command prints as JSON."""
    result = CliRunner().invoke(cli, ["predict", *arguments.split(), *more, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_lab_s_network():
    """All numbers of the contract for ResNet-18, batch 128, momentum, weight decay, foreach."""
    record = predicted("--network resnet18-cifar --batch 128 --momentum 0.9 --weight-decay 5e-4")
    assert {name: record[name] for name in CONTRACT} == {
        "parameters": 11_173_962,
        "trainable_parameters": 11_173_962,
        "parameters_bytes": 44_695_848,
        "buffers_bytes": 38_560,
        "gradients_bytes": 44_695_848,
        "optimizer_state_bytes": 44_695_848,
        "optimizer_temporary_bytes": 44_695_848,
        "activations_bytes": 128 * 4_687_912 + 38_400 + 8,
        "input_bytes": 128 * (12_288 + 8),
        "peak_bytes": 711_820_064,
        "flops_per_sample": 3_328_997_376,
    }
    assert record["peak"]["phase"] == "backward"


def test_a_traced_network_has_the_same_numbers():
    """AlexNet is traced: 61,100,840 parameters, without buffers or state."""
    record = predicted("--network torchvision:alexnet --batch 2")
    assert record.keys() >= CONTRACT
    assert (record["method"], record["parameters"]) == ("trace", 61_100_840)
    assert record["buffers_bytes"] == record["optimizer_state_bytes"] == 0
    assert record["input_bytes"] == 2 * (3 * 224 * 224 * 4 + 8)


def test_torchvision_s_prefix_names_the_same_network():
    """resnet50 and torchvision:resnet50 are planned alike, both by recurrence."""
    plain = predicted("--network resnet50 --batch 3")
    prefixed = predicted("--network torchvision:resnet50 --batch 3")
    assert plain | {"network": ""} == prefixed | {"network": ""}
    assert plain["method"] == "recurrence"


@pytest.mark.integration
def test_the_largest_batch_fits_and_the_next_one_does_not():
    """Of all that a GPU adds: what is printed is within the memory, and of the next is not."""
    command = "--network resnet18-cifar --optimizer adam --gpu-capability 9.0 --batch"
    memory = f"--device-memory {predicted(f'{command} 100')['gpu']['reserved_bytes']}"
    largest = predicted(f"{command} 1 {memory}")["largest_batch"]
    assert largest >= 100
    for batch, fits in ((largest, True), (largest + 1, False)):
        record = predicted(f"{command} {batch} {memory}")
        assert record["fits"] is fits
        assert (record["needed_bytes"] <= record["device_memory_bytes"]) is fits


@pytest.mark.integration
def test_a_check_is_an_exit_status():
    """0 where the step fits, 1 where it does not; the plan is printed either way."""
    command = ["predict", "--network=resnet18-cifar", "--batch=8", "--check"]
    for memory, status, word in (("1GiB", 0, "fits: "), ("100MiB", 1, "does not fit: ")):
        result = CliRunner().invoke(cli, [*command, f"--device-memory={memory}"])
        assert result.exit_code == status
        assert word in result.stdout
        assert "Memory of a training step, planned" in result.stdout


@pytest.mark.integration
def test_what_does_not_fit_comes_with_ways():
    """Each with its peak, the ones that fit first; bfloat16 says that it changes numbers."""
    record = predicted("--network resnet18-cifar --batch 128 --device-memory 300MiB")
    assert record["fits"] is False
    ways = {way["way"].partition(" of ")[0]: way for way in record["ways"]}
    assert [way["fits"] for way in record["ways"]] == sorted(
        (way["fits"] for way in record["ways"]), reverse=True
    )
    assert ways["bfloat16 autocast"]["changes_numbers"] is True
    (smaller,) = (way for name, way in ways.items() if name.endswith(" batches"))
    assert smaller["peak_bytes"] < record["peak_bytes"]


@pytest.mark.integration
def test_nothing_fits_is_an_answer():
    """The plan is not lost: largest batch 0, and of every optimizer in the table."""
    record = predicted("--network resnet18-cifar --batch 2 --device-memory 50MB --table")
    assert (record["fits"], record["largest_batch"]) == (False, 0)
    assert {row["largest_batch"] for row in record["optimizers"]} == {0}


def test_a_card_has_its_memory_and_its_workspace():
    """An H100 has 79.11 GiB, and gives a matrix product 32 MiB."""
    record = predicted("--network resnet18-cifar --batch 8 --gpu", "H100 80GB")
    assert record["device_memory_bytes"] == int(79.11 * 2**30)
    assert "the workspace of matrix products" not in record["gpu_leaves_out"]


def test_layers_are_in_the_record():
    """What all of them keep is what the step keeps."""
    record = predicted("--network resnet18-cifar --batch 8")
    assert sum(row["kept_bytes"] for row in record["layers"]) == record["activations_bytes"]


def test_implementations_differ_in_temporaries():
    """Adam: one copy for foreach, two of the largest tensor and its neighbour in a loop, none."""
    command = "--network resnet18-cifar --batch 2 --optimizer adam"
    held = {
        flag: predicted(f"{command} {flag}")["optimizer_temporary_bytes"]
        for flag in ("--foreach", "--no-foreach", "--fused")
    }
    # Two results for 512x512x3x3, and one of the batch norm's 512 before it.
    assert held == {"--foreach": 44_695_848, "--no-foreach": 18_876_416, "--fused": 0}


def test_tables_compare_batches_and_optimizers():
    """Halves and doubles of the batch; every optimizer with its own largest batch."""
    record = predicted("--network resnet18-cifar --batch 8 --table --device-memory 1000000000")
    assert [row["batch"] for row in record["batches"]] == [1, 2, 4, 8, 16, 32, 64, 128]
    rows = {row["optimizer"]: row for row in record["optimizers"]}
    assert rows["sgd"]["largest_batch"] == record["largest_batch"]
    assert rows["sgd"]["largest_batch"] > rows["adam"]["largest_batch"]


def test_a_gpu_adds_terms_by_name():
    """A given context makes device used known; allocated and reserved are sums of terms."""
    record = predicted(
        "--network resnet18-cifar --batch 2 --gpu-context 500000000 --gpu-capability 9.0"
    )
    gpu = record["gpu"]
    assert gpu["tensors_bytes"] == record["peak_bytes"]
    terms = ("tensors_bytes", "rounding_bytes", "workspace_bytes")
    assert gpu["allocated_bytes"] == sum(gpu[term] for term in terms)
    assert gpu["reserved_bytes"] == gpu["allocated_bytes"] + gpu["cached_bytes"]
    assert gpu["device_used_bytes"] == gpu["reserved_bytes"] + 500_000_000
    assert predicted("--network resnet18-cifar --batch 2")["gpu"]["device_used_bytes"] is None


def test_the_tables_say_where_the_peak_is():
    """A newcomer reads the layer, what is alive, and that the context is unknown."""
    result = CliRunner().invoke(
        cli, ["predict", "--network=resnet152", "--batch=1", "--classes=10", "--optimizer=adam"]
    )
    assert result.exit_code == 0
    assert "The peak is in the optimizer phase. Alive then: parameters 221.88 MiB" in result.stdout
    assert "58,164,298 parameters; 68.834 GFLOP per image" in result.stdout
    assert "Left out: workspaces that cuDNN chooses when it runs, the workspace" in result.stdout


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_picture_is_written(tmp_path, ending):
    """A file of the kind that its name says."""
    path = tmp_path / f"step.{ending}"
    predicted(f"--network resnet18-cifar --batch 2 --picture {path}")
    assert path.read_bytes()[:5] in {b"\x89PNG\r", b"<?xml"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--network lenet --batch 1", "unknown network 'lenet'; choose one of: resnet18-cifar"),
        ("--network torchvision:resnet18-cifar --batch 1", "unknown network 'torchvision:resnet18"),
        ("--network resnet18 --batch 0", "batch_size is 0; it must be a whole number, 1 or more"),
        ("--network resnet18-cifar --batch 2 --image 24", "image is 24; it must be from 25 to 56"),
        ("--network torchvision:alexnet --batch 2 --image 30", "cannot take an input of 3x30x30"),
        ("--network resnet50 --batch 2 --gpu T1000", "unknown GPU 'T1000'; choose one of: T4"),
        ("--network resnet50 --batch 2 --gpu T4 --device-memory 1GB", "both say the memory"),
        ("--network resnet50 --batch 2 --check", "--check needs the memory"),
        ("--network resnet50 --batch 2 --device-memory 1GB --margin 1", "margin is 1.0; it must"),
        ("--network resnet50 --batch 2 --device-memory 16", "'16' is 16 bytes; give a unit, such"),
        ("--network resnet18 --batch 2 --classes 0", "classes is 0; it must be a whole number"),
        ("--network torchvision:vgg11 --batch 2 --classes 0", "classes is 0; it must be a whole"),
        ("--network resnet18 --batch 2 --gpu-context x", "neither a number of bytes nor measure"),
        ("--network resnet18 --batch 2 --gpu-capability 9", "is not one; give it like 9.0"),
        ("--network resnet18-cifar --batch 2 --picture a.doc", "end it in .png, .svg or .pdf"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    """Every mistake is an error of ours, printed as one line with status 2."""
    result = CliRunner().invoke(cli, ["predict", *arguments.split()])
    assert result.exception is not None
    assert message in str(result.exception)
    assert type(result.exception).__module__ == "hpml_lab.errors"


def test_another_optimizer_changes_state_and_update_alone():
    """Passes planned for one optimizer and those planned with the other give one step."""
    network = ResNet(width=4)
    sizes = network.layout(32).parameter_sizes
    plain = resnet_timeline(network, 32, Step(batch_size=2, optimizer="adagrad"))
    adam = Step(batch_size=2, optimizer="adam", weight_decay=0.1)
    other, direct = with_optimizer(plain, adam, sizes), resnet_timeline(network, 32, adam)
    assert taken(other) == taken(direct)
    assert other.peak.live_bytes == direct.peak.live_bytes
    assert taken(other) != taken(plain)


def taken(timeline):
    """Returns the live bytes of a step behind each event, from its forward pass on."""
    pairs = zip(timeline.events, timeline.totals, strict=True)
    return [total for event, total in pairs if event.phase != "before"]


def test_a_resnet_is_planned_without_torch():
    """Nothing of a recurrence needs more than numbers, so the command answers at once."""
    program = (
        "import sys; from hpml_lab.memory.network_plan import planned_network as network; "
        "from hpml_lab.memory.optimizer_step import Step; "
        "network('resnet50').plan(Step(batch_size=2)); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
