"""Module paths of before 2026-11-30, for projects that name them.

What is public is imported from `hpml_lab` itself. These paths go with the first release.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PLACES = {
    "history.run": "runs.reading",
    "history.store": "runs.store",
    "measure.cuda_timeline": "memory.cuda_timeline",
    "measure.memory": "memory.readings",
    "theory.accounting": "memory.accounting",
    "theory.allocator": "memory.allocator",
    "theory.fitting": "memory.fitting",
    "theory.gpu_memory": "memory.gpu",
    "theory.largest_batch": "memory.largest_batch",
    "theory.recurrence": "memory.recurrence",
    "theory.resnet": "memory.resnet",
    "theory.timeline": "memory.timeline",
    "verdict.compare": "comparison.compare",
    "verdict.comparison": "comparison.verdicts",
    "workloads.allocations": "memory.trace",
    "workloads.cifar10": "training.cifar10",
    "workloads.declared": "training.workload",
    "workloads.lab": "training.lab",
    "workloads.networks": "training.networks",
    "workloads.optimizers": "training.optimizers",
    "workloads.planning": "memory.module_plan",
    "workloads.plans": "memory.workload_plan",
    "workloads.profiles": "training.profiles",
    "workloads.step": "training.step",
    "workloads.summary": "memory.network_counts",
    "workloads.trainer": "training.trainer",
    "workloads.training": "training.training",
}
_PACKAGES = {f"hpml_lab.{old.partition('.')[0]}" for old in _PLACES} - {
    "hpml_lab.measure",
    "hpml_lab.theory",
}
_STEP = "hpml_lab.theory.memory"  # has other words for its fields too
_WORDS = {"batch": "batch_size", "dtype": "precision"}


class OldPaths(MetaPathFinder, Loader):
    """Finds a module under its old path; the module is the same object."""

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Spec of an old path; None for any other name."""
        if name in _PACKAGES:
            return ModuleSpec(name, self, is_package=True)
        known = name == _STEP or name.removeprefix("hpml_lab.") in _PLACES
        return ModuleSpec(name, self) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Module at the new place; None, for an empty one, of a package."""
        place = _PLACES.get(spec.name.removeprefix("hpml_lab."))
        if place is None:
            return None
        module = importlib.import_module(f"hpml_lab.{place}")
        self._specs[module.__name__] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Gives a module its own spec back, and fills the one whose words have changed too."""
        if module.__name__ in self._specs:
            module.__spec__ = self._specs[module.__name__]
        if module.__name__ == _STEP:
            new = importlib.import_module("hpml_lab.memory.optimizer_step")
            vars(module).update(vars(new) | {"Step": _step, "__name__": _STEP})


def _step(**fields: Any) -> Any:
    step = importlib.import_module("hpml_lab.memory.optimizer_step").Step
    named = {_WORDS.get(name, name): value for name, value in fields.items()}
    if named.get("implementation") == "loop":
        named["implementation"] = "for-loop"
    return step(**named)


def install() -> None:
    """Makes the old paths importable."""
    if not any(isinstance(finder, OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(OldPaths())
