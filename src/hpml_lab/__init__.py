"""Measure deep-learning training, save the run, read the answers.

What is named below is imported when it is first asked for: who reads saved runs needs no torch.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hpml_lab.workloads.plans import plan
    from hpml_lab.workloads.step import TrainingStep

_PLACES = {
    "TrainingStep": "hpml_lab.workloads.step",
    "plan": "hpml_lab.workloads.plans",
}

__all__ = ["TrainingStep", "plan"]


def __getattr__(name: str) -> Any:
    """Returns a public name from the module that holds it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
