"""The parts of running in several processes that need none: plan, merging, progress, kinds."""

import io
import socket
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.pytest_plugin import worker as worker_module
from hpml_lab.pytest_plugin.live import Bar, Lines
from hpml_lab.pytest_plugin.progress import Progress
from hpml_lab.pytest_plugin.schedule import Selected, batches, shuffled
from hpml_lab.pytest_plugin.worker import Worker
from hpml_lab.runs.merge import merge_case
from hpml_lab.runs.schema import Failure
from hpml_lab.training.backends import uses_cuda_graphs

IDS = ["a", "b", "c", "d"]


def test_the_order_is_the_same_on_every_machine():
    """The order is that of the SHA-256 digests of seed, process and id, worked out by sha256sum."""
    assert shuffled(IDS, seed=0, process=1) == ["a", "b", "d", "c"]
    assert shuffled(IDS, seed=0, process=2) == ["a", "c", "d", "b"]
    assert shuffled(IDS, seed=1, process=1) == ["d", "c", "b", "a"]


@given(st.sets(st.text(), max_size=8), st.integers(0), st.integers(1))
def test_an_order_loses_nothing(ids, seed, process):
    """Every test is run once, whatever the order."""
    assert sorted(shuffled(ids, seed, process)) == sorted(ids)


@given(st.sets(st.text(), min_size=1, max_size=8), st.integers(0), st.data())
def test_a_test_left_out_moves_no_other(ids, seed, data):
    """A run of some of the tests keeps their order."""
    left_out = data.draw(st.sampled_from(sorted(ids)))
    kept = [nodeid for nodeid in shuffled(ids, seed, 1) if nodeid != left_out]
    assert shuffled(ids - {left_out}, seed, 1) == kept


def test_a_plan_has_an_interpreter_for_each_test_that_is_to_be_alone():
    """The others share one; what cannot leave a benchmark runs in the first process alone."""
    tests = [
        Selected("a", repeated=True, alone=False),
        Selected("b", repeated=False, alone=False),
        Selected("c", repeated=True, alone=True),
        Selected("d", repeated=True, alone=True),
    ]
    first, second = (batches(tests, 0, process) for process in (1, 2))
    assert [sorted(batch) for batch in first[:1]] == [["a", "b"]]
    assert second[0] == ["a"]
    assert sorted(first[1:]) == sorted(second[1:]) == [["c"], ["d"]]


def test_a_plan_of_nothing_starts_nothing():
    """A process without tests needs no interpreter."""
    assert batches([Selected("b", repeated=False, alone=True)], 0, 2) == []


@pytest.mark.parametrize(
    ("mode", "device", "uses"),
    [
        ("reduce-overhead", "cuda", True),
        ("max-autotune", "cuda", True),
        ("default", "cuda", False),
        ("eager", "cuda", False),
        ("max-autotune", "cpu", False),
    ],
)
def test_modes_with_cuda_graphs_are_known(mode, device, uses):
    """As torch documents: these two record graphs, and only on CUDA."""
    assert uses_cuda_graphs(mode, device) is uses


def record(rounds, **ours):
    """Returns a benchmark as pytest-benchmark writes it; with our record in it, if given."""
    hpml = {"counters": {}, "flags": [], **ours}
    return {
        "name": "test_x[2]",
        "params": {"n": 2, "model": [1]},
        "extra_info": {"note": "kept", **({"hpml": hpml} if ours else {})},
        "stats": {"data": rounds, "iterations": 7},
    }


def test_rounds_are_kept_by_process_and_together():
    """The stock statistics are over all rounds; a process that failed has none."""
    failure = Failure(process=2, kind="crashed", message="killed by SIGSEGV")
    one = merge_case(
        {1: record([1.0, 2.0], epochs=[1]), 3: record([3.0], epochs=[3])}, [failure], 3
    )
    assert one["stats"] == {"data": [1.0, 2.0, 3.0], "iterations": 7}
    assert one["extra_info"]["note"] == "kept"
    ours = one["extra_info"]["hpml"]
    assert ours["processes"] == [[1.0, 2.0], [], [3.0]]
    assert ours["epochs"] == [1]
    assert ours["failures"] == [asdict(failure)]
    assert ours["flags"] == []


def test_epochs_are_those_of_the_middle_process():
    """Medians 9, 1 and 2: the third process stands for the case, not the slow first one."""
    measured = {
        1: record([9.0, 9.0], epochs=[1], stalls={"fetch_s": 8.0}),
        2: record([1.0, 1.0], epochs=[2], stalls={"fetch_s": 0.1}),
        3: record([2.0, 2.0], epochs=[3], stalls={"fetch_s": 0.2}),
    }
    ours = merge_case(measured, [], 3)["extra_info"]["hpml"]
    assert (ours["epochs"], ours["stalls"]) == ([3], {"fetch_s": 0.2})


def test_a_benchmark_of_the_stock_fixture_has_its_rounds_by_process_too():
    """Its case is made of its parameters, as far as they are plain values."""
    one = merge_case({1: record([1.0]), 2: record([2.0])}, [], 2)
    assert one["extra_info"]["hpml"]["processes"] == [[1.0], [2.0]]
    assert one["extra_info"]["hpml"]["case"] == {"n": 2}


def test_each_process_keeps_how_it_took_its_rounds():
    """The second of three processes left nothing: neither rounds nor a sampling."""
    one, three = ({"iterations": count} for count in (10, 12))
    measured = {1: record([1.0], sampling=[one]), 3: record([2.0], sampling=[three])}
    assert merge_case(measured, [], 3)["extra_info"]["hpml"]["sampling"] == [one, None, three]


def test_counters_that_differ_are_flagged():
    """Each that is not equal in every process, also one that is missing, with both values."""
    one = merge_case(
        {
            1: record([1.0], counters={"graphs": 3, "launches": 5}),
            2: record([1.0], counters={"graphs": 4, "launches": 5}),
            3: record([1.0], counters={"graphs": 3}),
        },
        [],
        3,
    )
    assert one["extra_info"]["hpml"]["counters"] == {"graphs": 3, "launches": 5}
    assert one["extra_info"]["hpml"]["flags"] == [
        "counters differ: graphs 3 != 4 in process 2",
        "counters differ: launches 5 != None in process 3",
    ]


def test_peaks_that_differ_are_flagged_and_other_memory_is_not():
    """What a step asks for is the same in every process; what the system holds is not."""
    memory = [{"peak_step_bytes": peak, "peak_resident_bytes": peak} for peak in (64, 68)]
    one = merge_case({n: record([1.0], memory=entry) for n, entry in enumerate(memory, 1)}, [], 2)
    assert one["extra_info"]["hpml"]["flags"] == [
        "counters differ: peak_step_bytes 64 != 68 in process 2"
    ]


def test_a_flag_of_several_processes_is_there_once():
    """Flags of all processes are kept, in their order."""
    flagged = {1: record([1.0], flags=["slow"]), 2: record([1.0], flags=["hot", "slow"])}
    assert merge_case(flagged, [], 2)["extra_info"]["hpml"]["flags"] == ["slow", "hot"]


def test_progress_expects_of_a_case_what_it_took_before(clock):
    """A case seen takes its own time again, an unknown one the mean of those seen."""
    written = []
    progress = Progress(Lines(written.append), clock.now_s)
    progress.expect(["a", "b", "c", "a", "b", "c"])
    for nodeid, took_s in (("a", 10), ("b", 30), ("c", 20), ("a", 20)):
        progress.begin(nodeid, 1)
        clock.advance(took_s)
        progress.end(nodeid, "passed")
    assert written == [
        "\n[1/6] process 1: a ... ",
        "passed in 10.0 s, 5 left: about 0:50",  # all five as 10
        "\n[2/6] process 1: b ... ",
        "passed in 30.0 s, 4 left: about 1:20",  # c 20 twice, a 10, b 30
        "\n[3/6] process 1: c ... ",
        "passed in 20.0 s, 3 left: about 1:00",  # 10 + 30 + 20
        "\n[4/6] process 1: a ... ",
        "passed in 20.0 s, 2 left: about 0:50",  # 30 + 20
    ]


def test_a_case_s_beginning_is_told_once(clock):
    """A case that dies has begun already; its line is not broken."""
    written = []
    progress = Progress(Lines(written.append), clock.now_s)
    progress.expect(["a", "a"])
    for process in (1, 2):
        progress.begin("a", process)
        progress.begin("a", process)
        progress.end("a", "crashed (killed by SIGSEGV)")
    assert [text for text in written if "..." in text] == [
        "\n[1/2] process 1: a ... ",
        "\n[2/2] process 2: a ... ",
    ]
    assert written[1] == "crashed (killed by SIGSEGV) in 0.00 ns, 1 left: about 0:00"


def test_a_terminal_is_shown_one_line(clock):
    """Names and control characters are drawn over; a failure alone leaves a line behind."""
    terminal = io.StringIO()
    progress = Progress(Bar(terminal), clock.now_s)
    progress.expect(["t.py::a", "t.py::b\x1b[31m"])
    progress.begin("t.py::a", 1)
    clock.advance(10)
    progress.end("t.py::a", "passed")
    progress.begin("t.py::b\x1b[31m", 1)
    progress.end("t.py::b\x1b[31m", "crashed (killed by SIGSEGV)")
    progress.close()
    text = terminal.getvalue()
    assert "1/2, about 0:10 left; process 1: t.py::b?[31m" in text
    assert "\x1b[31m" not in text
    lines = [line for line in text.splitlines() if "crashed" in line]
    assert len(lines) == 1


class OutOfMemoryError(RuntimeError):
    """As torch names its own, for any device."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "out-of-memory"),
        (OutOfMemoryError("XPU is full"), "out-of-memory"),
        (RuntimeError("CUDA error: out of memory"), "out-of-memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), "out-of-memory"),
        (AssertionError("1 != 2"), "failed"),
        (None, "failed"),
    ],
)
def test_an_out_of_memory_is_told_from_other_failures(error, kind):
    """By its class, or by what CUDA and the CPU's allocator say."""
    assert worker_module._kind(error) == kind


def test_a_worker_without_a_parent_ends(monkeypatch):
    """Nobody would read what it measures, so it measures nothing more."""
    ours, theirs = socket.socketpair()
    ours.close()
    left = []
    monkeypatch.setattr(worker_module.os, "_exit", left.append)
    with theirs:
        Worker({"process": 1, "order": [], "basetemp": None}, theirs)._send({"began": "a"})
    assert left == [1]


def test_a_worker_goes_on_when_its_last_case_is_kept(monkeypatch):
    """A byte lets it go on; it ends if its parent ends instead."""
    ours, theirs = socket.socketpair()
    left = []
    monkeypatch.setattr(worker_module.os, "_exit", left.append)
    with theirs:
        worker = Worker({"process": 1, "order": [], "basetemp": None}, theirs)
        ours.sendall(b"\n")
        worker._wait()
        assert left == []
        ours.close()
        worker._wait()
    assert left == [1]
