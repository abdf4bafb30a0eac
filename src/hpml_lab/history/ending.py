"""What one process left of a test."""

from dataclasses import dataclass, field
from typing import Any

from hpml_lab.measure.record import Failure

Record = dict[str, Any]  # a benchmark as pytest-benchmark writes it, ``stats.data`` included

# Who ends a whole run so ends its interpreters too, and one of them may be the first to go.
_KILLED = frozenset({"killed by SIGKILL", "killed by SIGTERM"})


@dataclass(frozen=True)
class Ending:
    """What one process left of a test.

    Attributes:
        process: its number.
        failure: why there is no benchmark; None if it passed or was skipped.
        reports: pytest's, as JSON; none of a test that took its interpreter down.
        benchmark: what it measured, if anything.
        log: what a dying interpreter wrote last.
        duration_s: of a test that took its interpreter down.
    """

    process: int
    failure: Failure | None
    reports: list[dict[str, Any]] = field(default_factory=list)
    benchmark: Record | None = None
    log: str = ""
    duration_s: float = 0.0

    @property
    def outcome(self) -> str:
        """How it went, for people."""
        if self.failure is None:
            skipped = any(report["outcome"] == "skipped" for report in self.reports)
            return "skipped" if skipped else "passed"
        kind, message = self.failure.kind, self.failure.message
        return kind if self.reports else f"{kind} ({message})"

    @property
    def killed(self) -> bool:
        """Whether its interpreter was ended from outside."""
        return self.failure is not None and self.failure.message in _KILLED
