"""Configurations of the edge lab in a saved run, and what their seeds learnt."""

import statistics
from dataclasses import dataclass

from hpml_lab.history.cases import lab_cases
from hpml_lab.history.run import Run
from hpml_lab.measure.record import Learning, Measurement

YES_OR_NO = ("detectors", "frozen", "shifted", "permuted")
_CHANCE = 0.02  # above chance by no more than this, a network has learnt nothing


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

    def end(self) -> float:
        """Returns the mean accuracy of all seeds behind the last epoch, in %."""
        return statistics.fmean(self.at(self.epochs))

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
    words += [name for name in YES_OR_NO if of[name]]
    words += ["average"] if of["pooling"] == "average" else []
    words += [str(of["optimizer"])] if of["optimizer"] != "sgd-momentum" else []
    return " ".join(words)


def twin(taught: list[Learnt], of: Learnt, words: str) -> Learnt | None:
    """Returns the lesson that lacks these words of `kind`, and may differ in its epochs."""
    other = kind(of).replace(f" {words}", "")
    return next((o for o in taught if (kind(o), o.per_class) == (other, of.per_class)), None)


def confusion(of: Learnt) -> list[list[float]]:
    """Returns how many images of each class were called each class, mean over the seeds."""
    members = of.learning.matrices["confusion"]
    return [
        [statistics.fmean(cells) for cells in zip(*rows, strict=True)]
        for rows in zip(*members, strict=True)
    ]
