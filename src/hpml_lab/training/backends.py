"""Devices and compile modes of a training, and the reasons why one is unavailable."""

import functools
import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn

DEVICES = ("cpu", "cuda")


def why_unavailable(device: str) -> str | None:
    """Returns why a device is unavailable, with what to check; None if it is available."""
    if device == "cpu" or torch.cuda.is_available():
        return None
    build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    return (
        f"torch {torch.__version__} ({build}) finds no CUDA device; run on a machine with an "
        "NVIDIA GPU and its driver, and check: nvidia-smi"
    )


MODES = ("eager", "default", "reduce-overhead", "max-autotune")


def compiled(model: nn.Module, mode: str) -> nn.Module:
    """Returns the model compiled by the inductor back end in one of `MODES`; eager unchanged.

    Parameters stay shared with the model.
    """
    if mode == "eager":
        return model
    return cast(nn.Module, torch.compile(model, mode=None if mode == "default" else mode))


def unavailable(mode: str, device: str) -> str | None:
    """Returns the reason why a compile mode is unavailable on a device; None if it is available."""
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
    """Whether a mode uses CUDA graphs, which have a private memory pool."""
    return device == "cuda" and mode in {"reduce-overhead", "max-autotune"}


@contextmanager
def empty_caches(device: str) -> Iterator[None]:
    """A context with cold compiler caches, in memory and on disk.

    Without it the compilation time of all modes falls on the first one. The compiler itself is
    started before: its import and its helper processes cost time once per process.

    Args:
        device: Device of the compiled code.
    """
    # torch has no public function for a fresh disk cache; its own benchmarks use this one.
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
