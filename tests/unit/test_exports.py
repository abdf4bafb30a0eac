"""The package's public face: what it names, and what naming it costs."""

import importlib
import subprocess
import sys

import pytest

import hpml_lab


def test_every_public_name_is_there_and_is_listed_in_order():
    """`__all__` is sorted, and each of its names is what its module holds."""
    assert hpml_lab.__all__ == sorted(hpml_lab.__all__)
    assert set(hpml_lab._PLACES) == set(hpml_lab.__all__)
    for name in hpml_lab.__all__:
        held = getattr(importlib.import_module(hpml_lab._PLACES[name]), name)
        assert getattr(hpml_lab, name) is held
        assert name in dir(hpml_lab)


def test_a_name_that_is_not_there_is_an_attribute_error():
    """As of any module."""
    with pytest.raises(AttributeError, match="module 'hpml_lab' has no attribute 'nothing'"):
        hpml_lab.nothing  # noqa: B018


def test_the_package_alone_imports_neither_torch_nor_pytest():
    """Who reads saved runs does not wait for them."""
    heavy = "torch", "pytest", "numpy", "matplotlib", "scipy"
    program = f"import sys, hpml_lab; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
