"""C6: five optimizers at the lab's learning rate: time, loss and accuracy by epoch."""

from hpml_lab.labs.optimizers.bench import *
