"""How torch was told to compute is part of a case; what nobody has told is not."""

import pytest
import torch

from hpml_lab.measure.torch_settings import numerics

BACKENDS = torch.backends
PRECISIONS = {
    "cudnn.conv": BACKENDS.cudnn.conv,
    "cudnn.rnn": BACKENDS.cudnn.rnn,
    "cuda.matmul": BACKENDS.cuda.matmul,
    "mkldnn.conv": BACKENDS.mkldnn.conv,
    "mkldnn.matmul": BACKENDS.mkldnn.matmul,
}


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Every setting is what it was, behind the test."""
    before = {name: backend.fp32_precision for name, backend in PRECISIONS.items()}
    for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    yield
    for name, precision in before.items():
        PRECISIONS[name].fp32_precision = precision
    BACKENDS.cudnn.benchmark = False


@pytest.mark.parametrize("device", ["cpu", "cuda", None])
def test_nothing_is_said_of_torch_as_it_is(device):
    """An older file, which has no such entry, is of the same case."""
    assert numerics(device) == {}


@pytest.mark.parametrize(
    ("backend", "precision", "device", "said"),
    [
        ("cudnn.conv", "ieee", "cuda", {"convolution_precision": "float32"}),
        ("cudnn.rnn", "ieee", "cuda", {"recurrent_precision": "float32"}),
        ("cuda.matmul", "tf32", "cuda", {"matmul_precision": "tf32"}),
        ("cuda.matmul", "ieee", "cuda", {}),
        ("mkldnn.conv", "bf16", "cpu", {"convolution_precision": "bf16"}),
        ("mkldnn.matmul", "bf16", "cpu", {"matmul_precision": "bf16"}),
        ("mkldnn.matmul", "bf16", None, {"matmul_precision": "bf16"}),
        ("cudnn.conv", "ieee", "cpu", {}),
        ("mkldnn.conv", "bf16", "cuda", {}),
    ],
)
def test_another_precision_is_another_case(backend, precision, device, said):
    """By the interface of torch 2.9 and later; what concerns the other device does not count."""
    PRECISIONS[backend].fp32_precision = precision
    assert numerics(device) == said


def test_what_concerns_cudnn_is_no_matter_of_the_cpu(monkeypatch):
    """Its determinism, and whether it is there at all."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    assert numerics("cpu") == {}
    assert numerics("cuda") == {"deterministic": True}


def test_the_search_for_algorithms_and_the_allocator_count(monkeypatch):
    """The benchmark of cuDNN, and the allocator's settings under either name."""
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    torch.backends.cudnn.benchmark = True
    assert numerics("cuda") == {"cudnn_benchmark": True, "allocator": "expandable_segments:True"}


def test_determinism_counts(monkeypatch):
    """On any device."""
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert numerics("cpu") == {"deterministic": True}
