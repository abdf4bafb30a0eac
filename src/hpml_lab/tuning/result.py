"""What tuning found."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from hpml_lab.tuning.race import Config, Value

Kind = Literal["timeout", "out-of-memory", "crashed", "failed", "loss"]


@dataclass(frozen=True)
class NotTried:
    """A value that is not tried, and why."""

    setting: str
    value: Value
    reason: str


@dataclass(frozen=True)
class Failed:
    """A configuration that failed.

    Attributes:
        setting: Its settings, joined by ``+``.
        value: Their values, joined likewise.
        kind: What happened; ``loss``: its first losses are not those of the plain loop.
        message: One line.
    """

    setting: str
    value: Value
    kind: Kind
    message: str


@dataclass(frozen=True)
class Measured:
    """A setting's gain.

    Attributes:
        setting: Its name.
        value: Its value.
        ratio: Speed with it over speed without it.
        interval: 95 % confidence interval of the ratio; None after a single turn alone.
        changes_numbers: Whether it changes more than rounding.
    """

    setting: str
    value: Value
    ratio: float
    interval: tuple[float, float] | None
    changes_numbers: bool


@dataclass(frozen=True)
class Tuned:
    """The result of tuning.

    Attributes:
        workload: Name of the workload.
        best: Settings that surely make it faster, by name.
        speedup: Speed with them over the plain loop; None if no winner is named.
        interval: Its 95 % confidence interval; None where too few trials tell it.
        likely: Settings that may make it faster still, which the time did not suffice to prove.
        alone: Every value alone over the plain loop.
        without: The recipe over the recipe without each of its settings.
        not_tried: Values that cannot win, and why.
        failed: Configurations that failed.
        spent_s: Seconds of tuning.
        disturbed: Whether others kept the machine so busy that no winner is named.
        settled: Whether nothing else that was tried helps by more than 2 %.
        interrupted: Whether tuning was stopped by Ctrl-C.
        plain_s: Seconds of a sample in the plain loop.
        start_s: Additional seconds of the recipe's start, such as compiling, over the plain loop's.
        trials: Number of trials.
        logs: Log seconds of a sample in each trial of a configuration.
    """

    workload: str
    best: dict[str, Value]
    speedup: float | None
    interval: tuple[float, float] | None
    likely: dict[str, Value]
    alone: list[Measured]
    without: list[Measured]
    not_tried: list[NotTried]
    failed: list[Failed]
    spent_s: float
    disturbed: bool
    settled: bool
    interrupted: bool
    plain_s: float
    start_s: float
    trials: int
    logs: dict[Config, list[float]]

    def record(self) -> dict[str, Any]:
        """Returns the result in a form for JSON."""
        return {name: value for name, value in asdict(self).items() if name != "logs"}
