"""What others say of a training step's peak, beside the plan and a step that was watched.

    pip install torchinfo accelerate torch-kitsune vram-check huggingface_hub safetensors pyyaml
    python experiments/planning/peers.py

Each is asked as its documents say: torchinfo for parameters and passes, to which gradients and the
optimizer's state, both as watched, are added; accelerate for training with Adam, four times the
weights; kitsune and vram-check for model, input shape, batch, dtype and optimizer. The truth is
the peak of the second step on the CPU.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from time import perf_counter

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "analytic")]

from test_memory_trackers import CLASSIFIERS, IN_BFLOAT16  # noqa: E402

from hpml_lab import TrainingStep, plan  # noqa: E402
from hpml_lab.memory.optimizer_step import Step  # noqa: E402
from hpml_lab.memory.timeline import Timeline  # noqa: E402
from hpml_lab.memory.trace import track  # noqa: E402
from hpml_lab.memory.training_plan import network_step  # noqa: E402
from support.workloads.kinds import KINDS  # noqa: E402

Peer = Callable[[TrainingStep, Timeline], float]


def torchinfo(step: TrainingStep, watched: Timeline) -> float:
    """Its parameters, input and passes, and what it does not count."""
    import torchinfo

    inputs = step.batch[0]
    result = torchinfo.summary(step.models[0], input_data=inputs, verbose=0)
    apart = ("gradients", "backward"), ("optimizer_state", "before")
    missing = sum(watched.held_bytes(*kind) for kind in apart)
    return result.total_param_bytes + result.total_input + result.total_output_bytes + missing


def accelerate(step: TrainingStep, _watched: Timeline) -> float:
    """Four times the weights: `estimate-memory` of its command line, training with Adam."""
    from accelerate.utils.modeling import calculate_maximum_sizes

    return 4 * float(calculate_maximum_sizes(step.models[0])[0])


def kitsune(step: TrainingStep, _watched: Timeline) -> float:
    """Its peak without the share that it adds for a GPU."""
    from kitsune.predict import predict_memory

    inputs = step.batch[0]
    result = predict_memory(
        step.models[0],
        tuple(inputs.shape[1:]),
        batch_size=inputs.shape[0],
        dtype=step.precision,
        optimizer=_kind(step),
    )
    parts = ("param", "gradient", "optimizer", "activation")
    return sum(float(getattr(result, f"{part}_bytes")) for part in parts)


def vram_check(step: TrainingStep, _watched: Timeline) -> float:
    """Its total."""
    import vram_check

    result = vram_check.analyze(
        step.models[0],
        batch_size=step.batch[0].shape[0],
        dtype=step.precision,
        optimizer=_kind(step),
    )
    return float(result["estimate"].total_bytes)


def _kind(step: TrainingStep) -> str:
    return "adam" if "Adam" in type(step.optimizers[0]).__name__ else "sgd"


PEERS: dict[str, Peer] = {
    "torchinfo": torchinfo,
    "accelerate": accelerate,
    "kitsune": kitsune,
    "vram-check": vram_check,
}


def workloads() -> dict[str, dict[str, Callable[[], TrainingStep]]]:
    """Returns two groups of workloads by name."""
    classifiers = {}
    for dtype, names in (("float32", CLASSIFIERS), ("bfloat16", IN_BFLOAT16)):
        for name in names:
            step = Step(batch_size=2, momentum=0.9, precision=dtype, implementation="for-loop")
            classifiers[f"{name} {dtype}"] = network_step(
                f"torchvision:{name}", 1000, CLASSIFIERS[name], step
            )
    return {"torchvision's classifiers": classifiers, "other kinds": KINDS}


def deviations(function: Callable[[], TrainingStep]) -> tuple[dict[str, float | None], float]:
    """Returns what each says over the truth, less 1, None for an error; and the plan's seconds."""
    begin = perf_counter()
    planned = plan(function).peak_bytes
    seconds = perf_counter() - begin
    step = function()
    for _ in range(2):
        step()
    watched = track(step)
    result: dict[str, float | None] = {"hpml_lab": planned / watched.peak_bytes - 1}
    for name, peer in PEERS.items():
        try:
            result[name] = peer(function(), watched) / watched.peak_bytes - 1
        except Exception as error:  # noqa: BLE001 - theirs, whatever it is
            print(f"{name}: {type(error).__name__}: {str(error)[:100]}", file=sys.stderr)
            result[name] = None
    return result, seconds


def main() -> None:
    """Prints a table for each group."""
    torch.set_num_threads(1)
    for group, functions in workloads().items():
        rows = [deviations(function) for function in functions.values()]
        print(f"\n{len(rows)} of {group}; seconds of a plan: at most {max(s for _, s in rows):.2f}")
        print("\n| | answered | mean deviation | largest |\n|---|---|---|---|")
        for name in ("hpml_lab", *PEERS):
            sizes = [abs(size) for row, _ in rows if (size := row[name]) is not None]
            shown = f"{mean(sizes):.2%} | {max(sizes):.2%}" if sizes else "- | -"
            print(f"| {name} | {len(sizes)} of {len(rows)} | {shown} |")


if __name__ == "__main__":
    main()
