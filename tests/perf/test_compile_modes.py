"""C8: what torch.compile costs in the first epoch and saves in the later ones, and its memory."""

from hpml_lab.labs.compile_modes.bench import *
