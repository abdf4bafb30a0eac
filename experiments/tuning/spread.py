"""How far trials of one and the same loop lie apart: alone, and beside a process that lives on.

python experiments/tuning/spread.py WORKLOAD TRIALS
"""

import math
import statistics
import sys

from hpml_lab.tuning import trial
from hpml_lab.tuning.process import Served

PIECES, PIECE_S, LIMIT_S = 5, 0.1, 120


def main() -> None:
    """Prints the standard deviations of logs."""
    name, trials = sys.argv[1], int(sys.argv[2])
    alone, beside = [], []
    with Served(trial.serve, name, {}, {}, timeout_s=LIMIT_S) as reference:
        for _ in range(trials):
            with Served(trial.serve, name, {}, {}, timeout_s=LIMIT_S) as fresh:
                turns = [
                    [one.ask(PIECE_S, LIMIT_S)["sample_s"] for one in (reference, fresh)]
                    for _ in range(PIECES)
                ]
            alone.append(math.log(statistics.median(mine for _, mine in turns)))
            beside.append(math.log(statistics.median(mine / other for other, mine in turns)))
    print(f"alone {statistics.stdev(alone):.3f}, beside {statistics.stdev(beside):.3f}")


if __name__ == "__main__":
    main()
