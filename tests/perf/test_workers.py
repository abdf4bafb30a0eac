"""C2, C3, C4: where an epoch's time goes, and how many loader workers it needs."""

from hpml_lab.labs.workers.bench import *
