"""Edge lab, Q1 to Q7: accuracy over several seeds beside what others' runs came to."""

import statistics
from collections.abc import Callable, Iterator

from hpml_lab.history.cases import lab_cases, typical_s
from hpml_lab.history.run import Run
from hpml_lab.measure.record import Measurement
from hpml_lab.report.answers.answer import Answer, plus_minus
from hpml_lab.report.answers.edge_lessons import YES_OR_NO, Learnt, all_learnt, confusion, kind
from hpml_lab.report.answers.edge_sentences import q2, q3, q4, q5, q6, q7, swaps
from hpml_lab.report.answers.edges_replicated import Outcome, outcome
from hpml_lab.units import percent, ratio, seconds

_OVERFIT_BATCH = 32  # of Q1
_CLASSES = ("horizontal", "vertical", "none")


def answers(run: Run) -> list[Answer]:
    """Returns an answer for each of the lab's questions, and what training at once saves."""
    all_of = all_learnt(run)
    taught = [of for of in all_of if of.of("batch_size") != _OVERFIT_BATCH]
    asked: list[tuple[str, str, Callable[[Learnt], object], Callable[..., Iterator[str]]]] = [
        ("edges Q2", "Convolutions that start as edge detectors", _has_detectors, q2),
        ("edges Q3", "Accuracy by training images and epochs", _is_plain, q3),
        ("edges Q4", "Stripes of the other half", lambda of: of.of("shifted"), q4),
        ("edges Q5", "One order of the pixels for all images", _is_permuted, q5),
        ("edges Q6", "Five classes: maximum and average pooling", _is_five, q6),
        ("edges Q7", "More filters, more layers", _is_larger, q7),
    ]
    found = [*_overfit([of for of in all_of if of.of("batch_size") == _OVERFIT_BATCH])]
    for item, title, chosen, words in asked:
        if asking := [of for of in taught if chosen(of)]:
            found.append(_table(item, title, asking, [*words(asking, taught)]))
    return found + _confusions(taught) + _saved(run)


def _is_plain(of: Learnt) -> bool:
    return of.of("classes") == 3 and not any(map(of.of, YES_OR_NO))


def _has_detectors(of: Learnt) -> bool:
    return bool(of.of("detectors"))


def _is_permuted(of: Learnt) -> bool:
    return bool(of.of("permuted"))


def _is_five(of: Learnt) -> bool:
    return of.of("classes") == 5 and of.of("generator") == 2023


def _is_larger(of: Learnt) -> bool:
    return of.of("classes") == 5 and of.of("generator") == 2025


def _table(item: str, title: str, asking: list[Learnt], sentences: list[str]) -> Answer:
    rows = [(of, epoch, _replicated(of, epoch)) for of in asking for epoch in _shown(of)]
    return Answer(
        item,
        title,
        _setting(asking),
        ["network", "images/class", "epochs", "top-1 %", "median", "at chance", "replicated", ""],
        [_row(of, epoch, outcome) for of, epoch, outcome in rows],
        [*sentences, *_agreement([(of.at(epoch), outcome) for of, epoch, outcome in rows])],
    )


def _agreement(pairs: list[tuple[list[float], Outcome | None]]) -> Iterator[str]:
    compared = [(values, of) for values, of in pairs if of is not None and of.deviation is not None]
    if compared:
        inside = sum(of.contains(values) for values, of in compared)
        equal = statistics.fmean(of.equals_inside(len(values)) for values, of in compared)
        yield (
            f"{inside} of {len(compared)} means lie inside what was replicated ± its deviation; "
            f"of as many seeds of the same experiment {percent(equal)} would."
        )


def _setting(asking: list[Learnt]) -> str:
    seeds = sorted({len(of.learning.seeds) for of in asking})
    return f"{asking[0].of('device')}, {' or '.join(map(str, seeds))} seeds; mean ± deviation"


def _shown(of: Learnt) -> list[int]:
    reached = sorted({int(point) for point in of.learning.points})
    return [epoch for epoch in reached if epoch == of.epochs or _replicated(of, epoch)]


def _row(of: Learnt, epoch: int, outcome: Outcome | None) -> list[str]:
    values = of.at(epoch)
    return [
        kind(of),
        str(of.per_class),
        str(epoch),
        plus_minus(values, 1),
        f"{statistics.median(values):.1f}",
        f"{of.collapsed(epoch)} of {len(values)}",
        "-" if outcome is None else str(outcome),
        "" if outcome is None else outcome.place(values),
    ]


def _replicated(of: Learnt, epoch: int) -> Outcome | None:
    return outcome(kind(of), of.per_class, epoch)


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
            [*swaps(asking)],
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
