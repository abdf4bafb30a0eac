"""The fixture `measure`: times a step or epochs and keeps the record of it."""

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from hpml_lab.measure.record import Learning, Measurement, Row, Sampling, Value, is_value
from hpml_lab.pytest_plugin.benchmark import Bench

if TYPE_CHECKING:
    from hpml_lab.measure.clock import Clock
    from hpml_lab.measure.epochs import Epoch, Timing
    from hpml_lab.workloads.trainer import Trainer


class Measure:
    """Measures the one case of a test.

    Args:
        bench: the test's benchmark.
        parameters: the test's parameters by name.

    Attributes:
        case: everything that names the case; begins with the test's parameters.
        counters: exact integers to keep with the result.
        memory: bytes to keep with the result.
        timelines: memory over a step to keep with the result, by name.
        learning: what an ensemble of seeds learnt, to keep with the result.
    """

    def __init__(self, bench: Bench, parameters: dict[str, Any]) -> None:
        self.case: dict[str, Value] = {
            name: value for name, value in parameters.items() if is_value(value)
        }
        self.counters: dict[str, int] = {}
        self.memory: dict[str, int] = {}
        self.stalls: dict[str, float] = {}
        self.timelines: dict[str, list[Row]] = {}
        self.learning: Learning | None = None
        self._bench = bench
        self._samples: int | None = None
        self._epochs: list[Epoch] = []
        self._sampling: list[Sampling | None] = []

    def __call__(
        self, step: Callable[[], Any], *, samples: int | None = None, rounds: int | None = None
    ) -> Any:
        """Times a callable without arguments; a `TrainingStep` is counted too, behind its rounds.

        Args:
            step: what to time, such as a `workloads.step.TrainingStep`.
            samples: how many samples one call works on; a `TrainingStep` knows.
            rounds: how many calls to time one by one; as many as is due unless given.

        Returns:
            what the step returned last.
        """
        from hpml_lab.measure.clock import clock_for

        device = getattr(step, "device", _default_device())
        clock = clock_for(device)
        self._samples = getattr(step, "samples", None) if samples is None else samples

        def timer() -> float:
            clock.synchronise()
            return clock.now_s()

        if rounds is not None:
            return self._bench.time_exactly(step, timer, rounds=rounds, warm_up=0)
        return self._sampled(step, clock, device)

    def _sampled(self, step: Callable[[], Any], clock: "Clock", device: str) -> Any:
        from hpml_lab.measure.disturbance import conditions, disturbances

        before = conditions(device)
        result, how = self._bench.time(step, clock)
        if how is not None:
            seen = disturbances(before, conditions(device))
            self._sampling = [replace(how, unstable=[*how.unstable, *seen])]
            self._count(step)
        return result

    def _count(self, step: Callable[[], Any]) -> None:
        """Counts a `TrainingStep` behind its rounds; of any other function nothing is known."""
        steps = sys.modules.get("hpml_lab.workloads.step")
        if steps is None or not isinstance(step, steps.TrainingStep):
            return
        from hpml_lab.measure.counters import step_counters
        from hpml_lab.measure.memory import step_memory

        self.counters |= step_counters(step)
        self.memory |= step_memory(step, step.device)

    def epochs(
        self,
        trainer: "Trainer",
        *,
        rounds: int,
        warm_up: int = 1,
        timing: "Timing" = "phases",
        evaluated: bool = False,
    ) -> list["Epoch"]:
        """Trains for a number of epochs, each a round, and counts one more step behind them.

        Args:
            trainer: what to train; its `Training` becomes the case.
            rounds: measured epochs.
            warm_up: epochs before them, kept but marked.
            timing: ``phases`` or ``throughput``, see `measure.epochs`.
            evaluated: whether each epoch is followed by an evaluation outside its time.

        Returns:
            all epochs, warm-up first.
        """
        from hpml_lab.measure.clock import clock_for
        from hpml_lab.measure.counters import step_counters
        from hpml_lab.measure.epochs import run_epoch
        from hpml_lab.measure.evaluation import evaluate

        training = trainer.training
        clock = clock_for(training.device)
        self.describe(trainer)
        self.case["timing"] = timing

        def one_epoch() -> None:
            index = len(self._epochs) + 1
            epoch = run_epoch(trainer, clock, index, warm_up=index <= warm_up, timing=parts)
            self._epochs.append(epoch)

        def evaluation() -> None:
            self._epochs[-1] = replace(self._epochs[-1], evaluation=evaluate(trainer, clock))

        # A device that is done when the call returns has its parts for nothing.
        parts: Timing = "phases" if training.device == "cpu" else timing
        self._bench.time_exactly(
            one_epoch,
            clock.now_s,
            rounds=rounds,
            warm_up=warm_up,
            behind=evaluation if evaluated else None,
        )
        self._samples = self._epochs[-1].samples
        if self._bench.rounds_s():
            self.counters |= step_counters(trainer.fixed_step())
        return self._epochs

    def describe(self, trainer: "Trainer") -> None:
        """Makes a trainer's settings the case; `epochs` does so itself."""
        self.case |= asdict(trainer.training) | {"source": trainer.source}
        del self.case["data"]  # a folder's name says nothing on another machine

    def finish(self) -> None:
        """Hands the record over; called when the test has ended."""
        record = Measurement(
            case=self.case,
            samples=self._samples,
            processes=[self._bench.rounds_s()],
            counters=self.counters,
            memory=self.memory,
            stalls=self.stalls,
            epochs=self._epochs,
            sampling=self._sampling,
            timelines=self.timelines,
            learning=self.learning,
        )
        self._bench.describe(asdict(record))

    def discard(self) -> None:
        """Leaves no result; called when the test has failed."""
        self._bench.discard()


def _default_device() -> str:
    torch = sys.modules.get("torch")  # who has not imported it has nothing on CUDA
    return "cuda" if torch is not None and torch.cuda.is_initialized() else "cpu"
