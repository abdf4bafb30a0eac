"""Stalls of an epoch from loading: epochs with and without it."""

from hpml_lab.labs.question import Question

QUESTION = Question(folder="stalls", title="What loading costs", group="stalls")
