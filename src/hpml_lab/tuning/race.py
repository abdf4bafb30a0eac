"""The race: which settings make a step surely faster, from few and noisy measurements.

A trial measures one configuration, the settings that differ from the plain loop, in one fresh
process. A turn is one trial of each configuration that still takes part, in random order, so that
what the machine does meanwhile speaks for none of them. One turn screens all settings alone. Then
the race climbs: it measures the leader (all that helps, together), the leader without each of its
settings, and with each that it lacks, and moves to the best of them, until none can be better by
more than `MARGIN`, or the time is spent. In the last part of the time it only proves what the
leader has.

A setting stays in the recipe only if the leader is surely faster with it. Log seconds of all trials
of a configuration are averaged; the variances of configurations are shrunken towards each other
(`stats.shrinkage`), so that a few trials of each together tell how far trials lie apart. The race
looks for an end after 3, 5, 8, 12, ... turns; look k spends alpha / (k (k + 1)), and the last one
the rest (`stats.sequential`). The trials that made a setting part of the leader count too, which
speaks for it; but only a setting that seemed to help is tested at all. On planted machines
(tests/analytic/test_tuning_race.py) fewer than 1 % of the values without an effect are named.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hpml_lab.stats.sequential import alpha_of_look, look_pairs
from hpml_lab.stats.shrinkage import shrink, t_quantiles

Value = str | int | float | bool | None
Config = frozenset[tuple[str, Value]]
Trial = Callable[[Config], float | None]  # seconds of a sample; None where it failed

PLAIN: Config = frozenset()
MARGIN = 0.02  # differences up to this are none
ALPHA = 0.025  # of one comparison of the leader with and without a setting
CONFIDENCE = 0.95  # of the intervals that are shown
_SCREEN = MARGIN  # gain of one trial with which a setting enters the first leader
_HOPELESS = 0.1  # mean loss with which a setting takes no further part
_HOPELESS_ONCE = 0.3  # the same of a single trial, which may have met a slow moment
_CLOSING = 6  # turns that are left to prove what the leader has, when no more is added
_CLOSING_SHARE = 0.65  # of the time, at most
_DOUBTFUL = 0.5  # chance of a gain at least as large without an effect, to be taken back at the end
_MOST_TURNS = 60


@dataclass(frozen=True)
class Gain:
    """How many times as fast one configuration is as another.

    Attributes:
        ratio: The ratio of speeds; above 1 is faster.
        interval: Its 95 % confidence interval; None if nothing tells how far trials lie apart.
    """

    ratio: float
    interval: tuple[float, float] | None


@dataclass
class Race:
    """A race between configurations.

    Args:
        options: The values to try of each setting, without the plain one.
        trial: Measures a configuration in a fresh process.
        spent: Share of the time that is spent; called before each trial.
        valid: Whether settings go together.
        seed: Seed of the order within turns.

    Attributes:
        leader: The fastest configuration so far.
        proven: Settings of the leader with which it is surely faster than without.
        settled: Whether no single change is better than the leader by more than `MARGIN`.
        logs: Log seconds of each configuration's trials.
        failed: Configurations that failed; they take no further part.
    """

    options: Mapping[str, Sequence[Value]]
    trial: Trial
    spent: Callable[[], float] = lambda: 0.0
    valid: Callable[[Config], bool] = lambda _config: True
    seed: int = 0
    leader: Config = PLAIN
    settled: bool = False
    logs: dict[Config, list[float]] = field(default_factory=dict)
    failed: set[Config] = field(default_factory=set)
    _is_final: bool = False
    _paired_with: Config | None = None
    _turn: int = 0
    _looks: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._due = look_pairs()
        self._next_look = next(self._due)

    @property
    def singles(self) -> list[Config]:
        """Each value alone."""
        return [
            config
            for name, values in self.options.items()
            for value in values
            if self.valid(config := frozenset({(name, value)}))
        ]

    def run(self) -> Config:
        """Measures until the best is sure or the time is spent; returns the proven settings."""
        self._measure([PLAIN, *self.singles])
        self.leader = self._first_leader()
        while not self._is_over and not self.settled:
            rivals = self._neighbours()
            if self.leader == PLAIN and not rivals:
                break  # nothing is left that may help
            plain = [] if self.leader and self._turn % 2 else [PLAIN]  # no rival of most leaders
            self._measure([*plain, self.leader, *rivals])
            if self._fall_back() or self._move():
                continue
            if self._paired_with != self.leader and self._is_exploring:
                self._paired_with = self.leader
                self._measure([self.leader, *self._pairs()])
                if self._fall_back() or self._move():
                    continue
            if self._turn >= self._next_look:
                self._next_look = next(due for due in self._due if due > self._turn)
                self._looks += 1
                self.settled = self._is_settled(alpha_of_look(ALPHA, self._looks, last=False))
        if not self.settled:
            self._looks += 1
        return self.proven

    @property
    def _is_exploring(self) -> bool:
        """Whether more time is left than the leader needs to be proven."""
        if self._is_final:
            return False
        share = self.spent() / max(1, sum(map(len, self.logs.values())))  # of a trial
        needed = _CLOSING * (len(self.leader) + 2) * share
        return 1 - self.spent() > min(needed, _CLOSING_SHARE)

    @property
    def _is_over(self) -> bool:
        return self.spent() >= 1 or self._turn >= _MOST_TURNS

    def measure_again(self, configs: Iterable[Config]) -> None:
        """Takes one more turn, whether or not the time is spent."""
        self._measure(configs, until=math.inf)

    def gain(self, config: Config, other: Config) -> Gain | None:
        """Returns how many times as fast one configuration is as another, with its interval."""
        if not self._are_known(config, other):
            return None
        mean, half = self._mean_gain(config, other), self._half(config, other, 1 - CONFIDENCE)
        ends = (math.exp(mean - half), math.exp(mean + half)) if math.isfinite(half) else None
        return Gain(math.exp(mean), ends)

    @property
    def proven(self) -> Config:
        """The leader without the settings that do not surely help it."""
        alpha = alpha_of_look(ALPHA, max(self._looks, 1), last=not self.settled)
        unproven = [name for name, _ in self.leader if not self._surely_helps(name, alpha)]
        recipe = self.leader
        for name in unproven:
            recipe = _without(recipe, name)
        return self._valid_part(recipe)

    def _taken_back(self, name: str) -> Config:
        """Returns the leader without a setting, and without what needs it."""
        return self._valid_part(_without(self.leader, name))

    def _valid_part(self, config: Config) -> Config:
        """Returns the configuration without the fewest settings that do not go together."""
        for count in range(len(config) + 1):
            for pairs in itertools.combinations(sorted(config, key=str), count):
                if self.valid(smaller := config - set(pairs)):
                    return smaller
        return PLAIN

    def _measure(self, configs: Iterable[Config], until: float = 1.0) -> None:
        """Takes one turn: each configuration once, in random order."""
        order = [c for c in dict.fromkeys(configs) if c not in self.failed and self.valid(c)]
        self._random.shuffle(order)
        for config in order:
            if self.spent() >= until:
                break
            seconds = self.trial(config)
            if seconds is None:
                self.failed |= {config} - {PLAIN}  # which has run: it may run again
            else:
                self.logs.setdefault(config, []).append(math.log(seconds))
        self._turn += 1

    def _first_leader(self) -> Config:
        """Returns the best value of each setting that one trial of it shows to help."""
        chosen: list[tuple[str, Value]] = []
        for name, values in self.options.items():
            gains = {v: self._mean_gain(frozenset({(name, v)}), PLAIN) for v in values}
            best = max(gains, key=lambda value: gains[value])
            if gains[best] > _SCREEN and self.valid(frozenset([*chosen, (name, best)])):
                chosen.append((name, best))
        return frozenset(chosen)

    def _neighbours(self) -> list[Config]:
        """Returns the leader changed in one setting, as far as that must be measured."""
        alpha = alpha_of_look(ALPHA, self._looks + 1, last=False)
        removed = [
            self._taken_back(name) for name, _ in self.leader if not self._surely_helps(name, alpha)
        ]
        explores = self._is_exploring or self.leader == PLAIN
        return [*removed, *(self._additions() if explores else [])]

    def _additions(self) -> list[Config]:
        """Returns the leader with other settings, as far as they may make it faster."""
        configs = [
            _with(self.leader, name, value)
            for name, values in self.options.items()
            for value in values
            if (name, value) not in self.leader and not self._is_hopeless(name, value)
        ]
        return [c for c in configs if c not in self.failed and self.valid(c) and self._may_win(c)]

    def _pairs(self) -> list[Config]:
        """Returns the leader with two settings at once that it lacks: some help only together."""
        added = [next(iter(c - self.leader)) for c in self._additions()]
        pairs = [(a, b) for a, b in itertools.combinations(added, 2) if a[0] != b[0]]
        configs = [_with(_with(self.leader, *a), *b) for a, b in pairs]
        return [c for c in configs if c not in self.failed and self.valid(c)]

    def _is_hopeless(self, name: str, value: Value) -> bool:
        """Whether a setting alone fails, or makes the step much slower."""
        alone: Config = frozenset({(name, value)})
        if alone in self.failed:
            return True
        # One that needs another setting was never measured alone.
        return self._is_far_behind(alone, PLAIN)

    def _is_far_behind(self, config: Config, other: Config) -> bool:
        if not self._are_known(config, other):
            return False
        once = min(len(self.logs[config]), len(self.logs[other])) == 1
        return self._mean_gain(config, other) < -(_HOPELESS_ONCE if once else _HOPELESS)

    def _may_win(self, config: Config) -> bool:
        """Whether a neighbour was not measured yet, or may be faster than the leader."""
        if not self._are_known(config, self.leader):
            return True
        if self._is_far_behind(config, self.leader):
            return False
        mean = self._mean_gain(config, self.leader)
        return mean + self._half(config, self.leader, 1 - CONFIDENCE) > 0

    def _fall_back(self) -> bool:
        """Leads with the best of the others if the leader fails, as settings may fail together."""
        if self.leader not in self.failed:
            return False
        left = [config for config in self.logs if config not in self.failed]
        return self._lead_with(max(left, key=lambda c: self._mean_gain(c, PLAIN), default=PLAIN))

    def _move(self) -> bool:
        """Moves to the best neighbour if it is ahead; returns whether the leader moved."""
        around = [
            c for c in self.logs if 1 <= _changed(c, self.leader) <= 2 and c not in self.failed
        ]
        if not around or self.leader not in self.logs:
            return False
        best = max(around, key=lambda config: self._mean_gain(config, self.leader))
        gain = self._mean_gain(best, self.leader)
        # A lead that is likely will do: what does not hold is taken back by later turns.
        ahead = self._half(best, self.leader, (1 - CONFIDENCE) / len(around))
        if gain > (ahead if math.isfinite(ahead) else MARGIN):
            return self._lead_with(best)
        if self._is_exploring or self._is_final:
            return False
        self._is_final = True
        useful = frozenset(pair for pair in self.leader if self._seems_useful(pair[0]))
        return useful != self.leader and self._lead_with(useful)

    def _lead_with(self, config: Config) -> bool:
        self.leader = config
        return True

    def _seems_useful(self, name: str) -> bool:
        """Whether it is likely that a setting helps; what is not would be unproven in the end.

        It is taken back before, as others may help only beside it.
        """
        other = self._taken_back(name)
        if other in self.failed:
            return True
        half = self._half(self.leader, other, _DOUBTFUL)
        return self._mean_gain(self.leader, other) > (half if math.isfinite(half) else 0)

    def _is_settled(self, alpha: float) -> bool:
        """Whether all settings of the leader help, and no other can by more than the margin."""
        if not all(self._surely_helps(name, alpha) for name, _ in self.leader):
            return False
        shared = alpha / self._comparisons
        return all(
            self._mean_gain(config, self.leader) + self._half(config, self.leader, shared) <= MARGIN
            for config in self._additions()
        )

    def _surely_helps(self, name: str, alpha: float) -> bool:
        """Whether the leader is surely faster with a setting than without."""
        other = self._taken_back(name)
        if other in self.failed:
            return True
        half = self._half(self.leader, other, 2 * alpha)
        return self._mean_gain(self.leader, other) - half > 0

    @property
    def _comparisons(self) -> int:
        return sum(map(len, self.options.values()))

    def _half(self, config: Config, other: Config, alpha: float) -> float:
        """Returns the half-width of a log gain's two-sided interval; infinite if nothing tells it.

        The t interval of two means whose variances are moderated by those of all configurations.
        """
        counts = np.array([len(logs) for logs in self.logs.values()])
        if not self._are_known(config, other) or counts.max() < 2:
            return math.inf
        variance = np.array([np.var(v, ddof=1) if v[1:] else 0.0 for v in self.logs.values()])
        shrunken = shrink(variance, counts - 1.0)
        places = [list(self.logs).index(c) for c in (config, other)]
        deviation = math.sqrt((shrunken.variance / counts)[places].sum())
        return float(t_quantiles(1 - alpha / 2, shrunken.dof[places].min())) * deviation

    def _are_known(self, *configs: Config) -> bool:
        return all(config in self.logs for config in configs)

    def _mean_gain(self, config: Config, other: Config) -> float:
        if not self._are_known(config, other):
            return -math.inf
        return float(np.mean(self.logs[other]) - np.mean(self.logs[config]))


def _without(config: Config, name: str) -> Config:
    return frozenset(pair for pair in config if pair[0] != name)


def _with(config: Config, name: str, value: Value) -> Config:
    return _without(config, name) | {(name, value)}


def _changed(config: Config, other: Config) -> int:
    """Returns in how many settings two configurations differ."""
    return len({name for name, _ in config ^ other})
