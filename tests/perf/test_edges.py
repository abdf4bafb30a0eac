"""The edge lab: what small networks learn of stripes, over several seeds."""

from hpml_lab.labs.edges.bench import *
