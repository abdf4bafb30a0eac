"""What pytorch-autotune chooses on this machine for the trainings of this folder.

pip install --no-deps pytorch-autotune
python experiments/tuning/peer.py
"""

import torch
from experiments.tuning.workloads import gpt_block, slow_loader, unet
from pytorch_autotune import AutoTune


def main() -> None:
    """Prints what it changes of a model and an optimizer."""
    for function in (gpt_block, unet, slow_loader):
        (plain,) = function().models
        model, optimizer, scaler = AutoTune(plain, device="cpu", verbose=False).optimize()
        last = any(
            p.is_contiguous(memory_format=torch.channels_last) and not p.is_contiguous()
            for p in model.parameters()
            if p.dim() == 4
        )
        print(
            f"{function.__name__}: compiled {hasattr(model, '_orig_mod')}, channels last {last}, "
            f"fused {bool(optimizer.defaults['fused'])}, scaler {scaler is not None}"
        )


if __name__ == "__main__":
    main()
