"""Which check decides which claims."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        holds: whether the claim is right as it was stated.
        evidence: the computed values, one line.
    """

    holds: bool
    evidence: str


Check = Callable[[], Finding]
CHECKS: dict[str, Check] = {}


def decides(claim_id: str) -> Callable[[Check], Check]:
    """Registers a function without arguments as the check of a claim.

    Raises:
        ValueError: if the claim has a check already.
    """

    def register(check: Check) -> Check:
        if claim_id in CHECKS:
            raise ValueError(f"claim {claim_id} has two checks; keep one")
        CHECKS[claim_id] = check
        return check

    return register
