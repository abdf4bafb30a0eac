"""The record of one case while it is measured."""

from typing import Any

from hpml_lab.measure import values
from hpml_lab.runs.schema import Epoch, Learning, Measurement, Row, Sampling, Trace, Value


class Record:
    """Record of one case during its measurement; a test may add to it.

    Args:
        parameters: Parameters of the test by name.

    Attributes:
        case: Settings that identify the case, the test's parameters first.
        counters: Exact integers to save with the result.
        memory: Bytes to save with the result.
        stalls: Shares and seconds lost to loading, to save with the result.
        flags: Warnings about the result, one sentence each.
        timelines: Memory over a step to save with the result, by name.
        learning: Metrics of an ensemble of seeds, to save with the result.
    """

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.case: dict[str, Value] = values.parameters_of_case(parameters)
        self.counters: dict[str, int] = {}
        self.memory: dict[str, int] = {}
        self.stalls: dict[str, float] = {}
        self.flags: list[str] = []
        self.timelines: dict[str, list[Row]] = {}
        self.learning: Learning | None = None
        self._samples: int | None = None
        self._tokens: int | None = None
        self._epochs: list[Epoch] = []
        self._sampling: list[Sampling | None] = []
        self._trace: Trace | None = None

    def check(self) -> None:
        """Checks the values that a test has set, after its function has returned.

        Raises:
            InputError: for a value that cannot be read back from a saved run.
        """
        self.case = values.case(self.case)
        self.counters = values.counts("counters", self.counters)
        self.memory = values.counts("memory", self.memory)
        self.stalls = values.numbers("stalls", self.stalls)

    def measurement(self, rounds_s: list[float]) -> Measurement:
        """Returns the measurement to save.

        Args:
            rounds_s: Seconds per iteration of each round.
        """
        return Measurement(
            case=self.case,
            samples=self._samples,
            processes=[rounds_s],
            counters=self.counters,
            memory=self.memory,
            stalls=self.stalls,
            epochs=self._epochs,
            sampling=self._sampling,
            flags=self.flags,
            timelines=self.timelines,
            learning=self.learning,
            tokens=self._tokens,
            trace=self._trace,
        )
