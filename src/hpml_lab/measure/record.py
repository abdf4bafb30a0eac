"""What one measured case leaves behind."""

from dataclasses import dataclass, field

from hpml_lab.measure.epochs import Epoch

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Measurement:
    """The record under ``extra_info.hpml`` of a saved benchmark.

    Attributes:
        case: everything that names the case: its axes and every other setting.
        samples: how many one iteration works on; None if that has no meaning.
        processes: for each process, the seconds an iteration took in each of its rounds.
        counters: exact integers; equal in every process.
        memory: bytes.
        stalls: shares and seconds lost to loading.
        epochs: warm-up and measured, in order.
    """

    case: dict[str, Value]
    samples: int | None
    processes: list[list[float]]
    counters: dict[str, int] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    stalls: dict[str, float] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
