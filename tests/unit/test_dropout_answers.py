"""The dropout lab's answers and pictures, from runs made up so that the answer is known."""

import pytest

from hpml_lab.report.answers import answers, draw_run
from hpml_lab.runs.schema import Learning, Measurement
from support.runs import recorded, run_of

STEPS = [10.0, 1000.0]


def part(method, points, metrics, *, group="dropout", counters=None, **case):
    """Returns a saved ensemble of the lab; metrics have a list for each member."""
    members = len(next(iter(metrics.values())))
    record = Measurement(
        case={"lab": "dropout", "method": method, "device": "cpu", **case},
        samples=100,
        processes=[[1.0]],
        counters=counters or {},
        learning=Learning(seeds=[*range(members)], points=points, metrics=metrics),
    )
    return recorded(record, group=group)


def course(batch_size, w1, w2, **counters):
    """Returns an ensemble and what is expected of it: a mean of (0.5, 3) ± (0.1, 0.2)."""
    metrics = {"w1": w1, "w2": w2, "loss": [[121.0, 40.0]] * len(w1)}
    settings = {"drop": 0.5, "batch_size": batch_size, "bias": False}
    exact = {"w1": 0.5, "w2": 3.0, "deviation1": 0.1, "deviation2": 0.2}
    expected = {name: [[value] * 2] for name, value in exact.items()}
    return [
        part("descent", STEPS, metrics, counters=counters, **settings),
        part("expected", STEPS, expected, **settings),
    ]


ON = course(1, [[0.4, 0.4], [0.6, 0.6]], [[3.0, 3.0]] * 2)
LARGE = course(1024, [[0.5, 11 / 30]], [[3.0, 11 / 3]])
PLAIN = [
    part("descent", STEPS, {"w1": [[1.0, w[0]]], "w2": [[0.1, w[1]]], "w3": [[0, w[2]]],
                            "loss": [[1.0, 1e-12]]}, drop=0.0, bias=bias, batch_size=1)
    for bias, w in ((False, (110 / 101, 11 / 101, 0.0)), (True, (1.0784, 0.1078, 0.1079)))
]  # fmt: skip
SWEEP = [
    part("sweep", [0.0, 0.5], {"w1": w1, "w2": w2}, optimizer=name)
    for name, w1, w2 in (
        ("sgd", [[1.089, 0.36], [1.089, 0.38]], [[0.109, 3.6], [0.109, 3.8]]),
        ("adam", [[1.0, 0.37], [1.0, 0.37]], [[1.0, 3.7], [1.0, 3.7]]),
    )
]
LEAST = part(
    "least squares", [0.0, 0.5], {"w1": [[110 / 101, 11 / 30]], "w2": [[11 / 101, 11 / 3]]}
)


def networks(drop, marked, clean, source="generated"):
    """Returns networks after two epochs, by their last accuracies with and without the pixels."""
    metrics = {
        "accuracy_with_label_pixels": [[0.1, share] for share in marked],
        "accuracy_clean": [[0.1, share] for share in clean],
        "dead_classes": [[0, 1]] * len(marked),
    }
    settings = {"images": 1600, "source": source, "tests": 500, "batch_size": 16}
    settings |= {"learning_rate": 0.006, "drop": drop}
    return part("shortcut", [1.0, 2.0], metrics, group="shortcuts", **settings)


def answer(item, *cases):
    """Returns the one answer to an item."""
    (result,) = [a for a in answers(run_of(*cases)) if a.item == item]
    return result


def test_least_squares_stands_beside_the_lab_s_fractions():
    """And its prediction for the clean row, error and floor: 22/3, 13.444 and 121/3."""
    result = answer("1(a, c)", LEAST)
    assert result.rows[1] == ["0.5", "0.36666667", "3.66666667", "11/30, 11/3"]
    assert "7.3333 (lab: 22/3)" in result.sentences[1]
    assert "13.444 (13.444); the mean squared error in training is 40.3333" in result.sentences[1]


def test_descent_without_dropout_is_compared_with_the_shortest_solution():
    """With a bias left on that is another one: 110/102 = 1.07843."""
    rows = answer("1(b)", *PLAIN).rows
    assert [row[2] for row in rows] == ["1.08911, 0.10891", "1.07843, 0.10784, 0.10784"]
    assert [row[3] for row in rows] == ["0", "6e-05"]


def test_a_course_is_measured_in_standard_errors_of_the_exact_spread():
    """Two runs of mean 0.5 are 0.0 off; one of 11/30 instead of 0.5 ± 0.1 is -1.3 off."""
    row = answer("1(d)", *ON).rows[-1]
    assert row[:4] == ["1,000", "0.5000 ± 0.1414", "0.5000", "+0.0 SE"]
    assert answer("1(e)", *LARGE).rows[-1][3] == "-1.3 SE"
    assert "within 3.3 standard errors" in answer("1(e)", *LARGE).sentences[0]


def test_steps_of_loss_121_are_a_share():
    """One of four steps sees nothing of the row."""
    result = answer("1(d)", *course(1, [[0.5, 0.5]], [[3.0, 3.0]], steps=8, steps_of_loss_121=2))
    assert "exactly 121, both inputs dropped, in 25.0 % of 8 steps" in result.sentences[1]


def test_contributions_come_from_the_weights():
    """Weights of 10:1 contribute 100:1, those of 1:10 alike."""
    rows = answer("1(f)", *PLAIN, *LARGE).rows
    assert rows == [["0", "10.000", "10.891", "0.109", "11.000"],
                    ["0.5", "0.100", "3.667", "3.667", "7.333"]]  # fmt: skip


def test_the_sweep_stands_beside_least_squares():
    """At 0 the weights nearest to zero, at 0.5 (11/30, 11/3)."""
    rows = answer("1(g)", *SWEEP).rows
    assert rows[0][2::2] == ["1.0891", "0.1089"]
    assert rows[1] == ["0.5", "0.3700 ± 0.0141", "0.3667", "3.7000 ± 0.1414", "3.6667"]


def test_adam_stands_beside_sgd():
    """Alike with dropout, apart without."""
    rows = answer("1(h)", *SWEEP).rows
    assert [row[:2] for row in rows] == [
        ["sgd", "0"],
        ["adam", "0"],
        ["sgd", "0.5"],
        ["adam", "0.5"],
    ]
    assert rows[1][2:] == ["1.0000 ± 0.0000", "1.0000 ± 0.0000"]


PLAIN_NETWORKS = networks(0.0, (0.9, 1.0), (0.1, 0.1))


@pytest.mark.parametrize(
    ("clean", "words"),
    [
        ((0.7, 0.8), "Dropout makes networks rely less on the label pixels: without the pixels"),
        ((0.1, 0.8), "Cannot tell: without the pixels 85.0 points are lost, with dropout 45.0"),
    ],
)
def test_the_shortcut_s_verdict_needs_more_than_the_spread(clean, words):
    """Losses of 85 and 15 points differ; of 85 ± 7 and 45 ± 42 cannot be told."""
    result = answer("1(i)", PLAIN_NETWORKS, networks(0.75, (0.9, 0.9), clean))
    assert result.sentences[0].startswith(words)


def test_the_shortcut_s_row_has_accuracies_losses_and_dead_classes():
    """90 and 100 % with the pixels, 10 % without, one dead class each; no word on one alone."""
    result = answer("1(i)", PLAIN_NETWORKS)
    assert result.rows == [
        ["0", "95.0 ± 7.1", "10.0 ± 0.0", "85.0 ± 7.1", "1 1", "90/10, 80/10, 100/10"]
    ]
    assert result.sentences[0].startswith("Dead classes")
    assert "another task" in result.sentences[-1]


def test_published_accuracies_are_those_of_real_images():
    """On CIFAR-10 they need no excuse."""
    result = answer("1(i)", networks(0.0, (0.9, 1.0), (0.1, 0.1), source="cifar10"))
    assert not any("another task" in sentence for sentence in result.sentences)


def test_parts_that_were_not_run_leave_no_answer():
    """A course needs its expectation, contributions both weights, 1(h) both optimizers."""
    assert answers(run_of(ON[0])) == []
    assert {a.item for a in answers(run_of(PLAIN[0], SWEEP[0]))} == {"1(g)"}


@pytest.mark.integration
def test_each_part_has_its_picture(tmp_path):
    """Courses, the sweep and the shortcut, as PNG; nothing for a run without them."""
    run = run_of(*ON, *LARGE, *SWEEP, PLAIN_NETWORKS, networks(0.75, (0.9, 0.9), (0.7, 0.8)))
    paths = draw_run(run, tmp_path)
    assert [path.name for path in paths] == [
        "dropout-courses-1.png", "dropout-sweep-1.png", "dropout-shortcut-1.png",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert draw_run(run_of(), tmp_path) == []
