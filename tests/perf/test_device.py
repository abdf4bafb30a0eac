"""C5: the same epochs on the CPU and on the GPU."""

from hpml_lab.labs.device.bench import *
