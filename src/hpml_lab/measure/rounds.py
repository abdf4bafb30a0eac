"""What a user asks of the rounds of a case, in pytest-benchmark's words."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hpml_lab.errors import InputError
from hpml_lab.theory.scalars import whole


@dataclass(frozen=True)
class Rounds:
    """How rounds are to be taken.

    Attributes:
        rounds: how many; None for as many as is due.
        warmup_rounds: how many come before them.
        calls: that make one cycle of the step; a round is a whole number of cycles.
        setup: called before each round, outside its time; may return (args, kwargs) for the step.

    Raises:
        InputError: for a number that is none, or a setup together with cycles of several calls.
    """

    rounds: int | None = None
    warmup_rounds: int = 0
    calls: int = 1
    setup: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        if self.rounds is not None:
            whole("rounds", self.rounds, 1)
        whole("warmup_rounds", self.warmup_rounds)
        whole("calls", self.calls, 1)
        if self.setup is not None and not callable(self.setup):
            raise InputError(f"setup is a {type(self.setup).__name__}; give a function")
        if self.setup is not None and self.calls > 1:
            raise InputError(
                f"a setup comes before each call, and calls is {self.calls}; give one of the two"
            )

    def prepared(self, step: Callable[..., Any]) -> Callable[[], Any]:
        """Returns a step with the arguments that the setup gives it, which is called now.

        Raises:
            InputError: if the setup returns anything but nothing or a pair of arguments.
        """
        given = self.setup() if self.setup else None
        if not given:
            return step
        if not (isinstance(given, tuple) and len(given) == 2):
            raise InputError(
                f"setup returned a {type(given).__name__}; it may return nothing, or a pair of "
                "arguments: (args, kwargs)"
            )
        args, kwargs = given
        return partial(step, *args, **kwargs)
