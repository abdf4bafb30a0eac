"""Time and accuracy by batch size, from runs made up so that the answer is known."""

import pytest

from hpml_lab.report.answers import answers
from hpml_lab.runs.schema import Epoch, Evaluation
from support.runs import benchmark, run_of


def epochs(epoch_s, *accuracies):
    """Returns an epoch for each accuracy, and an evaluation of a quarter second behind each."""
    return [
        Epoch(
            index=index,
            warm_up=False,
            samples=100,
            loss=1.0 / index,
            accuracy=0.0,
            total_s=epoch_s,
            parts=None,
            evaluation=Evaluation(samples=100, accuracy=share, total_s=0.25),
        )
        for index, share in enumerate(accuracies, 1)
    ]


def runs(batch, *seeds):
    """Returns the cases of a batch size: for each seed seconds of an epoch and accuracies."""
    return [
        benchmark(
            "batch_learning", epochs=epochs(*case), batch_size=batch, seed=seed, learning_rate=1e-3
        )
        for seed, case in enumerate(seeds)
    ]


def answer(*cases):
    """Returns the one answer."""
    (result,) = answers(run_of(*cases))
    return result


SLOW = runs(4, (4.0, 0.2, 0.5), (4.1, 0.2, 0.6), (4.2, 0.2, 0.7))
FAST = runs(64, (2.0, 0.1, 0.11), (2.1, 0.1, 0.12), (2.2, 0.1, 0.13))


def test_a_row_is_the_mean_over_the_seeds():
    """Two epochs of 4.0, 4.1 and 4.2 s take 8.2 s in the mean, half a second more evaluated."""
    rows = answer(*SLOW, *FAST).rows
    assert rows[0][:3] == ["4", "0.001", "8.20 ± 0.20"]
    assert rows[0][3:6] == ["8.70 ± 0.20", "0.500 ± 0.000", "60.0 ± 10.0"]


def test_accuracy_is_compared_at_equal_time():
    """When batch 64 has ended, after 4.4 s, every seed of batch 4 has ended its first epoch."""
    result = answer(*SLOW, *FAST)
    assert result.columns[-1] == "top-1 % after 4.4 s"
    assert [row[-1] for row in result.rows] == ["20.0 ± 0.0", "12.0 ± 1.0"]


def test_a_batch_without_a_whole_epoch_by_then_has_no_accuracy_there():
    """An epoch of nine seconds has not ended after 4.4."""
    result = answer(*runs(4, (9.0, 0.2, 0.5), (9.0, 0.2, 0.6)), *FAST)
    assert [row[-1] for row in result.rows] == ["-", "12.0 ± 1.0"]


def test_a_clear_lead_is_named():
    """4.2 s against 8.2 s and 60 % against 12 % are far beyond the spread."""
    fastest, most_accurate, *_ = answer(*SLOW, *FAST).sentences
    assert fastest == "Fastest: batch 64, 4.2 s."
    assert most_accurate == "Most accurate: batch 4, 60.0 %."


def test_a_lead_within_the_spread_is_no_answer():
    """60 ± 10 % against 50 ± 10 %: two standard deviations of the difference are 28 %."""
    close = runs(16, (9.0, 0.1, 0.4), (9.0, 0.1, 0.5), (9.0, 0.1, 0.6))
    fastest, most_accurate, *_ = answer(*SLOW, *close).sentences
    assert most_accurate == (
        "Most accurate: cannot tell; batch 4 is ahead with 60.0 %, but its lead over 16 is within "
        "the spread."
    )
    assert fastest == "Fastest: batch 4, 8.2 s."


@pytest.mark.parametrize(("lead", "expected"), [(0.27, False), (0.29, True)])
def test_a_lead_counts_from_two_deviations_of_the_difference_on(lead, expected):
    """Two batches with a deviation of 10 % each: 2 * sqrt(2) * 10 % = 28.3 %."""
    accuracies = (0.1, 0.2, 0.3)
    low = runs(4, *((1.0, share) for share in accuracies))
    high = runs(16, *((1.0, share + lead) for share in accuracies))
    assert ("cannot tell" not in answer(*low, *high).sentences[1]) == expected


def test_one_seed_cannot_tell():
    """Without repeats there is no spread to compare with, however large the lead."""
    result = answer(*SLOW[:1], *FAST[:1])
    assert result.sentences[0] == "Fastest: one seed cannot tell; batch 64 is ahead with 4.0 s."


def test_epochs_without_an_evaluation_are_not_answered():
    """Accuracy while the weights change is another quantity."""
    plain = Epoch(
        index=1, warm_up=False, samples=100, loss=1.0, accuracy=0.5, total_s=1.0, parts=None
    )
    assert answers(run_of(benchmark("batch_learning", epochs=[plain], batch_size=4))) == []


def test_the_setting_names_the_images_side_where_it_is_not_cifar_s():
    """A torchvision network has no width of its own, and 224 px decide its time and memory."""
    cases = runs(4, (1.0, 0.5))
    cases[0].measurement.case.update(network="resnet18", width=64, image=224)
    assert answer(*cases).setting.startswith("cpu, resnet18 at 224 px, 100 generated images, sgd")
