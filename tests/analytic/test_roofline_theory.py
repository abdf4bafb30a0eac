"""The roofline, against numbers worked out by hand and the laws of a minimum of two lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.theory.roofline import COMPUTE_BOUND, MEMORY_BOUND, attainable, position, ridge

RATES = st.floats(1e-3, 1e18)
INTENSITIES = st.floats(0, 1e6)


def test_the_lab_s_network_on_the_lab_s_ceilings():
    """3.329 GFLOP and 22.0 MB an image: 151 FLOP/byte, below the ridge of 790 TFLOP/s, 4.3 TB/s.

    By bytes an image takes 22.0e6 / 4.3e12 = 5.116 us, so 651 TFLOP/s are attainable; 100,000
    images a second are 51.2 % of that.
    """
    assert ridge(790e12, 4.3e12) == pytest.approx(183.72, rel=1e-4)
    result = position(100_000, 3_328_997_376, 22.0e6, 790e12, 4.3e12)
    assert result.intensity == pytest.approx(151.318, rel=1e-5)
    assert result.flops_per_s == pytest.approx(332.8997e12, rel=1e-6)
    assert result.attainable_flops_per_s == pytest.approx(650.667e12, rel=1e-5)
    assert result.fraction == pytest.approx(0.511628, rel=1e-5)
    assert result.bound == MEMORY_BOUND


def test_behind_the_ridge_arithmetic_is_the_bound():
    """10 FLOP/byte on a machine of 100 FLOP/s and 20 byte/s: the ridge is at 5, the roof at 100."""
    result = position(5, 10, 1, 100, 20)
    assert (result.attainable_flops_per_s, result.fraction, result.bound) == (
        100,
        0.5,
        COMPUTE_BOUND,
    )


@pytest.mark.parametrize("ceilings", [(None, 20), (100, None), (None, None)])
def test_an_unknown_ceiling_gives_no_roof(ceilings):
    """The rate and the intensity are known without; what depends on a ceiling is None."""
    result = position(5, 10, 2, *ceilings)
    assert (result.flops_per_s, result.intensity) == (50, 5)
    assert (result.attainable_flops_per_s, result.fraction, result.bound) == (None, None, None)


def test_at_the_ridge_arithmetic_is_the_bound():
    """8 FLOP/s over 4 bytes/s: 2 FLOP a byte."""
    assert position(1, 2, 1, 8, 4).bound == COMPUTE_BOUND


def test_without_arithmetic_no_fraction_is_attainable():
    """0 FLOP have 0 FLOP/s as their roof, and no share of it."""
    result = position(5, 0, 2, 100, 20)
    assert (result.attainable_flops_per_s, result.fraction, result.bound) == (0, None, MEMORY_BOUND)


@given(RATES, RATES)
def test_the_roof_is_continuous_at_the_ridge(peak, bandwidth):
    """At the ridge both roofs are the same."""
    assert attainable(ridge(peak, bandwidth), peak, bandwidth) == pytest.approx(peak, rel=1e-12)


@given(INTENSITIES, INTENSITIES, RATES, RATES)
def test_the_roof_never_falls_with_intensity_and_never_exceeds_a_ceiling(one, other, peak, memory):
    """It is monotone, at most the peak, and at most what the bytes allow."""
    low, high = sorted((one, other))
    roof = attainable(low, peak, memory)
    assert roof <= attainable(high, peak, memory) <= peak
    assert roof <= low * memory


@given(st.floats(1e-3, 1e9), st.floats(1, 1e12), st.floats(1, 1e12), RATES, RATES)
def test_the_bound_is_the_roof_that_is_lower(samples, work, moved, peak, memory):
    """Memory-bound if and only if the bytes take longer than the arithmetic."""
    result = position(samples, work, moved, peak, memory)
    by_memory = moved / memory > work / peak
    close = moved / memory == pytest.approx(work / peak, rel=1e-9)
    assert close or (result.bound == MEMORY_BOUND) == by_memory


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: attainable(-1, 1, 1), "intensity is -1; it must be finite and 0 or more"),
        (lambda: attainable(1, 0, 1), "peak_flops_per_s is 0; it must be finite and above 0"),
        (lambda: ridge(1, 0), "bytes_per_s is 0; it must be finite and above 0"),
        (lambda: position(1, 1, 0, 1, 1), "bytes_per_sample is 0; it must be finite and above 0"),
        (lambda: attainable(1, 1, 0), "bytes_per_s is 0; it must be finite and above 0"),
        (lambda: ridge(0, 1), "peak_flops_per_s is 0; it must be finite and above 0"),
        (lambda: position(float("nan"), 1, 1, 1, 1), "samples_per_s is nan; it must be finite"),
        (lambda: position(1, -1, 1, 1, 1), "flops_per_sample is -1; it must be finite"),
    ],
)
def test_what_cannot_be_a_rate_is_refused(call, message):
    """Ceilings and bytes are above 0, work and throughput 0 or more."""
    with pytest.raises(InputError, match=message):
        call()
