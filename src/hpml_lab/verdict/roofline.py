"""Where a saved case lies under the roofline of the machine that measured it."""

from collections.abc import Mapping

from hpml_lab.history.cases import typical_s
from hpml_lab.measure.record import Measurement, Value
from hpml_lab.theory.roofline import Position, position

_COUNTERS = {"flops_per_sample", "naive_bytes_per_sample", "naive_bytes_per_step"}


def has_work(case: Measurement) -> bool:
    """Returns whether the work of a case was counted, and its time measured."""
    counted = case.counters.keys() >= _COUNTERS
    return bool(case.samples and case.case.get("batch_size") and counted and any(case.processes))


def place(case: Measurement, ceilings: Mapping[str, float | None]) -> Position:
    """Returns where a case with work lies; what is not known of the machine stays unknown.

    Args:
        case: one for which `has_work` holds.
        ceilings: of its machine, by name.
    """
    of, counters = case.case, case.counters
    device = str(of.get("device"))
    once_a_step = counters["naive_bytes_per_step"] / int(of["batch_size"] or 0)
    return position(
        (case.samples or 0) / typical_s(case),
        counters["flops_per_sample"],
        counters["naive_bytes_per_sample"] + once_a_step,
        ceilings.get(peak_name(device, str(of.get("precision")), of.get("convolution_precision"))),
        ceilings.get(f"{device}_memory_bytes_per_s"),
    )


def peak_name(device: str, precision: str, convolutions: Value = None) -> str:
    """Returns the name of the ceiling of a case's arithmetic.

    On CUDA, PyTorch's float32 convolutions round their inputs to TF32 unless told otherwise.

    Args:
        device: of the case.
        precision: of the case.
        convolutions: ``float32`` where cuDNN was told to keep it; None where it was told nothing.
    """
    rounded = (device, precision, convolutions) == ("cuda", "float32", None)
    kind = "tf32" if rounded else precision
    return f"{device}_matmul_{kind}_flops_per_s"
