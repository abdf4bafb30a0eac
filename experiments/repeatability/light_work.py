"""Six pieces of work of some milliseconds without torch, so that a process starts in a second."""

import hashlib
import json
import random
import re
import time
import zlib

SLOWDOWN = 0.0  # by which share every other piece takes longer; `ab.py` plants it

_NUMBERS = [random.Random(0).random() for _ in range(20_000)]
_TEXT = " ".join(f"word{index % 97}" for index in range(20_000))


def ordering():
    """Sorts twenty thousand numbers."""
    return sorted(_NUMBERS)


def hashing():
    """Hashes 4 MiB."""
    return hashlib.sha256(bytes(4 * 2**20)).digest()


def serialising():
    """Writes a list as JSON and reads it back."""
    return json.loads(json.dumps(_NUMBERS[:5000]))


def compressing():
    """Compresses a text."""
    return zlib.compress(_TEXT.encode())


def matching():
    """Finds words in a text."""
    return len(re.findall(r"word(\d)\b", _TEXT))


def looping():
    """Adds in a loop."""
    return sum(index % 7 for index in range(50_000))


WORK = [ordering, hashing, serialising, compressing, matching, looping]


def slowed(work):
    """Returns the same work, after which the clock is watched until the slowdown has passed."""

    def run():
        began_s = time.perf_counter()
        work()
        end_s = began_s + (time.perf_counter() - began_s) * (1 + SLOWDOWN)
        while time.perf_counter() < end_s:
            pass

    run.__name__ = work.__name__
    return run


if SLOWDOWN:
    WORK[::2] = map(slowed, WORK[::2])
