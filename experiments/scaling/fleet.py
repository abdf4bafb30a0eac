"""Many processes that save into one folder at once, and a large fleet that is judged.

python experiments/scaling/fleet.py PROCESSES RUNS FOLDER
"""

import json
import multiprocessing
import random
import sys
import time
from pathlib import Path

from hpml_lab.comparison.fleet import fleet
from hpml_lab.report.fleet import render
from hpml_lab.runs.store import save_run, saved_runs
from hpml_lab.runs.summary import summarise

CASES, SLOW = 20, 7


def run_of(unit: int, number: int) -> dict[str, object]:
    """Returns a made up run of one unit; one unit is a third slower than the others."""
    rng = random.Random(1000 * unit + number)
    factor = random.Random(unit).gauss(1, 0.04) * (1.33 if unit == SLOW else 1)
    machine = {
        "id": "made-up",
        "identity": {
            "cpu": "c", "cpu_count": 2, "memory_gib": 1, "gpu": None, "gpu_count": 0,
            "gpu_memory_gib": 0, "mig": False,
        },
        "unit": {"host": f"node{unit:03d}", "gpu_uuids": []},
        "software": {}, "ceilings": {},
    }  # fmt: skip
    benchmarks = []
    for case in range(CASES):
        rounds = [factor * rng.gauss(1, 0.01) for _ in range(5)]
        name = f"test_it.py::test_{case}"
        stats = {
            "min": min(rounds), "max": max(rounds), "mean": sum(rounds) / 5, "stddev": 0.01,
            "median": sorted(rounds)[2], "rounds": 5, "iterations": 1,
        }  # fmt: skip
        own = {"case": {}, "samples": 1, "processes": [rounds]}
        benchmarks.append(
            {"name": name, "fullname": name, "group": None, "params": None, "param": None,
             "options": {}, "stats": stats, "extra_info": {"hpml": own}}
        )  # fmt: skip
    return {
        "machine_info": {"node": f"node{unit:03d}", "hpml": machine},
        "commit_info": {}, "benchmarks": benchmarks, "version": "0",
        "datetime": f"2026-01-01T{number % 24:02d}:{number // 24:02d}:00+00:00",
    }  # fmt: skip


def save(unit: int, runs: int, folder: Path) -> None:
    """Saves the runs of one unit."""
    for number in range(runs):
        save_run(run_of(unit, number), folder / "made-up", "fleet")


def main() -> None:
    """Saves from all processes at once, counts what is there, and judges it."""
    processes, runs, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    began_s = time.monotonic()
    started = [
        multiprocessing.Process(target=save, args=(unit, runs, folder)) for unit in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    saved = sorted(folder.rglob("*.json"))
    hosts = [json.loads(path.read_bytes())["machine_info"]["node"] for path in saved]
    print(
        f"{len(saved)} of {processes * runs} runs, {len(set(hosts))} units, "
        f"in {time.monotonic() - began_s:.1f} s"
    )
    began_s = time.monotonic()
    result = fleet(list(summarise(saved_runs(folder))))
    text = render(result)
    print(f"read and judged in {time.monotonic() - began_s:.1f} s")
    print("\n".join(text.splitlines()[:8]))


if __name__ == "__main__":
    main()
