"""How many times as fast as the plain loop each technique is, as bars with intervals."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from hpml_lab.labs.picture import BLUE, INK, Picture, figure_style
from hpml_lab.labs.techniques.table import Speed, speeds
from hpml_lab.runs.cases import lab_cases
from hpml_lab.runs.schema import Run


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each device in the run."""
    devices = {str(case.case["device"]) for case in lab_cases(run, "techniques")}
    for device in sorted(devices):
        shown = {n: s for n, s in speeds(run, device).items() if not n.startswith("all but")}
        if shown:
            caption = f"What each technique gives ({device})"
            yield Picture(f"techniques-{device}", caption, _figure(shown))


def _figure(shown: dict[str, Speed]) -> Figure:
    with figure_style():
        figure = Figure(figsize=(6, 0.4 * len(shown) + 1.2), layout="constrained")
        panel = figure.subplots()
        for row, speed in enumerate(shown.values()):
            panel.barh(row, speed.value, 0.7, color=BLUE)
            end = speed.value
            if speed.interval is not None:
                panel.plot(speed.interval, [row, row], color=INK, linewidth=1.5)
                end = max(end, speed.interval[1])
            panel.annotate(
                f"{speed.value:.2f}x",
                (end, row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
            )
        panel.set_yticks(range(len(shown)), [name.removeprefix("only ") for name in shown])
        panel.invert_yaxis()
        panel.axvline(1, color=INK, linewidth=0.8, linestyle=":")
        panel.set_xlim(0)
        panel.set_xlabel("times as fast as the plain loop")
        return figure
