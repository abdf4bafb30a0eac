"""C8: torch.compile: cost in the first epoch, saving in later epochs, and memory."""

from dataclasses import replace

import pytest

from hpml_lab.labs.compile_modes import ROUNDS, SIZES, WARM_UP
from hpml_lab.labs.cost import epochs_work
from hpml_lab.measure.compiled import compilation_counters
from hpml_lab.measure.out_of_memory import release_cached_memory
from hpml_lab.memory.readings import step_memory
from hpml_lab.training.backends import MODES, empty_caches, unavailable
from hpml_lab.training.trainer import Trainer

COMPILING_S = {"eager": 0, "default": 40, "reduce-overhead": 40, "max-autotune": 180}  # estimates


def sized(training, profile):
    """Returns a training whose batches have one size, since another would be compiled again."""
    return replace(profile.sized(training, images=SIZES[profile.name].images), drop_last=True)


def work(training, profile):
    """Returns the work of a case."""
    compiling_s = COMPILING_S[training.compile_mode] if _takes_part(training, profile) else 0
    return epochs_work(sized(training, profile), WARM_UP + ROUNDS, compiling_s)


def _takes_part(training, profile):
    return SIZES[profile.name].autotuned or training.compile_mode != "max-autotune"


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="compile_modes")
@pytest.mark.hpml_axes(compile_mode=list(MODES))
def test_epochs(measure, training, profile):
    """One graph without breaks is compiled once in ten epochs; eager mode compiles none."""
    reason = unavailable(training.compile_mode, training.device)
    if reason is not None:
        pytest.skip(reason)
    if not _takes_part(training, profile):
        pytest.skip(f"profile {profile.name} leaves out what tries kernels for minutes")
    training = sized(training, profile)
    # Initialises libraries before the first epoch, whichever mode runs first in its interpreter.
    Trainer(replace(training, compile_mode="eager", images=training.batch_size)).fixed_step()()
    trainer = Trainer(training)
    release_cached_memory()
    with empty_caches(training.device), compilation_counters() as counts:
        measure.epochs(trainer, warm_up=WARM_UP, rounds=ROUNDS, timing="throughput")
        batch = trainer.to_device(next(iter(trainer.loader)))
        release_cached_memory()  # else that of autotuning and graph warm-up would count as reserved
        measure.memory |= step_memory(lambda: trainer.step(batch), training.device)
    measure.counters |= counts
    graphs = 0 if training.compile_mode == "eager" else 1
    assert counts == {"graphs": graphs, "graph_breaks": 0, "recompiles": 0}
