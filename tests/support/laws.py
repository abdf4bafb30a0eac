"""What "equal" means here, and what it takes to show that a law would catch a wrong formula."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import SearchStrategy

TOLERANCE = 1e-10
LARGEST: dict[str, float] = {}


def agree(law: str, theory: Any, oracle: Any, scale: float = 0.0) -> None:
    """Asserts that theory and oracle have one shape and differ by 1e-10 or less, relatively.

    Args:
        law: what is compared; the largest deviation is kept under this name.
        theory: what the closed form gives.
        oracle: what it must be; fractions are welcome.
        scale: the size of the terms where they may cancel, so that a sum that should be 0 is not
            asked for more digits than its terms have.
    """
    got, expected = np.asarray(theory, np.float64), np.asarray(oracle).astype(np.float64)
    assert got.shape == expected.shape, f"{law} deviates: {got.shape}, not {expected.shape}"
    size = max(np.abs(expected).max(), scale) or 1.0
    deviation = float(np.abs(got - expected).max() / size)
    assert deviation <= TOLERANCE, f"{law} deviates by {deviation:.1e}: {got}, not {expected}"
    LARGEST[law] = max(deviation, LARGEST.get(law, 0.0))


def fewer(law: Callable[..., None]) -> Callable[..., None]:
    """Tries a law on a quarter of the examples: its single case builds and traces a network."""
    return settings(max_examples=settings().max_examples // 4)(law)


def must_reject(
    law: Callable[[Any, Any], None], wrong: Any, cases: SearchStrategy[Any], examples: int = 500
) -> None:
    """Asserts that a law fails for a wrong formula on one of its own cases."""
    kept = dict(LARGEST)

    @settings(max_examples=examples, phases=[Phase.generate], derandomize=True, database=None)
    @given(cases)
    def attempt(case: Any) -> None:
        law(wrong, case)

    with pytest.raises(AssertionError, match="deviates"):
        attempt()
    LARGEST.clear()
    LARGEST.update(kept)


def planted(*tables: tuple[Callable[[Any, Any], None], dict[str, Any], SearchStrategy[Any]]) -> Any:
    """Returns the decorator of a test of `law`, `wrong` and `cases`, once for each planted fault.

    Args:
        *tables: laws, each with wrong formulas by name, and the cases on which it must see them.
    """
    faults = [
        pytest.param(law, wrong, cases, id=f"{law.__name__}-{name}")
        for law, formulas, cases in tables
        for name, wrong in formulas.items()
    ]
    return pytest.mark.parametrize(("law", "wrong", "cases"), faults)
