"""The step of the lab's network at full width: what each technique gives, and what it changes.

    python experiments/fast/step.py [--steps 200]

Recipes are timed in turn in one process. Then each trains on the same batches from the same
weights, and the losses are compared: layout and fusion round otherwise, bfloat16 has 8 bits. From
some tens of steps on any difference has grown to that of another seed, so means are compared.
"""

import statistics
import sys
import time
from dataclasses import replace

import torch

from hpml_lab.measure.ceilings import ceilings
from hpml_lab.memory.resnet import RESNETS
from hpml_lab.training.trainer import Trainer
from hpml_lab.training.training import Training

BATCH, ROUNDS = 128, 5
_FIRST, _ENDS = 10, 50
FLOPS = RESNETS["resnet18-cifar"].cost(32).flops  # of an image, forward and backward
PLAIN = Training(images=BATCH * 4, workers=0, pipeline="batched", learning_rate=0.01)
RECIPES = {
    "plain": {},
    "channels last": {"memory_format": "channels_last"},
    "bfloat16": {"precision": "bfloat16"},
    "fused": {"optimizer_implementation": "fused"},
    "channels last + bfloat16": {"memory_format": "channels_last", "precision": "bfloat16"},
    "all": {
        "memory_format": "channels_last", "precision": "bfloat16",
        "optimizer_implementation": "fused",
    },
    "all, compiled": {
        "memory_format": "channels_last", "precision": "bfloat16",
        "optimizer_implementation": "fused", "compile_mode": "default",
    },
}  # fmt: skip


def times() -> dict[str, float]:
    """Median seconds of a step of each recipe, taken in turn."""
    steps = {
        name: Trainer(replace(PLAIN, **fields)).fixed_step() for name, fields in RECIPES.items()
    }
    seen: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS + 1):
        for name, step in steps.items():
            began_s = time.perf_counter()
            step()
            seen[name].append(time.perf_counter() - began_s)
    return {name: statistics.median(values[1:]) for name, values in seen.items()}


def losses(fields: dict[str, str], count: int) -> torch.Tensor:
    """Losses of a narrow network over the same batches."""
    trainer = Trainer(replace(PLAIN, width=8, images=2048, **fields))
    taken: list[torch.Tensor] = []
    while len(taken) < count:
        for batch in trainer.loader:
            loss, _ = trainer.step(trainer.to_device(batch))
            taken.append(loss.float())
            if len(taken) == count:
                break
    return torch.stack(taken)


def main() -> None:
    """Prints both tables."""
    count = int(sys.argv[sys.argv.index("--steps") + 1]) if "--steps" in sys.argv else 200
    known = ceilings(fresh=True)  # those that are kept may be of a busy moment
    print({name: f"{value:.3g}" for name, value in known.items() if value})
    measured = times()
    for name, step_s in measured.items():
        rate, over_plain = BATCH / step_s, measured["plain"] / step_s
        dtype = RECIPES[name].get("precision", "float32")
        ceiling = known[f"cpu_matmul_{dtype}_flops_per_s"] or float("nan")
        print(
            f"{name:26} {1e3 * step_s:8.1f} ms {rate:7.0f} images/s {over_plain:5.2f}x "
            f"{rate * FLOPS / ceiling:6.1%} of the {dtype} ceiling"
        )
    reference = losses({}, count)
    for name, fields in RECIPES.items():
        taken = losses(fields, count)
        off = (taken - reference).abs() / reference
        ends = [float(values[-_ENDS:].mean()) for values in (taken, reference)]
        print(
            f"{name:26} first {_FIRST} losses: at most {off[:_FIRST].max():.2%} off; mean of the "
            f"last {_ENDS} of {count}: {ends[0]:.3f}, plain {ends[1]:.3f}"
        )


if __name__ == "__main__":
    main()
