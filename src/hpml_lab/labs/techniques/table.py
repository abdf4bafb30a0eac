"""What each technique gives, as a table with intervals."""

from dataclasses import dataclass

from hpml_lab.comparison.ratios import Ratio, ratios
from hpml_lab.labs.answer import Answer, Brief, setting
from hpml_lab.labs.techniques import ALL, OVER_ALL, OVER_PLAIN, PLAIN, TECHNIQUES
from hpml_lab.runs.cases import lab_cases
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.units import ratio

_UNKNOWN = "-"


@dataclass(frozen=True)
class Speed:
    """How many times as fast one recipe is as another, and the 95 % interval of one more process.

    Attributes:
        value: The ratio; above 1 is faster.
        interval: None with fewer than two processes.
    """

    value: float
    interval: tuple[float, float] | None

    @property
    def words(self) -> str:
        """Ratio and interval."""
        if self.interval is None:
            return ratio(self.value)
        low, high = self.interval
        return f"{ratio(self.value)} ({low:.2f} to {high:.2f})"


def answers(run: Run) -> list[Answer]:
    """Returns what the techniques give on each device in the run."""
    by_device: dict[str, list[Measurement]] = {}
    for case in lab_cases(run, "techniques"):
        by_device.setdefault(str(case.case["device"]), []).append(case)
    return [_answer(run, device, cases) for device, cases in by_device.items()]


def speeds(run: Run, device: str) -> dict[str, Speed]:
    """Returns the speed of each recipe over the plain loop, by its name."""
    return {
        str(time.level): Speed(1 / time.value, _inverted(time))
        for time in ratios(run, OVER_PLAIN)
        if time.settings.get("device") == device
    }


def _gains(run: Run, device: str) -> dict[str, Speed]:
    """Returns what each technique adds to the rest of the recipe, by its name."""
    return {
        str(time.level).removeprefix("all but "): Speed(time.value, time.interval)
        for time in ratios(run, OVER_ALL)
        if time.settings.get("device") == device and str(time.level).startswith("all but ")
    }


def _inverted(time: Ratio) -> tuple[float, float] | None:
    if time.interval is None:
        return None
    low, high = time.interval
    return 1 / high, 1 / low


def _answer(run: Run, device: str, cases: list[Measurement]) -> Answer:
    alone, gains = speeds(run, device), _gains(run, device)
    losses = {str(case.case["recipe"]): case.epochs[-1].loss for case in cases if case.epochs}
    names = [name for name in TECHNIQUES[device] if f"only {name}" in losses or name in gains]
    return Answer(
        "",
        "Techniques",
        setting(cases[0], "workers"),
        ["technique", "alone", "in the recipe", "loss alone"],
        [
            [
                name,
                _words(alone.get(f"only {name}")),
                _words(gains.get(name)),
                f"{losses[f'only {name}']:.3f}" if f"only {name}" in losses else _UNKNOWN,
            ]
            for name in names
        ],
        _sentences(alone, losses),
        _brief(alone),
    )


def _brief(alone: dict[str, Speed]) -> Brief | None:
    if ALL not in alone:
        return None
    best = max((name for name in alone if name.startswith("only ")), key=lambda n: alone[n].value)
    text = (
        f"{alone[ALL].words} together; most: {best.removeprefix('only ')} "
        f"{ratio(alone[best].value)}"
    )
    return Brief(text, "" if alone[ALL].interval else "3 processes")


def _words(speed: Speed | None) -> str:
    return _UNKNOWN if speed is None else speed.words


def _sentences(alone: dict[str, Speed], losses: dict[str, float]) -> list[str]:
    sentences = [
        "Alone: times as fast as the plain loop. In the recipe: as fast as the recipe without it. "
        "In brackets, between what one more process would measure (95 %)."
    ]
    if ALL in alone:
        sentences.insert(0, f"All together are {alone[ALL].words} as fast as the plain loop.")
    if {PLAIN, ALL} <= losses.keys():
        sentences.append(
            f"Loss of the last epoch: plain {losses[PLAIN]:.3f}, all together {losses[ALL]:.3f}; "
            "another input pipeline draws other crops."
        )
    return sentences
