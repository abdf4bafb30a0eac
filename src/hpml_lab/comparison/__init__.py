"""Comparisons of saved runs: verdicts and their evidence, trends, machines."""
