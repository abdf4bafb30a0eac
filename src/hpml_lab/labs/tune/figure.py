"""A waterfall of speed-ups: from the plain loop, setting by setting, to the recipe."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from hpml_lab.labs.picture import BLUE, INK, Picture, figure_style
from hpml_lab.labs.tune.table import speed, tunings
from hpml_lab.runs.schema import Measurement, Run


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each training that was tuned in the run."""
    for number, (name, cases) in enumerate(tunings(run).items(), 1):
        if () in cases and (steps := waterfall(cases)):
            yield Picture(
                f"tune-{number}", f"From the plain loop to the recipe: {name}", _draw(steps)
            )


def waterfall(cases: dict[tuple[str, ...], Measurement]) -> list[tuple[str, float]]:
    """Returns names and speeds over the plain loop, from it to the recipe.

    Between the two stand the recipe's settings alone, the slowest first.
    """
    plain = cases[()]
    best = next((s for s, case in cases.items() if s and case.case.get("best")), None)
    if best is None:
        return []
    alone = {name: cases[(name,)] for name in best if (name,) in cases and len(best) > 1}
    rows = sorted(((n, speed(c, plain)) for n, c in alone.items()), key=lambda row: row[1])
    return [
        ("plain loop", 1.0),
        *((f"{n} alone", s) for n, s in rows),
        ("recipe", speed(cases[best], plain)),
    ]


def _draw(steps: list[tuple[str, float]]) -> Figure:
    with figure_style():
        figure = Figure(figsize=(6, 0.4 * len(steps) + 1), layout="constrained")
        panel = figure.subplots()
        for row, (_, value) in enumerate(steps):
            start = min(1.0, value)
            panel.barh(
                row,
                value if row == 0 else abs(value - 1),
                0.7,
                left=0 if row == 0 else start,
                color=BLUE,
            )
            panel.annotate(
                f"{value:.2f}x",
                (max(value, 1.0), row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
            )
        panel.set_yticks(range(len(steps)), [name for name, _ in steps])
        panel.invert_yaxis()
        panel.axvline(1, color=INK, linewidth=0.8, linestyle=":")
        panel.set_xlim(0, 1.15 * max(value for _, value in steps))
        panel.set_xlabel("times as fast as the plain loop")
        return figure
