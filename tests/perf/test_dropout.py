"""Dropout lab, 1(a) to 1(h): least squares and descent on one row, without dropout and with it."""

from hpml_lab.labs.dropout.bench import *
