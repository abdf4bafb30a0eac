"""A tuning as a saved run: a benchmark for each configuration, a process for each trial."""

import math
import platform
from datetime import UTC, datetime
from typing import Any

from hpml_lab import __version__
from hpml_lab.measure.fingerprint import machine_record
from hpml_lab.runs.machine import State
from hpml_lab.runs.recovery import summary
from hpml_lab.tuning.race import Config
from hpml_lab.tuning.result import Tuned

GROUP = "tune"


def run_of(tuned: Tuned, before: State) -> dict[str, Any]:
    """Returns the run in the form in which it is saved.

    Args:
        tuned: The result.
        before: The machine's state before it.
    """
    benchmarks = [_benchmark(tuned, config, logs) for config, logs in tuned.logs.items()]
    return {
        "machine_info": {
            "node": platform.node(),
            "machine": platform.machine(),
            "system": platform.system(),
            "python_version": platform.python_version(),
            "hpml": machine_record(before, {}),
        },
        "commit_info": {},
        "benchmarks": benchmarks,
        "datetime": datetime.now(UTC).isoformat(),
        "version": __version__,
    }


def _benchmark(tuned: Tuned, config: Config, logs: list[float]) -> dict[str, Any]:
    pairs = sorted(config, key=str)
    name = "-".join(f"{name}={value}" for name, value in pairs) or "plain"
    rounds = [math.exp(log) for log in logs]
    marks = {"tuned": tuned.workload, "best": dict(config) == tuned.best}
    if tuned.disturbed:
        marks["disturbed"] = True
    return {
        "name": f"{GROUP}[{name}]",
        "fullname": f"{tuned.workload}::{GROUP}[{name}]",
        "group": GROUP,
        "params": None,
        "param": None,
        "extra_info": {
            "hpml": {
                "case": marks | dict(config),
                "samples": 1,
                "processes": [[second] for second in rounds],
            }
        },
        "options": {},
        "stats": summary(rounds) | {"iterations": 1},
    }
