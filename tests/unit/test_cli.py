"""The command line: what it prints, and one line for what it refuses."""

import json
from pathlib import Path

import pytest

from hpml_lab.cli.options import default_storage
from hpml_lab.files import cache_folder


@pytest.fixture
def few_images(monkeypatch, images):
    """Forty images in place of the generated fifty thousand."""
    monkeypatch.setattr("hpml_lab.training.trainer.open_images", lambda _data: images)


TRAIN = ("train", "--width", "2", "--images", "16", "--batch-size", "8", "--workers", "0")


@pytest.mark.usefixtures("few_images")
def test_train_prints_every_mini_batch_and_epoch(run):
    """Two epochs of two batches: four batch lines, two epoch lines with the parts."""
    status, out, _ = run(*TRAIN, "--epochs", "2")
    lines = out.splitlines()
    assert status == 0
    assert lines[0].startswith("resnet18-cifar: 11,420 parameters, 0.003 GFLOP per image; gen")
    assert [line.split(":")[0] for line in lines[1:]] == [
        "batch 1", "batch 2", "epoch 1", "batch 3", "batch 4", "epoch 2",
    ]  # fmt: skip
    assert "top-1" in lines[1]
    assert all(part in lines[3] for part in ("loading", "copy", "compute", "other"))


@pytest.mark.usefixtures("few_images")
def test_train_as_json_has_the_same_numbers(run):
    """An epoch's loss is the mean of its batches' losses."""
    _, out, _ = run(*TRAIN, "--epochs", "1", "--json")
    record = json.loads(out)
    assert record["training"]["batch_size"] == 8
    assert record["source"] == "generated"
    losses = [batch["loss"] for batch in record["batches"]]
    assert sum(losses) / 2 == pytest.approx(record["epochs"][0]["loss"])


@pytest.mark.usefixtures("few_images")
def test_train_refuses_networks_that_do_not_fit_the_images(run):
    """A network for other images is one line, not a traceback."""
    network = ("--network", "torchvision:vit_b_32")
    status, out, errors = run("train", *network, "--images", "40", "--batch-size", "8")
    assert (status, out, len(errors)) == (2, "", 1)
    refusal = "hpml-lab: the network cannot take an input of 3x32x32: Wrong image height"
    assert errors[0].startswith(refusal)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--optimizer", "sdg"], "unknown optimizer 'sdg'; choose one of: sgd,"),
        (["--workers", "-1"], "workers -1 is too small; give 0 or more"),
        (["--workers", "two"], "workers 'two' is not a whole number"),
        (["--batch-size", "0"], "batch_size 0 is too small"),
        (["--batch-size", "4096"], "batch_size 4096 is larger than the 1024 training images"),
        (["--data", "nowhere"], "no data folder at 'nowhere'"),
        (["--compile-mode", "fast"], "unknown compile_mode 'fast'"),
        (["--network", "lenet"], "unknown network 'lenet'"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--epochs", "0"], "Invalid value for '--epochs'"),
        (["--speed", "1"], "No such option"),
    ],
)
def test_train_refuses_bad_input_in_one_line(run, arguments, message):
    """What cannot be trained ends with exit status 2 and one line that says why."""
    status, out, errors = run("train", *arguments)
    assert (status, out, len(errors)) == (2, "", 1)
    assert errors[0].startswith(f"hpml-lab: {message}")


def test_train_without_the_gpu_it_asks_for_is_one_line(run, monkeypatch):
    """--device cuda on a machine without CUDA says what is missing."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    status, _, errors = run("train", "--device", "cuda")
    assert (status, len(errors)) == (2, 1)
    assert "finds no CUDA device" in errors[0]


def test_train_explains_its_options(run):
    """Every field of a training is an option with a line of help."""
    status, out, _ = run("train", "--help")
    assert status == 0
    words = " ".join(out.split())
    assert "--optimizer-settings VALUE lab (lr 0.1, weight decay 5e-4) or default." in words


def test_runs_are_looked_for_where_pytest_saves_them(tmp_path, monkeypatch):
    """In pytest-benchmark's folder; in this project's, where that holds no run."""
    monkeypatch.chdir(tmp_path)
    for name in (".benchmarks", "benchmarks"):  # empty ones, as runs that save nothing leave them
        (tmp_path / name / "machine").mkdir(parents=True)
    assert default_storage() == Path(".benchmarks")
    (tmp_path / "benchmarks" / "machine" / "0001_x.json").touch()
    assert default_storage() == Path("benchmarks")
    (tmp_path / ".benchmarks" / "machine" / "0001_x.json").touch()
    assert default_storage() == Path(".benchmarks")


def test_answers_without_a_run_say_how_to_make_one(run, tmp_path):
    """An empty storage ends with exit status 2 and one line."""
    status, _, errors = run("answers", "--storage", str(tmp_path))
    assert (status, len(errors)) == (2, 1)
    assert "make one with: pytest --benchmark-save=NAME" in errors[0]


def test_answers_refuse_a_file_that_is_no_run(run, tmp_path):
    """A damaged file ends with exit status 2 and one line that names it."""
    path = tmp_path / "0001_x.json"
    path.write_text("{")
    status, _, errors = run("answers", str(path))
    assert (status, len(errors)) == (2, 1)
    assert str(path) in errors[0]


def test_an_unknown_command_is_one_line(run):
    """A command that does not exist ends with exit status 2."""
    status, _, errors = run("measure")
    assert (status, errors) == (2, ["hpml-lab: No such command 'measure'."])


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    """XDG_CACHE_HOME moves the cache; without it, it is under the home folder."""
    assert cache_folder().parent.name.startswith("cache")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "hpml_lab"
