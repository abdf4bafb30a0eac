"""What a case of an older file is taken to be where the file does not say.

A field of `workloads.training.Training` that came later had its default before it came, so that a
new field does not make every old baseline another case. A test holds the two equal.
"""

from hpml_lab.measure.record import Value

CASE_DEFAULTS: dict[str, Value] = {
    "network": "resnet18-cifar",
    "width": 64,
    "batch_norm": True,
    "images": 0,
    "image": 32,
    "transforms": "lab",
    "batch_size": 128,
    "drop_last": False,
    "workers": 2,
    "persistent_workers": False,
    "pin_memory": False,
    "optimizer": "sgd-momentum",
    "optimizer_settings": "lab",
    "learning_rate": 0.0,
    "precision": "float32",
    "memory_format": "contiguous",
    "compile_mode": "eager",
    "device": "cpu",
    "seed": 0,
    "threads": 0,
}
# Recorded since 2026-11; a file from before may have been made with any of them.
NOT_ALWAYS_TOLD = frozenset(
    {
        "affinity",
        "batch",
        "device",
        "dtype",
        "interop_threads",
        "intraop_threads",
        "precision",
        "ranks",
        "samples",
        "wait_policy",
    }
)
