"""Edge lab, Q1 to Q7: accuracy over several seeds beside what others' runs came to."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hpml_lab.history.cases import lab_cases, typical_s
from hpml_lab.history.run import Run
from hpml_lab.measure.record import Learning, Measurement
from hpml_lab.report.answers.answer import Answer, deviation, plus_minus
from hpml_lab.report.answers.edges_replicated import REPLICATED, Outcome
from hpml_lab.units import percent, ratio, seconds

_MARKS = (30, 100, 200, 300)  # epochs that the lab's tables have; the last one is shown besides
_OVERFIT_BATCH = 32  # of Q1
_CHANCE = 0.02  # above chance by no more than this, a network has learnt nothing
_YES_OR_NO = ("detectors", "frozen", "shifted", "permuted")
_CLASSES = ("horizontal", "vertical", "none")


@dataclass(frozen=True)
class Learnt:
    """A configuration of the edge lab and what its seeds learnt."""

    case: Measurement
    learning: Learning

    def of(self, name: str) -> object:
        """Returns a setting."""
        return self.case.case[name]

    @property
    def per_class(self) -> int:
        """Training images of a class."""
        return int(self.case.case["per_class"] or 0)

    @property
    def epochs(self) -> int:
        """How many there were."""
        return int(self.learning.points[-1])

    def at(self, epoch: int, metric: str = "accuracy") -> list[float]:
        """Returns a metric of each seed behind an epoch, accuracies in %."""
        place = self.learning.points.index(epoch)
        scale = 100 if metric.endswith("accuracy") else 1
        return [scale * values[place] for values in self.learning.metrics[metric]]

    def collapsed(self, epoch: int) -> int:
        """Returns how many seeds are no better than chance."""
        chance = 100 / int(self.case.case["classes"] or 0)
        return sum(value <= chance + 100 * _CHANCE for value in self.at(epoch))


def all_learnt(run: Run) -> list[Learnt]:
    """Returns the edge lab's cases of a run, by network, images and their number."""
    cases = lab_cases(run, "edges", epochs=False)
    found = [Learnt(case, case.learning) for case in cases if case.learning is not None]
    return sorted(found, key=lambda of: (kind(of), of.per_class))


def kind(lesson: Learnt) -> str:
    """Returns what names a configuration, but for its images' number and its epochs."""
    of = lesson.case.case
    words = [str(of["network"])]
    words += [] if of["network"] == "mlp" else [str(of["kernel"])]
    words += [str(of["generator"])]
    words += ["five"] if of["classes"] == 5 else []
    words += [name for name in _YES_OR_NO if of[name]]
    words += ["average"] if of["pooling"] == "average" else []
    words += [str(of["optimizer"])] if of["optimizer"] != "sgd-momentum" else []
    return " ".join(words)


def answers(run: Run) -> list[Answer]:
    """Returns an answer for each of the lab's questions, and what training at once saves."""
    all_of = all_learnt(run)
    taught = [of for of in all_of if of.of("batch_size") != _OVERFIT_BATCH]
    asked: list[tuple[str, str, Callable[[Learnt], object], Callable[..., Iterator[str]]]] = [
        ("edges Q2", "Convolutions that start as edge detectors", _has_detectors, _q2),
        ("edges Q3", "Accuracy by training images and epochs", _is_plain, _q3),
        ("edges Q4", "Stripes of the other half", lambda of: of.of("shifted"), _q4),
        ("edges Q5", "One order of the pixels for all images", _is_permuted, _q5),
        ("edges Q6", "Five classes: maximum and average pooling", _is_five, _q6),
        ("edges Q7", "More filters, more layers", _is_larger, _q7),
    ]
    found = [*_overfit([of for of in all_of if of.of("batch_size") == _OVERFIT_BATCH])]
    for item, title, chosen, words in asked:
        if asking := [of for of in taught if chosen(of)]:
            found.append(_table(item, title, asking, [*words(asking, taught)]))
    return found + _confusions(taught) + _saved(run)


def _is_plain(of: Learnt) -> bool:
    return of.of("classes") == 3 and not any(map(of.of, _YES_OR_NO))


def _has_detectors(of: Learnt) -> bool:
    return bool(of.of("detectors"))


def _is_permuted(of: Learnt) -> bool:
    return bool(of.of("permuted"))


def _is_five(of: Learnt) -> bool:
    return of.of("classes") == 5 and of.of("generator") == 2023


def _is_larger(of: Learnt) -> bool:
    return of.of("classes") == 5 and of.of("generator") == 2025


def _table(item: str, title: str, asking: list[Learnt], sentences: list[str]) -> Answer:
    rows = [(of, epoch) for of in asking for epoch in _shown(of)]
    compared = [same for of, epoch in rows if (same := _overlaps(of, epoch)) is not None]
    said = f"{sum(compared)} of {len(compared)} overlap with what was replicated, ± one deviation."
    return Answer(
        item,
        title,
        _setting(asking),
        ["network", "images/class", "epochs", "top-1 %", "median", "at chance", "replicated", ""],
        [_row(of, epoch) for of, epoch in rows],
        [*sentences, said] if compared else sentences,
    )


def _setting(asking: list[Learnt]) -> str:
    seeds = sorted({len(of.learning.seeds) for of in asking})
    return f"{asking[0].of('device')}, {' or '.join(map(str, seeds))} seeds; mean ± deviation"


def _shown(of: Learnt) -> list[int]:
    known = [epoch for count, epoch in REPLICATED.get(kind(of), {}) if count == of.per_class]
    reached = {int(point) for point in of.learning.points}
    return sorted(reached.intersection([*known, of.epochs]))


def _row(of: Learnt, epoch: int) -> list[str]:
    values = of.at(epoch)
    overlaps = _overlaps(of, epoch)
    return [
        kind(of),
        str(of.per_class),
        str(epoch),
        plus_minus(values, 1),
        f"{statistics.median(values):.1f}",
        f"{of.collapsed(epoch)} of {len(values)}",
        _printed(_replicated(of, epoch)),
        "" if overlaps is None else "overlaps" if overlaps else "apart",
    ]


def _replicated(of: Learnt, epoch: int) -> Outcome | None:
    return REPLICATED.get(kind(of), {}).get((of.per_class, epoch))


def _printed(outcome: Outcome | None) -> str:
    if outcome is None:
        return "-"
    mean, spread = outcome
    return f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"


def _overlaps(of: Learnt, epoch: int) -> bool | None:
    """Returns whether mean ± deviation has values in common with what was replicated."""
    mean, spread = _replicated(of, epoch) or (0.0, None)
    if spread is None:
        return None
    values = of.at(epoch)
    # Replicated numbers are known to a tenth.
    return abs(statistics.fmean(values) - mean) <= spread + deviation(values) + 0.1


def _mean(of: Learnt) -> float:
    return statistics.fmean(of.at(of.epochs))


def _twin(taught: list[Learnt], of: Learnt, words: str) -> Learnt | None:
    """Returns the lesson that lacks these words of `kind`, and may differ in its epochs."""
    other = kind(of).replace(f" {words}", "")
    return next((o for o in taught if (kind(o), o.per_class) == (other, of.per_class)), None)


def _q2(asking: list[Learnt], taught: list[Learnt]) -> Iterator[str]:
    for of in asking:
        starts = {
            "frozen edge detectors": of,
            "trained from there": _twin(taught, of, "frozen"),
            "trained from random kernels": _twin(taught, of, "detectors frozen"),
        }
        if of.of("frozen") and all(starts.values()):
            said = "; ".join(f"{name} {_ends(one)}" for name, one in starts.items() if one)
            yield f"{of.per_class} images: {said}."
    yield "Behind fixed kernels 12 parameters learn: more images change little."


def _ends(of: Learnt) -> str:
    return f"{plus_minus(of.at(of.epochs), 1)} % after {of.epochs} epochs"


def _q3(asking: list[Learnt], _taught: list[Learnt]) -> Iterator[str]:
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


def _q4(asking: list[Learnt], _taught: list[Learnt]) -> Iterator[str]:
    cnn, mlp = ([of for of in asking if (of.of("network") == "mlp") is on] for on in (False, True))
    if cnn and mlp:
        best, top = max(map(_mean, cnn)), max(map(_mean, mlp))
        yield f"The best CNN reaches {best:.1f} %, the best perceptron {top:.1f} %; chance is 33.3."


def _q5(asking: list[Learnt], taught: list[Learnt]) -> Iterator[str]:
    for of in asking:
        other = _twin(taught, of, "permuted")
        beside = f", {_mean(other):.1f} in order" if other else ""
        if of.of("network") == "mlp" or of.per_class == 50:
            trained = statistics.fmean(of.at(of.epochs, "training_accuracy"))
            yield (
                f"{kind(of)}, {of.per_class} images: {_mean(of):.1f} %{beside}; on its training "
                f"images {trained:.1f} %."
            )
    yield "Who sees only whether there is a stripe is right in 2 of 3 (66.7 %)."


def _q6(asking: list[Learnt], taught: list[Learnt]) -> Iterator[str]:
    for of in asking:
        other = _twin(taught, of, "average")
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


def _q7(asking: list[Learnt], _taught: list[Learnt]) -> Iterator[str]:
    best = max(asking, key=_mean)
    yield f"Best: {kind(best)}, {plus_minus(best.at(best.epochs), 1)} %."


def _overfit(asking: list[Learnt]) -> Iterator[Answer]:
    if asking:
        yield Answer(
            "edges Q1",
            "A small set by heart",
            _setting(asking),
            ["network", "images/class", "epochs", "on them %", "all right", "on others %"],
            [_overfit_row(of) for of in asking],
        )


def _overfit_row(of: Learnt) -> list[str]:
    known = of.at(of.epochs, "training_accuracy")
    return [
        kind(of),
        str(of.per_class),
        str(of.epochs),
        plus_minus(known, 1),
        f"{sum(value == 100 for value in known)} of {len(known)}",
        plus_minus(of.at(of.epochs), 1),
    ]


def confusion(of: Learnt) -> list[list[float]]:
    """Returns how many images of each class were called each class, mean over the seeds."""
    members = of.learning.matrices["confusion"]
    return [
        [statistics.fmean(cells) for cells in zip(*rows, strict=True)]
        for rows in zip(*members, strict=True)
    ]


def _confusions(taught: list[Learnt]) -> list[Answer]:
    asking = [of for of in taught if of.of("shifted") and "confusion" in of.learning.matrices]
    if not asking:
        return []
    rows = [
        [kind(of), str(of.per_class), *(" ".join(f"{c:.1f}" for c in row) for row in confusion(of))]
        for of in asking
    ]
    return [
        Answer(
            "edges Q4",
            "What stripes of the other half are called",
            f"{_setting(asking)}; of 50 images of each class, how many are called "
            f"{', '.join(_CLASSES)}",
            ["network", "images/class", *_CLASSES],
            rows,
            [*_swaps(asking)],
        )
    ]


def _swaps(asking: list[Learnt]) -> Iterator[str]:
    for of in asking:
        table = confusion(of)
        swapped, missed = table[0][1] + table[1][0], table[0][2] + table[1][2]
        total = sum(table[0]) + sum(table[1])
        yield (
            f"{kind(of)}, {of.per_class} images: of all stripes {percent(swapped / total)} change "
            f"orientation, {percent(missed / total)} are called none."
        )


def _saved(run: Run) -> list[Answer]:
    cases = [case for case in lab_cases(run, "ensemble", epochs=False) if any(case.processes)]
    by_network: dict[str, dict[bool, Measurement]] = {}
    for case in cases:
        by_network.setdefault(str(case.case["network"]), {})[bool(case.case["together"])] = case
    pairs = {name: pair for name, pair in by_network.items() if len(pair) == 2}
    if not pairs:
        return []
    return [
        Answer(
            "",
            "Seeds at once and one by one",
            f"{cases[0].case['device']}, {cases[0].case['seeds']} seeds, "
            f"{cases[0].case['epochs']} epochs",
            ["network", "one by one", "at once", "ratio", "largest difference of a weight"],
            [_saved_row(name, pair) for name, pair in sorted(pairs.items())],
        )
    ]


def _saved_row(name: str, pair: dict[bool, Measurement]) -> list[str]:
    alone, together = typical_s(pair[False]), typical_s(pair[True])
    difference = pair[False].counters.get("difference_billionths", 0) / 1e9
    return [name, seconds(alone), seconds(together), ratio(alone / together), f"{difference:.1g}"]
