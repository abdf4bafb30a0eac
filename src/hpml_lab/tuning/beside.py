"""Trials beside the plain loop, whose process lives on and is timed in turn with each of them.

A shared machine has other speeds from second to second: fresh processes of one and the same loop
differ by 12 to 20 %, their ratios to a process that is timed in turn with them by 2 to 4 %
(experiments/README.md). So a trial's time is its ratio times what the plain loop took at first.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from hpml_lab.measure.load import LARGEST_WAIT
from hpml_lab.tuning import trial
from hpml_lab.tuning.process import Served, TrialError

_PIECES = 5  # turns of a trial, at most
_FEWEST = 2


class Trials:
    """Trials of a workload.

    Args:
        name: Name of the workload.
        parameters: Its parameters.
        seconds: Seconds of rounds in a trial.
        limit_s: Seconds until the plain loop runs.
        has_loader: Whether it has a loader, whose workers would run on in the turns of the other.
        shared: Whether the device is shared, as a processor is; a GPU's trials stand alone.

    Attributes:
        plain: What the plain loop said when it was built; see `trial.serve`.
        plain_s: Seconds of a sample in the plain loop.

    Raises:
        TrialError: if the plain loop does not run.
    """

    def __init__(
        self,
        name: str,
        parameters: Mapping[str, Any],
        *,
        seconds: float,
        limit_s: float,
        has_loader: bool,
        shared: bool,
    ) -> None:
        self._name, self._parameters = name, dict(parameters)
        self._seconds, self._limit_s = seconds, limit_s
        self._reference: Served | None = self._started()
        self.plain: dict[str, Any] = self._reference.first
        self.plain_s = float(self._ask(self._reference, seconds, limit_s)["sample_s"])
        step_s = self.plain_s * self.plain["samples"]
        fitting = math.floor(seconds / step_s)
        self._pieces = 1 if has_loader else max(_FEWEST, min(_PIECES, fitting))
        self._last_s: float | None = None  # of the plain loop, after the trial before
        if not shared:
            self._reference.close()
            self._reference = None

    def __enter__(self) -> "Trials":
        return self

    def __exit__(self, *_: object) -> None:
        if self._reference is not None:
            self._reference.close()

    def take(self, config: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
        """Returns what a trial says (see `trial.serve`), with ``sample_s`` and ``disturbed``.

        Args:
            config: The settings.
            limit_s: Seconds until it runs, and of each of its turns.

        Raises:
            TrialError: if it fails, dies, or takes longer.
        """
        plain = [self._plain() if self._last_s is None else self._last_s]
        self._last_s = None  # a trial that fails may take long
        with Served(
            trial.serve, self._name, self._parameters, dict(config), timeout_s=limit_s
        ) as served:
            said, turns = served.first, []
            for number in range(self._pieces):
                if number:
                    plain.append(self._plain())
                turns.append(self._ask(served, self._seconds / self._pieces, limit_s))
        self._last_s = self._plain()  # when the trial, and its workers, have gone
        plain.append(self._last_s)
        around = [fmean(pair) for pair in pairwise(plain)]
        ratios = [turn["sample_s"] / plain_s for turn, plain_s in zip(turns, around, strict=True)]
        waited_s, spent_s = (sum(turn[key] for turn in turns) for key in ("waited_s", "spent_s"))
        result: dict[str, Any] = said | {
            "sample_s": self.plain_s * median(ratios),
            "disturbed": waited_s > LARGEST_WAIT * spent_s,
        }
        return result

    def _plain(self) -> float:
        """Returns the seconds of a sample in the plain loop now; on a GPU what it took at first."""
        if self._reference is None:
            return self.plain_s
        piece_s = self._seconds / self._pieces
        try:
            turn = self._ask(self._reference, piece_s, self._limit_s)
        except (TrialError, OSError):  # it has died: that is no fault of the trial's settings
            self._reference = self._started()
            turn = self._ask(self._reference, piece_s, self._limit_s)
        return float(turn["sample_s"])

    def _started(self) -> Served:
        return Served(trial.serve, self._name, self._parameters, {}, timeout_s=self._limit_s)

    @staticmethod
    def _ask(served: Served, seconds: float, limit_s: float) -> dict[str, Any]:
        answer: dict[str, Any] = served.ask(seconds, limit_s)
        return answer
