"""Exact counts: of a network, and of what torch.compile did."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from hpml_lab.workloads.summary import summarise
from hpml_lab.workloads.traffic import traffic

_RECOMPILED = re.compile(r"/[1-9]")


def network_counters(
    model: nn.Module, input_shape: tuple[int, ...] = (3, 32, 32), precision: str = "float32"
) -> dict[str, int]:
    """Returns the counts of `workloads.summary.Summary`, and what a step dispatches and moves.

    Args:
        model: not compiled; left as it was.
        input_shape: shape of one sample, without the batch.
        precision: ``float32``, or ``bfloat16`` for autocast.

    Returns:
        the summary's counts by name, without the layer table; ``operators``,
        ``naive_bytes_per_sample`` and ``naive_bytes_per_step`` as in `workloads.traffic.Traffic`.
    """
    counts = dict(vars(summarise(model, input_shape)))
    del counts["layers"]
    moved = traffic(model, input_shape, precision)
    return counts | {
        "operators": moved.operators,
        "naive_bytes_per_sample": moved.per_sample_bytes,
        "naive_bytes_per_step": moved.per_step_bytes,
    }


@contextmanager
def compilation_counters() -> Iterator[dict[str, int]]:
    """Counts what torch.compile does inside; the counts are there when the block has ended.

    Yields:
        an empty dict, filled at the end: ``graphs``, ``graph_breaks`` and ``recompiles`` (frames
        compiled again because a guard failed, such as for a second shape).
    """
    # torch keeps no public count; these are the ones behind its own TORCH_LOGS summaries.
    from torch._dynamo import utils

    counts: dict[str, int] = {}
    utils.counters.clear()
    utils.clear_compilation_metrics()
    yield counts
    compile_ids = [str(metrics.compile_id) for metrics in utils.get_compilation_metrics()]
    counts["graphs"] = utils.counters["stats"]["unique_graphs"]
    counts["graph_breaks"] = sum(utils.counters["graph_break"].values())
    counts["recompiles"] = sum(bool(_RECOMPILED.search(compile_id)) for compile_id in compile_ids)
