"""GPU-memory lab, section 3: time and accuracy of ten epochs by batch size, over several seeds."""

import statistics
from dataclasses import dataclass
from functools import cached_property

from hpml_lab.labs.answer import Answer, Brief, differ, plus_minus, setting
from hpml_lab.runs.cases import alike, lab_cases, measured
from hpml_lab.runs.schema import Epoch, Measurement, Run


@dataclass(frozen=True)
class _Batch:
    """One batch size, with the epochs of each seed."""

    size: int
    learning_rate: float
    seeds: list[list[Epoch]]

    @cached_property
    def training_s(self) -> list[float]:
        return [sum(epoch.total_s for epoch in epochs) for epochs in self.seeds]

    @cached_property
    def with_evaluation_s(self) -> list[float]:
        return [sum(map(_with_evaluation_s, epochs)) for epochs in self.seeds]

    @cached_property
    def losses(self) -> list[float]:
        return [epochs[-1].loss for epochs in self.seeds]

    @cached_property
    def top1(self) -> list[float]:
        return [_top1(epochs[-1]) for epochs in self.seeds]

    def top1_after(self, duration_s: float) -> list[float]:
        """Returns the accuracy of each seed's last epoch that has ended after this duration."""
        accuracies = []
        for epochs in self.seeds:
            ended_s, last = 0.0, None
            for epoch in epochs:
                ended_s += epoch.total_s
                last = epoch if ended_s <= duration_s else last
            if last is not None:
                accuracies.append(_top1(last))
        return accuracies


def answers(run: Run) -> list[Answer]:
    """Returns time and accuracy by batch size for each device and setting in the run."""
    cases = [case for case in lab_cases(run, "batch_learning") if _evaluated(case)]
    return [_answer(sweep) for sweep in alike(cases, "batch_size", "learning_rate", "seed")]


def _evaluated(case: Measurement) -> bool:
    return all(epoch.evaluation is not None for epoch in case.epochs)


def _answer(sweep: list[Measurement]) -> Answer:
    batches = _batches(sweep)
    epochs = len(batches[0].seeds[0])
    fastest = min(batches, key=lambda batch: statistics.fmean(batch.training_s))
    limit_s = max(fastest.training_s)
    return Answer(
        "",
        "Batch size: time and accuracy",
        setting(sweep[0], "batch_size", "workers"),
        [
            "batch",
            "learning rate",
            f"{epochs} epochs s",
            "evaluated too s",
            "loss",
            "top-1 %",
            f"top-1 % after {limit_s:.1f} s",
        ],
        [_row(batch, limit_s) for batch in batches],
        [
            _verdict("Fastest", "s", {b.size: b.training_s for b in batches}, -1),
            _verdict("Most accurate", "%", {b.size: b.top1 for b in batches}, 1),
            f"± is the standard deviation over {len(batches[0].seeds)} seeds. Accuracy is that of "
            "evaluation on the training images, after the last epoch; loss is the mean of that "
            "epoch, not its last batch's.",
            "The learning rate was scaled with the batch: the batch size alone explains nothing.",
        ],
        _brief({b.size: b.top1 for b in batches}),
    )


def _batches(sweep: list[Measurement]) -> list[_Batch]:
    by_size: dict[int, list[Measurement]] = {}
    for case in sweep:
        by_size.setdefault(int(case.case["batch_size"] or 0), []).append(case)
    return [
        _Batch(size, float(cases[0].case["learning_rate"] or 0), [measured(case) for case in cases])
        for size, cases in sorted(by_size.items())
    ]


def _row(batch: _Batch, limit_s: float) -> list[str]:
    reached = batch.top1_after(limit_s)
    return [
        str(batch.size),
        f"{batch.learning_rate:g}",
        plus_minus(batch.training_s, 2),
        plus_minus(batch.with_evaluation_s, 2),
        plus_minus(batch.losses),
        plus_minus(batch.top1, 1),
        plus_minus(reached, 1) if len(reached) == len(batch.seeds) else "-",
    ]


def _brief(top1: dict[int, list[float]]) -> Brief:
    best, ties = _best(top1, 1)
    text = f"{best} ({statistics.fmean(top1[best]):.1f} % top-1)"
    if not ties:
        return Brief(text)
    return Brief(f"cannot tell {text} from {', '.join(map(str, ties))}", "more seeds")


def _best(values: dict[int, list[float]], sign: int) -> tuple[int, list[int]]:
    """Returns the key of the largest (sign 1) or least (-1) mean, and those not told from it."""
    best = max(values, key=lambda size: sign * statistics.fmean(values[size]))
    return best, [
        size for size in values if size != best and not differ(values[size], values[best])
    ]


def _verdict(word: str, unit: str, values: dict[int, list[float]], sign: int) -> str:
    """Returns a sentence on the batch of the largest (sign 1) or least (-1) mean."""
    means = {size: statistics.fmean(values[size]) for size in values}
    best, ties = _best(values, sign)
    ahead = f"batch {best} is ahead with {means[best]:.1f} {unit}"
    if not ties:
        return f"{word}: batch {best}, {means[best]:.1f} {unit}."
    if min(map(len, values.values())) < 2:
        return f"{word}: one seed cannot tell; {ahead}."
    others = " and ".join(map(str, ties))
    return f"{word}: cannot tell; {ahead}, but its lead over {others} is within the spread."


def _top1(epoch: Epoch) -> float:
    return 100 * epoch.evaluation.accuracy if epoch.evaluation else 0.0


def _with_evaluation_s(epoch: Epoch) -> float:
    return epoch.total_s + (epoch.evaluation.total_s if epoch.evaluation else 0.0)
