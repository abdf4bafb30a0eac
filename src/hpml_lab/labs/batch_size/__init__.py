"""Throughput of a training step in images per second, by batch size."""

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Question

QUESTION = Question(
    folder="batch_size",
    title="Batch size: throughput",
    group="batch_size",
    contrasts=(
        Contrast(
            "Batch size: step time of a sample",
            "batch_size",
            "batch_size",
            16,
            ("images", "learning_rate", "seed"),
            per_sample=True,
        ),
    ),
)
