"""Roofline, stalls and the predicted worker count, from runs made up so that they are known."""

from dataclasses import replace

import pytest

from hpml_lab.comparison.roofline_points import peak_name
from hpml_lab.labs.answer import Brief
from hpml_lab.report.answers import answers
from hpml_lab.runs.machine import MachineInfo
from hpml_lab.runs.schema import Epoch, Measurement, Parts
from support.runs import CEILINGS, recorded, run_of

CASE = {
    "device": "cpu", "network": "resnet18-cifar", "width": 8, "images": 40, "batch_size": 10,
    "workers": 2, "optimizer": "sgd-momentum", "optimizer_settings": "lab", "source": "generated",
    "precision": "float32",
}  # fmt: skip
COUNTERS = {
    "flops_per_sample": 1000, "naive_bytes_per_sample": 190, "naive_bytes_per_step": 100,
}  # fmt: skip


def step(counters=COUNTERS, seconds=(0.2,), **case):
    """Returns a case of ten samples in 0.2 s: 50 a second, 50,000 FLOP/s, 5 FLOP a byte."""
    return recorded(
        Measurement(case=CASE | case, samples=10, processes=[list(seconds)], counters=counters),
        group="batch_size",
        name="test_it",
    )


def titled(title, *benchmarks, ceilings=CEILINGS):
    """Returns the answers with a title, of a machine with these ceilings."""
    run = run_of(*benchmarks, ceilings=ceilings)
    return [answer for answer in answers(run) if answer.title == title]


def test_a_case_is_placed_under_the_roof():
    """1,000 FLOP and 190 + 100/10 bytes: 20,000 bytes/s allow 100,000 FLOP/s; 50,000 is half."""
    (result,) = titled("Roofline", step())
    assert result.rows == [
        ["test_it", "50 /s", "50,000 FLOP/s", "5.0", "100,000 FLOP/s", "50.0 %", "memory-bound"]
    ]
    assert len(result.sentences) == 1


def test_an_unknown_ceiling_is_a_dash():
    """Rates and intensity stand; roof, share and bound do not; nothing is taken for granted."""
    for ceilings in ({}, CEILINGS | {"cpu_memory_bytes_per_s": None}):
        (result,) = titled("Roofline", step(), ceilings=ceilings)
        assert result.rows[0][2:] == ["50,000 FLOP/s", "5.0", "-", "-", "-"]


def test_more_than_the_ceiling_is_doubted():
    """A share of 200 % stands, with what it can mean and what to do."""
    (result,) = titled("Roofline", step(seconds=[0.05]))
    assert result.rows[0][5] == "200.0 %"
    assert "hpml-lab machine --fresh" in result.sentences[1]


@pytest.mark.parametrize("missing", sorted(COUNTERS))
def test_cases_that_were_not_counted_have_no_place(missing):
    """Older runs lack a counter; they answer what they did before."""
    counters = {name: count for name, count in COUNTERS.items() if name != missing}
    assert titled("Roofline", step(counters)) == []


def test_cases_without_rounds_or_batch_have_no_place():
    """A case that failed in every process, and a user's own."""
    failed = recorded(
        Measurement(case=CASE, samples=10, processes=[[]], counters=COUNTERS),
        group="mine",
        name="test_it",
    )
    own = recorded(
        Measurement(case={}, samples=10, processes=[[1.0]], counters=COUNTERS),
        group="mine",
        name="test_it",
    )
    assert titled("Roofline", failed, own) == []


def test_float32_on_cuda_is_held_against_tf32():
    """Its convolutions round so; other precisions are themselves."""
    assert peak_name("cuda", "float32") == "cuda_matmul_tf32_flops_per_s"
    assert peak_name("cuda", "float32", "float32") == "cuda_matmul_float32_flops_per_s"
    assert peak_name("cuda", "bfloat16") == "cuda_matmul_bfloat16_flops_per_s"
    assert peak_name("cpu", "float32") == "cpu_matmul_float32_flops_per_s"


PROCESSES_OF_2 = [[2.0], [2.01], [1.99], [2.0]]
PROCESSES_OF_1 = [[1.5], [1.51], [1.49], [1.5]]


def epochs(total_s, *, start_s=0.0, wait_s=0.0, copy_s=0.0, first_compute_s=None):
    """Returns a warm-up and two measured epochs of forty samples."""
    parts = Parts(
        wait_s=wait_s,
        copy_s=copy_s,
        compute_s=total_s - wait_s - copy_s,
        other_s=0.0,
        start_s=start_s,
        first_compute_s=first_compute_s,
    )
    return [
        Epoch(
            index=i,
            warm_up=i == 1,
            samples=40,
            loss=1.0,
            accuracy=0.5,
            total_s=total_s,
            parts=parts,
        )
        for i in (1, 2, 3)
    ]


def worked(workers, total_s, *, processes=None, threads=0, intraop_threads=2, **times):
    """Returns a case of a worker sweep."""
    settings = {"workers": workers, "threads": threads, "intraop_threads": intraop_threads}
    record = Measurement(
        case=CASE | settings, samples=40, processes=processes or [[total_s]], epochs=[]
    )
    record.epochs.extend(epochs(total_s, **times))
    return recorded(record, group="workers", name="test_it")


def test_worker_counts_are_predicted_from_none():
    """Four batches of 0.3 s and steps of 0.2 s on both of two cores: two workers, 0.4 s a batch.

    A worker takes 0.1 s to start. None: 2 s; one: 2.1 s; two: 0.5 + 0.2 + 3 x 0.4 = 1.9 s.
    """
    sweep = (
        worked(0, 2.0, wait_s=1.2),
        worked(1, 2.52, start_s=0.1, wait_s=0.2),
        worked(2, 1.52, start_s=0.2, wait_s=0.5),
    )
    (result,) = titled("Workers and threads predicted", *sweep)
    assert result.rows == [
        ["2", "0", "2.000", "2.000 ± 0.000", "1.00x", "loading"],
        ["2", "1", "2.100", "2.520 ± 0.000", "1.20x", "loading"],
        ["2", "2", "1.900", "1.520 ± 0.000", "0.80x", "cores"],
    ]
    assert (
        "300 ms to load a batch, 200 ms a step, which takes 2 of 2 processors"
        in (result.sentences[0])
    )
    assert result.sentences[0].endswith("100 ms to start one.")
    assert result.sentences[1] == (
        "Shortest epoch of the pairs tried: predicted with 2 threads, 2 workers, measured: cannot "
        "tell 2 threads, 2 workers from 2 threads, 0 workers, 2 threads, 1 worker in one process."
    )
    assert result.brief == Brief("2 threads, 2 workers; one of 3 alike", "3 processes")


def test_fewer_threads_are_predicted_beside_all():
    """One thread, steps of 0.35 s: a worker hides 0.3 s of loading, 0.65 + 0.1 + 3 x 0.35 = 1.8 s.

    With two threads, as above, none takes 2 s and one 2.1 s. Measured, one thread is faster by a
    quarter in each of four processes.
    """
    threads = {"threads": 1, "intraop_threads": 1}
    sweep = (
        worked(0, 2.0, processes=PROCESSES_OF_2, wait_s=1.2),
        worked(1, 2.1, processes=PROCESSES_OF_2, start_s=0.1, wait_s=0.2),
        worked(0, 2.6, processes=PROCESSES_OF_2, wait_s=1.2, **threads),
        worked(1, 1.5, processes=PROCESSES_OF_1, start_s=0.1, wait_s=0.2, **threads),
    )
    (result,) = titled("Workers and threads predicted", *sweep)
    assert [row[:3] for row in result.rows] == [
        ["1", "0", "2.600"],
        ["1", "1", "1.800"],
        ["2", "0", "2.000"],
        ["2", "1", "2.100"],
    ]
    assert result.brief == Brief("1 thread, 1 worker; measured 1 thread, 1 worker")


def test_copied_pages_are_part_of_the_first_step():
    """Steps of 0.2 s, the first after a fork 0.5 s: 0.3 s more with any number of workers.

    Without workers 4 x 0.5 s. With two: 0.5 + 0.2 + 3 x 0.4 = 1.9 s, 0.3 s of pages, 0.2 s to
    start them.
    """
    sweep = (
        worked(0, 2.0, wait_s=1.2),
        worked(1, 2.52, start_s=0.1, wait_s=1.42, first_compute_s=0.5),
        worked(2, 1.52, start_s=0.2, wait_s=0.5),
    )
    (result,) = titled("Workers and threads predicted", *sweep)
    assert [row[2] for row in result.rows] == ["2.000", "2.400", "2.200"]
    assert "and 300 ms of copied pages in the first step after a fork" in result.sentences[0]


def test_a_sweep_without_its_end_predicts_nothing():
    """No epochs without workers, none with them, or an unknown machine: no answer."""
    alone, one = worked(0, 2.0, wait_s=1.2), worked(1, 2.52, wait_s=0.2)
    for cases in ([one], [alone]):
        assert titled("Workers and threads predicted", *cases) == []
    unknown = replace(run_of(alone, one), machine_info=MachineInfo())
    assert "Workers and threads predicted" not in {answer.title for answer in answers(unknown)}


STALLS = {
    "ready_s": 2.0, "cached_s": 3.0, "prep_stall_s": 1.0, "accelerator_utilisation": 2 / 3,
}  # fmt: skip


def stalled(lost):
    """Returns a case with its stalls."""
    record = Measurement(
        case=CASE, samples=40, processes=[[3.0]], stalls=lost, epochs=epochs(3.0, wait_s=1.0)
    )
    return recorded(record, group="stalls", name="test_it")


def test_stalls_stand_beside_the_epochs_they_come_from():
    """A third of the epoch is lost to loading; without a cold epoch no fetch stall is given."""
    (result,) = titled("What loading costs an epoch", stalled(STALLS))
    assert [row[1:] for row in result.rows] == [["2.000", "-"], ["3.000", "1.000"]]
    assert result.sentences[0] == "The cpu has its batch for 66.7 % of the epoch."
    assert result.sentences[1].startswith("No fetch stall")


def test_a_cold_epoch_adds_the_fetch_stall():
    """Half a second more from storage."""
    cold = STALLS | {"cold_s": 3.5, "fetch_stall_s": 0.5}
    (result,) = titled("What loading costs an epoch", stalled(cold))
    assert result.rows[2][1:] == ["3.500", "0.500"]
    assert len(result.sentences) == 1


def test_a_case_without_stalls_answers_nothing():
    """A run that was cut short."""
    assert titled("What loading costs an epoch", stalled({})) == []
