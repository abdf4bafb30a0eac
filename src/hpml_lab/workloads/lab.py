"""The lab's training as a workload: each field of `Training` is a parameter of it."""

import inspect
from dataclasses import fields
from typing import Any

from hpml_lab.workloads.step import TrainingStep
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.training import Training


def training(**settings: Any) -> TrainingStep:
    """Returns a step of the lab's network with its loader.

    Args:
        **settings: fields of `Training`.

    Raises:
        InputError: for a field or a value that is not allowed.
    """
    return Trainer(Training(**settings)).training_step


# What names parameters, such as `hpml-lab predict --set`, reads them here.
training.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for field in fields(Training)
    ]
)
