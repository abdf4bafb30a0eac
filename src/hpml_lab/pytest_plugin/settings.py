"""The ``--hpml-*`` options, read once into one frozen record."""

import math
import os
from dataclasses import dataclass, field, fields

import pytest

from hpml_lab.errors import InputError

HELP = {
    "profile": "sizes of the cases: quick, short (the gpu suite in minutes) or full (default: "
    "quick on cpu, full on cuda)",
    "data": "generated, download, or a folder that holds CIFAR-10 (default: generated)",
    "require_gpu": "fail instead of skipping gpu cases where there is no CUDA device",
    "seed": "seed of weights, order and augmentation, and of the order of cases (default: 0)",
    "processes": "how many fresh interpreters run the tests in turn (default: 3 if saved)",
    "case_timeout": "seconds until a case counts as hanging in a fresh interpreter (default: 3600)",
    "gate": "fail by the verdicts against a baseline: a file, latest, a number, a name or a git "
    "revision of this machine's saved runs",
    "resume": "continue a run that died: the same code, machine, tests and settings",
    "quiet_wait": "seconds to wait at most for a quiet machine before a run that is saved or gated "
    "(default: 20; 0 does not wait)",
    "trace": "folder for a Chrome trace of each case, recorded after its timed rounds",
    "axis": "run every selected case at these values, as in workers=0,4,8; may be repeated",
}
DEFAULTS = {
    "profile": "",
    "data": "generated",
    "require_gpu": "false",
    "seed": "0",
    "processes": "3",
    "case_timeout": "3600",
    "resume": "false",
    "quiet_wait": "20",
    "trace": "",
}


@dataclass(frozen=True)
class Settings:
    """The settings of one run.

    Attributes:
        profile: ``quick``, ``short``, ``full``, or empty for the default of each device.
        data: the images, as `training.images.open_images` takes them.
        require_gpu: whether gpu cases fail where they would be skipped.
        seed: the seed of every training, and of the order of cases.
        processes: the number of fresh interpreters that run the tests; 0 for this one.
        case_timeout: seconds until a case in a fresh interpreter counts as hanging.
        gate: the baseline to compare with; None for no gate.
        resume: whether to resume a run that died.
        quiet_wait: seconds to wait at most for a quiet machine; 0 where nothing is kept.
        trace: the folder for a Chrome trace of each case; empty for none.
        axis: values by axis name, as text.
    """

    profile: str = ""
    data: str = "generated"
    require_gpu: bool = False
    seed: int = 0
    processes: int = 0
    case_timeout: float = 3600.0
    gate: str | None = None
    resume: bool = False
    quiet_wait: float = 0.0
    trace: str = ""
    axis: dict[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        """The resolved values, as the report header shows them."""
        axes = [f"{name}={','.join(values)}" for name, values in self.axis.items()]
        shown = {**vars(self), "profile": self.profile or "by device", "axis": " ".join(axes)}
        shown["gate"] = self.gate or ""
        if not self.processes:
            shown |= {"processes": "", "case_timeout": ""}
        if not self.resume:
            shown["resume"] = ""
        if not self.quiet_wait:
            shown["quiet_wait"] = ""
        return ", ".join(f"{f.name}={shown[f.name]}" for f in fields(self) if shown[f.name] != "")


SETTINGS = pytest.StashKey[Settings]()  # in the stash of a session's configuration


def add_options(parser: pytest.Parser) -> None:
    """Declares ``--hpml-NAME`` and the ini value ``hpml_NAME`` for every setting."""
    group = parser.getgroup("hpml", "hpml-lab")
    for name, text in HELP.items():
        kind = {"require_gpu": "store_true", "resume": "store_true", "axis": "append"}.get(
            name, "store"
        )
        flag = f"--hpml-{name.replace('_', '-')}"
        group.addoption(flag, action=kind, default=None, help=text, dest=f"hpml_{name}")
        parser.addini(f"hpml_{name}", text, default=None)


def read_settings(config: pytest.Config, *, saving: bool, ranks: bool = False) -> Settings:
    """Returns the settings: option before ini value before ``HPML_NAME`` in the environment.

    Args:
        config: the configuration of the run.
        saving: whether the run is saved. One that is neither saved nor gated runs in this
            interpreter, unless the option says otherwise: ini value and environment are for runs
            that measure.
        ranks: whether this process is one rank of several, which stay as they were started.

    Raises:
        InputError: for a value that cannot be one.
    """
    text = {name: text_of(config, name) for name in DEFAULTS}
    if config.getoption("hpml_resume") and not saving:
        raise InputError("--hpml-resume continues a saved run; add --benchmark-save=NAME")
    processes = _count("processes", text["processes"])
    asked = config.getoption("hpml_processes") is not None
    if ranks and asked:
        raise InputError(
            "--hpml-processes starts interpreters, which would be no ranks; leave it out and start "
            "torchrun as often"
        )
    gate = _gate(config)
    measuring = saving or gate is not None
    fresh = not ranks and (measuring or asked)
    return Settings(
        profile=text["profile"],
        data=text["data"],
        require_gpu=_flag("require-gpu", text["require_gpu"].lower()),
        seed=_seed(text["seed"]),
        processes=processes if fresh else 0,
        case_timeout=_duration("case-timeout", text["case_timeout"]),
        gate=gate,
        resume=_flag("resume", text["resume"].lower()) and saving,
        quiet_wait=_quiet_wait(text["quiet_wait"]) if measuring else 0.0,
        trace=text["trace"],
        axis=_axes(config),
    )


def text_of(config: pytest.Config, name: str) -> str:
    """Returns a setting as it was given: option, ini value, environment or default."""
    option = config.getoption(f"hpml_{name}")
    if option is not None:
        return str(option)
    ini: str | None = config.getini(f"hpml_{name}")
    return ini or os.environ.get(f"HPML_{name.upper()}") or DEFAULTS[name]


def _gate(config: pytest.Config) -> str | None:
    option: str | None = config.getoption("hpml_gate")
    elsewhere: str | None = config.getini("hpml_gate") or os.environ.get("HPML_GATE")
    gate = elsewhere if option is None else option
    if gate is not None and not gate.strip():
        # From a variable that is not set, say: a requested gate must not be left out.
        raise InputError(
            "--hpml-gate names no baseline; give a file, latest, a number, a name or a git "
            "revision, or leave option and HPML_GATE out"
        )
    return gate


def _axes(config: pytest.Config) -> dict[str, list[str]]:
    given: list[str] = config.getoption("hpml_axis") or []
    elsewhere: str = config.getini("hpml_axis") or os.environ.get("HPML_AXIS") or ""
    axes: dict[str, list[str]] = {}
    for text in given or elsewhere.split():
        name, equals, values = text.partition("=")
        if not equals or not all(values.split(",")):
            raise InputError(f"--hpml-axis {text!r} is not NAME=VALUE or NAME=VALUE,VALUE,...")
        axes[name.replace("-", "_")] = values.split(",")
    return axes


def _flag(name: str, text: str) -> bool:
    if text not in {"false", "true"}:
        raise InputError(f"--hpml-{name} {text!r} is unknown; choose one of: false, true")
    return text == "true"


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InputError(f"--hpml-seed {text!r} is not a whole number of 0 or more")
    return int(text)


def _count(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise InputError(f"--hpml-{name} {text!r} is not a whole number of 1 or more")
    return int(text)


def _quiet_wait(text: str) -> float:
    return 0.0 if text == "0" else _duration("quiet-wait", text)


def _duration(name: str, text: str) -> float:
    try:
        duration_s = float(text)
    except ValueError:
        duration_s = math.nan
    if not 0 < duration_s < math.inf:
        raise InputError(f"--hpml-{name} {text!r} is not a number of seconds above 0")
    return duration_s
