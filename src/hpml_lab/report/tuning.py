"""What tuning found, as text."""

from collections.abc import Iterator

from rich.console import Console

from hpml_lab.report.terminal import new_console, plain, table, text_of
from hpml_lab.tuning.result import Measured, Tuned
from hpml_lab.units import ratio, seconds

_WIDTH = 100
_SNIPPETS = {
    "threads": "torch.set_num_threads({value})",
    "float32_matmul_precision": 'torch.set_float32_matmul_precision("{value}")',
    "memory_format": "model = model.to(memory_format=torch.channels_last)",
    "compile_mode": 'model = torch.compile(model, mode="{value}")',
    "precision": "with torch.autocast(device, torch.{value}):  # forward pass and loss",
    "optimizer_implementation": "optimizer = Optimizer(model.parameters(), ..., {value}=True)",
    "workers": "DataLoader(..., num_workers={value})",
    "persistent_workers": "DataLoader(..., persistent_workers={value})",
    "prefetch_factor": "DataLoader(..., prefetch_factor={value})",
    "multiprocessing_context": 'DataLoader(..., multiprocessing_context="{value}")',
    "pin_memory": "DataLoader(..., pin_memory={value})",
}


def render(tuned: Tuned) -> str:
    """Returns the result as text: one line, the code to write, then the tables."""
    console = new_console(_WIDTH)
    for line in [headline(tuned), *_notes(tuned)]:
        console.print(plain(line))
    if tuned.best:
        console.print()
    for name, value in tuned.best.items():
        console.print(plain(f"    {_snippet(name, value)}"))
    for title, measured in (
        ("Each alone, over the plain loop", tuned.alone),
        ("The recipe, over the recipe without it", tuned.without),
    ):
        if measured:
            console.print()
            console.print(title)
            columns = ["setting", "value", "times as fast", "95 % interval", "numbers"]
            console.print(table(columns, [_row(one) for one in measured], _WIDTH))
    _list(
        console,
        "Failed",
        [f"{_pair(f.setting, f.value)}: {f.kind}: {f.message}" for f in tuned.failed],
    )
    _list(
        console, "Not tried", [f"{_pair(n.setting, n.value)}: {n.reason}" for n in tuned.not_tried]
    )
    return text_of(console)


def headline(tuned: Tuned) -> str:
    """Returns the result in one sentence."""
    if tuned.disturbed:
        return (
            "Cannot tell: others kept the processors busy in most trials; tune again on a quiet "
            "machine."
        )
    end = (
        "nothing else helps by 2 % or more" if tuned.settled else "the time was too short for more"
    )
    if not tuned.best or tuned.speedup is None:
        return f"The plain loop is the fastest that is sure; {end}."
    ends = ""
    if tuned.interval:
        low, high = tuned.interval
        ends = f" ({low:.2f} to {high:.2f})"
    names = ", ".join(_pair(name, value) for name, value in tuned.best.items())
    return f"{ratio(tuned.speedup)}{ends} as fast: {names}; {end}."


def _notes(tuned: Tuned) -> Iterator[str]:
    yield (
        f"{tuned.workload}: {tuned.trials} trials in {seconds(tuned.spent_s)}, each in a process "
        f"of its own; the plain loop takes {seconds(tuned.plain_s)} a sample."
    )
    if tuned.start_s > 1:
        yield f"The recipe takes {seconds(tuned.start_s)} longer to start."
    if tuned.interrupted:
        yield "Interrupted: this is what was known by then."
    if tuned.likely:
        pairs = ", ".join(_pair(name, value) for name, value in tuned.likely.items())
        yield f"Likely to help too, but not proven: {pairs}; a larger --budget would tell."
    changing = [m.setting for m in tuned.without if m.changes_numbers]
    if changing:
        yield f"Changes numbers: {', '.join(changing)}; the first losses are alike."


def _snippet(name: str, value: object) -> str:
    known = _SNIPPETS.get(name)
    return known.format(value=value) if known else f"{name} = {value!r}"


def _pair(name: str, value: object) -> str:
    return f"{name}={value}"


def _row(measured: Measured) -> list[str]:
    ends = "-"
    if measured.interval:
        low, high = measured.interval
        ends = f"{low:.2f} to {high:.2f}"
    numbers = "other" if measured.changes_numbers else "the same"
    return [measured.setting, str(measured.value), ratio(measured.ratio), ends, numbers]


def _list(console: Console, title: str, lines: list[str]) -> None:
    if lines:
        console.print()
        console.print(title)
    for line in lines:
        console.print(plain(f"  {line}"))
