"""A student's answers: statements about items of the labs, in the form of the ledger."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from hpml_lab.claims.ledger import Claim, Verdict
from hpml_lab.errors import InputError

_LARGEST_FILE_BYTES = 4 << 20
_MOST_DIGITS = 30  # before or after the point
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:[eE]-?\d+)?")


class StudentAnswer(msgspec.Struct, frozen=True):
    """One answer.

    Attributes:
        id: id of the claim in the ledger that it is about.
        claim: the student's statement; by default the published one.
        verdict: what the student says of it; by default that it is right.
    """

    id: str
    claim: str = ""
    verdict: Verdict = "confirmed"


def read_answers(path: Path) -> list[StudentAnswer]:
    """Returns the answers of a YAML file: a list of maps with ``id`` and ``claim``.

    Other keys of the ledger may be there and are not read.

    Raises:
        InputError: if the file cannot be read, is no such list, or has an id twice.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise InputError(f"{str(path)!r} is larger than 4 MiB; give a file of answers")
        answers = msgspec.yaml.decode(path.read_bytes(), type=list[StudentAnswer])
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{str(path)!r} is no file of answers: {reason}; give a YAML list of entries such as "
            "{id: 002-C3-best, claim: '...'}"
        ) from error
    known = set[str]()
    for answer in answers:
        if answer.id in known:
            raise InputError(f"{str(path)!r} answers {answer.id!r} twice; leave one of them out")
        known.add(answer.id)
    return answers


def states(answer: StudentAnswer, claim: Claim) -> bool:
    """Whether an answer is the published statement."""
    return not answer.claim or _words(answer.claim) == _words(claim.claim)


def is_right_answer(answer: StudentAnswer, claim: Claim) -> bool | None:
    """Whether a statement of a student's own is that of the ledger's right answer.

    The same words are. Else every number in it must be a rounded number of the right answer, of
    which it may have others.

    Returns:
        None if numbers cannot decide: there are none on either side, or some are not in the right
        answer, which need not name all that is right.
    """
    if _words(answer.claim) == _words(claim.right_answer):
        return True
    right = [*_numbers(claim.right_answer)]
    right += [*_numbers(claim.claim)] if claim.verdict == "confirmed" else []
    stated = [*_numbers(answer.claim)]
    if not right or not stated:
        return None
    return True if all(_is_among(number, right) for number in stated) else None


def _words(text: str) -> list[str]:
    return text.casefold().rstrip(".").split()


def _numbers(text: str) -> Iterator[Decimal]:
    for match in _NUMBER.finditer(text):
        number = Decimal(match[0].rstrip(",").replace(",", ""))
        if abs(number.adjusted()) <= _MOST_DIGITS:  # others are no answer to anything here
            yield number


def _is_among(stated: Decimal, right: list[Decimal]) -> bool:
    """Whether a number is one of others, rounded to its last decimal place."""
    place = Decimal(1).scaleb(min(0, int(stated.as_tuple().exponent)))
    return any(abs(number - stated) <= place / 2 for number in right)
