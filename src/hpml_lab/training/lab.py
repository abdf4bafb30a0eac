"""The lab's training as a workload, with the fields of `Training` as parameters."""

import inspect
from dataclasses import fields
from typing import Any

from hpml_lab.training.step import TrainingStep
from hpml_lab.training.trainer import Trainer
from hpml_lab.training.training import Training


def training(**settings: Any) -> TrainingStep:
    """Returns a step of the lab's network with its loader.

    Args:
        **settings: Fields of `Training`.

    Raises:
        InputError: for a field or a value that is not allowed.
    """
    return Trainer(Training(**settings)).training_step


# Commands such as `hpml-lab predict --set` read the parameters from the signature.
training.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for field in fields(Training)
    ]
)
