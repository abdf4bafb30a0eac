"""The pace of loader and training, against numbers worked out by hand and a simulation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.theory.loading import Pipeline, Stalls, stalls

# Quotients of small whole numbers: ties between the bounds come up all the time.
TIMES = st.integers(0, 64).map(lambda n: n / 16)
STEPS = st.integers(1, 64).map(lambda n: n / 16)


@st.composite
def pipelines(draw):
    """Any cost on up to nine cores, the training on none, some or all of them."""
    cores = draw(st.integers(1, 9))
    share = draw(st.sampled_from([0, 1, cores / 2, max(1, cores - 1), cores]))
    return Pipeline(draw(TIMES), draw(STEPS), cores, min(share, cores))


def test_a_gpu_beside_many_cores():
    """15 ms to load, 2 ms a step, 16 cores: 7.5 workers feed it, so 8; cores would allow 17/16 ms.

    391 batches with 8 workers that take 50 ms each to start: 0.4 + 0.017 + 390 x 0.002 = 1.197 s.
    """
    result = Pipeline(load_s=0.015, step_s=0.002, cores=16)
    assert result.floor_s == 0.002
    assert result.batch_s(0) == pytest.approx(0.017)
    assert result.batch_s(7) == pytest.approx(0.015 / 7)
    assert result.enough_workers() == 8
    assert (result.bound(7), result.bound(8), result.bound(8, copy_s=0.0015)) == (
        "loading", "compute", "copy",
    )  # fmt: skip
    assert result.epoch_s(391, 8, start_s=0.05) == pytest.approx(1.197)


def test_a_gpu_beside_few_cores():
    """Four cores do 17 ms of work in 4.25 ms at best: four workers get there, and no more help."""
    result = Pipeline(load_s=0.015, step_s=0.002, cores=4)
    assert result.floor_s == pytest.approx(0.00425)
    assert result.enough_workers() == 4
    assert (result.bound(3), result.bound(4)) == ("loading", "cores")


def test_training_on_the_processors_themselves():
    """Two cores, 30 ms to load, 20 ms a step on both: 50 ms in turn.

    One worker takes half of a core for the 40 ms in which the step is then done, and loads for
    20 ms; the other 10 ms follow: 50 ms again. Two workers load for 20 ms each: 40 ms are enough.
    """
    result = Pipeline(load_s=0.03, step_s=0.02, cores=2, step_cores=2)
    assert [result.batch_s(n) for n in (0, 1, 2, 4)] == pytest.approx([0.05, 0.05, 0.04, 0.04])
    assert result.enough_workers() == 2
    assert (result.bound(0), result.bound(1), result.bound(2)) == ("loading", "loading", "cores")
    assert result.best_workers(16, [0, 1, 2, 4], start_s=0.01) == 2


def test_training_in_lock_step_wins_nothing_from_short_loading():
    """10 ms to load, 20 ms a step on both cores: 20 ms at half speed hold 10 ms of either work.

    So a batch takes 30 ms with any number of workers and with none, and starting them is lost.
    """
    result = Pipeline(load_s=0.01, step_s=0.02, cores=2, step_cores=2)
    assert [result.batch_s(n) for n in (0, 1, 2, 4)] == pytest.approx([0.03] * 4)
    assert result.enough_workers() == 0
    assert result.best_workers(16, [0, 1, 2, 4], start_s=0.001) == 0


def test_long_loading_fills_all_cores():
    """100 ms to load, 20 ms a step on both of two cores: 120 ms in turn, 70 ms shared."""
    result = Pipeline(load_s=0.1, step_s=0.02, cores=2, step_cores=2)
    assert [result.batch_s(n) for n in (0, 1, 2, 4)] == pytest.approx([0.12, 0.12, 0.07, 0.07])
    assert result.enough_workers() == 2


def test_one_thread_leaves_a_core_to_a_worker():
    """Two cores, 30 ms to load, 40 ms a step of one thread: one worker hides all loading.

    50 ms to load are too long for one worker; two need (50 + 40) / 2 = 45 ms of both cores.
    """
    hidden = Pipeline(load_s=0.03, step_s=0.04, cores=2, step_cores=1)
    assert [hidden.batch_s(n) for n in (0, 1, 2)] == pytest.approx([0.07, 0.04, 0.04])
    longer = Pipeline(load_s=0.05, step_s=0.04, cores=2, step_cores=1)
    assert [longer.batch_s(n) for n in (0, 1, 2)] == pytest.approx([0.09, 0.05, 0.045])


def test_free_cores_load_before_threads_must_wait():
    """Four cores, a step of 10 ms on three of them, 16 ms to load.

    One worker on the free core needs 16 ms. Of two, the free core's loads 10 ms of it in a step;
    the other 6 ms are shared by both, so the threads lose 3 ms: 13 ms.
    """
    result = Pipeline(load_s=0.016, step_s=0.01, cores=4, step_cores=3)
    assert [result.batch_s(n) for n in (1, 2, 4)] == pytest.approx([0.016, 0.013, 0.013])


def test_a_fork_makes_the_first_step_longer():
    """Ten batches of 25 ms in turn; with a worker, 5 ms to start it and 100 ms of copied pages."""
    result = Pipeline(load_s=0.005, step_s=0.02, cores=8)
    assert result.epoch_s(10, 0, start_s=0.005, fork_s=0.1) == pytest.approx(0.25)
    assert result.epoch_s(10, 1, start_s=0.005, fork_s=0.1) == pytest.approx(0.31)
    assert result.best_workers(10, [0, 1], start_s=0.005, fork_s=0.1) == 0


def test_one_core_gains_nothing_from_workers():
    """All work is done in turn anyway: none is enough."""
    result = Pipeline(load_s=0.03, step_s=0.02, cores=1)
    assert result.enough_workers() == 0
    assert result.batch_s(3) == result.batch_s(0)


def test_the_cost_of_starting_workers_can_outweigh_them():
    """Ten batches gain 9 x 5 ms by a worker; one that takes 100 ms to start loses that."""
    result = Pipeline(load_s=0.005, step_s=0.02, cores=8)
    assert result.best_workers(10, [0, 1, 2], start_s=0.0) == 1
    assert result.best_workers(10, [0, 1, 2], start_s=0.1) == 0


def test_what_bounds_without_workers_is_the_longest_part():
    """Loading, copy and compute follow each other."""
    assert Pipeline(0.02, 0.03, 4).bound(0, copy_s=0.015) == "loading"
    assert Pipeline(0.01, 0.03, 4).bound(0, copy_s=0.02) == "copy"
    assert Pipeline(0.01, 0.03, 4).bound(0, copy_s=0.005) == "compute"


@given(pipelines())
def test_the_worker_count_is_enough_and_the_smallest(pipeline):
    """With it the pace is the floor; with one less it is not; the cores always suffice."""
    enough = pipeline.enough_workers()
    assert pipeline.batch_s(enough) <= pipeline.floor_s
    assert 0 <= enough <= pipeline.cores
    assert all(pipeline.batch_s(fewer) > pipeline.floor_s for fewer in range(enough))


@given(pipelines(), st.integers(0, 12), st.integers(0, 12))
def test_more_workers_never_slow_the_pace(pipeline, one, other):
    """And none of them beats the floor."""
    few, many = sorted((one, other))
    assert pipeline.batch_s(few) * (1 + 1e-12) >= pipeline.batch_s(many) >= pipeline.floor_s


@given(pipelines(), st.integers(1, 12))
def test_loading_is_the_bound_exactly_below_the_count(pipeline, workers):
    """Any number of workers is bound by loading if and only if it is not enough."""
    waits = pipeline.batch_s(workers) > pipeline.floor_s
    assert (pipeline.bound(workers) == "loading") == waits


def simulated_s(load_s, step_s, workers, batches):
    """Returns an epoch's seconds, batch by batch: worker i takes every w-th batch from i on."""
    ended_s = 0.0
    for index in range(batches):
        loaded_s = load_s * (index // workers + 1)
        ended_s = max(ended_s, loaded_s) + step_s
    return ended_s


@given(TIMES, STEPS, st.integers(1, 8), st.integers(1, 40))
def test_an_epoch_is_that_of_a_simulation(load_s, step_s, workers, batches):
    """On cores enough for all: exact where one worker loads or the step is the bound.

    With several workers that are the bound, batches come in bursts: off by less than one load.
    """
    result = Pipeline(load_s, step_s, cores=1000, step_cores=0)
    epoch_s, expected_s = (
        result.epoch_s(batches, workers),
        simulated_s(load_s, step_s, workers, batches),
    )
    if workers == 1 or load_s / workers <= step_s:
        assert epoch_s == pytest.approx(expected_s)
    assert abs(epoch_s - expected_s) <= load_s + 1e-9


@given(TIMES, STEPS, st.integers(1, 40))
def test_without_workers_the_parts_follow_each_other(load_s, step_s, batches):
    """An epoch is all loads and all steps."""
    epoch_s = Pipeline(load_s, step_s, cores=2).epoch_s(batches, 0)
    assert epoch_s == pytest.approx(batches * (load_s + step_s))


def test_stalls_are_differences():
    """2 s ready, 3 s cached, 3.5 s cold: 1 s prepared, 0.5 s fetched, two thirds in use."""
    assert stalls(2.0, 3.0, 3.5) == Stalls(1.0, 0.5, pytest.approx(2 / 3))
    assert stalls(2.0, 3.0).fetch_s is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Pipeline(-1, 1, 1), "load_s is -1; it must be finite and 0 or more"),
        (lambda: Pipeline(1, 0, 1), "step_s is 0; it must be finite and above 0"),
        (lambda: Pipeline(1, 1, 0), "cores is 0; it must be a whole number, 1 or more"),
        (lambda: Pipeline(1, 1, 1, 2), "step_cores is 2; it must be at most 1"),
        (lambda: Pipeline(1, 1, 1).batch_s(-1), "workers is -1; it must be a whole number, 0 or"),
        (lambda: Pipeline(1, 1, 1).epoch_s(0, 1), "batches is 0; it must be a whole number, 1 or"),
        (lambda: Pipeline(1, 1, 1).epoch_s(1, 1, -1), "start_s is -1; it must be finite and 0 or"),
        (lambda: stalls(0, 1), "ready_s is 0; it must be finite and above 0"),
        (lambda: stalls(1, 1, float("nan")), "cold_s is nan; it must be finite and above 0"),
    ],
)
def test_what_cannot_be_a_time_or_a_count_is_refused(call, message):
    """One line says which number, what it was and what it may be."""
    with pytest.raises(InputError, match=message):
        call()
