"""Moments of a convolution's weight gradient over random images and output gradients.

All x_ij and dy_ij are independent with mean 0 and deviations sigma_x and sigma_g; nothing is said
about their distributions. The terms of one entry are pairwise uncorrelated, because each holds
another dy_ij; two entries are uncorrelated, because under one dy_ij they hold two pixels. Compare
Glorot and Bengio 2010, section 4.2.1, where the same argument gives the variance of a layer.

Square images of side n, square kernels of side k, one channel.
"""

import numpy as np
import numpy.typing as npt

from hpml_lab.theory.arrays import Floats
from hpml_lab.theory.scalars import not_negative, whole
from hpml_lab.theory.windows import window_count


def weight_gradient_variance(n: int, k: int, sigma_x: float, sigma_g: float) -> float:
    """Returns the variance of each weight gradient, (n - k + 1)^2 sigma_x^2 sigma_g^2.

    One image, no padding, stride 1; otherwise entries differ, see `weight_gradient_covariance`.

    Args:
        n: the image's side in pixels.
        k: the kernel's side in pixels, at most n.
        sigma_x: standard deviation of a pixel.
        sigma_g: standard deviation of an output gradient.

    Raises:
        InputError: for sides below 1, k above n, or a deviation that is negative or not finite.
    """
    return weight_gradient_deviation(n, k, sigma_x, sigma_g) ** 2


def weight_gradient_deviation(n: int, k: int, sigma_x: float, sigma_g: float) -> float:
    """Returns the standard deviation of each weight gradient: it grows linearly in n.

    Each pixel more on a side adds sigma_x sigma_g. Arguments and errors as
    `weight_gradient_variance`.
    """
    windows = window_count(whole("n", n, 1), whole("k", k, 1))
    return windows * not_negative("sigma_x", sigma_x) * not_negative("sigma_g", sigma_g)


def weight_gradient_mean(k: int) -> Floats:
    """Returns the mean of the weight gradient: zeros, shape (k, k).

    Raises:
        InputError: for a side below 1.
    """
    return np.zeros((whole("k", k, 1), k))


def weight_gradient_terms(
    n: int, k: int, *, stride: int = 1, padding: int = 0
) -> npt.NDArray[np.int64]:
    """Returns how many pixels of the image each weight meets, shape (k, k).

    Without padding it is the number of windows; with padding a weight near the kernel's edge also
    meets zeros, which add nothing.

    Raises:
        InputError: for sides or a stride below 1, negative padding, k above the padded side.
    """
    n, k, stride = whole("n", n, 1), whole("k", k, 1), whole("stride", stride, 1)
    starts = stride * np.arange(window_count(n, k, stride, whole("padding", padding))) - padding
    rows = starts + np.arange(k)[:, None]
    along: npt.NDArray[np.int64] = np.sum((rows >= 0) & (rows < n), axis=1)
    return along[:, None] * along


def weight_gradient_covariance(
    n: int,
    k: int,
    sigma_x: float,
    sigma_g: float,
    *,
    stride: int = 1,
    padding: int = 0,
    images: int = 1,
) -> Floats:
    """Returns the covariance of all weight gradients, shape (k k, k k), diagonal.

    Entry (h k + l) of the diagonal is the variance for weight (h, l); the zeros beside it say that
    different weights are uncorrelated.

    Args:
        n: the image's side in pixels.
        k: the kernel's side in pixels.
        sigma_x: standard deviation of a pixel.
        sigma_g: standard deviation of an output gradient.
        stride: pixels between windows.
        padding: zeros around the image.
        images: independent images whose gradients are added up.

    Raises:
        InputError: as `weight_gradient_terms`, for fewer images than 1, or a deviation that is
            negative or not finite.
    """
    terms = weight_gradient_terms(n, k, stride=stride, padding=padding)
    spread = not_negative("sigma_x", sigma_x) * not_negative("sigma_g", sigma_g)
    return np.diag(whole("images", images, 1) * spread**2 * terms.ravel())
