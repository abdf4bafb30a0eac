"""Functions that tests run in a process of their own."""

import os
import sys


def describe(*arguments, **named):
    """Returns what arrived, and in which process."""
    return {"arguments": arguments, "named": named, "pid": os.getpid()}


def fail():
    """Raises."""
    raise ValueError("a planted failure\nof two lines")


def chatter():
    """Prints on both streams, and returns."""
    sys.stdout.write("noise")
    sys.stderr.write("noise")
    return "quiet"


def die():
    """Ends as a killed process does, without a word."""
    os._exit(9)


def hang():
    """Never returns."""
    while True:
        pass


def nothing_json():
    """Returns what JSON cannot hold."""
    return float("nan")
