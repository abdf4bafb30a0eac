"""Measure deep-learning training, save the run, read the answers.

The public names are imported on first use: reading saved runs needs no torch.
"""

from typing import TYPE_CHECKING, Any

from hpml_lab import moved

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hpml_lab.comparison.compare import compare
    from hpml_lab.errors import (
        DataError,
        HpmlError,
        InputError,
        JournalError,
        MeasurementError,
        MemoryLimitError,
        NonFiniteLossError,
        NothingFitsError,
        RunFileError,
        TimingGapError,
    )
    from hpml_lab.memory.workload_plan import plan
    from hpml_lab.runs.reading import read_run
    from hpml_lab.training.step import TrainingStep
    from hpml_lab.training.trainer import Trainer
    from hpml_lab.training.training import Training

__all__ = [
    "DataError",
    "HpmlError",
    "InputError",
    "JournalError",
    "MeasurementError",
    "MemoryLimitError",
    "NonFiniteLossError",
    "NothingFitsError",
    "RunFileError",
    "TimingGapError",
    "Trainer",
    "Training",
    "TrainingStep",
    "compare",
    "plan",
    "read_run",
]

_PLACES = {name: "hpml_lab.errors" for name in __all__ if name.endswith("Error")} | {
    "Trainer": "hpml_lab.training.trainer",
    "Training": "hpml_lab.training.training",
    "TrainingStep": "hpml_lab.training.step",
    "compare": "hpml_lab.comparison.compare",
    "plan": "hpml_lab.memory.workload_plan",
    "read_run": "hpml_lab.runs.reading",
}

moved.install()


def __getattr__(name: str) -> Any:
    """Returns a public name from the module that holds it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
