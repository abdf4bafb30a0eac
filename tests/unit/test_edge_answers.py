"""Answers and pictures of the edge lab, from runs made up so that the answers are known."""

from dataclasses import asdict

import numpy as np
import pytest

from hpml_lab.labs.edges.replicated import Outcome, outcome
from hpml_lab.labs.edges.training import EdgeTraining
from hpml_lab.report.answers import answers, draw_run
from hpml_lab.runs.schema import Learning, Measurement
from support.runs import recorded, run_of


def lesson(accuracies, matrices=None, **settings):
    """Returns a saved case whose seeds reach these accuracies (%) at 30 epochs and at the last."""
    lab = EdgeTraining(**settings)
    points = [0.0, 30.0, float(lab.epochs)] if lab.epochs > 30 else [0.0, 30.0]
    rows = [[0.3, *[value / 100] * (len(points) - 1)] for value in accuracies]
    metrics = dict.fromkeys(("accuracy", "training_accuracy", "loss", "edge_likeness"), rows)
    learning = Learning(
        seeds=list(range(len(rows))), points=points, metrics=metrics, matrices=matrices or {}
    )
    record = Measurement(
        case=asdict(lab) | {"device": "cpu"}, samples=1, processes=[[1.0]], learning=learning
    )
    return recorded(record, group="edges")


def answer(item, *benchmarks):
    """Returns the first answer to an item."""
    return next(a for a in answers(run_of(*benchmarks)) if a.item == item)


def test_means_stand_beside_the_replicated_ones():
    """Seeds at 90 and 94 % average 92.0; 92.8 ± 3.9 were replicated at 300 epochs, 53.2 at 30.

    92.0 is 38.8 above 53.2; the error of the difference is sqrt(7.2²/5 + 2.83²/2) = 3.79, so that
    they are 10.2 errors apart.
    """
    result = answer("edges Q3", lesson([90.0, 94.0]))
    row = ["cnn 7 2023", "20", "300", "92.0 ± 2.8", "92.0", "0 of 2", "92.8 ± 3.9", "inside"]
    assert result.rows[-1] == row
    assert result.rows[0][-2:] == ["53.2 ± 7.2", "+38.8 (10.2 se)"]
    assert result.sentences[-1].startswith(
        "1 of 2 means lie inside what was replicated ± its deviation; of as many seeds of the same "
    )


def test_most_seeds_of_the_same_experiment_are_inside():
    """How many, from 40,000 made-up pairs of experiments: eight seeds beside five normal ones."""
    draws = np.random.default_rng(1).normal(size=(40_000, 13))
    others, ours = draws[:, :5], draws[:, 5:].mean(1)
    inside = np.abs(ours - others.mean(1)) <= others.std(1, ddof=1)
    assert Outcome(50, 3, 5).equals_inside(8) == pytest.approx(inside.mean(), abs=0.01)


def test_what_has_no_deviation_has_no_place():
    """Against a number alone only the distance is said; equal constants are no error apart."""
    assert Outcome(33.3, None, 5).place([40.0, 42.0]) == "+7.7"
    assert Outcome(33.3, 0.0, 5).place([33.3, 33.3]) == "inside"
    assert Outcome(33.3, 0.0, 5).place([34.0, 34.0]) == "+0.7"


def test_ten_images_were_replicated_with_more_seeds():
    """Eight seeds of the CNN with ten images a class, else five."""
    seeds = [outcome("cnn 7 2023", images, 300).seeds for images in (10, 20)]
    assert seeds == [8, 5]
    assert outcome("cnn 7 2023", 11, 300) is None


def test_collapsed_seeds_are_counted():
    """A seed that calls all images one class is at chance."""
    result = answer("edges Q3", lesson([33.3, 95.0, 96.0], per_class=50))
    assert result.rows[-1][4:6] == ["95.0", "1 of 3"]


def test_edge_detectors_stand_beside_trained_kernels():
    """At 100 images trained kernels end ahead of those that are fixed."""
    result = answer(
        "edges Q2",
        lesson([89.0, 89.0], detectors=True, frozen=True, per_class=100, epochs=30),
        lesson([95.0, 95.0], detectors=True, per_class=100, epochs=30),
        lesson([96.0, 96.0], per_class=100),
    )
    assert result.sentences[0] == (
        "100 images: frozen edge detectors 89.0 ± 0.0 % after 30 epochs; trained from there "
        "95.0 ± 0.0 % after 30 epochs; trained from random kernels 96.0 ± 0.0 % after 300 epochs."
    )


def test_confusions_tell_swapped_from_missed():
    """30 of 50 stripes swapped and 20 called none: 60 % and 40 %."""
    table = [[0.0, 30.0, 20.0], [30.0, 0.0, 20.0], [0.0, 0.0, 50.0]]
    shifted = lesson([33.3], {"confusion": [table]}, network="mlp", shifted=True, per_class=50)
    result = [a for a in answers(run_of(shifted)) if a.item == "edges Q4"][1]
    assert result.rows == [
        ["mlp 2023 shifted", "50", "0.0 30.0 20.0", "30.0 0.0 20.0", "0.0 0.0 50.0"]
    ]
    assert "60.0 % change orientation, 40.0 % are called none" in result.sentences[0]


def test_poolings_are_told_apart_by_their_standard_errors():
    """60 ± 1 against 90 ± 1 differ; 70 ± 14 against 80 ± 14 do not."""
    settings = {"classes": 5, "per_class": 20, "epochs": 200}
    for one, other, words in (
        ([89.0, 91.0], [59.0, 61.0], "the maximum is ahead"),
        ([59.0, 61.0], [89.0, 91.0], "the average is ahead"),
        ([60.0, 80.0], [70.0, 90.0], "cannot be told apart"),
    ):
        result = answer(
            "edges Q6",
            lesson(one, **settings),
            lesson(other, pooling="average", **settings),
        )
        assert words in result.sentences[0]


def test_other_questions_have_their_cases():
    """A small set by heart, permuted pixels, larger networks."""
    heart = lesson([100.0, 90.0], batch_size=32, per_class=10, epochs=500)
    assert answer("edges Q1", heart).rows[0][4] == "1 of 2"
    permuted = lesson([66.0, 67.0], permuted=True, generator=2025, per_class=50)
    assert "right in 2 of 3" in answer("edges Q5", permuted).sentences[1]
    deeper = lesson([99.0], classes=5, generator=2025, network="deeper", optimizer="adam")
    assert "Best: deeper 7 2025 five adam, 99.0" in answer("edges Q7", deeper).sentences[0]


def test_training_at_once_is_compared_with_one_by_one():
    """Eight seconds against two are four times."""
    cases = []
    for together, took_s in ((True, 2.0), (False, 8.0)):
        case = asdict(EdgeTraining()) | {"together": together, "device": "cpu", "seeds": 8}
        record = Measurement(
            case=case, samples=1, processes=[[took_s]], counters={"difference_billionths": 300}
        )
        cases.append(recorded(record, group="ensemble"))
    (result,) = answers(run_of(*cases))
    assert result.rows == [["cnn", "8.00 s", "2.00 s", "4.00x", "3e-07"]]


def test_the_lab_is_drawn(tmp_path):
    """Curves, training-set sizes, confusions and kernels, a PNG each; nothing of another run."""
    kernels = [[[0.1 * i for i in range(49)]] * 3] * 2
    matrices = {
        "confusion": [[[40.0, 5.0, 5.0]] * 3] * 2,
        "kernels_before": kernels,
        "kernels_after": kernels,
    }
    cases = [
        lesson([90.0, 94.0], matrices),
        lesson([91.0, 95.0], per_class=50),
        lesson([60.0, 70.0], network="mlp"),
        lesson([33.0, 33.0], matrices, shifted=True),
    ]
    drawn = draw_run(run_of(*cases), tmp_path)
    assert {path.name for path in drawn} == {
        "edges-curves.png", "edges-images.png", "edges-confusion.png", "edges-kernels.png",
    }  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert draw_run(run_of(), tmp_path) == []
