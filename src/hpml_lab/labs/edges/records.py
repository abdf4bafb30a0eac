"""Trained configurations of the edge lab in a saved run."""

import statistics
from dataclasses import dataclass

from hpml_lab.runs.cases import lab_cases
from hpml_lab.runs.schema import Learning, Measurement, Run

YES_OR_NO = ("detectors", "frozen", "shifted", "permuted")
_CHANCE = 0.02  # a network no more than this above chance has learnt nothing


@dataclass(frozen=True)
class TrainedCase:
    """A configuration of the edge lab and the learning curves of its seeds."""

    measurement: Measurement
    learning: Learning

    def setting(self, name: str) -> object:
        """Returns the value of a setting."""
        return self.measurement.case[name]

    @property
    def per_class(self) -> int:
        """Number of training images of a class."""
        return int(self.measurement.case["per_class"] or 0)

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        return int(self.learning.points[-1])

    def at(self, epoch: int, metric: str = "accuracy") -> list[float]:
        """Returns the values of a metric after an epoch, one for each seed; accuracies in %."""
        place = self.learning.points.index(epoch)
        scale = 100 if metric.endswith("accuracy") else 1
        return [scale * values[place] for values in self.learning.metrics[metric]]

    def end(self) -> float:
        """Returns the mean accuracy of all seeds after the last epoch, in %."""
        return statistics.fmean(self.at(self.epochs))

    def collapsed(self, epoch: int) -> int:
        """Returns the number of seeds that are no better than chance after an epoch."""
        chance = 100 / int(self.measurement.case["classes"] or 0)
        return sum(value <= chance + 100 * _CHANCE for value in self.at(epoch))


def trained_cases(run: Run) -> list[TrainedCase]:
    """Returns the edge lab's cases of a run, sorted by `kind` and number of images."""
    cases = lab_cases(run, "edges", epochs=False)
    trained = [TrainedCase(case, case.learning) for case in cases if case.learning is not None]
    return sorted(trained, key=lambda case: (kind(case), case.per_class))


def kind(case: TrainedCase) -> str:
    """Returns the name of a configuration, without its number of images and epochs."""
    settings = case.measurement.case
    words = [str(settings["network"])]
    words += [] if settings["network"] == "mlp" else [str(settings["kernel"])]
    words += [str(settings["generator"])]
    words += ["five"] if settings["classes"] == 5 else []
    words += [name for name in YES_OR_NO if settings[name]]
    words += ["average"] if settings["pooling"] == "average" else []
    words += [str(settings["optimizer"])] if settings["optimizer"] != "sgd-momentum" else []
    return " ".join(words)


def twin(cases: list[TrainedCase], case: TrainedCase, words: str) -> TrainedCase | None:
    """Returns the case whose `kind` lacks these words; its number of epochs may differ."""
    other = kind(case).replace(f" {words}", "")
    return next(
        (
            candidate
            for candidate in cases
            if (kind(candidate), candidate.per_class) == (other, case.per_class)
        ),
        None,
    )


def confusion(case: TrainedCase) -> list[list[float]]:
    """Returns the confusion matrix in images, mean over the seeds; rows are true classes."""
    members = case.learning.matrices["confusion"]
    return [
        [statistics.fmean(cells) for cells in zip(*rows, strict=True)]
        for rows in zip(*members, strict=True)
    ]
