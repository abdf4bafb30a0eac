"""What would make a step fit, as a record and in words."""

from typing import Any

from hpml_lab.report.answers.answer import Answer
from hpml_lab.theory.fitting import Way
from hpml_lab.units import mebibytes


def ways_record(ways: list[Way]) -> list[dict[str, Any]]:
    """Returns the ways as JSON takes them."""
    return [
        {
            "way": way.name,
            "peak_bytes": way.fit.gpu.tensors_bytes,
            "needed_bytes": way.fit.needed_bytes,
            "fits": way.fit.fits,
            "changes_numbers": way.changes_numbers,
        }
        for way in ways
    ]


def ways_answer(heading: str, ways: list[Way]) -> Answer:
    """Returns the ways as a table, the ones that fit first."""
    return Answer(
        "",
        "What would make it fit" if any(way.fit.fits for way in ways) else "What would need less",
        heading,
        ["change", "peak of tensors", "needed", "fits", "changes numbers"],
        [
            [
                way.name,
                mebibytes(way.fit.gpu.tensors_bytes),
                mebibytes(way.fit.needed_bytes),
                "yes" if way.fit.fits else "no",
                "yes" if way.changes_numbers else "no",
            ]
            for way in ways
        ],
        ["Each alone; planned like the step itself. They can be taken together."],
    )
