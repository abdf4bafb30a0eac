"""What settings make the lab's network fastest on this machine, and by how much."""

import functools

import pytest

from hpml_lab.training.lab import training as lab_training
from hpml_lab.tuning.apply import applied
from hpml_lab.tuning.tune import tune

BUDGET_S = {"quick": 120.0, "short": 300.0, "full": 900.0}
NAME = "hpml_lab.training.lab:training"


@functools.cache
def found(budget_s, **parameters):
    """Returns what tuning finds; it is searched once for both cases."""
    return tune(NAME, lab_training, parameters, budget_s=budget_s)


@pytest.mark.slow
@pytest.mark.hpml_once  # the recipe of another process may be another one
@pytest.mark.benchmark(group="tune")
@pytest.mark.parametrize("recipe", ["plain", "tuned"])
def test_step(measure, training, profile, recipe):
    """The plain loop and the recipe that tuning finds; it is searched in processes of its own."""
    parameters = {"width": training.width, "images": training.images, "workers": 0}
    parameters |= {"device": training.device}
    best = found(BUDGET_S[profile.name], **parameters).best if recipe == "tuned" else {}
    if recipe == "tuned" and not best:
        pytest.skip("no setting surely helps")
    measure(applied(lab_training, parameters, best))
    settings = ", ".join(f"{name}={value}" for name, value in best.items())
    measure.case |= {"tuned": NAME, "best": bool(best), "settings": settings}
