"""The edge lab's images, and its kernels before any training."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpml_lab.claims.checks.formulas import show
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.theory.stripes import accuracy_ceiling, empty_share
from hpml_lab.workloads.edge_networks import edge_detector
from hpml_lab.workloads.edges import Generator, Part, place

_FILTER = 7
_PARTS: tuple[Part, ...] = ("everywhere", "near", "far")


def never_empty(generator: Generator) -> Finding:
    """Finds whether each image labelled as an edge has one."""
    places = [place(generator, part) for part in _PARTS]
    shares = [empty_share(p.first, p.end if p.cut else p.end - 1, p.end) for p in places]
    best = accuracy_ceiling(3, shares[0])
    evidence = f"empty stripes: {', '.join(map(str, shares))} of all"
    return Finding(not any(shares), f"{evidence}; no accuracy above {100 * float(best):.1f} %")


@decides("001-4-ceiling")
def _edges_are_there() -> Finding:
    return never_empty(2023)


@decides("001-4b-untrained")
def _random_kernels() -> Finding:
    kernels = torch.stack([_fresh_kernel(seed) for seed in range(200)])
    edge = edge_detector(_FILTER)
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
