"""What more ranks cost: a step of each, with and without exchanging gradients."""

from hpml_lab.labs.question import Question

GROUP = "scaling"
QUESTION = Question(folder="scaling", title="More ranks", group=GROUP)
