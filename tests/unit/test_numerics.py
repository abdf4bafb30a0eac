"""How torch was told to compute is part of a case; what nobody has told is not."""

import pytest
import torch

from hpml_lab.measure.numerics import numerics


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Every setting is what it was, behind the test."""
    conv, cuda = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before = conv.fp32_precision, cuda.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision
    for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    yield
    conv.fp32_precision, cuda.fp32_precision = before[:2]
    torch.backends.mkldnn.matmul.fp32_precision = before[2]
    torch.backends.cudnn.benchmark = False


@pytest.mark.parametrize("device", ["cpu", "cuda", None])
def test_nothing_is_said_of_torch_as_it_is(device):
    """An older file, which has no such entry, is of the same case."""
    assert numerics(device) == {}


def test_convolutions_without_tf32_are_another_case():
    """By the interface of 2.9 and later."""
    torch.backends.cudnn.conv.fp32_precision = "ieee"
    assert numerics("cuda") == {"convolution_precision": "float32"}
    assert numerics("cpu") == {}


def test_matrix_products_in_tf32_are_another_case():
    """Which are exact by default."""
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    assert numerics("cuda") == {"matmul_precision": "tf32"}
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    assert numerics("cuda") == {}


def test_the_cpu_s_products_in_bfloat16_are_another_case():
    """As after `torch.set_float32_matmul_precision("medium")`."""
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    assert numerics("cpu") == numerics(None) == {"matmul_precision": "bf16"}


def test_the_cpu_s_convolutions_in_bfloat16_are_another_case():
    """Which are most of what the lab's network does."""
    before = torch.backends.mkldnn.conv.fp32_precision
    torch.backends.mkldnn.conv.fp32_precision = "bf16"
    try:
        assert numerics("cpu") == {"convolution_precision": "bf16"}
    finally:
        torch.backends.mkldnn.conv.fp32_precision = before


def test_recurrent_layers_without_tf32_are_another_case():
    """They have a setting of their own."""
    before = torch.backends.cudnn.rnn.fp32_precision
    torch.backends.cudnn.rnn.fp32_precision = "ieee"
    try:
        assert numerics("cuda") == {"recurrent_precision": "float32"}
    finally:
        torch.backends.cudnn.rnn.fp32_precision = before


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
