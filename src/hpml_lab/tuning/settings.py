"""The settings that can be applied to any declared training from outside."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpml_lab.errors import InputError, unknown
from hpml_lab.training.workload import Workload, parsed
from hpml_lab.training.workload import setting as plain_value
from hpml_lab.tuning.race import Config, Value
from hpml_lab.tuning.result import NotTried

# Largest relative difference of the mean of the first losses from that of the plain loop. Layout,
# threads and fusion round otherwise; bfloat16 has 8 bits. None: other samples, so other losses.
EXACT, ROUNDED = 0.01, 0.05
_NEEDS_WORKERS = ("persistent_workers", "prefetch_factor", "multiprocessing_context")
_LOADER = ("workers", "pin_memory", *_NEEDS_WORKERS)
_OTHER_CONTEXTS = {"fork": ["forkserver"], "forkserver": ["fork"], "spawn": ["fork", "forkserver"]}
_LITTLE = 0.02  # share of a step that is worth trying to save


@dataclass(frozen=True)
class Facts:
    """What a training tells about itself in the plain loop, from one process.

    Attributes:
        device: Device type.
        threads: Number of threads of an operator.
        bfloat16: Whether the processor computes in bfloat16; True on a GPU.
        convolutions: Whether a model has a convolution of images.
        optimizers: Implementations that every optimizer has: ``foreach``, ``fused``.
        optimizer_share: Share of a step that the optimizer takes.
        loader: Whether batches come from a `torch.utils.data.DataLoader`.
        workers: Its worker processes.
        context: How they start: ``fork``, ``forkserver`` or ``spawn``.
        wait_share: Share of the time that the training waits for it.
        batch_size: The workload's parameter of that name; None without one.
        too_large: Batch sizes of which the memory plan says that they do not fit.
        compiles: Why it cannot be compiled; empty if it can.
    """

    device: str
    threads: int
    bfloat16: bool
    convolutions: bool
    optimizers: Sequence[str]
    optimizer_share: float
    loader: bool
    workers: int
    context: str
    wait_share: float
    batch_size: int | None
    too_large: Sequence[int]
    compiles: str


@dataclass(frozen=True)
class Setting:
    """A setting and the values to try.

    Attributes:
        name: Its name.
        values: Values other than the plain one.
        tolerance: Largest relative difference of the first losses; None if they are of other
            samples.
        changes_numbers: Whether it changes more than rounding.
    """

    name: str
    values: Sequence[Value]
    tolerance: float | None = EXACT
    changes_numbers: bool = False


@dataclass
class Space:
    """The settings of a race and what was left out of it."""

    settings: list[Setting] = field(default_factory=list)
    not_tried: list[NotTried] = field(default_factory=list)

    def add(self, setting: Setting, reason: str = "") -> None:
        """Adds a setting, or leaves all its values out for a reason."""
        if reason:
            self.not_tried += [NotTried(setting.name, value, reason) for value in setting.values]
        elif setting.values:
            self.settings.append(setting)

    def tolerance(self, config: Config) -> float | None:
        """Returns the tolerance of a configuration: the widest of its settings."""
        known = {setting.name: setting.tolerance for setting in self.settings}
        widest = [known[name] for name, _ in config]
        return None if None in widest else max([EXACT, *filter(None, widest)])

    def setting(self, name: str) -> Setting:
        """Returns a setting by its name."""
        return next(setting for setting in self.settings if setting.name == name)


def space(
    function: Workload,
    facts: Facts,
    vary: Mapping[str, Sequence[str]],
    keep: Sequence[str],
    parameters: Mapping[str, Any],
) -> Space:
    """Returns the settings to race.

    Args:
        function: The workload.
        facts: What it told about itself.
        vary: Texts of values of the workload's parameters.
        keep: Names of settings that are left as they are.
        parameters: The workload's parameters in the plain loop, in place of their defaults.

    Raises:
        InputError: for an unknown setting, or a text of another type.
    """
    result = Space()
    known = list(_settings(facts))
    names = list(dict.fromkeys([*(setting.name for setting, _ in known), *vary]))
    for name in keep:
        if name not in names:
            raise unknown("setting to keep", name, names)
    own = {setting.name for setting, _ in known} - {"batch_size"}
    known = [pair for pair in known if pair[0].name not in set(vary) - own]
    for name, texts in vary.items():
        if name in own:
            raise InputError(f"--vary {name} is a setting of tune itself; leave it out")
        values = [parsed(function, {name: text})[name] for text in texts]
        others = [value for value in values if value != plain_value(function, parameters, name)]
        tolerance = None if name == "batch_size" else ROUNDED
        known.append((Setting(name, others, tolerance, changes_numbers=True), ""))
    for setting, reason in known:
        result.add(setting, "kept as asked" if setting.name in keep else reason)
    return result


def _settings(facts: Facts) -> Iterator[tuple[Setting, str]]:
    """Yields every setting with the reason why it cannot win, which is empty if it may."""
    on_cpu = facts.device == "cpu"
    fewer = sorted({n for n in (1, facts.threads // 2) if 0 < n < facts.threads})
    yield Setting("threads", fewer), "" if on_cpu else "operators run on the GPU"
    images = "" if facts.convolutions else "no convolution of images"
    yield Setting("memory_format", ["channels_last"]), images
    native = "" if facts.bfloat16 else "this processor has no arithmetic in bfloat16"
    yield Setting("precision", ["bfloat16"], ROUNDED, changes_numbers=True), native
    medium = ["medium"] if on_cpu else ["high"]
    yield Setting("float32_matmul_precision", medium, ROUNDED, changes_numbers=True), native
    modes = ["default"] if on_cpu else ["default", "reduce-overhead"]
    yield Setting("compile_mode", modes), facts.compiles
    share = facts.optimizer_share
    small = "" if share > _LITTLE else f"the optimizer takes {share:.1%} of a step"
    yield Setting("optimizer_implementation", list(facts.optimizers)), small
    yield from _batch(facts)
    yield from _loader(facts)


def larger_batches(batch_size: int) -> tuple[int, int]:
    """Returns the batch sizes to try."""
    return 2 * batch_size, 4 * batch_size


def _batch(facts: Facts) -> Iterator[tuple[Setting, str]]:
    if facts.batch_size is None:
        return
    for size in larger_batches(facts.batch_size):
        reason = "the memory plan says that it does not fit" if size in facts.too_large else ""
        yield Setting("batch_size", [size], None, changes_numbers=True), reason


def _loader(facts: Facts) -> Iterator[tuple[Setting, str]]:
    if not facts.loader:
        return
    share = facts.wait_share
    small = "" if share > _LITTLE else f"the training waits for {share:.1%} of the time"
    cores = os.cpu_count() or 1
    counts = [n for n in (0, 1, 2, 4, cores) if n != facts.workers and n <= 2 * cores]
    yield Setting("workers", list(dict.fromkeys(counts)), ROUNDED), small
    yield Setting("persistent_workers", [True], ROUNDED), small
    yield Setting("prefetch_factor", [4, 8], ROUNDED), small
    forked = "fork already starts workers fastest" if facts.context == "fork" else small
    yield Setting("multiprocessing_context", _OTHER_CONTEXTS[facts.context], ROUNDED), forked
    pinned = "no accelerator to copy to" if facts.device == "cpu" else ""
    yield Setting("pin_memory", [True], ROUNDED), pinned


def merged(settings: Sequence[Setting]) -> dict[str, list[Value]]:
    """Returns the values to try by setting; settings of one name are joined."""
    options: dict[str, list[Value]] = {}
    for setting in settings:
        options.setdefault(setting.name, []).extend(setting.values)
    return options


def go_together(config: Config, workers: int) -> bool:
    """Whether settings go together: those of loader workers need some.

    Args:
        config: The settings.
        workers: Worker processes of the plain loader.
    """
    known: dict[str, Any] = dict(config)
    return bool(known.get("workers", workers)) or not set(known) & set(_NEEDS_WORKERS)


def is_of_loader(name: str) -> bool:
    """Whether a setting is one of the loader's."""
    return name in _LOADER
