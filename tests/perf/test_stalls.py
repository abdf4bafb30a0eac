"""How long a training waits for its images: epochs with and without loading them."""

from hpml_lab.labs.stalls.bench import *
