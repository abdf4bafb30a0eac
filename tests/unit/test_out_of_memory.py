"""Out of memory is a result: what failed, what ran, and nothing of it alive any more."""

import weakref

import numpy as np
import pytest
import torch

from hpml_lab.errors import InputError, MemoryLimitError, NonFiniteLossError
from hpml_lab.measure import out_of_memory as module
from hpml_lab.measure.out_of_memory import (
    LargestBatch,
    OutOfMemory,
    attempt,
    largest_running_batch,
    out_of_memory,
)
from hpml_lab.memory.readings import allocator_peak

TOO_MUCH = 2**50  # bytes; no machine has a PiB
CUDA_MESSAGE = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 139.80 GiB of "
    "which 1.00 GiB is free. Of the allocated memory 137.00 GiB is allocated by PyTorch"
)


def exhaust():
    """Asks the CPU's allocator for a PiB, which touches no memory."""
    return torch.empty(TOO_MUCH, dtype=torch.uint8)


def test_the_cpus_allocator_refuses_and_is_recorded():
    """A real refusal: kind, size, and the first line of the message."""
    result = attempt(exhaust)
    assert (result.kind, result.asked_bytes) == ("cpu", TOO_MUCH)
    assert "DefaultCPUAllocator: can't allocate memory" in result.message
    assert "\n" not in result.message


def test_numpy_and_python_refuse_too():
    """NumPy says how much, Python does not."""
    assert attempt(lambda: np.empty(2**57, np.uint8)).asked_bytes == 2**57
    assert attempt(lambda: bytearray(2**62)) == OutOfMemory("cpu", "MemoryError", None)


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        (CUDA_MESSAGE, 2_684_354_560),
        ("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has", 20_971_520),
        ("CUDA out of memory. Tried to allocate 512 bytes. GPU 0 has", 512),
        ("CUDA out of memory. Tried to allocate more than 1EB memory.", None),
    ],
)
def test_cuda_says_what_was_asked_for(message, asked):
    """Sizes as c10's format_size writes them."""
    assert out_of_memory(torch.cuda.OutOfMemoryError(message)) == OutOfMemory(
        "cuda", message, asked
    )


def test_a_limit_of_ours_is_told_apart():
    """A step that exceeds a set limit is out of memory too."""
    error = MemoryLimitError("out of memory: tried to allocate 4096 bytes, 0 of 1 are reserved")
    assert out_of_memory(error) == OutOfMemory("limit", str(error), 4096)


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), NonFiniteLossError("NaN")]
)
def test_other_errors_are_not_hidden(error):
    """Only memory is a result; a wrong shape stays an error, with its traceback."""

    def fail():
        raise error

    assert out_of_memory(error) is None
    with pytest.raises(type(error), match=str(error)) as caught:
        attempt(fail)
    assert caught.traceback[-1].name == "fail"


def test_a_call_that_fits_returns_what_it_returns():
    """No out-of-memory, no wrapping."""
    assert attempt(lambda: 7) == 7


class Step:
    """A step that runs out of memory with 200 MB alive in its frames, and keeps the error."""

    def __init__(self):
        self.tensors = []
        self.errors = []

    def __call__(self):
        activation = torch.empty(200_000_000, dtype=torch.uint8)
        self.tensors.append(weakref.ref(activation))
        try:
            self.inner(activation)
        except RuntimeError as error:
            self.errors.append(error)
            raise

    def inner(self, activation):
        doubled = [activation, torch.empty(1000)]
        doubled.append(doubled)  # a cycle, which counting references alone does not free
        self.tensors.append(weakref.ref(doubled[1]))
        exhaust()


def test_memory_is_given_back_though_the_error_is_kept():
    """200 MB in two frames, one in a cycle, the error held by another: all freed behind it."""
    step = Step()
    assert attempt(step).kind == "cpu"
    assert step.errors
    assert [tensor() for tensor in step.tensors] == [None, None]


def test_errors_behind_the_error_let_go_too():
    """An error that is its own cause's cause ends the walk and frees the frames of both."""
    step = Step()

    def tangled():
        kept = torch.empty(1000)
        step.tensors.append(weakref.ref(kept))
        try:
            step()
        except RuntimeError as error:
            cause = error
        try:
            raise ValueError("in between") from cause
        except ValueError as error:
            cause.__context__ = error
            raise cause from error

    assert attempt(tangled).kind == "cpu"
    assert [tensor() for tensor in step.tensors] == [None, None, None]


def test_the_allocator_shows_the_memory_freed():
    """150 MB behind a failed step with 200 MB: 200 MB at most, 350 MB were they still alive."""

    def both():
        attempt(Step())
        return torch.empty(150_000_000, dtype=torch.uint8)

    assert allocator_peak(both) == 200_004_000


def test_frames_that_are_not_cleared_keep_the_memory(monkeypatch):
    """Planted fault: without the clearing, a kept error keeps both tensors."""
    monkeypatch.setattr(module, "clear_frames", lambda _error: None)
    step = Step()
    attempt(step)
    assert all(tensor() is not None for tensor in step.tensors)


def test_cycles_that_are_not_collected_keep_the_memory(monkeypatch):
    """Planted fault: without the collection, the list that holds itself keeps its tensors."""
    monkeypatch.setattr(module.gc, "collect", lambda: None)
    step = Step()
    attempt(step)
    assert all(tensor() is not None for tensor in step.tensors)


def test_cached_device_memory_goes_back(monkeypatch):
    """Only where CUDA was started: it is not started for that."""
    emptied = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    attempt(exhaust)
    assert not emptied
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    attempt(exhaust)
    assert emptied


def test_the_largest_batch_is_the_last_that_ran():
    """4 and 16 fit, 64 does not, 256 is not tried."""
    tried = []

    def run(batch):
        tried.append(batch)
        return exhaust() if batch > 16 else None

    outcome = largest_running_batch(run, [4, 16, 64, 256])
    assert (outcome.ran, outcome.largest, outcome.failed) == ((4, 16), 16, 64)
    assert outcome.out_of_memory.asked_bytes == TOO_MUCH
    assert tried == [4, 16, 64]


def test_all_or_none_may_fit():
    """No failure when all ran; no largest when none did."""
    assert largest_running_batch(lambda _batch: None, [1, 2]) == LargestBatch((1, 2))
    assert largest_running_batch(lambda _batch: exhaust(), [1]).largest is None


def test_a_batch_is_gone_before_the_next_is_built():
    """Two batches of 10 MB one behind the other never hold 20 MB."""

    def run(_batch):
        return torch.empty(10_000_000, dtype=torch.uint8)

    assert allocator_peak(lambda: largest_running_batch(run, [1, 2, 3])) == 10_000_000


@pytest.mark.parametrize("batches", [[], [4, 2], [4, 4]])
def test_batches_must_ascend(batches):
    """A larger one before a smaller would hide which is the largest."""
    with pytest.raises(InputError, match="they must be one or more, in ascending order"):
        largest_running_batch(lambda _batch: None, batches)
