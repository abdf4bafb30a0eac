"""Roofline points: the position of a saved case below the roofline of its machine."""

from collections.abc import Mapping

from hpml_lab.runs.cases import typical_s
from hpml_lab.runs.schema import Measurement, Value
from hpml_lab.theory.roofline import Position, position

_COUNTERS = {"flops_per_sample", "naive_bytes_per_sample", "naive_bytes_per_step"}


def has_work(case: Measurement) -> bool:
    """Whether the work of a case was counted, and its time measured."""
    counted = case.counters.keys() >= _COUNTERS
    return bool(case.samples and case.case.get("batch_size") and counted and any(case.processes))


def place(case: Measurement, ceilings: Mapping[str, float | None]) -> Position:
    """Position of a case with work; unknown ceilings of the machine stay unknown.

    Args:
        case: one for which `has_work` holds.
        ceilings: ceilings of its machine, by name.
    """
    settings, counters = case.case, case.counters
    device = str(settings.get("device"))
    once_a_step = counters["naive_bytes_per_step"] / int(settings["batch_size"] or 0)
    return position(
        (case.samples or 0) / typical_s(case),
        counters["flops_per_sample"],
        counters["naive_bytes_per_sample"] + once_a_step,
        ceilings.get(
            peak_name(device, str(settings.get("precision")), settings.get("convolution_precision"))
        ),
        ceilings.get(f"{device}_memory_bytes_per_s"),
    )


def peak_name(device: str, precision: str, convolutions: Value = None) -> str:
    """Name of the ceiling of a case's arithmetic.

    On CUDA, PyTorch's float32 convolutions round their inputs to TF32 by default.

    Args:
        device: device of the case.
        precision: precision of the case.
        convolutions: ``float32`` if cuDNN was set to keep it; None if it was not set.
    """
    rounded = (device, precision, convolutions) == ("cuda", "float32", None)
    kind = "tf32" if rounded else precision
    return f"{device}_matmul_{kind}_flops_per_s"
