"""Settings of a tuning: which are tried, and how each is applied."""

import math

import pytest
import torch
from torch.utils.data import DataLoader

from hpml_lab.tuning.apply import LoadedSteps, applied, reloaded
from hpml_lab.tuning.settings import Facts, go_together, space
from support.workloads.tuned import small

FACTS = Facts(
    device="cpu", threads=4, bfloat16=True, convolutions=True, optimizers=["foreach", "fused"],
    optimizer_share=0.2, loader=True, workers=0, context="spawn", wait_share=0.3,
    batch_size=8, too_large=[], compiles="",
)  # fmt: skip


def changed(**changes):
    """Returns the facts with some of them changed."""
    return Facts(**(vars(FACTS) | changes))


def reasons(**changes):
    """Returns the reasons why settings are not tried, by name."""
    return {
        one.setting: one.reason for one in space(small, changed(**changes), {}, [], {}).not_tried
    }


def test_all_settings_are_tried_where_they_may_win():
    """On a CPU pinned memory alone cannot."""
    assert reasons() == {"pin_memory": "no accelerator to copy to"}


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({"convolutions": False}, "memory_format", "no convolution of images"),
        ({"bfloat16": False}, "precision", "this processor has no arithmetic in bfloat16"),
        ({"optimizer_share": 0.01}, "optimizer_implementation", "the optimizer takes 1.0% of"),
        ({"context": "fork"}, "multiprocessing_context", "fork already starts workers fastest"),
        ({"wait_share": 0.01}, "workers", "the training waits for 1.0% of the time"),
        ({"too_large": [32]}, "batch_size", "the memory plan says that it does not fit"),
        ({"compiles": "no g++"}, "compile_mode", "no g++"),
        ({"device": "cuda"}, "threads", "operators run on the GPU"),
    ],
)
def test_what_cannot_win_is_not_tried(changes, name, reason):
    """By theory, and the table says why."""
    assert reasons(**changes)[name].startswith(reason)


def test_settings_can_be_kept_and_varied():
    """A kept one is a row too; values of a parameter are read by its default's type."""
    result = space(small, FACTS, {"width": ["8", "16"]}, ["precision"], {})
    assert ("precision", "kept as asked") in {(n.setting, n.reason) for n in result.not_tried}
    assert result.setting("width").values == [8, 16]
    assert result.setting("width").changes_numbers


def test_a_value_that_the_plain_loop_has_is_not_tried_again():
    """By its default, or as it is set."""
    for parameters, others in (({}, [8]), ({"width": 8}, [4])):
        result = space(small, FACTS, {"width": ["4", "8"]}, [], parameters)
        assert result.setting("width").values == others


@pytest.mark.parametrize(
    ("vary", "keep", "message"),
    [
        ({"depth": ["1"]}, [], "small has no setting 'depth'"),
        ({"width": ["x"]}, [], "width 'x' is not a whole number"),
        ({}, ["colour"], "unknown setting to keep 'colour'; choose one of: threads"),
    ],
)
def test_unknown_settings_are_refused(vary, keep, message):
    """With what is allowed."""
    with pytest.raises(ValueError, match=message):
        space(small, FACTS, vary, keep, {})


def test_loader_settings_need_workers():
    """With none in the loader or among the settings they do nothing."""
    persistent = frozenset({("persistent_workers", True)})
    assert not go_together(persistent, 0)
    assert go_together(persistent, 2)
    assert go_together(persistent | {("workers", 1)}, 0)
    assert not go_together(persistent | {("workers", 0)}, 2)


def test_each_setting_is_applied():
    """Layout to the weights, implementation to the optimizer, precision to the step."""
    step = applied(
        small,
        {"width": 4},
        {
            "memory_format": "channels_last",
            "optimizer_implementation": "fused",
            "precision": "bfloat16",
            "batch_size": 4,
        },
    )
    assert step.model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert step.optimizer.param_groups[0]["fused"] is True
    assert step.optimizer.param_groups[0]["foreach"] is False
    assert (step.precision, step.samples) == ("bfloat16", 4)
    assert math.isfinite(step())


def test_a_loader_is_made_again_with_the_same_batches():
    """Workers and what belongs to them change, batches do not."""
    step = small(loader=True)
    again = reloaded(step.loader, {"workers": 1, "persistent_workers": True, "prefetch_factor": 4})
    assert isinstance(again, DataLoader)
    assert (again.num_workers, again.persistent_workers, again.prefetch_factor) == (1, True, 4)
    for before, after in zip(step.loader, again, strict=True):
        assert torch.equal(before[0], after[0])


def test_steps_on_a_loader_count_their_samples():
    """Eight batches of eight an epoch; the ninth step begins the next one."""
    take = LoadedSteps(small(loader=True))
    for _ in range(9):
        take()
    assert take.samples == 72
    assert take.left == 7
