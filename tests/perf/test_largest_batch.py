"""GPU-memory lab, section 3: the largest batch that fits, planned and then proved by running it."""

from hpml_lab.labs.largest_batch.bench import *
