"""All 80 classifiers of torchvision, planned and watched, each in a process of its own.

    python experiments/planning/classifiers.py

Prints network, dtype, side, and bytes by which the planned peak and the planned activations differ
from what torch's own tracker sees in a real step of two images.
"""

import subprocess
import sys
from pathlib import Path

import torch
import torchvision
from torchvision.models import list_models

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "analytic"))

from test_memory_trackers import torch_activations, torch_peak, training_step

from hpml_lab.memory.module_plan import plan_module
from hpml_lab.memory.optimizer_step import PRECISIONS, Step
from hpml_lab.training.networks import build_network

SMALL = 64
SIDES = {"alexnet": 224, "inception": 299, "maxvit": 224, "vit": 224, "swin_v2": 256, "swin": 224}


def compare(name: str) -> None:
    """Prints a line for each dtype."""
    side = next((side for family, side in SIDES.items() if name.startswith(family)), SMALL)
    shape = 3, side, side
    for dtype in PRECISIONS:
        model = build_network(f"torchvision:{name}", classes=1000)
        step = Step(batch_size=2, momentum=0.9, precision=dtype)
        planned = plan_module(model, shape, step)
        training = training_step(model, shape, step)
        peak = planned.peak_bytes - torch_peak(training)
        kept = planned.held_bytes("activations", "forward") - torch_activations(training)
        print(name, dtype, side, peak, kept, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for given in sys.argv[1:]:
        compare(given)
    if not sys.argv[1:]:
        for network in list_models(module=torchvision.models):
            subprocess.run([sys.executable, __file__, network], check=True)
