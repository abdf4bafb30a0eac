"""Tuning of a training: trials in fresh processes, raced until the best is sure or time is up."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from hpml_lab.errors import InputError
from hpml_lab.theory.validation import check_limit_s
from hpml_lab.training.workload import Workload
from hpml_lab.tuning import trial
from hpml_lab.tuning.beside import Trials
from hpml_lab.tuning.process import TrialError, in_process
from hpml_lab.tuning.race import PLAIN, Config, Gain, Race, Value
from hpml_lab.tuning.result import Failed, Kind, Measured, NotTried, Tuned
from hpml_lab.tuning.settings import Facts, Space, go_together, merged, space

_LEAST_LIMIT_S = 20.0  # of a trial: importing torch alone takes seconds
_LIMIT_SHARE = 1 / 4  # of the budget that one trial may take: a first compilation takes a minute
_ROUNDS_S = 1.0  # of a trial: with less, starting it takes most of the time
_MOST_DISTURBED = 0.5  # share of disturbed trials above which no winner is named


@dataclass
class _Tuning:
    """The trials of one tuning."""

    name: str
    parameters: Mapping[str, Any]
    budget_s: float
    steps: int | None
    say: Callable[[str], None]
    began_s: float = field(default_factory=time.monotonic)
    space: Space = field(default_factory=Space)
    facts: Facts = field(init=False)
    started: Trials = field(init=False)
    failed: list[Failed] = field(default_factory=list)
    starts_s: dict[Config, float] = field(default_factory=dict)
    trials: int = 0
    disturbed: int = 0

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self.began_s

    @property
    def limit_s(self) -> float:
        first_s = float(self.started.plain["first_s"])
        return max(_LEAST_LIMIT_S, self.budget_s * _LIMIT_SHARE, 2 * first_s)

    def begin(self) -> None:
        """Reads what the workload is, and starts the plain loop, by whose losses others are judged.

        Raises:
            InputError: if the plain loop does not run.
        """
        limit_s = max(_LEAST_LIMIT_S, self.budget_s)
        try:
            known = in_process(trial.facts, self.name, dict(self.parameters), timeout_s=limit_s)
            self.facts = Facts(**known)
            self.started = Trials(
                self.name,
                self.parameters,
                seconds=_ROUNDS_S,
                limit_s=limit_s,
                has_loader=self.facts.loader,
                shared=self.facts.device == "cpu",
            )
        except TrialError as error:
            raise InputError(f"the plain loop of {self.name} does not run: {error}") from error

    def check_losses(self) -> None:
        """Checks that the plain loop has losses to compare with.

        Raises:
            InputError: for one that is not finite.
        """
        if not all(map(math.isfinite, self.started.plain["losses"])):
            raise InputError(
                f"the plain loop of {self.name} has a loss that is not finite; train with a lower "
                "learning rate"
            )

    def take(self, config: Config) -> float | None:
        """Measures a configuration; returns None for one that failed, which is recorded."""
        self.say(f"{self.spent_s:4.0f} s of {self.budget_s:.0f}  {_named(config)}")
        try:
            result = self.started.take(dict(config), self.limit_s)
        except TrialError as error:
            self.failed.append(_failed(config, error.kind, str(error)))
            return None
        self.trials += 1
        self.disturbed += bool(result["disturbed"])
        if (why := self._other_losses(config, result["losses"])) is not None:
            self.failed.append(_failed(config, "loss", why))
            return None
        start_s = max(0.0, result["first_s"] - self.started.plain["first_s"])
        self.starts_s[config] = min(start_s, self.starts_s.get(config, math.inf))
        spread_s = start_s / (self.steps * result["samples"]) if self.steps else 0.0
        return float(result["sample_s"]) + spread_s

    def _other_losses(self, config: Config, losses: Sequence[float]) -> str | None:
        """Returns why the first losses are not those of the plain loop; None if they are."""
        mean = sum(losses) / len(losses)
        if not math.isfinite(mean):
            return f"the mean of the first {len(losses)} losses is {mean}"
        expected = self.started.plain["losses"]
        plain = sum(expected) / len(expected)
        tolerance = self.space.tolerance(config)
        if tolerance is None or abs(mean - plain) <= tolerance * abs(plain):
            return None
        return (
            f"the mean of the first {len(losses)} losses is {mean:.4g}, {plain:.4g} in the plain "
            f"loop, more than {tolerance:.0%} apart"
        )


def tune(
    name: str,
    function: Workload,
    parameters: Mapping[str, Any],
    *,
    budget_s: float,
    vary: Mapping[str, Sequence[str]] | None = None,
    keep: Sequence[str] = (),
    steps: int | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Tuned:
    """Finds the settings under which a workload is fastest on this machine.

    Args:
        name: Name of the workload, which each trial imports in a process of its own.
        function: The workload.
        parameters: Its parameters, in place of their defaults.
        budget_s: Seconds to spend; the trial that runs then is still finished.
        vary: Texts of values of the workload's parameters to try, by name.
        keep: Settings that are left as they are.
        steps: Steps of the training to come, over which starting and compiling are spread; None
            to leave them out.
        say: Called with a line before each trial.

    Raises:
        InputError: for an unknown setting or a budget that is not above 0, or if the plain loop
            does not run.
    """
    check_limit_s("budget", budget_s)
    run = _Tuning(name, parameters, budget_s, steps, say)
    say("reading what the training is ...")
    run.begin()
    with run.started:
        run.space = space(function, run.facts, vary or {}, keep, parameters)
        run.check_losses()
        race = Race(
            merged(run.space.settings),
            run.take,
            lambda: run.spent_s / budget_s,
            lambda config: go_together(config, run.facts.workers),
        )
        interrupted = False
        try:
            best = race.run()
            if race.gain(best, PLAIN) is None:  # what was taken back last: never measured together
                race.measure_again([best])
        except KeyboardInterrupt:
            interrupted = True
    return _result(run, race, interrupted=interrupted)


def _result(run: _Tuning, race: Race, *, interrupted: bool) -> Tuned:
    disturbed = run.disturbed > _MOST_DISTURBED * run.trials
    best: Config = PLAIN if disturbed else race.proven
    gain = race.gain(best, PLAIN) if best else Gain(1.0, (1.0, 1.0))
    alone = [(pair, race.gain(frozenset({pair}), PLAIN)) for (pair,) in race.singles]
    without = [
        (pair, race.gain(race.leader, frozenset(p for p in race.leader if p != pair)))
        for pair in sorted(best, key=str)
    ]
    return Tuned(
        workload=run.name,
        best=dict(sorted(best, key=str)),
        speedup=None if disturbed or gain is None else gain.ratio,
        interval=None if disturbed or gain is None else gain.interval,
        likely={} if disturbed else dict(sorted(race.leader - best, key=str)),
        alone=[_shown(run.space, *one) for one in alone if one[1]],
        without=[_shown(run.space, *one) for one in without if one[1]],
        not_tried=[*run.space.not_tried, *_not_reached(race)],
        failed=run.failed,
        spent_s=run.spent_s,
        disturbed=disturbed,
        settled=race.settled and not disturbed,
        interrupted=interrupted,
        plain_s=math.exp(fmean(race.logs.get(PLAIN, [math.log(run.started.plain_s)]))),
        start_s=run.starts_s.get(best, 0.0),
        trials=run.trials,
        logs=race.logs,
    )


def _not_reached(race: Race) -> Iterator[NotTried]:
    """Yields the values that the race did not get to, in any configuration."""
    seen = set().union(*race.logs, *race.failed)
    for name, values in race.options.items():
        for value in values:
            if (name, value) not in seen:
                yield NotTried(name, value, "no time was left")


def _shown(space: Space, pair: tuple[str, Value], gain: Gain | None) -> Measured:
    assert gain is not None  # noqa: S101 - the caller leaves out what was not measured
    name, value = pair
    changes = space.setting(name).changes_numbers
    return Measured(name, value, gain.ratio, gain.interval, changes)


def _named(config: Config) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(config, key=str)) or "plain loop"


def _failed(config: Config, kind: Kind, message: str) -> Failed:
    pairs = sorted(config, key=str)
    if not pairs:
        return Failed("plain loop", None, kind, message)
    if len(pairs) == 1:
        return Failed(*pairs[0], kind, message)
    names, values = (" + ".join(map(str, part)) for part in zip(*pairs, strict=True))
    return Failed(names, values, kind, message)
