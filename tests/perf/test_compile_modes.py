"""C8: what torch.compile costs in the first epoch and saves in the later ones, and its memory."""

from dataclasses import replace

import pytest

from hpml_lab.measure.compiled import compilation_counters
from hpml_lab.measure.memory import step_memory
from hpml_lab.measure.out_of_memory import give_back
from hpml_lab.workloads.compilation import MODES, empty_caches, unavailable
from hpml_lab.workloads.trainer import Trainer


@pytest.mark.benchmark(group="compile_modes")
@pytest.mark.axes(compile_mode=list(MODES))
def test_epochs(measure, training, profile):
    """One graph, unbroken, is compiled once in ten epochs; eager mode compiles none."""
    reason = unavailable(training.compile_mode, training.device)
    if reason is not None:
        pytest.skip(reason)
    # A last batch of another size would be compiled again.
    training = profile.sized(training, images=profile.compile_images)
    trainer = Trainer(replace(training, drop_last=True))
    give_back()
    with empty_caches(training.device), compilation_counters() as counts:
        measure.epochs(trainer, warm_up=5, rounds=5, timing="throughput")
        batch = trainer.to_device(next(iter(trainer.loader)))
        measure.memory |= step_memory(lambda: trainer.step(batch), training.device)
    measure.counters |= counts
    graphs = 0 if training.compile_mode == "eager" else 1
    assert counts == {"graphs": graphs, "graph_breaks": 0, "recompiles": 0}
