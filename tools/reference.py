"""Writes docs/reference: the public names, the commands, and what the plugin adds to pytest.

    python tools/reference.py

Each page is made from what it describes, so that nothing public is left out and nothing else is in
it; a test holds the files against what this makes.
"""

import copy
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

import hpml_lab
from hpml_lab.cli import cli
from hpml_lab.pytest_plugin import MARKERS, labs
from hpml_lab.pytest_plugin.measuring import Measure
from hpml_lab.pytest_plugin.settings import DEFAULTS, HELP

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
WIDTH = 100
MADE = "Made by `python tools/reference.py` from the source.\n"


def api() -> str:
    """Returns the page of the public names."""
    parts = ["# Public names\n", MADE, "Everything that `from hpml_lab import ...` gives.\n"]
    for name in hpml_lab.__all__:
        named = getattr(hpml_lab, name)
        signature = "" if _is_error(named) else _signature(named)
        parts.append(f"## {name}\n\n```text\n{name}{signature}\n\n{inspect.getdoc(named)}\n```\n")
    return "\n".join(parts)


def _signature(named: Any) -> str:
    """Returns how something is called: its parameters and defaults, without types."""
    signature = inspect.signature(named)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in signature.parameters.items()
        if name != "self"
    ]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def _is_error(named: object) -> bool:
    return isinstance(named, type) and issubclass(named, Exception)


def commands() -> str:
    """Returns the page of the commands."""
    parts = ["# Commands\n", MADE]
    for name, command in sorted(cli.commands.items()):
        shown = copy.copy(command)
        shown.add_help_option = False  # its names depend on how the command was called first
        context = click.Context(shown, info_name=f"hpml-lab {name}", terminal_width=WIDTH)
        parts.append(f"## {name}\n\n```text\n{shown.get_help(context)}\n```\n")
    return "\n".join(parts)


def undocumented() -> Iterator[str]:
    """Yields every option of a command that says nothing of itself."""
    for name, command in sorted(cli.commands.items()):
        for option in command.params:
            if isinstance(option, click.Option) and not option.help:
                yield f"{name} {option.opts[0]}"


def _markers(texts: Iterable[str]) -> list[str]:
    rows = (text.partition(": ") for text in texts)
    return ["| marker | what |", "|---|---|", *(f"| `{name}` | {what} |" for name, _, what in rows)]


def plugin() -> str:
    """Returns the page of options, markers and the fixture `measure`."""
    options = [
        f"| `--hpml-{name.replace('_', '-')}` | `hpml_{name}` | `HPML_{name.upper()}` | "
        f"{DEFAULTS.get(name) or '-'} | {text} |"
        for name, text in HELP.items()
    ]
    return "\n".join([
        "# What the plugin adds to pytest\n",
        MADE,
        "## Options\n",
        "An option goes before an ini value, and that before the environment.\n",
        "| option | ini | environment | default | what |",
        "|---|---|---|---|---|",
        *options,
        "\n## Markers\n",
        *_markers(MARKERS),
        "\n## Markers of the labs\n",
        "Of `hpml_lab.pytest_plugin.labs`, which has the fixtures `training` and `profile`.\n",
        *_markers(labs.MARKERS),
        "\n## The fixture `measure`\n",
        f"```text\nmeasure{_signature(Measure.__call__)}\n\n{inspect.getdoc(Measure.__call__)}\n```\n",
    ])  # fmt: skip


PAGES = {"api.md": api, "cli.md": commands, "pytest.md": plugin}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, page in PAGES.items():
        (FOLDER / file).write_text(page())
