"""How quantities are written."""

import pytest

from hpml_lab import units
from hpml_lab.errors import InputError


def test_mebibytes_are_powers_of_two():
    """44,695,848 bytes are 42.63 MiB, not 44.70."""
    assert units.mebibytes(44_695_848) == "42.63 MiB"


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (83.25, "83.2 s"),
        (1.5, "1.50 s"),
        (0.0123, "12.3 ms"),
        (4.2e-5, "42.0 us"),
        (7.25e-9, "7.25 ns"),
        (0.0, "0.00 ns"),
        (1234.0, "1,234 s"),
    ],
)
def test_seconds_keep_three_digits(duration_s, text):
    """A duration is written with the largest unit that keeps a digit before the point."""
    assert units.seconds(duration_s) == text


def test_clock_time_is_minutes_and_seconds():
    """187 seconds are 3:07; 59.6 round to a full minute."""
    assert (units.clock_time(187), units.clock_time(59.6)) == ("3:07", "1:00")


def test_ratios_rates_and_shares():
    """A ratio ends in x, a rate in /s, a share in percent."""
    written = units.ratio(1.375), units.per_second(1240.4), units.percent(0.6125)
    assert written == ("1.38x", "1,240 /s", "61.3 %")


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (790e12, "790 TFLOP/s"),
        (95.24e9, "95.2 GFLOP/s"),
        (1e9, "1.00 GFLOP/s"),
        (12.5e6, "12.5 MFLOP/s"),
        (999_999, "999,999 FLOP/s"),
        (0, "0 FLOP/s"),
    ],
)
def test_rates_of_arithmetic_keep_three_digits(rate, text):
    """Prefixes are powers of ten."""
    assert units.flop_rate(rate) == text


def test_bandwidths_are_powers_of_ten():
    """4.3e12 bytes a second are 4.30 TB/s; no GiB is meant."""
    assert (units.byte_rate(4.3e12), units.byte_rate(2**30)) == ("4.30 TB/s", "1.07 GB/s")


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1000", 1000),
        ("16GiB", 16 * 2**30),
        ("80GB", 80_000_000_000),
        ("1.5 MiB", 3 * 2**19),
        ("12k", 12_000),
        ("2gib", 2**31),
        ("0", 0),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size_bytes):
    """With the i a power of 1024, without it of 1000."""
    assert units.parse_bytes("memory", text) == size_bytes


@pytest.mark.parametrize("text", ["", "lots", "-5", "5 apples", "GiB", "1e9", "nan"])
def test_what_is_no_size_is_refused(text):
    """One line with both forms."""
    with pytest.raises(InputError, match=r"memory .* is no size; give bytes, or a size like"):
        units.parse_bytes("memory", text)
