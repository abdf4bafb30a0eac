"""The machine record of a saved run: identity, unit, software, state, ceilings."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

import torch

from hpml_lab.measure.gpus import Gpu, gpus
from hpml_lab.measure.machine import State, Unit, identity, state


def machine_record(before: State, ceilings: Mapping[str, float | None]) -> dict[str, Any]:
    """Returns the record under ``machine_info.hpml`` of a saved run.

    Args:
        before: the state when the run began.
        ceilings: as `measure.ceilings` gives them; empty if they were not measured.

    Returns:
        ``id``, ``identity``, ``unit``, ``software``, ``state`` and ``ceilings``; ``probe`` where
        the GPU was probed.
    """
    found = gpus()
    named = identity(found)
    record = {
        "id": named.id,
        "identity": asdict(named),
        "unit": asdict(Unit(platform.node(), [gpu.uuid for gpu in found])),
        "software": software(found),
        "state": {"before": asdict(before), "after": asdict(state())},
        "ceilings": dict(ceilings),
    }
    return record | ({"probe": numbers} if (numbers := _probe(found)) else {})


def _probe(found: list[Gpu]) -> dict[str, float]:
    if not found:
        return {}
    from hpml_lab.measure.probe import recall  # what it keeps is kept by this software

    return recall()


def software(found: list[Gpu]) -> dict[str, str | None]:
    """Returns the versions that a result depends on; None for what is not there.

    Args:
        found: the GPUs, of which the first names the driver.
    """
    cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    return {
        "hpml_lab": _version("hpml-lab"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a class of its own
        "torchvision": _version("torchvision"),
        "cuda": torch.version.cuda,
        "cudnn": None if cudnn is None else str(cudnn),
        "driver": found[0].driver if found else None,
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # run from its source
        return None
