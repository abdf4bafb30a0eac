"""Fingerprint of the machine: comparable identity, physical unit, software and current state."""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from hpml_lab.measure.gpus import Gpu, gpus
from hpml_lab.runs.machine import Identity, State, Unit
from hpml_lab.units import GIB


def identity(boards: list[Gpu] | None = None) -> Identity:
    """Returns the identity of this machine.

    Args:
        boards: Its GPUs; read from the driver if not given.
    """
    boards = gpus() if boards is None else boards
    return Identity(
        cpu=_cpu_model(),
        cpu_count=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / GIB),
        gpu=boards[0].model if boards else None,
        gpu_count=len(boards),
        gpu_memory_gib=round((boards[0].memory_bytes or 0) / GIB) if boards else 0,
        mig=any(gpu.mig for gpu in boards),
    )


def state() -> State:
    """Returns the current load, clocks and GPU state of this machine."""
    frequency = psutil.cpu_freq()
    live = ("sm_clock_mhz", "memory_clock_mhz", "temperature_c", "throttle_reasons")
    return State(
        load_1min=psutil.getloadavg()[0],
        cpu_mhz=frequency.current if frequency else None,
        governor=_first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        gpu=[{name: getattr(gpu, name) for name in live} for gpu in gpus()],
    )


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    named = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return named.group(1).strip() if named else platform.processor() or platform.machine()


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def machine_record(before: State, ceilings: Mapping[str, float | None]) -> dict[str, Any]:
    """Returns the record under ``machine_info.hpml`` of a saved run.

    Args:
        before: State when the run began.
        ceilings: As `measure.ceilings` returns them; empty if they were not measured.

    Returns:
        ``id``, ``identity``, ``unit``, ``software``, ``state`` and ``ceilings``; ``probe`` if
        the GPU was probed.
    """
    boards = gpus()
    named = identity(boards)
    record = {
        "id": named.id,
        "identity": asdict(named),
        "unit": asdict(Unit(platform.node(), [gpu.uuid for gpu in boards])),
        "software": software(boards),
        "state": {"before": asdict(before), "after": asdict(state())},
        "ceilings": dict(ceilings),
    }
    return record | ({"probe": numbers} if (numbers := _probe(boards)) else {})


def _probe(boards: list[Gpu]) -> dict[str, float]:
    if not boards:
        return {}
    from hpml_lab.measure.probe import recall  # imports this module through kept

    return recall()


def software(boards: list[Gpu]) -> dict[str, str | None]:
    """Returns the software versions that a result depends on; None for what is not installed.

    Args:
        boards: The GPUs; the first one gives the driver version.
    """
    import torch  # a caller that needs only the identity does not wait for the import

    cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    return {
        "hpml_lab": _version("hpml-lab"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a class of its own
        "torchvision": _version("torchvision"),
        "cuda": torch.version.cuda,
        "cudnn": None if cudnn is None else str(cudnn),
        "driver": boards[0].driver if boards else None,
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # run from source
        return None
