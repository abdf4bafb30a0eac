"""The race of settings on machines whose best settings are known."""

import math

import pytest

from hpml_lab.tuning.race import PLAIN, Race
from support.tuned_machines import OPTIONS, TunedMachine

BUDGET = 120  # trials; the grid has 384 configurations


def raced(machine, budget=BUDGET):
    """Returns the race on a machine, and its recipe."""
    race = Race(OPTIONS, machine.trial, lambda: machine.trials / budget)
    return race, race.run()


def judged(seed, budget=BUDGET, **noise):
    """Returns seconds over the best seconds, and the settings in the recipe that do not help."""
    machine = TunedMachine(seed, **noise)
    race, recipe = raced(machine, budget)
    false = [pair for pair in recipe if machine.seconds(recipe - {pair}) <= machine.seconds(recipe)]
    return machine.seconds(recipe) / machine.best_s, false, race


def shares(seeds, **options):
    """Returns the share of runs within 2 % of the best, and the share of false settings."""
    results = [judged(seed, **options) for seed in seeds]
    near = sum(ratio <= 1.02 for ratio, _, _ in results) / len(results)
    tried = sum(map(len, OPTIONS.values())) * len(results)
    return near, sum(len(false) for _, false, _ in results) / tried


@pytest.mark.integration
def test_the_best_settings_are_found_on_planted_machines():
    """60 machines of the slow test below, of which 97 % are within 2 % of the best of 384."""
    near, false = shares(range(60))
    assert near >= 0.9
    assert false <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({}, 0.95),
        ({"heavy": True}, 0.92),
        ({"noise": 0.01, "budget": 240}, 0.9),
        ({"drift": 0.2}, 0.9),
    ],
)
def test_a_thousand_planted_machines(options, least):
    """Within 2 % of the best; of the values tried at most 1 % are called helpful falsely."""
    near, false = shares(range(1000), **options)
    assert near >= least
    assert false <= 0.01


def test_an_exact_machine_is_settled_early():
    """Without noise the race ends by itself, and names the best."""
    ratio, false, race = judged(3, noise=1e-6)
    assert ratio == pytest.approx(1, abs=1e-4)
    assert not false
    assert race.settled


@pytest.mark.integration
def test_nothing_helps_where_nothing_has_an_effect():
    """Noise alone names at most 1 % of the values: of 1,000 on 100 machines 10, seldom 25."""
    named = 0
    for seed in range(100):
        machine = TunedMachine(seed, noise=0.02)
        machine.seconds = lambda _config: 1.0
        named += len(raced(machine, 60)[1])
    assert named <= 25


def test_a_setting_that_fails_takes_no_further_part():
    """Alone, and in every configuration that it is part of."""
    asked = []

    def trial(config):
        asked.append(config)
        return None if ("threads", 1) in config else 1.0

    race = Race({"threads": [1], "precision": ["bfloat16"]}, trial, lambda: len(asked) / 30)
    assert race.run() == PLAIN
    assert [config for config in asked if ("threads", 1) in config] == [frozenset({("threads", 1)})]


def test_settings_that_fail_together_leave_the_better_one():
    """Each halves the time, both together fail: the race falls back to one of them."""
    asked = []

    def trial(config):
        asked.append(config)
        noise = 1 + 0.001 * (len(asked) % 3)
        return None if len(config) > 1 else {0: 1.0, 1: 0.5}[len(config)] * noise

    race = Race({"threads": [1], "precision": ["bfloat16"]}, trial, lambda: len(asked) / 40)
    assert len(race.run()) == 1
    assert asked.count(frozenset({("threads", 1), ("precision", "bfloat16")})) == 1


def test_settings_that_do_not_go_together_are_not_tried():
    """Persistent workers need a worker."""
    asked = set()

    def trial(config):
        asked.add(config)
        return math.exp(-0.3 * len(config))

    race = Race(
        {"workers": [2], "persistent_workers": [True]},
        trial,
        lambda: 0.1,
        valid=lambda config: config != frozenset({("persistent_workers", True)}),
    )
    recipe = race.run()
    assert recipe == {("workers", 2), ("persistent_workers", True)}
    assert frozenset({("persistent_workers", True)}) not in asked


def test_what_helps_only_together_is_found():
    """Two settings without an effect alone, 20 % together: pairs are tried around the leader."""
    pair = {("memory_format", "channels_last"), ("precision", "bfloat16")}
    machine = TunedMachine(1)
    machine.seconds = lambda config: 0.8 if pair <= config else 1.0
    assert raced(machine)[1] == pair


def test_a_machine_that_slows_down_speaks_for_no_setting():
    """By 0.1 % with every trial, 60 turns: twice as fast is told as twice, within 1 %."""
    slowed = iter(range(1000))

    def trial(config):
        return (0.5 if config else 1.0) * 1.001 ** next(slowed)

    race = Race({"precision": ["bfloat16"]}, trial)
    recipe = race.run()
    assert recipe == {("precision", "bfloat16")}
    assert race.gain(recipe, PLAIN).ratio == pytest.approx(2, rel=0.01)


def test_a_plain_loop_that_fails_once_is_measured_again():
    """One trial of it is lost; the race goes on and names what helps."""
    asked = []

    def trial(config):
        asked.append(config)
        if config == PLAIN and asked.count(PLAIN) == 2:
            return None
        return 0.5 if config else 1.0

    race = Race({"precision": ["bfloat16"]}, trial, lambda: len(asked) / 30)
    assert race.run() == {("precision", "bfloat16")}


def test_a_leader_that_fails_later_is_left():
    """Twice as fast until its third trial, then never again: the race does not insist on it."""
    asked = []

    def trial(config):
        asked.append(config)
        fails = config and asked.count(config) > 2
        return None if fails else {0: 1.0, 1: 0.5}[len(config)]

    race = Race({"precision": ["bfloat16"]}, trial, lambda: len(asked) / 30)
    race.run()
    assert race.leader == PLAIN


def test_what_needs_another_setting_is_taken_back_with_it():
    """Without workers neither persistence nor prefetching remains, but compiling does."""
    needs = {"persistent_workers", "prefetch_factor"}

    def valid(config):
        names = {name for name, _ in config}
        return "workers" in names or not names & needs

    pairs = {("compile_mode", "default"), ("workers", 2), ("persistent_workers", True),
             ("prefetch_factor", 4)}  # fmt: skip
    race = Race({}, lambda _config: 1.0, valid=valid, leader=frozenset(pairs))
    assert race._taken_back("workers") == {("compile_mode", "default")}
