"""GPU-memory lab, section 3: which batch size is fastest over ten epochs, and which learns most."""

from hpml_lab.labs.batch_learning.bench import *
