"""Measure deep-learning training, save the run, read the answers.

What is named below is imported when it is first asked for: who reads saved runs needs no torch.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
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
    from hpml_lab.history.run import read_run
    from hpml_lab.verdict.compare import compare
    from hpml_lab.workloads.plans import plan
    from hpml_lab.workloads.step import TrainingStep
    from hpml_lab.workloads.trainer import Trainer
    from hpml_lab.workloads.training import Training

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
    "Trainer": "hpml_lab.workloads.trainer",
    "Training": "hpml_lab.workloads.training",
    "TrainingStep": "hpml_lab.workloads.step",
    "compare": "hpml_lab.verdict.compare",
    "plan": "hpml_lab.workloads.plans",
    "read_run": "hpml_lab.history.run",
}


def __getattr__(name: str) -> Any:
    """Returns a public name from the module that holds it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
