"""The fixture `measure`: times a step or epochs and keeps the record."""

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from hpml_lab.errors import InputError, NonFiniteLossError, one_line
from hpml_lab.measure.record import Record
from hpml_lab.pytest_plugin.benchmark import Bench
from hpml_lab.runs.schema import Sampling

if TYPE_CHECKING:
    from pathlib import Path

    from hpml_lab.measure.clock import Clock
    from hpml_lab.measure.epochs import Timing
    from hpml_lab.measure.sampling import Rounds
    from hpml_lab.measure.subject import Subject
    from hpml_lab.runs.schema import Epoch
    from hpml_lab.training.trainer import Trainer


class Measure(Record):
    """Measures the one case of a test; a test may add to its record, see `Record`.

    Args:
        bench: the test's benchmark.
        parameters: the test's parameters by name.
        trace_file: the file of a Chrome trace; None for none.
    """

    def __init__(
        self, bench: Bench, parameters: dict[str, Any], trace_file: "Path | None" = None
    ) -> None:
        super().__init__(parameters)
        self._bench = bench
        self._trace_file = trace_file

    def __call__(
        self,
        step: Callable[..., Any],
        *,
        model: Any = None,
        optimizer: Any = None,
        batch: Any = None,
        samples: int | None = None,
        tokens: int | None = None,
        rounds: int | None = None,
        warmup_rounds: int | None = None,
        setup: Callable[[], Any] | None = None,
        calls: int = 1,
    ) -> Any:
        """Times a callable, then counts its work and memory where its subject is known.

        Args:
            step: what to time: a `TrainingStep`, which knows all that follows, or any callable
                that has done its work when it returns, without arguments unless a setup gives them.
            model: the module or modules that it trains.
            optimizer: the optimizer or optimizers that it steps.
            batch: the tensors that it works on, in any nesting.
            samples: number of samples that one call works on.
            tokens: number of tokens that one call works on.
            rounds: number of rounds of ``calls`` calls to time; chosen by precision unless given.
            warmup_rounds: rounds before those; 0 unless given.
            setup: called before each round, outside its time; it may return (args, kwargs).
            calls: calls in one cycle, such as 8 where every eighth call steps the optimizer;
                a round is a whole number of cycles.

        Returns:
            the last result of the step.

        Raises:
            InputError: for arguments that do not fit, a step that is not done when it returns, a
                device that cannot be waited for, or a second use in one test.
            NonFiniteLossError: if the loss of a `TrainingStep` became NaN or infinite.
        """
        from hpml_lab.measure.clock import clock_for
        from hpml_lab.measure.compiled import compilation_counters, is_compiled
        from hpml_lab.measure.lazy_results import refuse_coroutine_function
        from hpml_lab.measure.sampling import Rounds
        from hpml_lab.measure.subject import subject_of

        self._refuse_second_use()
        refuse_coroutine_function(step)
        asked = Rounds(rounds, warmup_rounds or 0, calls, setup)
        subject = subject_of(step, model, optimizer, batch, samples, tokens)
        clock = clock_for(*subject.devices)
        self._describe(subject)
        with compilation_counters() as compiled:
            result = self._timed(step, clock, asked)
        self._judge(subject, result)
        if self._bench.rounds_s():
            self.counters |= compiled if any(compiled.values()) else {}
            of_compiler = any(compiled.values()) or is_compiled(step, subject.models)
            self._count(lambda: asked.prepared(step)(), subject, asked.calls, of_compiler)
            self._load(subject, clock)
            self._record_trace(lambda: asked.prepared(step)(), clock)
        return result

    def taken(self, rounds_s: list[float]) -> None:
        """Records rounds that were timed elsewhere, such as in ranks of their own.

        Args:
            rounds_s: seconds of each round.

        Raises:
            InputError: for a second use in one test.
        """
        self._refuse_second_use()
        self._bench.record(rounds_s)

    def _refuse_second_use(self) -> None:
        if self._bench.is_used:
            raise InputError(
                "this test has measured already; write two tests, or one with "
                "@pytest.mark.parametrize, to measure two things"
            )

    def _describe(self, subject: "Subject") -> None:
        from hpml_lab.measure.ranks import world_size

        self._samples, self._tokens = subject.samples, subject.tokens
        ranks = world_size()
        # A parameter of the test may have such a name.
        self.case = subject.described | ({"ranks": ranks} if ranks > 1 else {}) | self.case

    def _timed(self, step: Callable[..., Any], clock: "Clock", asked: "Rounds") -> Any:
        from hpml_lab.measure.disturbance import conditions, disturbances, is_disturbed

        before = conditions()
        take = self._sampled if asked.rounds is None else self._exact
        result, how = take(step, clock, asked)
        if how is not None:
            after = conditions()
            known = is_disturbed(before, after)
            # Threads that wait for each other are the step's own, where nobody else is at work.
            disturbed = how.disturbed if known is None else known
            warnings = [*how.unstable, *disturbances(before, after)]
            self._sampling = [replace(how, unstable=warnings, disturbed=disturbed)]
        return result

    def _sampled(
        self, step: Callable[..., Any], clock: "Clock", asked: "Rounds"
    ) -> tuple[Any, Sampling | None]:
        from hpml_lab.measure.lazy_results import refuse_pending
        from hpml_lab.measure.load import Waiting

        with closing(Waiting()) as waiting:
            return self._bench.time(step, clock, asked, refuse_pending, waiting)

    def _exact(
        self, step: Callable[..., Any], clock: "Clock", asked: "Rounds"
    ) -> tuple[Any, Sampling | None]:
        from hpml_lab.measure.stability import unstable

        def timer() -> float:
            clock.synchronise()
            return clock.now_s()

        result = self._bench.time_exactly(
            step,
            timer,
            rounds=asked.rounds or 1,
            warm_up=asked.warmup_rounds,
            calls=asked.calls,
            setup=asked.setup,
        )
        if not (taken := self._bench.rounds_s()):
            return result, None
        warm_up = asked.warmup_rounds * asked.calls
        return result, Sampling(asked.calls, warm_up, "given", list(unstable(taken)))

    def _judge(self, subject: "Subject", result: Any) -> None:
        """Refuses pending work and non-finite losses; flags other non-finite results."""
        from hpml_lab.measure.lazy_results import refuse_pending

        refuse_pending(result)
        value = _number(result)
        if value is None or math.isfinite(value):
            return
        if subject.training is not None:
            raise NonFiniteLossError(
                f"the loss became {value}; no result is kept. Train with a lower learning rate"
            )
        self.flags.append(f"the last call returned {value}")

    def _count(
        self,
        step: Callable[[], Any],
        subject: "Subject",
        calls: int,
        compiled: bool,
    ) -> None:
        """Counts work and memory after the rounds, if anything is known of the step's subject."""
        if not subject.is_told:
            return
        from hpml_lab.measure.counters import count_step

        counted = count_step(step, subject, calls=calls, compiled=compiled)
        self.counters |= counted.counters
        self.memory |= counted.memory
        self.flags += counted.flags

    def _record_trace(self, step: Callable[[], Any], clock: "Clock") -> None:
        """Records a trace if one is asked for; a measured time is not lost to it."""
        if self._trace_file is None:
            return
        from hpml_lab.measure.tracing import record_trace

        try:
            self._trace = record_trace(step, clock, self._trace_file)
        except Exception as error:  # noqa: BLE001 - of the profiler, the step or the disk
            self.flags.append(f"no trace is recorded: {one_line(error)}")

    def _load(self, subject: "Subject", clock: "Clock") -> None:
        """Times a pass over the loader, after everything that is timed on a fixed batch."""
        step = subject.training
        if step is None or step.loader is None:
            return
        from hpml_lab.measure.epochs import loader_times

        try:
            self.stalls |= loader_times(step, clock, self._bench.budget_s)
        except Exception as error:  # noqa: BLE001 - a measured time is not lost to the loader
            self.flags.append(f"the loader is not measured: {one_line(error)}")

    def epochs(
        self,
        trainer: "Trainer",
        *,
        rounds: int,
        warm_up: int = 1,
        timing: "Timing" = "phases",
        evaluated: bool = False,
    ) -> list["Epoch"]:
        """Times epochs of training, one a round, then counts one additional step.

        Args:
            trainer: what to train; its `Training` becomes the case.
            rounds: measured epochs.
            warm_up: epochs before them, kept but marked.
            timing: ``phases`` or ``throughput``, see `measure.epochs`.
            evaluated: whether to evaluate after each epoch, outside its time.

        Returns:
            all epochs, warm-up first.
        """
        from hpml_lab.measure.clock import clock_for
        from hpml_lab.measure.disturbance import conditions, disturbances, is_disturbed
        from hpml_lab.measure.epochs import evaluate, run_epoch

        self._refuse_second_use()
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

        before = conditions()
        # On a device that is done when the call returns, phase times cost nothing.
        parts: Timing = "phases" if training.device == "cpu" else timing
        self._bench.time_exactly(
            one_epoch,
            clock.now_s,
            rounds=rounds,
            warm_up=warm_up,
            teardown=evaluation if evaluated else None,
        )
        self._samples = self._epochs[-1].samples
        if self._bench.rounds_s():
            after = conditions()
            warnings = list(disturbances(before, after))
            disturbed = bool(is_disturbed(before, after))
            self._sampling = [Sampling(1, warm_up, "given", warnings, disturbed=disturbed)]
            self._count_step_of(trainer)
            self._record_trace(_next_step(trainer), clock)
        return self._epochs

    def _count_step_of(self, trainer: "Trainer") -> None:
        from hpml_lab.measure.compiled import is_compiled
        from hpml_lab.measure.counters import count_step
        from hpml_lab.measure.subject import subject_of

        step = trainer.fixed_step()
        subject = subject_of(step)
        counted = count_step(step, subject, compiled=is_compiled(step, subject.models))
        self.counters |= counted.counters
        self.flags += counted.flags

    def describe(self, trainer: "Trainer") -> None:
        """Makes a trainer's settings the case; `epochs` does so itself."""
        from hpml_lab.measure.torch_settings import numerics, threads

        self.case |= asdict(trainer.training) | {"source": trainer.source}
        self.case |= threads() | numerics(trainer.training.device)
        del self.case["data"]  # a folder's name says nothing on another machine

    def finish(self) -> None:
        """Stores the record with the benchmark; called when the test has ended."""
        self._bench.describe(asdict(self.measurement(self._bench.rounds_s())))

    def discard(self) -> None:
        """Discards the result; called when the test has failed."""
        self._bench.discard()


def _number(result: Any) -> float | None:
    """Returns the result of a step if it is one number, such as its loss."""
    if isinstance(result, float):
        return result
    numel = getattr(result, "numel", None)
    if not callable(numel) or not getattr(result, "is_floating_point", bool)() or numel() != 1:
        return None
    return float(result.detach())


def _next_step(trainer: "Trainer") -> Callable[[], Any]:
    """Returns what takes the next batch of an epoch, and a step on it."""
    batches: list[Any] = []

    def step() -> Any:
        if not batches:
            batches.append(iter(trainer.loader))
        batch = next(batches[0], None)
        if batch is None:
            batches[0] = iter(trainer.loader)
            batch = next(batches[0])
        return trainer.step(trainer.to_device(batch))

    return step
