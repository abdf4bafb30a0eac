"""C8: what torch.compile costs in the first epoch and saves in the later ones, and its memory."""

from dataclasses import replace

import pytest

from hpml_lab.measure.compiled import compilation_counters
from hpml_lab.measure.memory import step_memory
from hpml_lab.measure.out_of_memory import give_back
from hpml_lab.workloads.compilation import MODES, empty_caches, unavailable
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.work import epochs_work

WARM_UP, ROUNDS = 5, 5
COMPILING_S = {"eager": 0, "default": 40, "reduce-overhead": 40, "max-autotune": 180}  # guesses


def sized(training, profile):
    """Returns a training whose batches are all of one size; another would be compiled again."""
    return replace(profile.sized(training, images=profile.compile_images), drop_last=True)


def work(training, profile):
    """Returns what a case does."""
    compiling_s = COMPILING_S[training.compile_mode] if _takes_part(training, profile) else 0
    return epochs_work(sized(training, profile), WARM_UP + ROUNDS, compiling_s)


def _takes_part(training, profile):
    return profile.autotuned or training.compile_mode != "max-autotune"


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="compile_modes")
@pytest.mark.hpml_axes(compile_mode=list(MODES))
def test_epochs(measure, training, profile):
    """One graph, unbroken, is compiled once in ten epochs; eager mode compiles none."""
    reason = unavailable(training.compile_mode, training.device)
    if reason is not None:
        pytest.skip(reason)
    if not _takes_part(training, profile):
        pytest.skip(f"profile {profile.name} leaves out what tries kernels for minutes")
    training = sized(training, profile)
    # Libraries start before the first epoch, whichever mode is the first of its interpreter.
    Trainer(replace(training, compile_mode="eager", images=training.batch_size)).fixed_step()()
    trainer = Trainer(training)
    give_back()
    with empty_caches(training.device), compilation_counters() as counts:
        measure.epochs(trainer, warm_up=WARM_UP, rounds=ROUNDS, timing="throughput")
        batch = trainer.to_device(next(iter(trainer.loader)))
        give_back()  # what the compiler tried and what graphs warmed up with would be reserved
        measure.memory |= step_memory(lambda: trainer.step(batch), training.device)
    measure.counters |= counts
    graphs = 0 if training.compile_mode == "eager" else 1
    assert counts == {"graphs": graphs, "graph_breaks": 0, "recompiles": 0}
