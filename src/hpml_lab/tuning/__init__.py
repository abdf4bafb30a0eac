"""Tuning: the settings under which a declared training is fastest on this machine."""
