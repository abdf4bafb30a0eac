"""Q1 to Q4 and the memory of optimizers: Adam > SGD with momentum > SGD, by whole copies."""

from hpml_lab.labs.memory.bench import *
