"""Replicated results of the edge lab: validation accuracy in %, mean and standard deviation.

By configuration, as `lessons.kind` names it, then by training images of a class and epochs.
"""

import statistics
from dataclasses import dataclass

from scipy.special import stdtr

from hpml_lab.labs.answer import deviation

_ROUNDED = 0.1  # replicated numbers are rounded to a tenth
_SEEDS, _MORE_SEEDS = 5, 8
_MORE = ("cnn 7 2023", "cnn 7 2025", "cnn 7 2023 detectors frozen")  # with ten images


@dataclass(frozen=True)
class Outcome:
    """Replicated accuracy of a configuration.

    Attributes:
        mean: mean over the seeds, in %.
        deviation: sample standard deviation over the seeds, in percent points; None if not given.
        seeds: number of seeds.
    """

    mean: float
    deviation: float | None
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:.1f}" + ("" if self.deviation is None else f" ± {self.deviation:.1f}")

    def contains(self, values: list[float]) -> bool:
        """Whether the mean of accuracies lies inside mean ± standard deviation."""
        return abs(self._gap(values)) <= (self.deviation or 0) + _ROUNDED

    def place(self, values: list[float]) -> str:
        """Returns ``inside``, or the difference of the means, also in standard errors."""
        if self.deviation is None:
            return f"{self._gap(values):+.1f}"
        if self.contains(values):
            return "inside"
        error = (self.deviation**2 / self.seeds + deviation(values) ** 2 / len(values)) ** 0.5
        errors = f" ({abs(self._gap(values)) / error:.1f} se)" if error else ""
        return f"{self._gap(values):+.1f}{errors}"

    def equals_inside(self, seeds: int) -> float:
        """Returns the probability that the mean of a repeated experiment would be inside.

        For normal accuracies the difference of the means, in standard deviations of this one, is
        Student's t times sqrt(1/seeds + 1/self.seeds).
        """
        t = (1 / seeds + 1 / self.seeds) ** -0.5
        return float(1 - 2 * stdtr(self.seeds - 1, -t))

    def _gap(self, values: list[float]) -> float:
        return statistics.fmean(values) - self.mean


def outcome(kind: str, per_class: int, epochs: int) -> Outcome | None:
    """Returns the replicated accuracy of a configuration; None if there is none."""
    replicated = _REPLICATED.get(kind, {}).get((per_class, epochs))
    more = kind in _MORE and per_class == 10
    return replicated and Outcome(*replicated, _MORE_SEEDS if more else _SEEDS)


# Mean and standard deviation; None where no deviation was given.
_REPLICATED: dict[str, dict[tuple[int, int], tuple[float, float | None]]] = {
    "cnn 7 2023": {
        (10, 30): (42.9, 12.0), (10, 100): (63.7, 16.6), (10, 200): (73.6, 19.7),
        (10, 300): (82.8, 10.7), (10, 400): (81.7, 14.4),
        (20, 30): (53.2, 7.2), (20, 100): (86.9, 9.0), (20, 200): (91.9, 5.6),
        (20, 300): (92.8, 3.9),
        (50, 30): (77.7, 9.0), (50, 100): (82.5, 27.6), (50, 200): (83.5, 28.0),
        (50, 300): (83.5, 28.0),
        (100, 30): (88.4, 13.7), (100, 100): (95.3, 1.7), (100, 200): (96.3, 0.9),
        (100, 300): (96.3, 0.9),
    },
    "cnn 7 2025": {
        (10, 30): (43.8, 13.5), (10, 100): (64.6, 19.2), (10, 200): (77.3, 20.6),
        (10, 300): (81.8, 12.8), (10, 400): (84.2, 11.5),
        (30, 30): (63.1, 15.2), (30, 100): (96.4, 2.6), (30, 200): (96.3, 3.6),
        (30, 300): (96.3, 4.6),
    },
    "mlp 2023": {
        (10, 30): (44.8, 2.9), (20, 30): (58.7, 6.8), (30, 30): (67.2, 2.8), (40, 30): (76.9, 3.1),
        (50, 30): (76.1, 4.9), (80, 30): (81.2, 4.5), (100, 30): (89.5, 4.3),
        (200, 30): (92.1, 3.0), (500, 30): (93.1, 3.4),
        (10, 100): (59.7, 6.4), (20, 100): (66.5, 2.0), (30, 100): (73.9, 3.8),
        (40, 100): (76.8, 3.2), (50, 100): (85.6, 3.3), (80, 100): (86.8, 3.5),
        (100, 100): (90.9, 2.7), (200, 100): (94.4, 1.7), (500, 100): (96.1, 0.6),
        (10, 300): (56.4, 7.6), (20, 300): (67.1, 1.9), (30, 300): (75.1, 4.4),
        (40, 300): (80.3, 4.4), (50, 300): (85.7, 3.5), (80, 300): (88.8, 2.9),
        (100, 300): (90.8, 2.8), (200, 300): (95.2, 1.4), (500, 300): (96.8, 0.6),
    },
    "mlp 2025": {(30, 30): (69.6, 6.3), (30, 100): (74.3, 3.2), (30, 300): (75.2, 2.7)},
    "cnn 7 2023 detectors frozen": {
        (10, 30): (88.8, 2.2), (20, 30): (89.2, 2.5), (30, 30): (89.2, 2.5), (50, 30): (89.2, 2.5),
        (100, 30): (89.2, 2.5),
    },
    "cnn 7 2025 detectors frozen": {(10, 30): (94.2, 1.6), (30, 30): (94.0, 1.6)},
    "cnn 7 2023 shifted": {(50, 150): (82.5, 10.6), (10, 300): (79.1, 12.4)},
    "cnn 7 2025 shifted": {(50, 150): (90.3, 6.8), (10, 300): (80.7, 13.8)},
    "cnn 5 2023 shifted": {(10, 600): (75.1, 14.9)},
    "cnn 5 2025 shifted": {(10, 600): (87.7, 9.2)},
    "cnn 3 2023 shifted": {(10, 600): (66.1, 24.6)},
    "cnn 3 2025 shifted": {(10, 600): (83.7, 11.2)},
    "mlp 2023 shifted": {(10, 300): (31.6, 2.8), (50, 150): (33.3, 0.0)},
    "mlp 2025 shifted": {(10, 300): (33.3, 0.0), (50, 150): (33.3, 0.0)},
    "mlp 2025 permuted": {
        (10, 300): (58.0, 5.7), (50, 300): (86.1, 4.3), (100, 300): (91.1, 3.5),
    },
    "cnn 7 2025 permuted": {
        (10, 300): (59.7, 15.1), (50, 300): (67.3, 0.9), (100, 300): (65.5, 2.7),
    },
    "cnn 3 2025 permuted": {
        (10, 300): (65.6, 3.3), (50, 300): (66.9, 1.4), (100, 300): (65.2, 1.0),
    },
    "cnn 13 2025 permuted": {(50, 60): (49.1, 15.4)},
    "cnn 27 2025 permuted": {(50, 60): (33.3, None)},
    "cnn 7 2023 five": {
        (10, 200): (74.1, 4.4), (20, 200): (78.3, 13.5), (30, 120): (78.5, 12.2),
        (50, 120): (77.5, 24.1),
    },
    "cnn 7 2023 five average": {
        (10, 200): (60.4, 16.3), (20, 200): (75.4, 20.2), (30, 120): (69.4, 19.2),
        (50, 120): (88.5, 7.9),
    },
    "mlp 2023 five": {
        (10, 200): (41.5, None), (20, 200): (51.4, None), (30, 200): (57.8, None),
        (50, 200): (70.0, None),
    },
}  # fmt: skip
