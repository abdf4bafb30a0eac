"""torch.compile by mode: what can run here, and caches that no mode fills for the next."""

import functools
import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn

MODES = ("eager", "default", "reduce-overhead", "max-autotune")


def compiled(model: nn.Module, mode: str) -> nn.Module:
    """Returns the model compiled by the inductor back end in one of `MODES`; eager as it is.

    Parameters stay shared with the model.
    """
    if mode == "eager":
        return model
    return cast(nn.Module, torch.compile(model, mode=None if mode == "default" else mode))


def unavailable(mode: str, device: str) -> str | None:
    """Returns why a mode cannot run on a device here, or None if it can."""
    if mode == "eager":
        return None
    if device == "cpu":
        return _unavailable_on_cpu(mode)
    if importlib.util.find_spec("triton") is None:
        return f"compile mode {mode} needs the package triton on {device}"
    if torch.cuda.get_device_capability() < (7, 0):
        return f"compile mode {mode} needs a GPU of compute capability 7.0 or later"
    return None


def _unavailable_on_cpu(mode: str) -> str | None:
    if mode == "reduce-overhead":
        return "compile mode reduce-overhead is CUDA graphs; on cpu torch runs it as default"
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"compile mode {mode} needs a C++ compiler on cpu; {compiler} is not on the PATH"
    return None


def uses_cuda_graphs(mode: str, device: str) -> bool:
    """Returns whether a mode replays recorded kernels from a memory pool of its own."""
    return device == "cuda" and mode in {"reduce-overhead", "max-autotune"}


@contextmanager
def empty_caches(device: str) -> Iterator[None]:
    """Compiles inside as if for the first time: no graph in memory, none on disk.

    Without it the first mode pays for the compilation of all. The compiler itself is started
    first: its import and its helper processes are paid once a process, not by the first mode.

    Args:
        device: where the compiled code will run.
    """
    # torch has no public name for a fresh disk cache; its own benchmarks use this one.
    from torch._inductor.utils import fresh_cache

    _start_compiler(device)
    torch.compiler.reset()
    with fresh_cache():
        yield
    torch.compiler.reset()


@functools.cache
def _start_compiler(device: str) -> None:
    values = torch.ones(2, device=device, requires_grad=True)
    torch.compile(lambda x: (2 * x).sum())(values).backward()
