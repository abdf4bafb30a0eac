"""GPU-memory lab, sections 2 and 3: whether a training step takes the memory that was planned."""

from hpml_lab.labs.memory_plan.bench import *
