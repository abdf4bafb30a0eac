"""What the labs' tests add to pytest: the fixtures `training` and `profile`, and their markers.

A plugin of its own, so that no other project finds such names in its tests:
``pytest_plugins = ["hpml_lab.pytest_plugin.labs"]`` in a conftest at the root.
"""

from typing import TYPE_CHECKING

import pytest

from hpml_lab.errors import InputError
from hpml_lab.pytest_plugin import cases
from hpml_lab.pytest_plugin.settings import SETTINGS

if TYPE_CHECKING:
    from hpml_lab.workloads.profiles import Profile
    from hpml_lab.workloads.training import Training

MARKERS = (
    "hpml_axes(NAME=VALUES, ...): the cases of a test that asks for `training`",
    "slow: takes longer than a unit test may; left out of a plain `pytest`",
    "learning: trains to an accuracy",
    "claim(id): decides a published answer",
)


def pytest_configure(config: pytest.Config) -> None:
    """Declares the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes the cases of a test that asks for ``training``."""
    try:
        cases.parametrize(metafunc, metafunc.config.stash[SETTINGS])
    except InputError as error:
        raise pytest.Collector.CollectError(str(error)) from None


@pytest.fixture
def profile(request: pytest.FixtureRequest, training: "Training") -> "Profile":
    """The sizes of the case; see `workloads.profiles.Profile`."""
    return cases.profile_of(request.node, request.config.stash[SETTINGS], training.device)
