"""The ledger of published answers: the claims, their verdicts, and how to check them."""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from hpml_lab.errors import unknown

Kind = Literal["exact-count", "closed-form", "measured-on-a-machine", "qualitative"]
Verdict = Literal["confirmed", "refuted", "machine-dependent", "unverifiable"]


@dataclass(frozen=True)
class Claim:
    """One published answer.

    Attributes:
        id: permanent id; starts with the write-up.
        write_up: number of the write-up, such as ``001``.
        item: the lab's item or question that it answers.
        kind: kind of statement.
        claim: the statement.
        verdict: whether the statement holds.
        right_answer: the right answer, or why the statement holds.
        how_to_check: how to check the statement.
        quantity: for a machine-dependent claim, the saved quantity that decides it.
    """

    id: str
    write_up: str
    item: str
    kind: Kind
    claim: str
    verdict: Verdict
    right_answer: str
    how_to_check: str
    quantity: str = ""


@cache
def ledger() -> dict[str, Claim]:
    """Returns all claims by id, in the order of the write-ups."""
    text = resources.files(__package__).joinpath("ledger.yaml").read_bytes()
    claims = msgspec.yaml.decode(text, type=list[Claim])
    return {claim.id: claim for claim in claims}


def claims_of(write_up: str | None = None) -> list[Claim]:
    """Returns the claims of one write-up, or of all.

    Raises:
        InputError: for a write-up that is not in the ledger.
    """
    claims = list(ledger().values())
    write_ups = sorted({claim.write_up for claim in claims})
    if write_up is not None and write_up not in write_ups:
        raise unknown("write-up", write_up, write_ups)
    return [claim for claim in claims if write_up in (None, claim.write_up)]
