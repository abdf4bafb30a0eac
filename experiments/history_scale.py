"""How long a long history takes: seconds and peak memory, beside pytest-benchmark's own compare.

    python experiments/history_scale.py [--runs 2000] [--benchmarks 60]

It makes two histories in a temporary folder: files as stock pytest-benchmark saves them, and files
with our record of 3 processes x 20 rounds. Each task runs three times in a fresh interpreter, with
the files in the page cache; the table has the fastest, and the peak of resident memory. `inside`
leaves out the start of the interpreter and its imports.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 3
PROCESSES, ROUNDS = 3, 20
MACHINE = "amd-epyc-2cpu-118a12e1"
NUMBER = "number"  # stands in a template where a measured number will be
STATS = (
    "min", "max", "mean", "stddev", "rounds", "median", "iqr", "q1", "q3", "iqr_outliers",
    "stddev_outliers", "outliers", "ld15iqr", "hd15iqr", "ops", "total", "iterations",
)  # fmt: skip
COUNTED = {"rounds": 20, "iqr_outliers": 1, "stddev_outliers": 4, "outliers": "4;1"}

_INSIDE = """
import sys, time
from pathlib import Path
folder = Path(sys.argv[1])
{imports}
start = time.perf_counter()
{work}
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Task:
    """What is timed: the arguments of a fresh interpreter; one that prints its own seconds."""

    name: str
    arguments: list[str]
    prints_seconds: bool


def tasks(folder: Path, last: list[Path]) -> Iterator[Task]:
    """Yields what is timed on a history."""
    store = "from hpml_lab.runs.store import latest, saved_runs"
    yield _inside("list", folder, store, "assert saved_runs(folder)")
    yield _inside("latest", folder, store, "latest(folder)")
    yield _inside(
        "parse all",
        folder,
        f"{store}\nfrom hpml_lab.runs.summary import summarise",
        "runs = list(summarise(saved_runs(folder)))",
    )
    lab = "from hpml_lab.cli import main; main()"
    yield Task("hpml-lab trend", ["-c", lab, "trend", "--storage", str(folder)], False)
    if _has_command("compare"):
        sides = ["--base", str(last[0]), "--new", str(last[1])]
        yield Task("hpml-lab compare, two runs", ["-c", lab, "compare", *sides], False)
    yield _inside(
        "pytest-benchmark, parse all",
        folder,
        "from pytest_benchmark.logger import Logger\n"
        "from pytest_benchmark.storage.file import FileStorage\n"
        "storage = FileStorage(folder, Logger())",
        "runs = list(storage.load('*/*'))",
    )
    stock = "from pytest_benchmark.cli import main; main()"
    options = ["--storage", f"file://{folder}", "compare", "*/*", "--columns", "median"]
    yield Task("pytest-benchmark compare", ["-c", stock, *options], False)


def _inside(name: str, folder: Path, imports: str, work: str) -> Task:
    return Task(name, ["-c", _INSIDE.format(imports=imports, work=work), str(folder)], True)


def _has_command(name: str) -> bool:
    from hpml_lab.cli import cli

    return name in cli.commands


@dataclass(frozen=True)
class Cost:
    """What a task took: seconds in all and, if it says so, without its imports; peak bytes."""

    total_s: float
    inside_s: float | None
    peak_bytes: int


def cost(task: Task) -> Cost:
    """Runs a task once.

    Raises:
        RuntimeError: if it fails.
    """
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, *task.arguments], stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(child.pid, 0)
        total_s = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
        if child.returncode not in (0, 1):  # 1: a comparison that found a regression
            raise RuntimeError(f"{task.name}: exit {child.returncode}: {text[-500:]!r}")
        inside_s = float(text.split()[-1]) if task.prints_seconds else None
        return Cost(total_s, inside_s, usage.ru_maxrss * 1024)


def make_history(folder: Path, runs: int, benchmarks: int, *, ours: bool) -> list[Path]:
    """Writes a history of one machine: noise of 1 %, and a twentieth of the cases 5 % slower later.

    Returns:
        its files.
    """
    folder.mkdir(parents=True)
    template = _template(benchmarks, ours=ours)
    rng = np.random.default_rng(2026)
    base_s = 0.01 * np.exp(rng.normal(0, 1, benchmarks))
    per_case = template.count("%r") // benchmarks
    moved = np.arange(benchmarks) % 20 == 0
    paths = []
    for run in range(runs):
        level = (
            base_s * np.exp(rng.normal(0, 0.01, benchmarks)) * (1 + 0.05 * moved * (run > runs / 2))
        )
        numbers = level[:, None] * np.exp(rng.normal(0, 0.005, (benchmarks, per_case)))
        day, second = divmod(run * 600, 86400)
        moment = f"{2026 + day // 336}-{1 + day // 28 % 12:02d}-{1 + day % 28:02d}T"
        moment += f"{second // 3600:02d}:{second // 60 % 60:02d}:00.123456+00:00"
        text = template % tuple(numbers.ravel().tolist())
        paths.append(folder / f"{run + 1:04d}_run.json")
        paths[-1].write_text(text.replace("MOMENT", moment).replace("COMMIT", f"{run:040x}"))
    return paths


def _template(benchmarks: int, *, ours: bool) -> str:
    saved = Path(__file__).parents[1] / "benchmarks" / MACHINE / "0002_bench.json"
    machine = json.loads(saved.read_text())["machine_info"]
    if not ours:
        del machine["hpml"]
    run = {
        "machine_info": machine,
        "commit_info": {
            "id": "COMMIT", "time": "MOMENT", "author_time": "MOMENT", "dirty": False,
            "project": "hpml_lab", "branch": "main",
        },
        "benchmarks": [_benchmark(index, ours=ours) for index in range(benchmarks)],
        "datetime": "MOMENT",
        "version": "5.1.0",
    }  # fmt: skip
    text = json.dumps(run, indent=1 if ours else 4).replace("%", "%%")
    return text.replace(f'"{NUMBER}"', "%r")


def _benchmark(index: int, *, ours: bool) -> dict[str, Any]:
    name = f"test_step[cpu-batch_size={32 + index}-workers={index % 5}]"
    axes = {"batch_size": 32 + index, "workers": index % 5, "network": "resnet18-cifar"}
    record = {
        "case": axes,
        "samples": 128,
        "processes": [[NUMBER] * ROUNDS] * PROCESSES,
        "counters": {"parameters": 11173962, "flops_per_sample": 1670000000 + index},
        "memory": {"peak_bytes": 123456789},
    }
    return {
        "group": "step",
        "name": name,
        "fullname": f"tests/perf/test_step.py::{name}",
        "params": axes,
        "param": name[10:-1],
        "extra_info": {"hpml": record} if ours else {},
        "options": {
            "disable_gc": False, "timer": "perf_counter", "min_rounds": 5, "max_time": 1.0,
            "min_time": 5e-06, "warmup": False,
        },
        "stats": {key: COUNTED.get(key, NUMBER) for key in STATS},
    }  # fmt: skip


def main() -> None:
    """Makes the histories, times every task on each, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--benchmarks", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    for ours in (False, True):
        root = Path(tempfile.mkdtemp(prefix="history-scale-"))
        try:
            folder = root / (MACHINE if ours else "Linux-CPython-3.11-64bit")
            paths = make_history(folder, options.runs, options.benchmarks, ours=ours)
            _report(paths, root, options, ours=ours)
        finally:
            shutil.rmtree(root)


def _report(paths: list[Path], root: Path, options: argparse.Namespace, *, ours: bool) -> None:
    size = paths[0].stat().st_size
    kind = f"{PROCESSES} processes x {ROUNDS} rounds" if ours else "stock"
    print(f"\n{len(paths):,} runs x {options.benchmarks} benchmarks, {kind}, {size:,} bytes a file")
    print(f"{'task':32}{'total s':>10}{'inside s':>10}{'peak MiB':>10}")
    for task in tasks(root, paths[-2:]):
        costs = [cost(task) for _ in range(options.repeats)]
        inside = [result.inside_s for result in costs if result.inside_s is not None]
        peak = max(result.peak_bytes for result in costs) / 2**20
        within = f"{min(inside):.3f}" if inside else "-"
        print(
            f"{task.name:32}{min(c.total_s for c in costs):10.3f}{within:>10}{peak:10.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
