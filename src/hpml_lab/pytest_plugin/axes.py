"""The cases of a test from its axes: one `Training` for each device and point of the axes."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from hpml_lab.pytest_plugin.settings import Settings

# torch comes with the trainings; a project that only measures its own step must not wait for them.
if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

    from hpml_lab.training.profiles import Profile

_TRAINING = "training"  # the argument of a test that gets a case
Axes = Mapping[str, Sequence[Any] | Mapping[str, Sequence[Any]]]  # values, or values by profile


def check(settings: Settings) -> None:
    """Refuses unreadable data and impossible axes before anything runs.

    Raises:
        InputError: for the first of them.
    """
    if settings.data != "generated":
        from hpml_lab.training.images import open_images

        open_images(settings.data)
    if not settings.profile and not settings.axis:
        return
    from hpml_lab.training.backends import DEVICES
    from hpml_lab.training.profiles import profile_for

    for device in DEVICES:
        profile = profile_for(settings.profile, device)
        for name, values in _chosen(settings).items():
            for value in values:
                profile.training_with({name: value})


def parametrize(metafunc: pytest.Metafunc, settings: Settings) -> None:
    """Gives a test that asks for ``training`` its cases.

    The marker ``hpml_axes(NAME=VALUES, ...)`` declares fields of `training.training.Training`; the
    axis ``device`` is ``cpu`` and ``cuda`` unless declared. Cases on CUDA are marked ``gpu``, those
    with CUDA graphs ``hpml_alone``: a graph keeps its memory for as long as its process lives.
    Cases marked ``gpu``, by their device or by their test, are of full size, others quick, unless
    a profile was asked for. The values of an axis may depend on the profile:
    ``seed={"quick": [0, 1, 2], "short": [0], "full": [0]}``.

    Raises:
        InputError: for an axis or a value that is not allowed.
    """
    if _TRAINING not in metafunc.fixturenames:
        return
    from hpml_lab.training.backends import DEVICES

    marker = metafunc.definition.get_closest_marker("hpml_axes")
    gpu = metafunc.definition.get_closest_marker("gpu") is not None
    axes = {"device": DEVICES, **(marker.kwargs if marker else {}), **_chosen(settings)}
    metafunc.parametrize(_TRAINING, list(_cases(axes, settings, gpu)))


def are_asked_for(item: pytest.Item) -> bool:
    """Whether a test has cases by axes."""
    return _TRAINING in getattr(item, "fixturenames", ())


def profile_of(item: pytest.Item, settings: Settings, device: str) -> "Profile":
    """Returns the sizes of a case."""
    from hpml_lab.training.profiles import profile_for

    gpu = item.get_closest_marker("gpu") is not None
    return profile_for(settings.profile, device, gpu=gpu)


def _cases(axes: Axes, settings: Settings, gpu: bool) -> Iterator["ParameterSet"]:
    from hpml_lab.training.backends import uses_cuda_graphs
    from hpml_lab.training.profiles import profile_for

    for device in axes["device"]:
        on_gpu = device == "cuda"
        profile = profile_for(settings.profile, device, gpu=gpu or on_gpu)
        for point in _points({**axes, "device": [device]}, profile.name):
            training = profile.training_with(
                {"data": settings.data, "seed": settings.seed, **point}
            )
            marks = [pytest.mark.gpu] if on_gpu else []
            if uses_cuda_graphs(training.compile_mode, training.device):
                marks.append(pytest.mark.hpml_alone)
            yield pytest.param(training, id=_identifier(point), marks=marks)


def _points(axes: Axes, profile: str) -> Iterator[dict[str, Any]]:
    values = [known[profile] if isinstance(known, Mapping) else known for known in axes.values()]
    for point in itertools.product(*values):
        yield dict(zip(axes, point, strict=True))


def _chosen(settings: Settings) -> Axes:
    if not settings.axis:
        return {}
    from hpml_lab.training.training import parse_field

    return {
        name: [parse_field(name, value) for value in values]
        for name, values in settings.axis.items()
    }


def _identifier(point: Mapping[str, Any]) -> str:
    named = (f"{name}={value}" for name, value in point.items() if name != "device")
    return "-".join([point["device"], *named])
