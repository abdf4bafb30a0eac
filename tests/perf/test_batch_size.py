"""How many images a second a training step works on, by batch size."""

from hpml_lab.labs.batch_size.bench import *
