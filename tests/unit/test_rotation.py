"""Rotation by cubic splines, against scipy's and against turns that need none."""

import numpy as np
import pytest

from hpml_lab.labs.edges.stripes import rotated

SCIPY = {
    30: [
        [7.0, 7.0, 10.370898, 20.975541, 7.0],
        [0.985814, 7.933494, 16.699579, -3.12521, 7.0],
        [11.557919, 28.043924, 41.569219, 7.53613, 82.109691],
        [7.0, 40.062385, 63.73886, 92.534753, 112.388738],
        [7.0, 67.798432, 92.599618, 7.0, 7.0],
    ],
    135: [
        [7.0, 7.0, 104.295797, 7.0, 7.0],
        [7.0, -1.939234, 39.381197, 88.186134, 7.0],
        [19.992279, 4.196358, 41.569219, 58.106808, 78.313515],
        [7.0, 9.350504, 24.73981, 31.12421, 7.0],
        [7.0, 7.0, 5.614921, 7.0, 7.0],
    ],
}
RNG = np.random.default_rng(0)


def test_a_quarter_turn_moves_pixels():
    """By 90 degrees every pixel lands on another one's place; by 0 on its own."""
    images, outside = RNG.random((3, 9, 9)), np.zeros(3)
    np.testing.assert_allclose(
        rotated(images, 90, outside), np.rot90(images, 1, (1, 2)), atol=1e-12
    )
    np.testing.assert_allclose(rotated(images, 0, outside), images, atol=1e-12)


@pytest.mark.parametrize("degrees", [30, 135])
def test_turns_are_those_of_scipy(degrees):
    """Six digits of scipy.ndimage.rotate(x, degrees, reshape=False, cval=7), scipy 1.17."""
    image = np.arange(25.0).reshape(5, 5) ** 1.5
    image[2, 3] = -40
    turned = rotated(image[None], degrees, np.array([7.0]))[0]
    np.testing.assert_allclose(turned, SCIPY[degrees], atol=1e-6)


def test_what_lies_outside_has_the_value_that_is_given():
    """Corners of a turned image have no place in it."""
    turned = rotated(np.ones((2, 9, 9)), 45, np.array([5.0, 7.0]))
    assert turned[:, 0, 0].tolist() == [5.0, 7.0]
    np.testing.assert_allclose(turned[:, 4, 4], 1)


def test_splines_undershoot_beside_a_bright_line():
    """Values of a line of 1 on 0 leave [0, 1]."""
    line = np.zeros((1, 28, 28))
    line[0, 14] = 1
    turned = rotated(line, 30, np.zeros(1))
    assert turned.min() < -0.05
