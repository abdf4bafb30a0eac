"""What decides a claim: a computation, a measurement to come, or nothing but the ledger."""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from hpml_lab.claims import checks
from hpml_lab.claims.checks.registry import CHECKS, Check
from hpml_lab.claims.ledger import Claim, Verdict

How = Literal["computed", "saved quantity", "not verifiable", "by the ledger's word"]


@dataclass(frozen=True)
class Decision:
    """How a claim was decided.

    Attributes:
        claim: what the ledger says.
        verdict: what was found; the ledger's own verdict where nothing was computed.
        how: what found it.
        evidence: the computed values, the saved quantity to look at, or why there is neither.
    """

    claim: Claim
    verdict: Verdict
    how: How
    evidence: str

    @property
    def agrees(self) -> bool:
        """Whether the finding is the ledger's verdict."""
        return self.verdict == self.claim.verdict


@cache
def all_checks() -> Mapping[str, Check]:
    """Returns every check by the id of its claim, from all modules of `claims.checks`."""
    for module in pkgutil.iter_modules(checks.__path__):
        importlib.import_module(f"{checks.__name__}.{module.name}")
    return CHECKS


def decide(claim: Claim) -> Decision:
    """Runs the claim's check; without one, says what could decide it."""
    check = all_checks().get(claim.id)
    if check is not None:
        finding = check()
        verdict: Verdict = "confirmed" if finding.holds else "refuted"
        return Decision(claim, verdict, "computed", finding.evidence)
    if claim.verdict == "machine-dependent":
        return Decision(claim, claim.verdict, "saved quantity", claim.quantity)
    if claim.verdict == "unverifiable":
        return Decision(claim, claim.verdict, "not verifiable", claim.right_answer)
    return Decision(claim, claim.verdict, "by the ledger's word", claim.how_to_check)
