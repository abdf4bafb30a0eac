"""Tests that run as one rank of several, started by torchrun: the first rank alone saves."""

import os

import pytest

_SAVING = {
    "benchmark_save": None,
    "benchmark_autosave": None,
    "benchmark_json": None,
    "benchmark_compare": None,
    "hpml_gate": None,
}


def rank() -> int | None:
    """Returns the rank of this process; None where it is no rank of several.

    torchrun and the schedulers that do its work set both variables.
    """
    number, world = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    return int(number) if number.isdecimal() and world.isdecimal() and int(world) > 1 else None


def leave_saving(config: pytest.Config) -> None:
    """Clears the options to save, compare or gate in this process: another rank does that."""
    for name, nothing in _SAVING.items():
        if hasattr(config.option, name):
            setattr(config.option, name, nothing)
