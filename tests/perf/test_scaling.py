"""What more ranks cost."""

from hpml_lab.labs.scaling.bench import *
