"""The edge lab's images: grey squares with a horizontal stripe, a vertical one, or none.

The generator of the write-up's year draws the first row or column s of a stripe and its width w
evenly, and ends it at min(s + w, 27): a stripe that starts at 27 is empty. Classes: horizontal 0,
vertical 1, none 2.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hpml_lab.claims.checks.formulas import show
from hpml_lab.claims.checks.registry import Finding, decides

SIDE, CLASSES = 28, 3
_WIDTHS = range(1, 5)
_FILTER = 7


@dataclass(frozen=True)
class Stripes:
    """Where stripes may be.

    Attributes:
        starts: the first row or column, each as likely.
        end: where stripes are cut off.
    """

    starts: range
    end: int

    def places(self) -> list[tuple[int, int]]:
        """Returns the first row and the end of all stripes, each as likely."""
        return [(s, min(s + width, self.end)) for s, width in product(self.starts, _WIDTHS)]

    def images(self, per_class: int, seed: int) -> tuple[Tensor, Tensor]:
        """Returns images (n, 28, 28) in [0, 1], class by class, and their classes."""
        rng, places = np.random.default_rng(seed), self.places()
        labels = np.repeat(np.arange(CLASSES), per_class)
        images = np.empty((len(labels), SIDE, SIDE))
        for image, label in zip(images, labels, strict=True):
            image[:] = rng.uniform(0, 0.2)
            first, end = places[rng.integers(len(places))]
            lines = image.T if label == 1 else image
            lines[first : end if label < 2 else first] = rng.uniform(0.25, 1)
        grey = np.floor(images * 255) / 255
        return torch.from_numpy(grey.astype(np.float32)), torch.from_numpy(labels)


EVERYWHERE = Stripes(range(1, 28), 27)
# Under the shift one half is for training and the other for validation.
NEAR, FAR = Stripes(range(1, 14), 13), Stripes(range(14, 28), 27)


def never_empty(*places: Stripes) -> Finding:
    """Finds whether each image labelled as an edge has one."""
    shares = [
        Fraction(sum(end <= first for first, end in kind.places()), len(kind.places()))
        for kind in places
    ]
    # Two of three classes have stripes; an empty one looks like the third.
    best = 1 - Fraction(2, 3) * shares[0]
    evidence = f"empty stripes: {', '.join(map(str, shares))} of all"
    return Finding(not any(shares), f"{evidence}; no accuracy above {100 * float(best):.1f} %")


@decides("001-4-ceiling")
def _edges_are_there() -> Finding:
    return never_empty(EVERYWHERE, NEAR, FAR)


@decides("001-4b-untrained")
def _random_kernels() -> Finding:
    kernels = torch.stack([_fresh_kernel(seed) for seed in range(200)])
    edge = torch.zeros(_FILTER, _FILTER)
    edge[2], edge[3] = 1, -1
    likeness = [functional.cosine_similarity(kernels, t.flatten(), dim=1) for t in (edge, edge.T)]
    means = [float(values.mean()) for values in likeness]
    spread = float(torch.cat(likeness).std())
    evidence = f"200 fresh 7 x 7 kernels lie within {kernels.abs().max():.3f}; likeness to edges"
    # Of independent weights the likeness to any template has the deviation 1/7.
    holds = max(map(abs, means)) < 0.05 and abs(spread * _FILTER - 1) < 0.2
    return Finding(holds, f"{evidence} {show(means, 2)} on average, deviation {spread:.3f}")


def _fresh_kernel(seed: int) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Conv2d(1, 1, _FILTER).weight.detach().flatten()
