"""Settings applied to a declared training: the same step, built and run otherwise."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from hpml_lab.training.backends import compiled
from hpml_lab.training.loader import QuietLoader
from hpml_lab.training.step import TrainingStep
from hpml_lab.training.workload import Workload, built
from hpml_lab.tuning.settings import is_of_loader

_OF_TORCH = ("threads", "float32_matmul_precision")
_OF_STEP = ("memory_format", "precision", "compile_mode", "optimizer_implementation")


def applied(
    function: Workload, parameters: Mapping[str, Any], config: Mapping[str, Any]
) -> TrainingStep:
    """Returns the step of a workload under some settings.

    What torch keeps for the whole process is set too, so each needs a process of its own.

    Args:
        function: The workload.
        parameters: Its parameters.
        config: The settings; what is none of ours is a parameter of the workload.

    Raises:
        InputError: as `built`.
    """
    own = {
        name: value
        for name, value in config.items()
        if name not in (*_OF_TORCH, *_OF_STEP) and not is_of_loader(name)
    }
    of_loader = {name: value for name, value in config.items() if is_of_loader(name)}
    step = built(function, {**parameters, **own})
    if of_loader and not isinstance(step.loader, DataLoader):  # then the workload's own parameters
        step = built(function, {**parameters, **own, **of_loader})
    if "threads" in config:  # after the workload, which may set it too
        torch.set_num_threads(config["threads"])
    if "float32_matmul_precision" in config:
        torch.set_float32_matmul_precision(config["float32_matmul_precision"])
    if config.get("memory_format") == "channels_last":
        for model in step.models:
            model.to(memory_format=torch.channels_last)
    if "precision" in config:
        step.precision = config["precision"]
    if "optimizer_implementation" in config:
        _implement(step, config["optimizer_implementation"])
    if of_loader and isinstance(step.loader, DataLoader):
        step.loader = reloaded(step.loader, of_loader)
    if "compile_mode" in config:
        _compile(step, config["compile_mode"])
    return step


def _implement(step: TrainingStep, name: str) -> None:
    for optimizer in step.optimizers:
        for group in optimizer.param_groups:
            group |= {flag: name == flag for flag in ("foreach", "fused") if flag in group}


def _compile(step: TrainingStep, mode: str) -> None:
    several = isinstance(step.model, list | tuple)
    models = [compiled(model, mode) for model in step.models]
    step.model = models if several else models[0]


def reloaded(loader: Any, changes: Mapping[str, Any]) -> DataLoader[Any]:
    """Returns a loader of the same batches with other workers.

    Args:
        loader: A `DataLoader`.
        changes: Its options, with ``workers`` for ``num_workers``.
    """
    workers = changes.get("workers", loader.num_workers)
    options: dict[str, Any] = {
        "num_workers": workers,
        "collate_fn": loader.collate_fn,
        "pin_memory": changes.get("pin_memory", loader.pin_memory),
        "worker_init_fn": loader.worker_init_fn,
        "generator": loader.generator,
    }
    if workers:
        options |= {
            "timeout": loader.timeout or 120,
            "persistent_workers": changes.get("persistent_workers", loader.persistent_workers),
            "prefetch_factor": changes.get("prefetch_factor", loader.prefetch_factor),
            "multiprocessing_context": changes.get(
                "multiprocessing_context", loader.multiprocessing_context
            ),
        }
    return QuietLoader(loader.dataset, **_batching(loader), **options)


def _batching(loader: Any) -> dict[str, Any]:
    if isinstance(loader.dataset, IterableDataset):
        return {"batch_size": loader.batch_size, "drop_last": loader.drop_last}
    if loader.batch_size is None and loader.batch_sampler is None:
        return {"batch_size": None, "sampler": loader.sampler}
    return {"batch_sampler": loader.batch_sampler}


class LoadedSteps:
    """Steps on the batches of a loader, epoch after epoch.

    Args:
        step: A training with a loader.

    Attributes:
        samples: Samples of the steps so far.
        left: Batches of the current epoch that are to come; 0 where its length is not known.
    """

    def __init__(self, step: TrainingStep) -> None:
        self._step = step
        self._batches: Iterator[Any] | None = None
        self.samples, self.left = 0, 0

    def __call__(self) -> torch.Tensor:
        """Loads a batch, takes a step on it, and returns the loss."""
        batch = self._step.to_device(self._next())
        self.samples += self._step.samples_of(batch) or 1
        loss, _ = self._step.step(batch)
        return loss

    @property
    def epoch(self) -> int:
        """Batches of an epoch; 0 where that is not known."""
        try:
            return len(self._step.loader)  # type: ignore[arg-type]
        except TypeError:  # of a stream, or of an iterator
            return 0

    @property
    def queued(self) -> int:
        """Batches that workers load ahead."""
        loader = self._step.loader
        return int(getattr(loader, "num_workers", 0) * (getattr(loader, "prefetch_factor", 0) or 0))

    def _next(self) -> Any:
        batch = None if self._batches is None else next(self._batches, None)
        if batch is None:
            assert self._step.loader is not None  # noqa: S101 - by its declaration
            self._batches, self.left = iter(self._step.loader), self.epoch
            batch = next(self._batches)
        self.left = max(0, self.left - 1)
        return batch
