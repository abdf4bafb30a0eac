"""Measure deep-learning training, save the run, read the answers."""

__version__ = "0.1.0"
