"""Dropout lab, 1(i): whether dropout keeps a network from relying on label pixels alone."""

from hpml_lab.labs.shortcuts.bench import *
