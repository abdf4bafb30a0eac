"""Marks of a student's answers: right, wrong, or not decided by what is known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hpml_lab.claims.ledger import Claim, Verdict, ledger
from hpml_lab.claims.student import StudentAnswer, is_right_answer, states
from hpml_lab.labs.claim_decisions import decide
from hpml_lab.runs.cases import measured
from hpml_lab.runs.schema import Measurement, Run

Word = Literal["right", "wrong", "open"]


@dataclass(frozen=True)
class Mark:
    """The mark of one answer.

    Attributes:
        id: id of the claim.
        item: the lab's item.
        claim: the statement.
        mark: ``right``, ``wrong``, or ``open``: a person, or a machine, must decide.
        why: what decided it, or what would.
        right_answer: the ledger's; empty for a right one.
    """

    id: str
    item: str
    claim: str
    mark: Word
    why: str
    right_answer: str = ""


def marks(answers: Sequence[StudentAnswer], run: Run | None = None) -> list[Mark]:
    """Returns a mark for each answer.

    Args:
        answers: the answers.
        run: the student's run; its quantities are shown beside statements about a machine.
    """
    return [_mark(answer, ledger().get(answer.id), run) for answer in answers]


def _mark(answer: StudentAnswer, claim: Claim | None, run: Run | None) -> Mark:
    if claim is None:
        return Mark(answer.id, "", answer.claim, "open", "no such id in the ledger")
    text = answer.claim or claim.claim
    if states(answer, claim):
        decision = decide(claim)
        word, why = _judged(answer.verdict, decision.verdict), decision.evidence
        if decision.verdict == "machine-dependent" and run is not None:
            why = "; ".join(_values(claim.quantity, run)) or f"not in this run: {why}"
    elif is_right_answer(answer, claim):
        word = "right" if answer.verdict == "confirmed" else "wrong"
        why = "its numbers are those of the right answer"
    else:
        word, why = "open", "another statement than the published one: compare it by hand"
    return Mark(
        claim.id, claim.item, text, word, why, "" if word == "right" else claim.right_answer
    )


def _judged(given: Verdict, decided: Verdict) -> Word:
    """Returns the mark of a verdict; to state a claim is to say that it is right."""
    if given == decided:
        return "right"
    if given == "confirmed" and decided in ("machine-dependent", "unverifiable"):
        return "open"
    return "wrong"


def _values(quantity: str, run: Run) -> Iterator[str]:
    """Yields the values in a run of a claim's quantity, such as ``workers: counters.NAME``."""
    group, _, keys = quantity.partition(": ")
    cases = [b.measurement for b in run.benchmarks if b.group == group and b.measurement]
    for key in keys.split(", "):
        values = [value for case in cases for value in _saved(case, key)]
        if values:
            yield f"{key} {min(values):,} to {max(values):,} in this run"


def _saved(case: Measurement, key: str) -> list[float]:
    """Returns the values of a key such as ``counters.NAME`` or ``epochs[].parts.wait_s``."""
    field, _, name = key.partition(".")
    if field == "epochs[]":
        values = [_attribute(epoch, name) for epoch in measured(case)]
        return [value for value in values if isinstance(value, int | float)]
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
