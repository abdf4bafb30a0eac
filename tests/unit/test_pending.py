"""Calls that only begin their work are refused."""

import asyncio
import csv
import io
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
import torch

from hpml_lab.errors import InputError
from hpml_lab.measure.lazy_results import refuse_coroutine_function, refuse_pending


async def fetch():
    """Does its work when it is awaited."""


async def batches():
    """Does its work when it is iterated."""
    yield 1


def rows():
    """Does its work when it is iterated."""
    yield 1


class Awaited:
    """A callable object whose call is a coroutine."""

    async def __call__(self):
        """Does its work when it is awaited."""


@pytest.mark.parametrize("step", [fetch, batches, rows, Awaited(), partial(fetch)])
def test_a_function_that_runs_nothing_is_refused_before_it_is_called(step):
    """A coroutine function, a generator function, an object or a partial of one."""
    with pytest.raises(InputError, match="runs nothing when it is called; give a function"):
        refuse_coroutine_function(step)


@pytest.mark.parametrize("step", [int, lambda: None, print, rows().__next__, torch.nn.ReLU()])
def test_other_functions_pass(step):
    """Built-in ones, methods and modules too."""
    refuse_coroutine_function(step)


class Handle:
    """What `torch.distributed` returns for work that goes on."""

    def wait(self):
        """Waits."""

    def is_completed(self):
        """Says so."""


def pending():
    """Returns what is begun and not done, by name."""
    return {
        "generator": rows(),
        "map": map(str, [1]),
        "zip": zip([1], strict=True),
        "async_generator": batches(),
        "Future": Future(),
        "Handle": Handle(),
        "Future in a list": [torch.futures.Future()],
        "Future in a dict": {"a": Future()},
    }


@pytest.mark.parametrize("name", pending())
def test_what_is_not_done_is_refused(name):
    """It is named, and what to give instead."""
    kind = name.partition(" ")[0]
    with pytest.raises(InputError, match=f"the call returned a {kind}, so its work is not done"):
        refuse_pending(pending()[name])


def test_a_coroutine_is_refused_and_closed():
    """Python would warn that it was never awaited, and warnings are errors here."""
    made = fetch()
    with pytest.raises(InputError, match="the call returned a coroutine"):
        refuse_pending(made)
    assert made.cr_frame is None


def test_a_thread_or_process_that_runs_is_refused():
    """One that has ended is done."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    with pytest.raises(InputError, match="returned a Thread"):
        refuse_pending(thread)
    ended.set()
    thread.join()
    refuse_pending(thread)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        with pytest.raises(InputError, match="returned a Popen"):
            refuse_pending(process)
        process.wait()
        refuse_pending(process)


@pytest.mark.parametrize(
    "done",
    [None, 1.0, "text", [1, 2], {"a": 1}, torch.zeros(2), range(3), io.StringIO("a"), (), type],
)
def test_what_is_done_passes(done):
    """Values, containers, tensors, files."""
    refuse_pending(done)


def test_the_work_of_a_pool_is_refused_and_its_result_is_not():
    """`submit` begins; `result` waits. A reader of lines is lazy as well."""
    with ThreadPoolExecutor() as pool:
        with pytest.raises(InputError, match="returned a Future"):
            refuse_pending(pool.submit(int))
        refuse_pending(pool.submit(int).result())
    with pytest.raises(InputError, match="returned a reader"):
        refuse_pending(csv.reader(["a"]))
    refuse_pending(asyncio.run(fetch()))
