"""The ledger of published answers and the evidence for their verdicts, as text and as a record."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from hpml_lab.labs.claim_decisions import Decision
from hpml_lab.report.terminal import new_console, plain, text_of

_WIDTH = 80
_LABELS = {
    "computed": "Computed",
    "saved quantity": "Decided by",
    "not computed": "To check",
}


def record(decisions: Sequence[Decision]) -> dict[str, Any]:
    """Returns a JSON record: the claims, counts by verdict, the number of computed ones."""
    return {
        "claims": [_claim(decision) for decision in decisions],
        "counts": dict(Counter(decision.claim.verdict for decision in decisions)),
        "computed": _computed(decisions),
    }


def _claim(decision: Decision) -> dict[str, Any]:
    return asdict(decision.claim) | {
        "decided": decision.verdict,
        "how": decision.how,
        "evidence": decision.evidence,
        "agrees": decision.agrees,
    }


def render(decisions: Sequence[Decision]) -> str:
    """Returns the decisions as text, 80 columns wide."""
    console = new_console(_WIDTH)
    for decision in decisions:
        console.print(plain(_heading(decision)))
        table = Table.grid(padding=(0, 1))
        for label, text in _lines(decision):
            table.add_row(plain(f"  {label:10}"), plain(text))
        console.print(table)
        console.print()
    console.print(plain(_summary(decisions)))
    return text_of(console)


def _heading(decision: Decision) -> str:
    claim = decision.claim
    if not decision.agrees:
        return f"{claim.id}: {decision.verdict}, but the ledger says {claim.verdict}"
    how = f" ({decision.how})" if decision.how in _LABELS else ""
    return f"{claim.id}: {claim.verdict}{how}"


def _lines(decision: Decision) -> Iterator[tuple[str, str]]:
    yield "Claim", decision.claim.claim
    yield "Answer", decision.claim.right_answer
    if decision.how in _LABELS:  # for what cannot be verified, the answer says why
        yield _LABELS[decision.how], decision.evidence


def _summary(decisions: Sequence[Decision]) -> str:
    counts = Counter(decision.claim.verdict for decision in decisions)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    wrong = [decision.claim.id for decision in decisions if not decision.agrees]
    disagreement = f"Checks disagree on: {', '.join(wrong)}." if wrong else "No check disagrees."
    return f"{len(decisions)} claims: {verdicts}; {_computed(decisions)} computed. {disagreement}"


def _computed(decisions: Sequence[Decision]) -> int:
    return sum(decision.how == "computed" for decision in decisions)
