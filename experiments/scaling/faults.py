"""Ranks that fail, many times: how each launch ends, how long that takes, and what is left running.

python experiments/scaling/faults.py REPEATS TIMEOUT
"""

import socket
import sys
import time
from collections import Counter
from pathlib import Path

import psutil

from hpml_lab.scaling.launch import ONE_NODE, Nodes, RanksError, run_ranks

FAULTS = ("killed", "stopped", "slow", "other", "raise", "leaving", "port taken")
SETTLED_S = 10  # for the kernel to end what was killed


def main() -> None:
    """Prints a line for each fault."""
    repeats, timeout_s = int(sys.argv[1]), float(sys.argv[2])
    name = f"{Path(__file__).parents[2] / 'tests/support/workloads/ranked.py'}:small"
    taken = socket.create_server(("localhost", 0))
    port = taken.getsockname()[1]
    for fault in FAULTS:
        outcomes: Counter[str] = Counter()
        longest_s, left = 0.0, 0
        for _ in range(repeats):
            job = {
                "workload": name, "parameters": {"fault": fault}, "strategy": "ddp",
                "backend": "gloo", "rounds": 3, "timeout_s": timeout_s,
            }  # fmt: skip
            nodes = ONE_NODE if fault != "port taken" else Nodes(2, f"localhost:{port}")
            began_s = time.monotonic()
            try:
                run_ranks(job, 2, timeout_s, nodes)
                outcomes["result kept"] += 1
            except RanksError as error:
                outcomes[f"{error.kind}: {str(error).splitlines()[0][:60]}"] += 1
            longest_s = max(longest_s, time.monotonic() - began_s)
            left += len(ranks_left())
        print(f"{fault}: longest {longest_s:.1f} s, {left} left running, {dict(outcomes)}")


def ranks_left() -> list[psutil.Process]:
    """Returns the processes of ranks that are still there after some seconds."""
    ranks = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "hpml_lab.scaling.worker" in " ".join(process.info["cmdline"] or ())
    ]
    return psutil.wait_procs(ranks, SETTLED_S)[1]


if __name__ == "__main__":
    main()
