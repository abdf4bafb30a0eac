"""What is seen in rounds, and what the machine did meanwhile."""

import math

import numpy as np
import pytest
import torch

from hpml_lab.measure import stability
from hpml_lab.measure.disturbance import Conditions, conditions, disturbances
from hpml_lab.measure.gpus import Gpu
from hpml_lab.measure.stability import chance_of_trend, drift, two_modes, unstable


@pytest.fixture
def rng():
    """Random numbers, the same every time."""
    return np.random.default_rng(0)


@pytest.mark.integration
def test_a_steady_case_is_rarely_called_unstable(rng):
    """Of 500 samples with normal noise fewer than 10, with exponential noise fewer than 20."""
    normal = 1 + 0.05 * rng.standard_normal((500, 60))
    exponential = 1 + rng.exponential(0.05, (500, 60))
    assert sum(bool(list(unstable(list(rounds)))) for rounds in normal) < 10
    assert sum(bool(list(unstable(list(rounds)))) for rounds in exponential) < 20


def test_a_drift_is_seen_with_its_size_and_direction():
    """Of rounds from 1.0 to 1.1 s the halves' medians are 1.0246 and 1.0754 s."""
    rounds = np.linspace(1.0, 1.1, 60)
    (seen,) = unstable(list(rounds))
    assert seen == "drift: the later half of the rounds took 5.0 % more time"
    (seen,) = unstable(list(rounds[::-1]))
    assert seen == "drift: the later half of the rounds took 4.7 % less time"


def test_a_drift_too_small_to_matter_is_not_told():
    """One percent, however clear."""
    assert drift(list(np.linspace(1.0, 1.02, 100))) == 0


def test_two_modes_are_seen_with_their_distance_and_share(rng):
    """Three of ten rounds take 20 % longer."""
    rounds = np.where(np.arange(60) % 10 < 3, 1.2, 1.0) * (1 + 0.005 * rng.standard_normal(60))
    (seen,) = unstable(list(rounds))
    assert seen == "two modes: 30.0 % of the rounds took 19.8 % more time"


def test_a_few_late_rounds_are_no_mode(rng):
    """One round in twelve that was interrupted does not make a second mode."""
    rounds = np.where(np.arange(60) % 12 == 0, 3.0, 1.0) * (1 + 0.01 * rng.standard_normal(60))
    assert two_modes(list(rounds)) is None


@pytest.mark.parametrize(
    ("fast", "slow", "share"),
    [(10, 10, 0.5), (4, 16, 0.8), (15, 5, 0.25), (18, 2, None), (2, 18, None), (10, 9, None)],
)
def test_modes_are_two_levels_that_many_rounds_have(fast, slow, share):
    """A millisecond and two: each has a fifth of twenty rounds at least."""
    modes = two_modes([0.001] * fast + [0.002] * slow)
    assert modes == (None if share is None else pytest.approx((1.0, share)))


def test_rounds_spread_evenly_have_no_modes():
    """From 1 to 2 s the halves are 0.5 s apart, and within them rounds spread by 0.15 s."""
    assert two_modes(list(np.linspace(1, 2, 30))) is None


def test_twenty_rounds_in_order_are_counted_out():
    """Two of 20! orders are as extreme; no normal approximation knows so small a chance."""
    assert chance_of_trend(range(20)) == pytest.approx(2 / math.factorial(20))


def test_the_normal_chance_is_mann_s():
    """25 values, 90 of 300 pairs inverted: S = 120, variance 25 * 24 * 55 / 18, z = 2.7792."""
    turned = [(0, 13), (13, 18), (18, 20), (20, 22), (22, 23), (23, 24), (24, 25)]
    values = [value for first, end in turned for value in reversed(range(first, end))]
    assert chance_of_trend(values) == pytest.approx(0.0054486046, rel=1e-7)


def test_no_round_has_no_drift():
    """Nor have rounds without time."""
    assert drift([]) == drift([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]) == 0.0


@pytest.mark.parametrize("count", [0, 1, 5])
def test_few_rounds_show_nothing(count):
    """Five rounds or fewer are not judged: in order they are by chance in one of sixty."""
    assert list(unstable([float(index + 1) for index in range(count)])) == []


@pytest.mark.parametrize(
    ("rounds", "seen"),
    [
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5], "27.3 % more"),
        ([1.5, 1.4, 1.3, 1.2, 1.1, 1.0], "21.4 % less"),
        ([1.0, 1.1, 1.2, 1.3, 1.5, 1.4], None),  # one pair out of order: 12 of 720
        ([1.0, 1.001, 1.002, 1.003, 1.004, 1.005], None),  # too small to matter
    ],
)
def test_six_rounds_in_order_are_a_drift(rounds, seen):
    """Steps so slow that six rounds are all there is are judged by their order."""
    said = f"drift: the later half of the rounds took {seen} time"
    assert list(unstable(rounds)) == ([said] if seen else [])


@pytest.mark.parametrize(("count", "orders"), [(3, [1, 2, 2, 1]), (4, [1, 3, 5, 6, 5, 3, 1])])
def test_orders_are_counted_by_their_inversions(count, orders):
    """Of three values one order has no pair out of place, two have one, two have two, one three."""
    assert stability._by_inversions(count) == orders


@pytest.mark.integration
def test_a_trend_is_as_rare_as_stated_where_there_is_none(rng):
    """Of 4,000 samples of 6 to 59 rounds fewer than 28 at 0.3 %: more have a chance of 1e-4."""
    samples = [rng.standard_normal(6 + index % 54) + 10 for index in range(4_000)]
    assert sum(stability.chance_of_trend(list(sample)) <= 0.003 for sample in samples) < 28


def test_a_trend_in_many_noisy_rounds_is_seen(rng):
    """28 rounds from 14 to 20 ms with 2 ms of noise, as of a graph that grows with each call."""
    rounds = np.linspace(0.014, 0.020, 28) + 0.002 * rng.standard_normal(28)
    assert "drift: " in next(unstable(list(rounds)))


def test_the_exact_chance_and_the_normal_one_agree(rng):
    """Twenty rounds are counted out, twenty-one are not: their chances differ by half at most."""
    values = np.linspace(0, 1, 20) + 0.8 * rng.standard_normal(20)
    exact = stability.chance_of_trend(list(values))
    more = stability.chance_of_trend([*values, float(np.median(values))])
    assert exact == pytest.approx(more, rel=0.5)


def test_thousands_of_rounds_are_judged_by_blocks():
    """Ten thousand rounds in order are a drift, and need no table of all their pairs."""
    assert drift(list(np.linspace(1.0, 2.0, 10_000))) == pytest.approx(0.4, abs=0.001)


def test_a_step_that_does_more_each_eighth_time_is_uneven():
    """Seven calls of 10 ms and one of 50: 15 ms a call, where the median says 10."""
    (seen,) = unstable(([0.010] * 7 + [0.050]) * 3)
    assert seen.startswith("uneven: the mean 15.0 ms differs from the median 10.0 ms; ")


def test_rounds_of_no_time_have_no_modes_and_no_drift():
    """What takes no time in most rounds cannot be compared with that."""
    assert two_modes([0.0, 0.01] * 20) is None
    assert drift([0.0] * 20 + [0.01] * 20) == 0


def test_equal_rounds_are_steady():
    """No variance at all is no mode and no drift."""
    assert list(unstable([1.0] * 40)) == []


def test_waiting_for_a_processor_is_load_by_others():
    """Of 2 s, 0.3 s were spent runnable without a processor: 15 %; less than 5 % is not told."""
    before = Conditions(10.0, 1.0)
    (seen,) = disturbances(before, Conditions(12.0, 1.3))
    assert seen == "load by others: 15.0 % of the time was spent waiting for a processor"
    assert list(disturbances(before, Conditions(12.0, 1.08))) == []
    assert list(disturbances(before, before)) == []


@pytest.mark.parametrize(
    ("mask", "held"), [(0x0, False), (0x1, False), (0x4, False), (0x40, True), (0x48, True)]
)
def test_clocks_held_back_are_throttling(mask, held):
    """Heat and failing power hold clocks back; idling and the power cap do not count."""
    seen = list(disturbances(Conditions(0.0, 0.0, (0,)), Conditions(1.0, 0.0, (mask,))))
    expected = f"throttling: the clocks of GPU 0 were held back (reasons {mask:#x})"
    assert seen == [expected] * held


def test_conditions_are_the_kernel_s_and_the_driver_s(tmp_path, monkeypatch):
    """The second number of schedstat are nanoseconds; a GPU is asked for a case on it alone."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "schedstat").write_text("5 1500000000 9\n")
    gpu = Gpu("H", "u", 1, False, "1", 1, 1, 1, throttle_reasons=4)
    monkeypatch.setattr("hpml_lab.measure.disturbance.gpus", lambda: [gpu])
    on_gpu = [torch.device("cuda", 0)]
    assert conditions([], tmp_path).waited_s == 1.5
    assert conditions([], tmp_path).throttled == ()
    assert conditions(on_gpu, tmp_path).throttled == (4,)


def test_a_used_up_quota_is_throttling(tmp_path):
    """Of 2 s the container's group stood still for 0.5 s: 25 %; the file counts microseconds."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("1:cpu:/old\n0::/box\n")
    group = tmp_path / "fs" / "cgroup" / "box"
    group.mkdir(parents=True)
    (group / "cpu.stat").write_text("usage_usec 9\nthrottled_usec 500000\n")
    held_s = conditions([], tmp_path, tmp_path).quota_s
    assert held_s == 0.5
    (seen,) = disturbances(Conditions(0.0, 0.0), Conditions(2.0, 0.0, quota_s=held_s))
    assert seen == (
        "throttling: for 25.0 % of the time the processor quota of the container was used up"
    )
    (group / "cpu.stat").write_text("usage_usec 9\n")
    assert conditions([], tmp_path, tmp_path).quota_s == 0


def test_heat_is_throttling(tmp_path):
    """Each processor counts how often it slowed down; three times more in all."""
    for processor, count in ((0, 5), (1, 2)):
        folder = tmp_path / "devices" / "system" / "cpu" / f"cpu{processor}" / "thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    hot = conditions([], tmp_path, tmp_path)
    assert hot.too_hot == 7
    (seen,) = disturbances(Conditions(0.0, 0.0, too_hot=4), Conditions(1.0, 0.0, too_hot=7))
    assert seen == "throttling: processors slowed down for heat 3 times"


@pytest.mark.parametrize("text", [None, "", "5", "5 x 9"])
def test_a_kernel_that_does_not_tell_is_no_load(tmp_path, text):
    """Without schedstat, or with another form of it, nothing was waited for."""
    (tmp_path / "self").mkdir()
    if text is not None:
        (tmp_path / "self" / "schedstat").write_text(text)
    assert conditions([], tmp_path).waited_s == 0


@pytest.mark.parametrize(("held_back_s", "flags"), [(0.3, 1), (0.02, 0)])
def test_clocks_held_back_during_the_work_are_flagged(held_back_s, flags):
    """Of 2 s, though the mask behind them is empty: the board is idle by then."""
    before = Conditions(0.0, 0.0, (0,), held_back_s=(5.0,))
    seen = list(disturbances(before, Conditions(2.0, 0.0, (0,), held_back_s=(5.0 + held_back_s,))))
    assert len(seen) == flags
    assert seen == [] or seen[0].startswith(
        "throttling: for 15.0 % of the time the clocks of GPU 0"
    )
