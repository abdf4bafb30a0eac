"""The generalized extreme Studentized deviate test, against Rosner's own numbers and by its law."""

import numpy as np
import pytest

from hpml_lab.stats import extreme
from hpml_lab.stats.extreme import outliers

# Rosner's example, as in the NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.17.3.
ROSNER = [
    -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58, 1.65,
    1.69, 1.70, 1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23, 2.24,
    2.26, 2.35, 2.37, 2.40, 2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30, 3.59,
    3.68, 4.30, 4.64, 5.34, 5.42, 6.01,
]  # fmt: skip


def test_rosner_s_example_has_three_outliers():
    """Of up to ten at 5 %: the three largest, as published, though the first two tests accept."""
    assert [ROSNER[i] for i in outliers(ROSNER, 0.05, 10)] == [6.01, 5.42, 5.34]


@pytest.mark.parametrize(
    ("n", "removed", "critical"), [(54, 0, 3.159), (53, 1, 3.151), (52, 2, 3.144), (45, 9, 3.085)]
)
def test_critical_values_are_the_published_ones(n, removed, critical):
    """The table of the e-Handbook, for 54 values of which so many are taken out."""
    assert n + removed == 54
    assert extreme._critical(n, 0.05) == pytest.approx(critical, abs=0.001)


def test_few_values_and_equal_ones_have_no_outlier():
    """Three tell nothing, and equal ones do not differ."""
    assert outliers([1.0, 1.0, 9.0], 0.05, 1) == []
    assert outliers([1.0] * 10, 0.05) == []


@pytest.mark.integration
@pytest.mark.parametrize("n", [8, 16, 64])
def test_normal_samples_have_an_outlier_as_often_as_stated(n):
    """4,000 samples at 1 %: 40 expected; 75 would be seen once in a million."""
    generator = np.random.default_rng(n)
    found = sum(bool(outliers(list(generator.normal(size=n)), 0.01)) for _ in range(4000))
    assert 10 <= found <= 75
