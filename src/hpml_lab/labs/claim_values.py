"""What a saved run says of the quantity that decides a claim about a machine."""

from collections.abc import Iterator, Mapping
from typing import Any

from hpml_lab.runs.cases import measured
from hpml_lab.runs.schema import Measurement, Run


def values(quantity: str, run: Run) -> Iterator[str]:
    """Yields the values in a run of a claim's quantity, as sentences.

    Args:
        quantity: keys in a group of a saved run, such as ``workers: counters.NAME``.
        run: the run.
    """
    group, _, keys = quantity.partition(": ")
    cases = [b.measurement for b in run.benchmarks if b.group == group and b.measurement]
    for key in keys.split(", "):
        found = [value for case in cases for value in _saved(case, key)]
        if found:
            yield f"{key} {min(found):,} to {max(found):,} in this run"


def _saved(case: Measurement, key: str) -> list[float]:
    """Returns the values of a key such as ``counters.NAME`` or ``epochs[].parts.wait_s``."""
    field, _, name = key.partition(".")
    if field == "epochs[]":
        held = [_attribute(epoch, name) for epoch in measured(case)]
        return [value for value in held if isinstance(value, int | float)]
    if field == "learning":
        metrics = case.learning.metrics if case.learning else {}
        return [value for member in metrics.get(name.rpartition(".")[2], []) for value in member]
    known: dict[str, Mapping[str, float]] = {
        "counters": case.counters, "memory": case.memory, "stalls": case.stalls,
    }  # fmt: skip
    return [known[field][name]] if field in known and name in known[field] else []


def _attribute(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name, None)
    return value
