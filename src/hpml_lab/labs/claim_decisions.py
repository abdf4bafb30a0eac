"""Decisions on claims: by a computation, by a measurement, or by the ledger alone."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from hpml_lab import labs
from hpml_lab.claims import checks
from hpml_lab.claims.checking import CHECKS, Check
from hpml_lab.claims.ledger import Claim, Verdict
from hpml_lab.labs.claim_values import values
from hpml_lab.runs.schema import Run

How = Literal["computed", "saved quantity", "not verifiable", "not computed"]


@dataclass(frozen=True)
class Decision:
    """The decision on a claim.

    Attributes:
        claim: the claim as in the ledger.
        verdict: the computed verdict; the ledger's own if nothing was computed.
        how: the kind of decision.
        evidence: the computed values, the saved quantity to look at, or why there is neither.
    """

    claim: Claim
    verdict: Verdict
    how: How
    evidence: str

    @property
    def agrees(self) -> bool:
        """Whether the verdict is that of the ledger."""
        return self.verdict == self.claim.verdict


@cache
def all_checks() -> Mapping[str, Check]:
    """Returns all checks by the id of their claim.

    Checks are discovered by module name, like tests by pytest: all modules of `claims.checks`, and
    the module ``checks`` in the folder of each question of the labs.
    """
    folders = pkgutil.iter_modules(labs.__path__, f"{labs.__name__}.")
    questions = [f"{folder.name}.checks" for folder in folders if folder.ispkg]
    general = [
        module.name for module in pkgutil.iter_modules(checks.__path__, f"{checks.__name__}.")
    ]
    for name in [*general, *filter(importlib.util.find_spec, questions)]:
        importlib.import_module(name)
    return CHECKS


def decide(claim: Claim, run: Run | None = None) -> Decision:
    """Decides a claim by its check; without one, returns what could decide it.

    Args:
        claim: the claim.
        run: a saved run, whose values are the evidence for a claim about a machine.
    """
    check = all_checks().get(claim.id)
    if check is not None:
        finding = check()
        verdict: Verdict = "confirmed" if finding.holds else "refuted"
        return Decision(claim, verdict, "computed", finding.evidence)
    if claim.verdict == "machine-dependent":
        said = "" if run is None else "; ".join(values(claim.quantity, run))
        missing = claim.quantity if run is None else f"not in this run: {claim.quantity}"
        return Decision(claim, claim.verdict, "saved quantity", said or missing)
    if claim.verdict == "unverifiable":
        return Decision(claim, claim.verdict, "not verifiable", claim.right_answer)
    return Decision(claim, claim.verdict, "not computed", claim.how_to_check)
