"""What settings make the lab's network fastest on this machine."""

from hpml_lab.labs.tune.bench import *
