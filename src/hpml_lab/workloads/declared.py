"""A training by its name: a function, in a file or a module, that returns a `TrainingStep`."""

import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from hpml_lab.errors import HpmlError, InputError
from hpml_lab.workloads.settings import parse_setting
from hpml_lab.workloads.step import TrainingStep
from hpml_lab.workloads.storageless import BY_VALUE, reason

Workload = Callable[..., TrainingStep]
_NOT_THE_USERS = (str(Path(__file__).parents[1]), str(Path(traceback.__file__).parent))
_FORMS = "FILE.py:NAME or package.module:NAME"

_LAZY = "lazy layers cannot be planned; give them their widths"


def workload(name: str) -> Workload:
    """Returns the function that a name such as ``FILE.py:NAME`` or ``package.module:NAME`` means.

    The file's folder, or the current one, is put on the path of imports as Python itself does.

    Raises:
        InputError: if the name has another form, the file or module cannot be imported, or it
            holds no such function.
    """
    place, colon, function = name.rpartition(":")
    if not (colon and place and function):
        raise InputError(f"workload {name!r} is not {_FORMS}")
    module = _file(Path(place)) if place.endswith(".py") else _module(place)
    found = getattr(module, function, None)
    if found is None:
        raise InputError(f"{place} has no {function!r}{_hint(function, _functions(module))}")
    if not callable(found):
        raise InputError(f"{name} is a {type(found).__name__}; name a function")
    return check_workload(found)


def check_workload(function: Workload) -> Workload:
    """Returns a function that can be called without arguments.

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
    """Returns settings of a workload from texts, each read by the type of its default.

    Raises:
        InputError: for an unknown setting, or a text of another type.
    """
    known = _parameters(function)
    for name in texts:
        _check_setting(function, name, known)
    return {name: parse_setting(name, text, known[name].default) for name, text in texts.items()}


def built(function: Workload, settings: Mapping[str, Any]) -> TrainingStep:
    """Returns the step that a workload makes with some of its parameters set.

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
    except Exception as error:  # it is the user's, and may fail in any way
        said = _LAZY if "UninitializedParameter" in str(error) else _said(error)
        raise InputError(f"{_name(function)} failed{_where(error)}: {said}") from error
    if not isinstance(step, TrainingStep):
        raise InputError(
            f"{_name(function)} returned a {type(step).__name__}; a workload returns a TrainingStep"
        )
    return step


def has_setting(function: Workload, name: str) -> bool:
    """Returns whether a workload has a parameter of a name."""
    return name in _parameters(function)


def setting(function: Workload, settings: Mapping[str, Any], name: str) -> Any:
    """Returns the value of a parameter that a workload has: as set, or its default."""
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
    except (Exception, SystemExit) as error:  # it is the user's, and may fail in any way
        raise InputError(f"{name} cannot be imported{_where(error)}: {_said(error)}") from error


def _functions(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if inspect.isfunction(value)]


def _parameters(function: Workload) -> Mapping[str, inspect.Parameter]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(function).parameters
    return {name: each for name, each in found.items() if each.kind not in kinds}


def _check_setting(function: Workload, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise InputError(f"{_name(function)} has no setting {name!r}{_hint(name, known)}")


def _hint(name: str, known: Iterable[str]) -> str:
    """Returns what may have been meant, and what there is."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1)
    there = f"; there are: {', '.join(known)}" if known else "; there are none"
    return f"; did you mean {close[0]!r}?" if close else there


def _name(function: Workload) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def _said(error: BaseException) -> str:
    if isinstance(error, BY_VALUE):
        return f"{reason(error)}, and a plan has none"
    text = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _where(error: BaseException) -> str:
    """Returns the last place of an error in a file of the user's, if there is one."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename
        and not frame.filename.startswith((*_NOT_THE_USERS, "<"))
    ]
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
