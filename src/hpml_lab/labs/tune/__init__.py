"""What settings make the lab's network fastest on this machine, and by how much."""

from hpml_lab.labs.question import Question

GROUP = "tune"  # of saved tunings too
QUESTION = Question(folder="tune", title="The fastest settings", group=GROUP)
