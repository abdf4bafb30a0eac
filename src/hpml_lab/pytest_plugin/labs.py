"""The labs' additions to pytest: the fixtures `training` and `profile`, and markers.

A plugin of its own, so that no other project finds such names in its tests. This project's root
conftest names it; ``pytest --pyargs hpml_lab.labs`` finds it through `hpml_lab.labs.conftest`.
"""

import os
from typing import TYPE_CHECKING

import pytest

from hpml_lab.errors import InputError
from hpml_lab.labs.questions import QUESTIONS
from hpml_lab.pytest_plugin import axes
from hpml_lab.pytest_plugin.settings import SETTINGS, text_of

if TYPE_CHECKING:
    from hpml_lab.training.profiles import Profile
    from hpml_lab.training.training import Training

pytest.register_assert_rewrite(*(question.module("bench") for question in QUESTIONS))
MARKERS = (
    "hpml_axes(NAME=VALUES, ...): the cases of a test that asks for `training`",
    "integration: starts processes, trains or simulates for seconds; left out of a plain `pytest`",
    "slow: takes minutes; left out of a plain `pytest`",
    "learning: trains to an accuracy",
    "claim(id): decides a published answer",
    "world(n): needs n GPUs for a case on CUDA, or n processors",
)


def pytest_configure(config: pytest.Config) -> None:
    """Declares the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs gpu cases in a process of their own where a question asks for it.

    Memory left in the cache of the GPU's allocator would count for the next case.
    """
    isolated = {question.group: question.isolated for question in QUESTIONS}
    for item in items:
        profiles = isolated.get(_group(item), frozenset())
        profile = text_of(item.config, "profile") or "full"
        if item.get_closest_marker("gpu") and profile in profiles:
            item.add_marker(pytest.mark.hpml_alone)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a case of more ranks than there are GPUs or processors."""
    marker = item.get_closest_marker("world")
    if marker is None:
        return
    import torch

    on_gpu = item.get_closest_marker("gpu") is not None
    what = "GPUs" if on_gpu else "processors"
    have = torch.cuda.device_count() if on_gpu else os.cpu_count() or 1
    if have < marker.args[0]:
        pytest.skip(f"needs {marker.args[0]} {what}, and this machine has {have}")


def _group(item: pytest.Item) -> str:
    marker = item.get_closest_marker("benchmark")
    return str(marker.kwargs.get("group")) if marker else ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Generates the cases of a test that asks for ``training``."""
    try:
        axes.parametrize(metafunc, metafunc.config.stash[SETTINGS])
    except InputError as error:
        raise pytest.Collector.CollectError(str(error)) from None


@pytest.fixture
def profile(request: pytest.FixtureRequest, training: "Training") -> "Profile":
    """The sizes of the case; see `training.profiles.Profile`."""
    return axes.profile_of(request.node, request.config.stash[SETTINGS], training.device)
