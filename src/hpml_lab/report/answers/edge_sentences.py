"""What the edge lab's cases say to its questions, in words."""

import statistics
from collections.abc import Iterator

from hpml_lab.report.answers.answer import plus_minus
from hpml_lab.report.answers.edge_lessons import Learnt, confusion, kind, twin
from hpml_lab.units import percent

_MARKS = (30, 100, 200, 300)  # epochs that the lab's tables have


def q2(asking: list[Learnt], taught: list[Learnt]) -> Iterator[str]:
    """Yields how fixed, trained and random kernels end with as many images."""
    for of in asking:
        starts = {
            "frozen edge detectors": of,
            "trained from there": twin(taught, of, "frozen"),
            "trained from random kernels": twin(taught, of, "detectors frozen"),
        }
        if of.of("frozen") and all(starts.values()):
            said = "; ".join(f"{name} {_ends(one)}" for name, one in starts.items() if one)
            yield f"{of.per_class} images: {said}."
    yield "Behind fixed kernels 12 parameters learn: more images change little."


def _ends(of: Learnt) -> str:
    return f"{plus_minus(of.at(of.epochs), 1)} % after {of.epochs} epochs"


def q3(asking: list[Learnt], _taught: list[Learnt]) -> Iterator[str]:
    """Yields how alike edge detectors the kernels become, and the loss of a perceptron."""
    for of in asking:
        if of.of("network") == "mlp" or not {"loss", "edge_likeness"} <= of.learning.metrics.keys():
            continue
        likeness = [statistics.fmean(of.at(epoch, "edge_likeness")) for epoch in (0, of.epochs)]
        yield (
            f"Kernels of {kind(of)}, {of.per_class} images: likeness to edge detectors "
            f"{likeness[0]:.2f} before, {likeness[1]:.2f} after {of.epochs} epochs."
        )
    for of in asking:
        if of.of("network") == "mlp" and of.per_class == 10:
            marks = [epoch for epoch in _MARKS if epoch in of.learning.points]
            losses = " ".join(f"{statistics.fmean(of.at(mark, 'loss')):.2f}" for mark in marks)
            yield f"Loss of the perceptron, 10 images, after {marks} epochs: {losses}."


def q4(asking: list[Learnt], _taught: list[Learnt]) -> Iterator[str]:
    """Yields the best network of either kind."""
    cnn, mlp = ([of for of in asking if (of.of("network") == "mlp") is on] for on in (False, True))
    if cnn and mlp:
        best, top = max(map(Learnt.end, cnn)), max(map(Learnt.end, mlp))
        yield f"The best CNN reaches {best:.1f} %, the best perceptron {top:.1f} %; chance is 33.3."


def q5(asking: list[Learnt], taught: list[Learnt]) -> Iterator[str]:
    """Yields accuracies with and without the order of the pixels."""
    for of in asking:
        other = twin(taught, of, "permuted")
        beside = f", {other.end():.1f} in order" if other else ""
        if of.of("network") == "mlp" or of.per_class == 50:
            trained = statistics.fmean(of.at(of.epochs, "training_accuracy"))
            yield (
                f"{kind(of)}, {of.per_class} images: {of.end():.1f} %{beside}; on its training "
                f"images {trained:.1f} %."
            )
    yield "Who sees only whether there is a stripe is right in 2 of 3 (66.7 %)."


def q6(asking: list[Learnt], taught: list[Learnt]) -> Iterator[str]:
    """Yields which pooling is ahead, if any."""
    for of in asking:
        other = twin(taught, of, "average")
        if of.of("pooling") == "average" and other is not None:
            values, others = of.at(of.epochs), other.at(other.epochs)
            pair = f"maximum {plus_minus(others, 1)}, average {plus_minus(values, 1)}"
            yield f"{of.per_class} images: {pair}: {_ahead(others, values)}."


def _ahead(one: list[float], other: list[float]) -> str:
    """Returns whether the means are two standard errors apart."""
    difference = statistics.fmean(one) - statistics.fmean(other)
    error = (_variance(one) + _variance(other)) ** 0.5
    if abs(difference) <= 2 * error:
        return "cannot be told apart"
    return "the maximum is ahead" if difference > 0 else "the average is ahead"


def _variance(values: list[float]) -> float:
    """Returns the variance of the mean."""
    return statistics.variance(values) / len(values) if len(values) > 1 else 0.0


def q7(asking: list[Learnt], _taught: list[Learnt]) -> Iterator[str]:
    """Yields the best network."""
    best = max(asking, key=Learnt.end)
    yield f"Best: {kind(best)}, {plus_minus(best.at(best.epochs), 1)} %."


def swaps(asking: list[Learnt]) -> Iterator[str]:
    """Yields how many stripes of another half are called each other, and how many none."""
    for of in asking:
        table = confusion(of)
        swapped, missed = table[0][1] + table[1][0], table[0][2] + table[1][2]
        total = sum(table[0]) + sum(table[1])
        yield (
            f"{kind(of)}, {of.per_class} images: of all stripes {percent(swapped / total)} change "
            f"orientation, {percent(missed / total)} are called none."
        )
