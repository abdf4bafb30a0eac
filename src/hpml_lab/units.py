"""The only place that turns bytes, seconds and rates into text, and text into bytes."""

import re

from hpml_lab.errors import InputError

MIB = 2**20
GIB = 2**30
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([KMGT]?)(i?)B?", re.IGNORECASE)


def parse_bytes(what: str, text: str) -> int:
    """Returns a size from a text such as ``16GiB`` (2**30), ``80GB`` (1e9) or ``1000`` bytes.

    Args:
        what: the size, as an error names it.
        text: a number of 0 or more, with or without a unit.

    Raises:
        InputError: for anything else.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{what} {text!r} is no size; give bytes, or a size like 16GiB or 80GB")
    number, prefix, binary = match.groups()
    power = " KMGT".index(prefix.upper() or " ")
    return int(float(number) * (1024 if binary else 1000) ** power)


def gibibytes(size_bytes: float) -> str:
    """Returns a number of GiB (2**30 bytes) with three significant digits, as in ``12.3``."""
    return _significant(size_bytes / GIB)


def mebibytes(size_bytes: float) -> str:
    """Returns a size in MiB (2**20 bytes), as in ``42.63 MiB``."""
    return f"{size_bytes / MIB:,.2f} MiB"


def seconds(duration_s: float) -> str:
    """Returns a duration with three significant digits and its unit, as in ``12.3 ms``."""
    for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if abs(duration_s) * scale >= 1:
            return f"{_significant(duration_s * scale)} {unit}"
    return f"{_significant(duration_s * 1e9)} ns"


def clock_time(duration_s: float) -> str:
    """Returns a waiting time for people, as in ``3:07`` (minutes and seconds)."""
    minutes, rest = divmod(round(duration_s), 60)
    return f"{minutes}:{rest:02d}"


def per_second(rate: float, what: str = "") -> str:
    """Returns a rate as in ``1,240 /s``, or ``1,240 images/s`` of something."""
    return f"{rate:,.0f} {what}/s"


def flop_rate(rate: float) -> str:
    """Returns FLOP a second as in ``41.3 GFLOP/s`` (G = 1e9)."""
    return _scaled(rate, "FLOP/s")


def byte_rate(rate: float) -> str:
    """Returns bytes a second as in ``6.34 GB/s`` (G = 1e9)."""
    return _scaled(rate, "B/s")


def ratio(value: float) -> str:
    """Returns a ratio as in ``1.38x``."""
    return f"{value:.2f}x"


def percent(share: float) -> str:
    """Returns a share of one as in ``61.3 %``."""
    return f"{100 * share:.1f} %"


def _scaled(rate: float, unit: str) -> str:
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if rate >= scale:
            return f"{_significant(rate / scale)} {prefix}{unit}"
    return f"{rate:,.0f} {unit}"


def _significant(value: float) -> str:
    magnitude = abs(value)
    digits = 2 if magnitude < 10 else 1 if magnitude < 100 else 0
    return f"{value:,.{digits}f}"
