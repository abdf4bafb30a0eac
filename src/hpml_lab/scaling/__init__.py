"""Scaling: a declared training over several ranks, measured and predicted."""
