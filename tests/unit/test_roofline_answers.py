"""Roofline, stalls and the predicted worker count, from runs made up so that they are known."""

import pytest

from hpml_lab.history.run import Benchmark, ExtraInfo, Machine, MachineInfo, Run, Stats
from hpml_lab.measure.epochs import Epoch, Parts
from hpml_lab.measure.machine import Identity, Unit
from hpml_lab.measure.record import Measurement
from hpml_lab.report.answers import answers
from hpml_lab.verdict.roofline import peak_name

CASE = {
    "device": "cpu", "network": "resnet18-cifar", "width": 8, "images": 40, "batch_size": 10,
    "workers": 2, "optimizer": "sgd-momentum", "optimizer_settings": "lab", "source": "generated",
    "precision": "float32",
}  # fmt: skip
COUNTERS = {
    "flops_per_sample": 1000, "naive_bytes_per_sample": 190, "naive_bytes_per_step": 100,
}  # fmt: skip
CEILINGS = {"cpu_matmul_float32_flops_per_s": 200e3, "cpu_memory_bytes_per_s": 20e3}


def benchmark(group, record):
    """Returns a saved benchmark of a record."""
    return Benchmark("test_it", "f::test_it", Stats(1, 1, 1, 0, 1, 1), group, ExtraInfo(record))


def step(counters=COUNTERS, seconds=(0.2,), **case):
    """Returns a case of ten samples in 0.2 s: 50 a second, 50,000 FLOP/s, 5 FLOP a byte."""
    return benchmark("batch_size", Measurement(CASE | case, 10, [list(seconds)], counters))


def run_of(*benchmarks, ceilings=CEILINGS, cores=2):
    """Returns a run of a machine with two processors."""
    machine = Machine("m", Identity("c", cores, 24, None, 0, 0, False), Unit("h"), {}, {}, ceilings)
    return Run(MachineInfo(machine), list(benchmarks), "2026", "5")


def titled(title, run):
    """Returns the answers with a title."""
    return [answer for answer in answers(run) if answer.title == title]


def test_a_case_is_placed_under_the_roof():
    """1,000 FLOP and 190 + 100/10 bytes: 20,000 bytes/s allow 100,000 FLOP/s; 50,000 is half."""
    (found,) = titled("Roofline", run_of(step()))
    assert found.rows == [
        ["test_it", "50 /s", "50,000 FLOP/s", "5.0", "100,000 FLOP/s", "50.0 %", "memory-bound"]
    ]
    assert len(found.sentences) == 1


def test_an_unknown_ceiling_is_a_dash():
    """Rates and intensity stand; roof, share and bound do not; nothing is taken for granted."""
    for ceilings in ({}, CEILINGS | {"cpu_memory_bytes_per_s": None}):
        (found,) = titled("Roofline", run_of(step(), ceilings=ceilings))
        assert found.rows[0][2:] == ["50,000 FLOP/s", "5.0", "-", "-", "-"]


def test_more_than_the_ceiling_is_doubted():
    """A share of 200 % stands, with what it can mean and what to do."""
    (found,) = titled("Roofline", run_of(step(seconds=[0.05])))
    assert found.rows[0][5] == "200.0 %"
    assert "hpml-lab machine --fresh" in found.sentences[1]


@pytest.mark.parametrize("missing", sorted(COUNTERS))
def test_cases_that_were_not_counted_have_no_place(missing):
    """Older runs lack a counter; they answer what they did before."""
    counters = {name: count for name, count in COUNTERS.items() if name != missing}
    assert titled("Roofline", run_of(step(counters))) == []


def test_cases_without_rounds_or_batch_have_no_place():
    """A case that failed in every process, and a user's own."""
    failed = benchmark("mine", Measurement(CASE, 10, [[]], COUNTERS))
    own = benchmark("mine", Measurement({}, 10, [[1.0]], COUNTERS))
    assert titled("Roofline", run_of(failed, own)) == []


def test_float32_on_cuda_is_held_against_tf32():
    """Its convolutions round so; other precisions are themselves."""
    assert peak_name("cuda", "float32") == "cuda_matmul_tf32_flops_per_s"
    assert peak_name("cuda", "float32", "float32") == "cuda_matmul_float32_flops_per_s"
    assert peak_name("cuda", "bfloat16") == "cuda_matmul_bfloat16_flops_per_s"
    assert peak_name("cpu", "float32") == "cpu_matmul_float32_flops_per_s"


def epochs(total_s, *, start_s=0.0, wait_s=0.0, copy_s=0.0):
    """Returns a warm-up and two measured epochs of forty samples."""
    parts = Parts(wait_s, copy_s, total_s - wait_s - copy_s, 0.0, start_s)
    return [Epoch(i, i == 1, 40, 1.0, 0.5, total_s, parts) for i in (1, 2, 3)]


def worked(workers, total_s, **times):
    """Returns a case of a worker sweep."""
    record = Measurement(CASE | {"workers": workers}, 40, [[total_s]], epochs=[])
    record.epochs.extend(epochs(total_s, **times))
    return benchmark("workers", record)


def test_worker_counts_are_foretold_from_none():
    """Four batches of 0.3 s and steps of 0.2 s on both of two cores: two workers, 0.4 s a batch.

    A worker takes 0.1 s to start. None: 2 s; one: 2.1 s; two: 0.5 + 0.2 + 3 x 0.4 = 1.9 s.
    """
    sweep = (
        worked(0, 2.0, wait_s=1.2),
        worked(1, 2.52, start_s=0.1, wait_s=0.2),
        worked(2, 1.52, start_s=0.2, wait_s=0.5),
    )
    (found,) = titled("Loader workers predicted", run_of(*sweep))
    assert found.rows == [
        ["0", "2.000", "2.000 ± 0.000", "1.00x", "loading"],
        ["1", "2.100", "2.520 ± 0.000", "1.20x", "loading"],
        ["2", "1.900", "1.520 ± 0.000", "0.80x", "cores"],
    ]
    assert (
        "300 ms to load a batch, 200 ms a step, 2 processors of which the step takes 2"
        in (found.sentences[0])
    )
    assert found.sentences[0].endswith("100 ms to start one.")
    assert found.sentences[1] == (
        "Fewest workers with which loading no longer bounds the step: 2. Shortest epoch of the "
        "counts tried: predicted with 2, measured: cannot tell 2 from 0, 1 in one process."
    )


def test_a_sweep_without_its_end_foretells_nothing():
    """No epochs without workers, none with them, or an unknown machine: no answer."""
    alone, one = worked(0, 2.0, wait_s=1.2), worked(1, 2.52, wait_s=0.2)
    unknown = Run(MachineInfo(None), [alone, one], "2026", "5")
    for run in (run_of(one), run_of(alone), unknown):
        assert titled("Loader workers predicted", run) == []


STALLS = {
    "ready_s": 2.0, "cached_s": 3.0, "prep_stall_s": 1.0, "accelerator_utilisation": 2 / 3,
}  # fmt: skip


def stalled(lost):
    """Returns a case with its stalls."""
    record = Measurement(CASE, 40, [[3.0]], stalls=lost, epochs=epochs(3.0, wait_s=1.0))
    return benchmark("stalls", record)


def test_stalls_stand_beside_the_epochs_they_come_from():
    """A third of the epoch is lost to loading; without a cold epoch no fetch stall is given."""
    (found,) = titled("What loading costs an epoch", run_of(stalled(STALLS)))
    assert [row[1:] for row in found.rows] == [["2.000", "-"], ["3.000", "1.000"]]
    assert found.sentences[0] == "The cpu has its batch for 66.7 % of the epoch."
    assert found.sentences[1].startswith("No fetch stall")


def test_a_cold_epoch_adds_the_fetch_stall():
    """Half a second more from storage."""
    cold = STALLS | {"cold_s": 3.5, "fetch_stall_s": 0.5}
    (found,) = titled("What loading costs an epoch", run_of(stalled(cold)))
    assert found.rows[2][1:] == ["3.500", "0.500"]
    assert len(found.sentences) == 1


def test_a_case_without_stalls_answers_nothing():
    """A run that was cut short."""
    assert titled("What loading costs an epoch", run_of(stalled({}))) == []
