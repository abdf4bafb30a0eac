"""C7: the network with batch norm and without any."""

from hpml_lab.labs.batch_norm.bench import *
