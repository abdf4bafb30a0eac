"""The lab's answers, from runs made up so that the answers are known."""

import pytest

from hpml_lab.errors import RunFileError
from hpml_lab.labs.answer import Answer
from hpml_lab.labs.compile_modes.table import break_even_epoch
from hpml_lab.report import terminal
from hpml_lab.report.answers import answers
from hpml_lab.runs.cases import alike
from hpml_lab.runs.schema import Measurement
from hpml_lab.units import MIB
from support.runs import benchmark, epoch, recorded, run_of


def answer(item, *benchmarks):
    """Returns the one answer to an item."""
    (result,) = [a for a in answers(run_of(*benchmarks)) if a.item == item]
    return result


def sweep(**by_count):
    """Returns worker cases from (loading s, run time s) of two epochs each."""
    return [
        benchmark(
            "workers",
            epochs=[epoch(1, 9.0, warm_up=True, wait_s=8.0)]
            + [epoch(i, run + d, wait_s=load) for i, d in ((2, -0.01), (3, 0.01))],
            workers=int(name[1:]),
        )
        for name, (load, run) in by_count.items()
    ]


def test_c2_shows_every_epoch_and_the_mean_without_the_warm_up():
    """Two workers: loading 1 of 4 seconds is 25 %."""
    result = answer("C2", *sweep(w2=(1.0, 4.0)))
    assert result.rows[0] == ["1 (warm-up)", "8.000", "0.000", "1.000", "0.000", "9.000"]
    assert result.rows[-1] == ["mean", "1.000", "0.000", "3.000", "0.000", "4.000"]
    assert result.sentences[0] == "Loading takes 25.0 % of an epoch, computing 75.0 %."


def test_c3_tells_run_time_and_loading_apart():
    """Four workers wait least, two have the shortest epoch, and the lab's rule goes on to four."""
    result = answer("C3", *sweep(w0=(2.0, 5.0), w1=(1.5, 4.0), w2=(0.5, 3.0), w4=(0.1, 3.5)))
    assert result.sentences[0] == (
        "Best worker count by run time: cannot tell 2 from 0, 1, 4 in one process; loading alone, "
        "in one process: 4."
    )
    assert result.sentences[1].endswith("ends at 4.")
    assert "loading is 16.7 % of the epoch" in result.sentences[2]
    assert "2 processors" in result.sentences[2]


def test_c3_names_the_best_count_where_processes_tell_it():
    """Three processes tell two workers from none, and not from one."""
    cases = sweep(w0=(2.0, 5.0), w1=(0.5, 3.01), w2=(0.5, 3.0))
    for case in cases:
        first = case.measurement.processes[0]
        case.measurement.processes.extend([s * by for s in first] for by in (1.01, 0.99))
    cases[1].measurement.processes[1] = [3.3]
    assert answer("C3", *cases[::2]).sentences[0].startswith("Best worker count by run time: 2; ")
    assert "by run time: cannot tell 2 from 1; loading" in answer("C3", *cases).sentences[0]


def test_c3_stops_by_the_lab_s_rule_at_the_first_rise():
    """Loading 2, 1, 1.5, 0.5 stops the lab's rule at one worker, though four wait less."""
    result = answer("C3", *sweep(w0=(2.0, 5), w1=(1.0, 4), w2=(1.5, 4), w4=(0.5, 4)))
    assert result.sentences[1].endswith("ends at 1.")


def test_c4_compares_one_worker_with_the_best():
    """Ratios of loading 1.5 to 0.5 and of run time 4 to 3."""
    result = answer("C4", *sweep(w1=(1.5, 4.0), w2=(0.5, 3.0)))
    assert result.rows[-1] == ["1 / 2", "3.00x", "1.00x", "-", "1.33x"]
    assert "its run time is 0.75x that of one worker" in result.sentences[0]


def test_c5_compares_devices_or_says_what_is_missing():
    """Ten seconds on the CPU against two is five times; a CPU alone says how to get the other."""
    cpu = benchmark("device", epochs=[epoch(2, 10.0)])
    cuda = benchmark("device", epochs=[epoch(2, 2.0)], device="cuda", pin_memory=True)
    assert answer("C5", cpu, cuda).sentences == [
        "An epoch on the CPU takes 5.00x the time of the GPU."
    ]
    assert "Only cpu was measured" in answer("C5", cpu).sentences[0]


def test_c6_ranks_by_the_last_epoch():
    """Adam ends at 20 %, SGD at 60 %; the mean is over all epochs."""
    sgd = [epoch(1, 2.0, warm_up=True, accuracy=0.2, loss=2.0), epoch(2, 1.0, accuracy=0.6)]
    adam = [epoch(1, 2.0, warm_up=True, accuracy=0.3), epoch(2, 1.5, accuracy=0.2)]
    result = answer(
        "C6",
        benchmark("optimizers", epochs=adam, optimizer="adam"),
        benchmark("optimizers", epochs=sgd),
    )
    row = ["sgd-momentum", "1.000 ± 0.000", "2.00 1.00", "1.500", "20.0 60.0", "40.0"]
    assert result.rows[1] == row
    assert "sgd-momentum 60.0 %, adam 20.0 %" in result.sentences[0]
    assert (
        result.sentences[1] == "Fastest epoch: cannot tell sgd-momentum from adam in one process."
    )


def test_c7_gives_the_ratio_of_the_epochs():
    """Three seconds with batch norm, two without: 0.67x."""
    result = answer(
        "C7",
        benchmark("batch_norm", epochs=[epoch(2, 3.0)]),
        benchmark("batch_norm", epochs=[epoch(2, 2.0)], batch_norm=False),
    )
    assert "takes 0.67x the time" in result.sentences[0]
    assert [row[0] for row in result.rows] == ["batch norm", "none"]


@pytest.mark.parametrize(
    ("first_s", "steady_s", "expected"),
    [(22.0, 8.0, 7), (10.0, 8.0, 1), (11.0, 9.75, 5), (22.0, 10.0, None), (9.0, 11.0, 1)],
)
def test_break_even_is_the_first_epoch_that_ends_no_later(first_s, steady_s, expected):
    """Against eager at 10 s an epoch: 12 s more, won back at 2 s each, are won after epoch 7."""
    assert break_even_epoch(first_s, steady_s, (10.0, 10.0)) == expected


def test_c8_says_when_a_mode_pays_and_which_are_missing():
    """Default pays after epoch 7; max-autotune never; reduce-overhead was not run."""
    modes = {"eager": (10.0, 10.0), "default": (22.0, 8.0), "max-autotune": (50.0, 11.0)}
    cases = [
        benchmark(
            "compile_modes",
            epochs=[epoch(1, first, warm_up=True), epoch(6, steady)],
            compile_mode=mode,
            counters={"graphs": 1, "graph_breaks": 0, "recompiles": 0},
        )
        for mode, (first, steady) in modes.items()
    ]
    result = answer("C8", *cases)
    assert [row[3] for row in result.rows] == ["-", "7", "never"]
    assert (
        "default: a later epoch takes 0.80x the time of eager (so few processes cannot tell which "
        "is faster); it pays for itself after epoch 7." in result.sentences
    )
    assert result.sentences[-1] == "Not in this run: reduce-overhead."


def test_the_memory_of_compile_modes_stands_beside_eager():
    """Half of eager's 100 MiB; a reading that one mode lacks is left out."""
    readings = {"eager": {"peak_step_bytes": 100 * MIB, "peak_resident_bytes": 1}}
    readings["default"] = {"peak_step_bytes": 50 * MIB}
    cases = [
        benchmark("compile_modes", epochs=[epoch(1, 2.0)], compile_mode=mode, memory=memory)
        for mode, memory in readings.items()
    ]
    (result,) = [a for a in answers(run_of(*cases)) if a.title == "Memory of compile modes"]
    assert result.columns == ["mode", "a step's own MiB"]
    assert result.rows == [["eager", "100.0"], ["default", "50.0"]]
    assert result.sentences == ["A step's own against eager: default 0.50x."]


def test_memory_of_graphs_is_what_they_reserve():
    """Replays allocate nothing, 21 of 100 MiB: only the 150 that they reserve are told."""
    sizes = {"eager": (100, 120), "default": (80, 96), "reduce-overhead": (21, 150)}
    cases = [
        benchmark(
            "compile_modes",
            epochs=[epoch(1, 2.0)],
            compile_mode=mode,
            memory={"peak_allocated_bytes": allocated * MIB, "peak_reserved_bytes": reserved * MIB},
        )
        for mode, (allocated, reserved) in sizes.items()
    ]
    (result,) = [a for a in answers(run_of(*cases)) if a.title == "Memory of compile modes"]
    assert [row[1:] for row in result.rows] == [
        ["100.0", "120.0"],
        ["80.0", "96.0"],
        ["-", "150.0"],
    ]
    assert result.sentences == ["Reserved against eager: default 0.80x, reduce-overhead 1.25x."]


def test_batch_sizes_are_compared_by_samples_a_second():
    """Ten samples in 10 ms beat a hundred in 200 ms."""
    (result,) = answers(
        run_of(
            benchmark("batch_size", seconds=[0.01], samples=10, batch_size=10),
            benchmark("batch_size", seconds=[0.2], samples=100, batch_size=100, images=0),
        )
    )
    assert result.sentences == ["Most images a second: batch 10, 1,000 /s."]
    assert [row[2] for row in result.rows] == ["1,000", "500"]


def test_counts_answer_q1_to_q4():
    """Counts come from the run's counters, states in whole copies of the parameters."""
    counts = {
        "convolutions": 20, "last_linear_inputs": 512, "trainable_parameters": 250,
        "gradients": 250, "parameters_bytes": 1000,
    }  # fmt: skip
    cases = [
        benchmark(
            "memory",
            counters=counts | {"optimizer_state_bytes": state},
            memory={"peak_allocated_bytes": 2**20},
            optimizer=name,
            seconds=[1.0],
        )
        for name, state in (("adam", 2000), ("sgd", 0))
    ]
    questions, memory = answers(run_of(*cases))
    assert [row[2] for row in questions.rows] == ["20", "512", *["250"] * 4]
    assert memory.rows[1] == ["adam", "2,000", "0.00 MiB", "2", "1.00 MiB"]
    assert memory.sentences == ["Order of memory: sgd < adam."]


def test_cases_that_differ_in_more_than_the_axis_are_not_mixed():
    """Two networks' sweeps are two tables."""
    cases = sweep(w0=(2.0, 5.0), w2=(0.5, 3.0))
    other = [benchmark("workers", epochs=b.measurement.epochs, width=64) for b in cases[:1]]
    tables = [a for a in answers(run_of(*cases, *other)) if a.item == "C3"]
    assert [len(table.rows) for table in tables] == [2, 1]


def test_stock_benchmarks_are_left_out():
    """A benchmark without our record in a group of ours answers nothing."""
    assert answers(run_of(recorded(None, group="workers"))) == []


def test_a_user_s_own_group_is_left_alone():
    """A user's benchmarks in a group of ours have other records; they answer nothing."""
    record = Measurement(case={"n": 1}, samples=None, processes=[[1.0]])
    own = [
        recorded(record, group=group)
        for group in ("memory", "workers", "device", "batch_size", "optimizers")
    ]
    assert answers(run_of(*own)) == []
    assert answers(run_of(benchmark("memory", seconds=[1.0]), benchmark("workers"))) == []


def test_records_that_cannot_be_are_one_error():
    """A worker count that is no number, or an epoch without time, is a damaged run."""
    for damaged in (
        benchmark("workers", epochs=[epoch(2, 1.0)], workers="many"),
        benchmark("batch_size", seconds=[0.0], batch_size=1),
    ):
        with pytest.raises(RunFileError, match="the run's records do not fit together"):
            answers(run_of(damaged))


def test_text_for_the_terminal_holds_no_control_character():
    """A hostile run file cannot move the cursor or use markup."""
    hostile = "\x1b[31m[bold]\x07\u202e"
    text = terminal.render(
        [Answer("C3", hostile, hostile, ["a", hostile], [[hostile, "1"]], [hostile])]
    )
    assert "?[31m[bold]??" in text
    assert all(c.isprintable() or c == "\n" for c in text)


def test_numbers_stand_right_and_words_left():
    """Columns of numbers are right-aligned, so that digits line up."""
    text = terminal.render([Answer("", "t", "s", ["k", "n"], [["a", "5"], ["b", "1,000"]])])
    assert "a       5\n" in text


def test_shapes_of_a_batch_split_no_sweep_over_its_size():
    """They follow from the size; where the size is the same, other shapes are another case."""
    cases = [
        benchmark("batch_size", seconds=[1.0], samples=size, batch_size=size, batch=f"f[{size}]")
        for size in (16, 64)
    ]
    (result,) = answers(run_of(*cases))
    assert [row[0] for row in result.rows] == ["16", "64"]
    records = [case.measurement for case in cases]
    assert len(alike(records, "batch_size", "images")) == 1
    assert len(alike(records, "optimizer")) == 2
