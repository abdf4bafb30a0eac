"""All questions of the labs, in order."""

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs import (
    batch_learning,
    batch_norm,
    batch_size,
    compile_modes,
    device,
    dropout,
    edges,
    largest_batch,
    memory,
    memory_plan,
    optimizers,
    scaling,
    shortcuts,
    stalls,
    techniques,
    tune,
    workers,
)
from hpml_lab.labs.question import Question

QUESTIONS: tuple[Question, ...] = (
    workers.QUESTION,
    stalls.QUESTION,
    device.QUESTION,
    optimizers.QUESTION,
    batch_norm.QUESTION,
    compile_modes.QUESTION,
    techniques.QUESTION,
    tune.QUESTION,
    scaling.QUESTION,
    memory.QUESTION,
    memory_plan.QUESTION,
    largest_batch.QUESTION,
    batch_size.QUESTION,
    batch_learning.QUESTION,
    dropout.QUESTION,
    shortcuts.QUESTION,
    edges.QUESTION,
)
CONTRASTS: tuple[Contrast, ...] = tuple(
    contrast for question in QUESTIONS for contrast in question.contrasts
)
