"""What each technique of a fast training gives: alone over the plain loop, and in the recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Question

# Fields of `Training` that a technique changes, by device. What is compiled takes minutes.
TECHNIQUES: dict[str, dict[str, dict[str, Any]]] = {
    "cpu": {
        "batched input": {"pipeline": "batched", "workers": 0},
        "channels last": {"memory_format": "channels_last"},
        "bfloat16": {"precision": "bfloat16"},
        "fused optimizer": {"optimizer_implementation": "fused"},
        "compiled": {"compile_mode": "default"},
    },
    "cuda": {
        "resident input": {"pipeline": "resident"},
        "channels last": {"memory_format": "channels_last"},
        "bfloat16": {"precision": "bfloat16"},
        "TF32": {"float32_matmul_precision": "high"},
        "cuDNN benchmark": {"cudnn_benchmark": True},
        "fused optimizer": {"optimizer_implementation": "fused"},
        "CUDA graphs": {"compile_mode": "reduce-overhead"},
    },
}
_COMPILED = {"compiled", "CUDA graphs"}
PLAIN, ALL = "plain", "all"


@dataclass(frozen=True)
class Sizes:
    """The sizes of a profile.

    Attributes:
        images: Images of an epoch, a multiple of the batch size.
        compiled: Whether techniques that compile take part.
    """

    images: int
    compiled: bool = True


SIZES = {"quick": Sizes(512, compiled=False), "short": Sizes(6400), "full": Sizes(49_920)}


def recipes(device: str, sizes: Sizes) -> Mapping[str, dict[str, Any]]:
    """Returns fields of `Training` by the name of the recipe.

    The recipes are ``plain``, ``only X`` for each technique X, ``all``, and ``all but X``.

    Args:
        device: ``cpu`` or ``cuda``.
        sizes: Sizes of the profile.
    """
    known = {
        name: fields
        for name, fields in TECHNIQUES[device].items()
        if sizes.compiled or name not in _COMPILED
    }
    return {
        PLAIN: {},
        **{f"only {name}": fields for name, fields in known.items()},
        ALL: _together(known, ""),
        **{f"all but {name}": _together(known, name) for name in known},
    }


def _together(techniques: Mapping[str, dict[str, Any]], without: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, changed in techniques.items():
        fields |= {} if name == without else changed
    return fields


# Every field that some technique changes comes with the recipe.
_FIELDS = tuple(
    dict.fromkeys(
        name
        for techniques in TECHNIQUES.values()
        for changed in techniques.values()
        for name in changed
    )
)
OVER_PLAIN = Contrast("Techniques: time of an epoch", "techniques", "recipe", PLAIN, _FIELDS)
OVER_ALL = Contrast("Techniques left out", "techniques", "recipe", ALL, _FIELDS)
QUESTION = Question(
    folder="techniques",
    title="Fast techniques",
    group="techniques",
    sizes=SIZES,
    contrasts=(OVER_PLAIN,),
)
