"""The devices a training runs on, and why one may be missing."""

import torch

DEVICES = ("cpu", "cuda")


def missing(device: str) -> str | None:
    """Returns why a device cannot be used here and what to check, or None if it can."""
    if device == "cpu" or torch.cuda.is_available():
        return None
    build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    return (
        f"torch {torch.__version__} ({build}) finds no CUDA device; run on a machine with an "
        "NVIDIA GPU and its driver, and check: nvidia-smi"
    )
