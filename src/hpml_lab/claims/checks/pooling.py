"""Max pooling 2 x 2: the write-up's windows and gradients against PyTorch.

Indices count from 0, windows do not overlap.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from hpml_lab.claims.checking import Finding, decides, equal
from hpml_lab.theory.pooling import max_pool_gradient

Floats = npt.NDArray[np.float64]
Outputs = set[tuple[Fraction, Fraction]]
Windows = Callable[[int], Iterable[Fraction]]

_SIDE = 6
_RNG = np.random.default_rng(0)
# All values are distinct, so that each window has one maximum.
_X = _RNG.permutation(_SIDE * _SIDE).reshape(_SIDE, _SIDE).astype(np.float64)
_DY = _RNG.integers(1, 10, (_SIDE // 2, _SIDE // 2)).astype(np.float64)


def pooled(x: Floats) -> Floats:
    """Returns PyTorch's max pooling of an image."""
    images = torch.from_numpy(x)[None, None]
    return np.asarray(functional.max_pool2d(images, 2)[0, 0].numpy(), np.float64)


def autograd(x: Floats, dy: Floats) -> Floats:
    """Returns PyTorch's gradient of max pooling with respect to the image."""
    images = torch.from_numpy(x)[None, None].requires_grad_()
    outputs = functional.max_pool2d(images, 2)
    (gradient,) = torch.autograd.grad(outputs, images, torch.from_numpy(dy)[None, None])
    return np.asarray(gradient[0, 0].numpy(), np.float64)


def influence(windows: Windows) -> Finding:
    """Decides whether each x_ij changes exactly the outputs windows(i) x windows(j)."""
    pixels = list(np.ndindex(_SIDE, _SIDE))
    stated = [
        {(Fraction(a), Fraction(b)) for a in windows(i) for b in windows(j)} for i, j in pixels
    ]
    wrong = [at for at, outputs in zip(pixels, stated, strict=True) if outputs != _changed(*at)]
    evidence = f"wrong for {len(wrong)} of {len(pixels)} pixels"
    if wrong:
        (i, j), right = wrong[0], sorted(_changed(*wrong[0]))
        evidence += f"; x_{i},{j} changes only y_{right[0][0]},{right[0][1]}"
    return Finding(not wrong, evidence)


def _changed(i: int, j: int) -> Outputs:
    raised = _X.copy()
    raised[i, j] = _X.max() + 1
    return {
        (Fraction(a), Fraction(b)) for a, b in np.argwhere(pooled(raised) != pooled(_X)).tolist()
    }


@decides("001-3c-simple")
def _top_left_takes_all() -> Finding:
    stated = np.array([[7.0, 0.0], [0.0, 0.0]])
    right = autograd(np.array([[4.0, 1.0], [2.0, 3.0]]), np.array([[7.0]]))
    return equal(stated, right, "autograd")


@decides("001-3c-window")
def _windows_of_four() -> Finding:
    stated = np.empty_like(_DY)
    for i, j in np.ndindex(*stated.shape):
        stated[i, j] = _X[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max()
    return equal(stated, pooled(_X), "max_pool2d")


@decides("001-3c-index")
def _two_windows_each() -> Finding:
    printed = influence(lambda i: (Fraction(i, 2), Fraction(i, 2) + 1))
    whole = influence(lambda i: (Fraction(i // 2), Fraction(i // 2) + 1))
    evidence = f"as printed {printed.evidence}; with i/2 rounded down {whole.evidence}"
    return Finding(printed.holds or whole.holds, evidence)


@decides("001-3c-grad")
def _to_the_largest() -> Finding:
    stated = np.zeros_like(_X)
    for i, j in product(range(_SIDE), repeat=2):
        window = _X[i // 2 * 2 : i // 2 * 2 + 2, j // 2 * 2 : j // 2 * 2 + 2]
        stated[i, j] = _DY[i // 2, j // 2] * (_X[i, j] == window.max())
    result = equal(stated, autograd(_X, _DY), "autograd")
    ties = np.zeros_like(_X)
    first = np.array_equal(max_pool_gradient(ties, _DY), autograd(ties, _DY))
    return Finding(result.holds, f"{result.evidence}; in a tie the first alone takes it: {first}")
