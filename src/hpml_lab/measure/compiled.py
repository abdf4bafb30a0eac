"""Counts of torch.compile: graphs, graph breaks and recompilations. Never imports the compiler."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_RECOMPILED = re.compile(r"/[1-9]")


@contextmanager
def compilation_counters() -> Iterator[dict[str, int]]:
    """Counts graphs, graph breaks and recompilations in a block.

    Yields:
        An empty dict, filled when the block ends: ``graphs``, ``graph_breaks`` and ``recompiles``
        (frames compiled again because a guard failed, such as for a second shape); it stays empty
        if torch.compile was never loaded.
    """
    if (utils := _compiler()) is not None:
        utils.counters.clear()
        utils.clear_compilation_metrics()
    counts: dict[str, int] = {}
    yield counts
    if (utils := _compiler()) is not None:
        compile_ids = [str(metrics.compile_id) for metrics in utils.get_compilation_metrics()]
        counts["graphs"] = utils.counters["stats"]["unique_graphs"]
        counts["graph_breaks"] = sum(utils.counters["graph_break"].values())
        counts["recompiles"] = sum(bool(_RECOMPILED.search(name)) for name in compile_ids)


def is_compiled(step: Callable[..., Any], models: Iterable[Any] = ()) -> bool:
    """Whether a function, or a module of a model, was passed to torch.compile."""
    modules = (module for model in models for module in model.modules())
    return hasattr(step, "_torchdynamo_orig_callable") or any(
        hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
        for module in modules
    )


def _compiler() -> Any:
    # torch has no public count; its TORCH_LOGS summaries use these. Importing them takes longer
    # than most steps.
    return sys.modules.get("torch._dynamo.utils")
