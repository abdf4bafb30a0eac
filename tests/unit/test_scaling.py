"""A training over several ranks: efficiency, exchange, memory, and ranks that fail."""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from hpml_lab.report.scaling import render
from hpml_lab.scaling.launch import Nodes, RanksError, run_ranks
from hpml_lab.scaling.planned import rank_peak_bytes
from hpml_lab.scaling.result import Case, Scaling
from hpml_lab.scaling.scale import Setup, scale
from support.workloads.ranked import small

NAME = f"{Path(__file__).parents[1] / 'support/workloads/ranked.py'}:small"
JOB = {
    "workload": NAME, "parameters": {}, "strategy": "ddp", "backend": "gloo", "rounds": 3,
    "timeout_s": 60,
}  # fmt: skip


@pytest.fixture(autouse=True)
def marked(monkeypatch):
    """Marks the ranks that this process starts, as others may start some at the same time."""
    monkeypatch.setenv("RANKS_OF", str(os.getpid()))


def ranks_running():
    """Returns the processes of this process's ranks and their agents."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if "hpml_lab.scaling.worker" in " ".join(process.info["cmdline"] or ())
        and (process.info["environ"] or {}).get("RANKS_OF") == str(os.getpid())
    ]


@pytest.mark.integration
def test_two_ranks_have_the_gradients_of_one():
    """To 1e-6 of the largest; rounds of both ranks, and as many bytes in each."""
    first, second = run_ranks(JOB, 2, 120)
    assert first["gradient_error"] <= 1e-6
    assert len(first["exchanged_s"]) == len(second["kept_s"]) == 3
    # Two layers of 32 x 64 and 64 x 4 with their biases: 2,372 numbers of 4 bytes.
    assert first["gradient_bytes"] == 9488
    assert first["peak_bytes"] == second["peak_bytes"]
    assert not ranks_running()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("fault", "message"),
    [("killed", "SIGKILL|Signal 9"), ("raise", "ValueError: as planted"), ("other", "Error")],
)
def test_a_rank_that_fails_ends_all(fault, message):
    """One recorded failure, and no process left."""
    with pytest.raises(RanksError, match=message) as error:
        run_ranks(JOB | {"parameters": {"fault": fault}}, 2, 120)
    assert error.value.kind == "failed"
    assert not ranks_running()


@pytest.mark.integration
def test_a_rank_that_dies_while_leaving_loses_nothing():
    """All have measured by then; gloo may abort where another rank has closed its connections."""
    assert len(run_ranks(JOB | {"parameters": {"fault": "leaving"}}, 2, 120)) == 2


@pytest.mark.integration
def test_a_rank_that_stops_costs_the_timeout_alone():
    """It is killed, though it is stopped, and so is the other one that waits for it."""
    with pytest.raises(RanksError, match="2 ranks did not end within 15 s") as error:
        run_ranks(JOB | {"parameters": {"fault": "stopped"}}, 2, 15)
    assert error.value.kind == "timeout"
    for process in ranks_running():
        process.wait(10)
    assert not ranks_running()


@pytest.mark.integration
def test_two_nodes_share_the_ranks():
    """Each node starts one rank, they meet at a port, and each node has the result of both."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        nodes = Nodes(2, f"localhost:{free.getsockname()[1]}")
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(run_ranks, JOB, 2, 120, nodes) for _ in range(2)]
        first, second = (job.result() for job in jobs)
    assert first == second
    assert len(first) == 2
    assert first[0]["gradient_error"] <= 1e-6


@pytest.mark.integration
def test_a_port_that_is_taken_is_one_failure():
    """By something that is no meeting place; within the timeout, and nothing is left."""
    with socket.create_server(("localhost", 0)) as taken:
        nodes = Nodes(2, f"localhost:{taken.getsockname()[1]}")
        with pytest.raises(RanksError, match="2 ranks") as error:
            run_ranks(JOB, 2, 10, nodes)
    assert error.value.kind in {"failed", "timeout"}
    assert not ranks_running()


@pytest.mark.integration
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_sharded_rank_holds_what_is_planned(ranks):
    """Shards, gathered parameters, scattered gradients. Gloo's threads copy what they reduce.

    How many of these copies are alive at the peak is chance: up to 1.11 times all gradients was
    seen beside busy processes, twice as much is allowed.
    """
    job = JOB | {"strategy": "fsdp", "parameters": {"width": 4096}}
    measured = run_ranks(job, ranks, 120)[0]
    planned = rank_peak_bytes(small, {"width": 4096}, "fsdp", ranks)
    copied = 2 * measured["gradient_bytes"] if ranks > 1 else 0
    assert planned <= measured["peak_bytes"] <= planned + copied + 64


def rank(exchanged, kept, **known):
    """Returns what one rank reports."""
    return {
        "exchanged_s": [exchanged] * 3, "kept_s": [kept] * 3, "latency_s": 0.01,
        "exchange_s": 0.2, "bytes_per_s": 1e9, "gradient_bytes": 10**8, "gradient_error": 0.0,
        "peak_bytes": 100,
    } | known  # fmt: skip


@pytest.fixture
def faked(monkeypatch):
    """Replaces launches by reports made up so that the answer is known."""

    def launch(_job, world, *_others):
        if world == 4:
            raise RanksError("timeout", "4 ranks did not end within 5 s")
        return [rank(1.0, 1.0)] if world == 1 else [rank(1.2, 1.0), rank(1.25, 1.1)]

    monkeypatch.setattr("hpml_lab.scaling.scale.run_ranks", launch)


@pytest.mark.usefixtures("faked")
def test_cases_are_worked_out_of_the_slowest_rank():
    """1.25 s beside 1 s: 80 %; 0.15 s exposed; 0.01 + 0.1 s of exchange predicted: 1.11 s."""
    one, two, four = scale(NAME, small, {}, [1, 2, 4]).cases
    assert (one.efficiency, one.predicted_step_s) == (1.0, 1.0)
    assert two.efficiency == pytest.approx(0.8)
    assert two.exposed_s == pytest.approx(0.15)
    assert two.predicted_step_s == pytest.approx(1.11)
    assert two.peak_bytes == (100, 100)
    assert two.straggler == 1
    assert four.failure == "timeout: 4 ranks did not end within 5 s"


@pytest.mark.usefixtures("faked")
def test_a_shared_batch_is_judged_per_rank():
    """1.25 s for half the work that took 1 s: 40 %; half a step and the exchange are predicted."""
    two = scale(NAME, small, {}, [1, 2], Setup(strong=True)).cases[1]
    assert two.efficiency == pytest.approx(0.4)
    assert two.predicted_step_s == pytest.approx(0.61)


@pytest.mark.usefixtures("faked")
def test_links_are_worked_out_of_the_all_reduce():
    """A tree of two messages in 10 ms, and a ring of two halves at 1 GB/s."""
    two = scale(NAME, small, {}, [2]).cases[0]
    assert two.latency_s == pytest.approx(0.005)
    assert two.bytes_per_s == pytest.approx(1e9)


@pytest.mark.usefixtures("faked")
def test_the_plan_has_the_buckets():
    """The plan of the step and one more copy of all gradients, 9,488 bytes."""
    from hpml_lab import plan

    case = scale(NAME, small, {}, [2]).cases[0]
    assert case.predicted_peak_bytes == plan(small).peak_bytes + 9488


def test_text_has_a_row_for_each_number_of_ranks():
    """And says what failed."""
    cases = [
        Case(1, 1.0, (0.9, 1.1), 1.0, 0.0, 1.0, (2**20,), 2**20),
        Case(2, failure="timeout: 2 ranks did not end within 5 s"),
    ]
    text = render(Scaling("t.py:make", "ddp", "gloo", False, 1, cases))
    assert "2 ranks: timeout: 2 ranks did not end within 5 s" in text
    assert "100 %" in text.replace("100.0 %", "100 %")
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_the_command_keeps_its_contract(run, strategy):
    """Keys of the JSON for one and two ranks, planned bytes within 1 % of the measured ones."""
    status, out, _ = run("scale", NAME, "--world", "1,2", "--strategy", strategy, "--json")
    cases = json.loads(out)["cases"]
    assert status == 0, out
    assert [case["world"] for case in cases] == [1, 2]
    keys = {
        "world", "step_s", "interval", "efficiency", "exposed_s", "predicted_step_s", "peak_bytes",
        "predicted_peak_bytes", "failure",
    }  # fmt: skip
    assert all(keys <= case.keys() for case in cases)
    if strategy == "ddp":
        assert cases[1]["predicted_peak_bytes"] == pytest.approx(
            cases[1]["peak_bytes"][0], rel=0.01
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--world'"),
        (["--world", "two"], "--world 'two' is no list of numbers; give one such as 1,2,4"),
        (["--world", "0"], "world '0' is no number of ranks; give 1 or more"),
        (["--world", "1", "--strategy", "zero"], "unknown strategy 'zero'; choose one of: ddp"),
        (
            ["--world", "3", "--nnodes", "2", "--rdzv-endpoint", "h:1"],
            "3 ranks are not equally many",
        ),
        (["--world", "2", "--nnodes", "2"], "2 nodes need a place to meet; give --rdzv-endpoint"),
        (
            ["--world", "3", "--strong"],
            "a batch of 64 cannot be shared by 3 ranks; give a multiple",
        ),
        (["--world", "1", "--bucket-mib", "0"], "bucket_mib is 0"),
        (["--world", "1", "--backend", "mpi"], "unknown backend 'mpi'; choose one of: gloo"),
        (
            ["--world", "1", "--timeout", "0"],
            "timeout 0 is no time; give seconds above 0, at most a week",
        ),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    """Before any rank is started."""
    status, out, errors = run("scale", NAME, *arguments)
    assert (status, out, len(errors)) == (2, "", 1)
    assert message in errors[0]
