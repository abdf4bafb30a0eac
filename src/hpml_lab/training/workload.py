"""Workloads: functions that return a `TrainingStep`, and their settings from text."""

import difflib
import importlib
import importlib.util
import inspect
import random
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from hpml_lab.errors import HpmlError, InputError, one_line
from hpml_lab.training.refusals import BY_VALUE, reason
from hpml_lab.training.step import TrainingStep

_KINDS = {int: "whole number", float: "number"}


def parse_setting(name: str, text: str, default: Any) -> Any:
    """Returns the value of a setting from its text.

    Args:
        name: Name of the setting.
        text: Text of the value.
        default: Default, whose type the value gets: a bool (``true``, ``false``), a number, a text,
            or None, for which the value is a number if the text is one, else a text.

    Raises:
        InputError: for a text of another type, or a default of any other type.
    """
    if isinstance(default, bool):
        if text.lower() not in {"true", "false"}:
            raise InputError(f"{name} {text!r} is neither true nor false; give one of them")
        return text.lower() == "true"
    if isinstance(default, str):
        return text
    if default is None:
        return _number_or_text(text)
    if type(default) not in _KINDS:
        raise InputError(
            f"{name} is a {type(default).__name__} by default, which no text can give; set it in "
            "Python"
        )
    try:
        return type(default)(text)
    except ValueError:
        raise InputError(f"{name} {text!r} is not a {_KINDS[type(default)]}") from None


def _number_or_text(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


Workload = Callable[..., TrainingStep]
_NOT_THE_USERS = (str(Path(__file__).parents[1]), str(Path(traceback.__file__).parent))
_FORMS = "FILE.py:NAME or package.module:NAME"

_LAZY = "lazy layers cannot be planned; give them their widths"


def workload(name: str) -> Workload:
    """Returns the workload with a name such as ``FILE.py:NAME`` or ``package.module:NAME``.

    The file's folder, or the current one, is added to ``sys.path`` as Python itself does.

    Raises:
        InputError: if the name has another form, the file or module cannot be imported, or it
            has no such function.
    """
    place, colon, function = name.rpartition(":")
    if not (colon and place and function):
        raise InputError(f"workload {name!r} is not {_FORMS}{_offer(name)}")
    module = _file(Path(place)) if place.endswith(".py") else _module(place)
    member = getattr(module, function, None)
    if member is None:
        raise InputError(f"{place} has no {function!r}{_hint(function, _functions(module))}")
    if not callable(member):
        raise InputError(f"{name} is a {type(member).__name__}; name a function")
    return check_workload(member)


def _offer(name: str) -> str:
    """Returns what may be meant by a file without a function."""
    if not (name.endswith(".py") and Path(name).is_file()):
        return ""
    named = [f"{name}:{function}" for function in _functions(_file(Path(name)))]
    return f"; give one of: {', '.join(named)}" if named else "; the file has no function"


def check_workload(function: Workload) -> Workload:
    """Returns the function if it can be called without arguments.

    Raises:
        InputError: if one of its parameters has no default.
    """
    for parameter in _parameters(function).values():
        if parameter.default is parameter.empty:
            raise InputError(
                f"{_name(function)} needs a value for {parameter.name!r}; give each parameter of a "
                "workload a default"
            )
    return function


def parsed(function: Workload, texts: Mapping[str, str]) -> dict[str, Any]:
    """Returns settings of a workload parsed from texts by the types of their defaults.

    Raises:
        InputError: for an unknown setting, or a text of another type.
    """
    known = _parameters(function)
    for name in texts:
        _check_setting(function, name, known)
    return {name: parse_setting(name, text, known[name].default) for name, text in texts.items()}


def built(function: Workload, settings: Mapping[str, Any]) -> TrainingStep:
    """Returns the step of a workload with some of its parameters set.

    Raises:
        InputError: for an unknown setting, a workload that fails, or one that returns anything but
            a `TrainingStep`.
    """
    for name in settings:
        _check_setting(function, name, _parameters(function))
    try:
        step = function(**settings)
    except HpmlError:
        raise
    except Exception as error:  # user code, which may fail in any way
        cause = _LAZY if "UninitializedParameter" in str(error) else _message(error)
        raise InputError(f"{_name(function)} failed{_where(error)}: {cause}") from error
    if not isinstance(step, TrainingStep):
        raise InputError(
            f"{_name(function)} returned a {type(step).__name__}; a workload returns a TrainingStep"
        )
    return step


def seed_generators() -> None:
    """Sets all random generators that a workload may use, so that each process builds the same."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def has_setting(function: Workload, name: str) -> bool:
    """Whether a workload has a parameter with this name."""
    return name in _parameters(function)


def setting(function: Workload, settings: Mapping[str, Any], name: str) -> Any:
    """Returns the value of a workload's parameter: as set, or its default."""
    return settings.get(name, _parameters(function)[name].default)


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"no file {str(path)!r}; a workload is {_FORMS}")
    name = f"hpml_workload_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{str(path)!r} cannot be imported; give a Python file")
    module = importlib.util.module_from_spec(spec)
    _on_path(path.resolve().parent)
    sys.modules[name] = module  # dataclasses and pickle look there
    loader = spec.loader

    def load() -> ModuleType:
        loader.exec_module(module)
        return module

    return _imported(str(path), load)


def _module(name: str) -> ModuleType:
    _on_path(Path.cwd())
    return _imported(name, lambda: importlib.import_module(name))


def _on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _imported(name: str, load: Callable[[], ModuleType]) -> ModuleType:
    try:
        return load()
    except HpmlError:
        raise
    except (Exception, SystemExit) as error:  # user code, which may fail in any way
        raise InputError(f"{name} cannot be imported{_where(error)}: {_message(error)}") from error


def _functions(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if inspect.isfunction(value)]


def _parameters(function: Workload) -> Mapping[str, inspect.Parameter]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    signature = inspect.signature(function).parameters
    return {name: value for name, value in signature.items() if value.kind not in kinds}


def _check_setting(function: Workload, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise InputError(f"{_name(function)} has no setting {name!r}{_hint(name, known)}")


def _hint(name: str, known: Iterable[str]) -> str:
    """Returns the closest known name as a suggestion, else all known names."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1)
    listed = f"; there are: {', '.join(known)}" if known else "; there are none"
    return f"; did you mean {close[0]!r}?" if close else listed


def _name(function: Workload) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def _message(error: BaseException) -> str:
    if isinstance(error, BY_VALUE):
        return f"{reason(error)}, and a plan has none"
    return one_line(error)


def _where(error: BaseException) -> str:
    """Returns the last traceback location in a file of the user, empty without one."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename
        and not frame.filename.startswith((*_NOT_THE_USERS, "<"))
    ]
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
