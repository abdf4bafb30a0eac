"""Cross-machine comparison, as a JSON record and as tables."""

import math
import re
from dataclasses import asdict
from typing import Any

from hpml_lab.comparison.across import (
    ALIKE,
    Across,
    CounterComparison,
    RatioRow,
    RatioTable,
    RooflinePoint,
)
from hpml_lab.comparison.sides import Subject
from hpml_lab.labs.answer import Answer
from hpml_lab.units import flop_rate, mebibytes, per_second, percent, ratio, seconds

_MOST_UNEQUAL = 10
_NOTHING = (
    "Nothing can be compared: ratios within a machine are of the lab's questions, and "
    "no two of these have one. `hpml-lab compare` compares the seconds of one machine's runs."
)


def answers(comparison: Across) -> list[Answer]:
    """Returns the tables: machines, ratios, exact counters, roofline points."""
    return [
        _machines(comparison),
        *map(_ratios, comparison.tables),
        *([_counters(comparison.counters)] if comparison.counters else []),
        *([_roofline(comparison.placed)] if comparison.placed else []),
    ]


def record(comparison: Across) -> dict[str, Any]:
    """Returns the comparison as a JSON record."""
    return {
        "machines": [
            {"name": subject.name, "caveats": subject.caveats, "software": _software(subject)}
            for subject in comparison.subjects
        ],
        "ratios": [
            {
                "question": table.contrast.title,
                "axis": table.contrast.axis,
                "reference": table.contrast.reference,
                "of": row.ratio.level,
                "machine": row.machine,
                "ratio": row.ratio.value,
                "interval": row.ratio.interval,
                "spread": row.ratio.spread,
                "processes": len(row.ratio.logs),
                "reading": row.ratio.reading or "seconds",
                "quantities": row.ratio.quantities,
                "verdict": row.word or None,
                "why": row.why,
                "warnings": row.ratio.warnings,
            }
            for table in comparison.tables
            for row in table.rows
        ],
        "counters": [asdict(row) for row in comparison.counters],
        "roofline": [asdict(row) for row in comparison.placed],
    }


def _machines(comparison: Across) -> Answer:
    rows = [
        [subject.name, _software(subject).get("torch") or "-", subject.run.datetime[:10]]
        for subject in comparison.subjects
    ]
    caveats = [f"{s.name}: {'; '.join(s.caveats)}." for s in comparison.subjects if s.caveats]
    return Answer(
        "",
        "Machines compared",
        "the first is compared with each of the others",
        ["machine", "torch", "measured"],
        rows,
        [*_method(comparison.alpha), *caveats] if comparison.tables else [_NOTHING, *caveats],
    )


def _method(alpha: float) -> list[str]:
    return [
        "A ratio is that of the medians in a process, their geometric mean over processes. From to "
        "is where a fresh process's is (95 %); ± is the deviation (1.48 median ones) over the "
        "rounds of one process.",
        f"Beside the first machine: agree (within {100 * ALIKE:.0f} %), differ or cannot tell, "
        f"with a chance of {100 * alpha:g} % of any false differ; no verdict where a side has one "
        "process. Seconds are shown, never judged.",
    ]


def _software(subject: Subject) -> dict[str, str | None]:
    machine = subject.run.machine_info.hpml
    return machine.software if machine else {}


def _ratios(table: RatioTable) -> Answer:
    contrast = table.contrast
    ordered = sorted(table.rows, key=lambda row: (_order(row.ratio.level), row.ratio.reading))
    noted: dict[str, int] = {}
    for row in ordered:
        for note in _notes(row):
            noted.setdefault(note, len(noted) + 1)
    return Answer(
        "",
        contrast.title,
        f"{_word(contrast.axis)} {_named(contrast.reference)} is 1; within each machine",
        [_word(contrast.axis), "machine", "is", "of", "ratio", "from to", "n", "against the first"],
        [_row(row, noted) for row in ordered],
        [*_best_workers(table), *(f"*{number} {note}." for note, number in noted.items())],
    )


def _order(value: object) -> tuple[float, str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (float(value), "") if number else (math.inf, str(value))  # type: ignore[arg-type]


def _row(row: RatioRow, noted: dict[str, int]) -> list[str]:
    measured = row.ratio
    show = mebibytes if measured.reading else seconds
    reading = measured.reading.removesuffix("_bytes").replace("_", " ")
    return [
        " ".join(filter(None, [_named(measured.level), reading])),
        _short(row.machine),
        *map(show, measured.quantities),
        ratio(measured.value),
        _range(row),
        str(len(measured.logs)) if measured.logs else "-",
        " ".join([row.word or "-", *(f"*{noted[note]}" for note in _notes(row))]),
    ]


def _notes(row: RatioRow) -> list[str]:
    return [*([row.why] if row.why else []), *row.ratio.warnings]


def _short(machine: str) -> str:
    """Returns a machine's name without the digest of its identity."""
    return re.sub(r"-[0-9a-f]{8}\b", "", machine)


def _range(row: RatioRow) -> str:
    if row.ratio.interval:
        low, high = row.ratio.interval
        return f"{low:.2f} {high:.2f}"
    return "-" if row.ratio.spread is None else f"± {row.ratio.spread:.2f}"


def _best_workers(table: RatioTable) -> list[str]:
    if table.contrast.axis != "workers":
        return []
    by_machine: dict[str, dict[str, float]] = {}
    for row in table.rows:
        known = by_machine.setdefault(row.machine, {_named(table.contrast.reference): 1.0})
        known[_named(row.ratio.level)] = row.ratio.value
    return [
        f"Best count of those tried on {_best(machine, times)}."
        for machine, times in by_machine.items()
    ]


def _best(machine: str, times: dict[str, float]) -> str:
    best = min(times, key=lambda count: times[count])
    return f"{_short(machine)}: {best}, {ratio(1 / times[best])} as fast as without workers"


def _counters(rows: list[CounterComparison]) -> Answer:
    return Answer(
        "",
        "Exact counters",
        "of the first machine's cases, in cases of equal settings on the others",
        ["machine", "cases", "equal", "unequal", "not comparable"],
        [
            [
                row.machine,
                row.group,
                str(row.equal),
                str(len(row.unequal)),
                f"other {', '.join(row.not_comparable)}" if row.not_comparable else "-",
            ]
            for row in rows
        ],
        [sentence for row in rows for sentence in _unequal(row)],
    )


def _unequal(row: CounterComparison) -> list[str]:
    shown = [f"{row.machine}: {text}." for text in row.unequal[:_MOST_UNEQUAL]]
    more = len(row.unequal) - len(shown)
    return [*shown, *([f"{row.machine}: {more} more; --json has all of them."] if more else [])]


def _roofline(rows: list[RooflinePoint]) -> Answer:
    return Answer(
        "",
        "Share of each machine's roofline",
        "- is unknown; published machines' ceilings are",
        ["case", "machine", "images/s", "FLOP/s", "share", "bound by"],
        [
            [
                row.case,
                _short(row.machine),
                per_second(row.samples_per_s),
                flop_rate(row.position.flops_per_s),
                "-" if row.position.fraction is None else percent(row.position.fraction),
                row.position.bound or "-",
            ]
            for row in sorted(rows, key=lambda row: row.case)
        ],
    )


def _named(value: object) -> str:
    return (
        {True: "yes", False: "none"}.get(value, str(value))
        if isinstance(value, bool)
        else str(value)
    )


def _word(name: str) -> str:
    return name.replace("_", " ")
