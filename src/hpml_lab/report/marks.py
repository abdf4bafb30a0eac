"""Marks of a student's answers, as text and as a record."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hpml_lab.labs.marks import Mark, Word
from hpml_lab.report.terminal import new_console, plain, text_of

_WIDTH = 100
_ORDER: tuple[Word, ...] = ("wrong", "open", "right")


def record(marks: Sequence[Mark]) -> dict[str, Any]:
    """Returns a JSON record: the marks, and how many there are of each."""
    return {"answers": [asdict(mark) for mark in marks], **_counts(marks), "of": len(marks)}


def render(marks: Sequence[Mark]) -> str:
    """Returns the marks as text: the counts, then what is wrong, what is open, what is right."""
    console = new_console(_WIDTH)
    counts = _counts(marks)
    console.print(
        f"{counts['right']} of {len(marks)} right, {counts['wrong']} wrong, {counts['open']} open."
    )
    for word in _ORDER[:2]:
        for mark in (mark for mark in marks if mark.mark == word):
            console.print()
            console.print(plain(f"{mark.id}: {word}. {mark.claim}"))
            console.print(plain(f"  Why: {mark.why}"))
            if mark.right_answer:
                console.print(plain(f"  Right: {mark.right_answer}"))
    if right := [mark.id for mark in marks if mark.mark == "right"]:
        console.print()
        console.print(plain(f"Right: {', '.join(right)}"))
    return text_of(console)


def _counts(marks: Sequence[Mark]) -> dict[str, int]:
    return {word: sum(mark.mark == word for mark in marks) for word in reversed(_ORDER)}
