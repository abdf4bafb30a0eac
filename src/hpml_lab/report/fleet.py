"""A fleet of machines as text and as a record."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from hpml_lab.comparison.fleet import TIME, Finding, Fleet, Unit
from hpml_lab.report.terminal import new_console, plain, table, text_of
from hpml_lab.stats.extreme import FEWEST
from hpml_lab.units import percent, ratio

_WIDTH = 100
_MOST_UNITS = 20  # of a model that text shows


def record(fleet: Fleet) -> dict[str, Any]:
    """Returns the fleet as a JSON record."""
    return asdict(fleet)


def render(fleet: Fleet) -> str:
    """Returns the fleet as text: what is odd, then the units of each model, the slowest first."""
    console = new_console(_WIDTH)
    for line in _lines(fleet):
        console.print(plain(line))
    for model, units in fleet.models.items():
        console.print()
        console.print(plain(f"{model}: {len(units)} {'unit' if len(units) == 1 else 'units'}"))
        console.print(_table(units[:_MOST_UNITS]))
        if len(units) > _MOST_UNITS:
            console.print(f"and {len(units) - _MOST_UNITS} faster ones; all: --json")
    return text_of(console)


def _lines(fleet: Fleet) -> Iterator[str]:
    for finding in fleet.findings:
        yield f"{finding.unit}: {_words(finding)} ({finding.model})"
    few = [model for model, units in fleet.models.items() if len(units) < FEWEST]
    if len(few) < len(fleet.models):
        none = "" if fleet.findings else "No unit is odd. "
        yield f"{none}The chance of any false finding is at most {percent(fleet.alpha)}."
    for model in few:
        yield f"Cannot tell for {model}: fewer than {FEWEST} units."


def _words(finding: Finding) -> str:
    if finding.what == TIME:
        word = "slower" if finding.ratio > 1 else "faster"
        return f"{percent(abs(finding.ratio - 1))} {word} than the median unit"
    name = finding.what.removesuffix("_per_s").replace("_", " ")
    return f"{name} is {ratio(finding.ratio)} that of the median unit"


def _table(units: list[Unit]) -> Any:
    whats = list(dict.fromkeys(what for unit in units for what in unit.ratios))
    columns = ["unit", "runs", *(_column(what) for what in whats)]
    rows = [
        [unit.name, str(unit.runs)]
        + [ratio(unit.ratios[what]) if what in unit.ratios else "-" for what in whats]
        for unit in units
    ]
    return table(columns, rows, _WIDTH)


def _column(what: str) -> str:
    return what.removesuffix("_flops_per_s").removesuffix("_bytes_per_s").replace("_", " ")
