"""Marks of a student's answers: right, wrong, or not decided by what is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hpml_lab.claims.ledger import Claim, Verdict, ledger
from hpml_lab.claims.student import StudentAnswer, is_right_answer, states
from hpml_lab.labs.claim_decisions import decide
from hpml_lab.runs.schema import Run

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
        decision = decide(claim, run)
        word, why = _judged(answer.verdict, decision.verdict), decision.evidence
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
