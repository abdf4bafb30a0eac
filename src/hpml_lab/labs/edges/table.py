"""Edge lab, Q1 to Q7: accuracy over several seeds next to replicated results."""

import statistics
from collections.abc import Callable, Iterator

from hpml_lab.labs.answer import Answer, Brief, differ, plus_minus
from hpml_lab.labs.edges.records import YES_OR_NO, TrainedCase, confusion, kind, trained_cases, twin
from hpml_lab.labs.edges.replicated import Outcome, outcome
from hpml_lab.runs.cases import lab_cases, typical_s
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.units import percent, ratio, seconds

_OVERFIT_BATCH = 32  # of Q1
_CLASSES = ("horizontal", "vertical", "none")


def answers(run: Run) -> list[Answer]:
    """Returns the answers to the lab's questions, and the speed-up of training seeds at once."""
    all_cases = trained_cases(run)
    cases = [case for case in all_cases if case.setting("batch_size") != _OVERFIT_BATCH]
    questions: list[
        tuple[str, str, Callable[[TrainedCase], object], Callable[..., Iterator[str]]]
    ] = [
        ("edges Q2", "Convolutions that start as edge detectors", _has_detectors, q2),
        ("edges Q3", "Accuracy by training images and epochs", _is_plain, q3),
        ("edges Q4", "Stripes of the other half", lambda case: case.setting("shifted"), q4),
        ("edges Q5", "One order of the pixels for all images", _is_permuted, q5),
        ("edges Q6", "Five classes: maximum and average pooling", _is_five, q6),
        ("edges Q7", "More filters, more layers", _is_larger, q7),
    ]
    results = [
        *_overfit([case for case in all_cases if case.setting("batch_size") == _OVERFIT_BATCH])
    ]
    for item, title, is_asked, words in questions:
        if chosen := [case for case in cases if is_asked(case)]:
            results.append(_table(item, title, chosen, [*words(chosen, cases)]))
    return results + _confusions(cases) + _saved(run)


def _is_plain(case: TrainedCase) -> bool:
    return case.setting("classes") == 3 and not any(map(case.setting, YES_OR_NO))


def _has_detectors(case: TrainedCase) -> bool:
    return bool(case.setting("detectors"))


def _is_permuted(case: TrainedCase) -> bool:
    return bool(case.setting("permuted"))


def _is_five(case: TrainedCase) -> bool:
    return case.setting("classes") == 5 and case.setting("generator") == 2023


def _is_larger(case: TrainedCase) -> bool:
    return case.setting("classes") == 5 and case.setting("generator") == 2025


def _table(item: str, title: str, cases: list[TrainedCase], sentences: list[str]) -> Answer:
    rows = [(case, epoch, _replicated(case, epoch)) for case in cases for epoch in _shown(case)]
    return Answer(
        item,
        title,
        _setting(cases),
        ["network", "images/class", "epochs", "top-1 %", "median", "at chance", "replicated", ""],
        [_row(case, epoch, replicated) for case, epoch, replicated in rows],
        [
            *sentences,
            *_agreement([(case.at(epoch), replicated) for case, epoch, replicated in rows]),
        ],
        _best(cases),
    )


def _best(cases: list[TrainedCase]) -> Brief:
    best = max(cases, key=TrainedCase.end)
    ends = best.at(best.epochs)
    ties = [c for c in cases if c is not best and not differ(ends, c.at(c.epochs))]
    text = f"{kind(best)}, {best.per_class} a class: {plus_minus(ends, 1)} %"
    return Brief(text, "more seeds" if ties else "")


def _agreement(pairs: list[tuple[list[float], Outcome | None]]) -> Iterator[str]:
    compared = [
        (values, replicated)
        for values, replicated in pairs
        if replicated is not None and replicated.deviation is not None
    ]
    if compared:
        inside = sum(replicated.contains(values) for values, replicated in compared)
        equal = statistics.fmean(
            replicated.equals_inside(len(values)) for values, replicated in compared
        )
        yield (
            f"{inside} of {len(compared)} means lie inside what was replicated ± its deviation; "
            f"of as many seeds of the same experiment {percent(equal)} would."
        )


def _setting(cases: list[TrainedCase]) -> str:
    seeds = sorted({len(case.learning.seeds) for case in cases})
    return f"{cases[0].setting('device')}, {' or '.join(map(str, seeds))} seeds; mean ± deviation"


def _shown(case: TrainedCase) -> list[int]:
    reached = sorted({int(point) for point in case.learning.points})
    return [epoch for epoch in reached if epoch == case.epochs or _replicated(case, epoch)]


def _row(case: TrainedCase, epoch: int, replicated: Outcome | None) -> list[str]:
    values = case.at(epoch)
    return [
        kind(case),
        str(case.per_class),
        str(epoch),
        plus_minus(values, 1),
        f"{statistics.median(values):.1f}",
        f"{case.collapsed(epoch)} of {len(values)}",
        "-" if replicated is None else str(replicated),
        "" if replicated is None else replicated.place(values),
    ]


def _replicated(case: TrainedCase, epoch: int) -> Outcome | None:
    return outcome(kind(case), case.per_class, epoch)


def _overfit(cases: list[TrainedCase]) -> Iterator[Answer]:
    if cases:
        yield Answer(
            "edges Q1",
            "A small set by heart",
            _setting(cases),
            ["network", "images/class", "epochs", "on them %", "all right", "on others %"],
            [_overfit_row(case) for case in cases],
        )


def _overfit_row(case: TrainedCase) -> list[str]:
    known = case.at(case.epochs, "training_accuracy")
    return [
        kind(case),
        str(case.per_class),
        str(case.epochs),
        plus_minus(known, 1),
        f"{sum(value == 100 for value in known)} of {len(known)}",
        plus_minus(case.at(case.epochs), 1),
    ]


def _confusions(cases: list[TrainedCase]) -> list[Answer]:
    shifted = [
        case for case in cases if case.setting("shifted") and "confusion" in case.learning.matrices
    ]
    if not shifted:
        return []
    rows = [
        [
            kind(case),
            str(case.per_class),
            *(" ".join(f"{c:.1f}" for c in row) for row in confusion(case)),
        ]
        for case in shifted
    ]
    return [
        Answer(
            "edges Q4",
            "What stripes of the other half are called",
            f"{_setting(shifted)}; of 50 images of each class, how many are called "
            f"{', '.join(_CLASSES)}",
            ["network", "images/class", *_CLASSES],
            rows,
            [*swaps(shifted)],
        )
    ]


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


_MARKS = (30, 100, 200, 300)  # epochs in the lab's tables


def q2(cases: list[TrainedCase], all_cases: list[TrainedCase]) -> Iterator[str]:
    """Yields the final accuracy of fixed, trained and random kernels by number of images."""
    for case in cases:
        starts = {
            "frozen edge detectors": case,
            "trained from there": twin(all_cases, case, "frozen"),
            "trained from random kernels": twin(all_cases, case, "detectors frozen"),
        }
        if case.setting("frozen") and all(starts.values()):
            ends = "; ".join(f"{name} {_ends(end)}" for name, end in starts.items() if end)
            yield f"{case.per_class} images: {ends}."
    yield "Behind fixed kernels 12 parameters learn: more images change little."


def _ends(case: TrainedCase) -> str:
    return f"{plus_minus(case.at(case.epochs), 1)} % after {case.epochs} epochs"


def q3(cases: list[TrainedCase], _all_cases: list[TrainedCase]) -> Iterator[str]:
    """Yields the kernels' likeness to edge detectors, and the loss of the perceptron."""
    for case in cases:
        metrics = case.learning.metrics.keys()
        if case.setting("network") == "mlp" or not {"loss", "edge_likeness"} <= metrics:
            continue
        likeness = [statistics.fmean(case.at(epoch, "edge_likeness")) for epoch in (0, case.epochs)]
        yield (
            f"Kernels of {kind(case)}, {case.per_class} images: likeness to edge detectors "
            f"{likeness[0]:.2f} before, {likeness[1]:.2f} after {case.epochs} epochs."
        )
    for case in cases:
        if case.setting("network") == "mlp" and case.per_class == 10:
            marks = [epoch for epoch in _MARKS if epoch in case.learning.points]
            losses = " ".join(f"{statistics.fmean(case.at(mark, 'loss')):.2f}" for mark in marks)
            yield f"Loss of the perceptron, 10 images, after {marks} epochs: {losses}."


def q4(cases: list[TrainedCase], _all_cases: list[TrainedCase]) -> Iterator[str]:
    """Yields the best CNN and the best perceptron."""
    mlp = [case for case in cases if case.setting("network") == "mlp"]
    cnn = [case for case in cases if case.setting("network") != "mlp"]
    if cnn and mlp:
        best, top = max(map(TrainedCase.end, cnn)), max(map(TrainedCase.end, mlp))
        yield f"The best CNN reaches {best:.1f} %, the best perceptron {top:.1f} %; chance is 33.3."


def q5(cases: list[TrainedCase], all_cases: list[TrainedCase]) -> Iterator[str]:
    """Yields the accuracies with permuted pixels and with pixels in order."""
    for case in cases:
        other = twin(all_cases, case, "permuted")
        in_order = f", {other.end():.1f} in order" if other else ""
        if case.setting("network") == "mlp" or case.per_class == 50:
            trained = statistics.fmean(case.at(case.epochs, "training_accuracy"))
            yield (
                f"{kind(case)}, {case.per_class} images: {case.end():.1f} %{in_order}; on its "
                f"training images {trained:.1f} %."
            )
    yield "Who sees only whether there is a stripe is right in 2 of 3 (66.7 %)."


def q6(cases: list[TrainedCase], all_cases: list[TrainedCase]) -> Iterator[str]:
    """Yields the better pooling for each number of images, if there is one."""
    for case in cases:
        other = twin(all_cases, case, "average")
        if case.setting("pooling") == "average" and other is not None:
            values, others = case.at(case.epochs), other.at(other.epochs)
            pair = f"maximum {plus_minus(others, 1)}, average {plus_minus(values, 1)}"
            yield f"{case.per_class} images: {pair}: {_ahead(others, values)}."


def _ahead(maximum: list[float], average: list[float]) -> str:
    """Returns the better pooling, if the means are more than two standard errors apart."""
    difference = statistics.fmean(maximum) - statistics.fmean(average)
    error = (_variance(maximum) + _variance(average)) ** 0.5
    if abs(difference) <= 2 * error:
        return "cannot be told apart"
    return "the maximum is ahead" if difference > 0 else "the average is ahead"


def _variance(values: list[float]) -> float:
    """Returns the variance of the mean."""
    return statistics.variance(values) / len(values) if len(values) > 1 else 0.0


def q7(cases: list[TrainedCase], _all_cases: list[TrainedCase]) -> Iterator[str]:
    """Yields the best network."""
    best = max(cases, key=TrainedCase.end)
    yield f"Best: {kind(best)}, {plus_minus(best.at(best.epochs), 1)} %."


def swaps(cases: list[TrainedCase]) -> Iterator[str]:
    """Yields the shares of shifted stripes with swapped orientation and classified as none."""
    for case in cases:
        table = confusion(case)
        swapped, missed = table[0][1] + table[1][0], table[0][2] + table[1][2]
        total = sum(table[0]) + sum(table[1])
        yield (
            f"{kind(case)}, {case.per_class} images: of all stripes {percent(swapped / total)} "
            f"change orientation, {percent(missed / total)} are called none."
        )
