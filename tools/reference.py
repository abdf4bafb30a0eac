"""Writes docs/reference: public names, commands, what the plugin adds to pytest, the run file.

    python tools/reference.py

Each page is made from what it describes, so that nothing public is left out and nothing else is in
it; a test holds the files against what this makes.
"""

import copy
import dataclasses
import hashlib
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

import hpml_lab
from hpml_lab.cli import cli
from hpml_lab.measure.record import Record
from hpml_lab.pytest_plugin import MARKERS, labs
from hpml_lab.pytest_plugin.measuring import Measure
from hpml_lab.pytest_plugin.settings import DEFAULTS, HELP
from hpml_lab.runs import machine
from hpml_lab.runs import schema as saved
from hpml_lab.runs.schema import Run

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
        *map(_method, ["__call__", "epochs", "describe"]),
        "What a test may add to the record, each a dictionary or a list of its own:\n",
        f"```text\n{inspect.getdoc(Record)}\n```\n",
    ])  # fmt: skip


_ABOUT = """\
A saved run is pytest-benchmark's own JSON, so `pytest-benchmark compare` and other tools read it.
Ours stands under `machine_info.hpml` (`Machine`), `benchmarks[].extra_info.hpml` (`Measurement`)
and `hpml` (`Replication`). A field with a default may be missing; fields that are not described
here are passed over. Text is UTF-8, numbers are finite.
"""


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of a saved run, docstrings left out.

    Defaults that are empty are left out too: msgspec writes them since 0.23.
    """
    result = msgspec.json.schema(Run)
    for record in result["$defs"].values():
        record.pop("description", None)
        for field in record.get("properties", {}).values():
            if field.get("default") in ({}, []):
                del field["default"]
    return result


def version() -> str:
    """Returns the version of the format: of the schema, in eight digits."""
    text = json.dumps(schema(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def schema_file() -> str:
    """Returns the JSON Schema as a file, with the version of the format."""
    return json.dumps({"$comment": f"format {version()}", **schema()}, indent=1) + "\n"


def run_file() -> str:
    """Returns the page of the run file: its records and their fields."""
    records = [
        record
        for module in (saved, machine)
        for record in vars(module).values()
        if dataclasses.is_dataclass(record) and record.__module__ == module.__name__
    ]
    return "\n".join([
        "# The run file\n",
        MADE,
        f"Format {version()}: the first digits of the digest of",
        "[run.schema.json](run.schema.json).\n",
        _ABOUT,
        *map(_record, sorted(records, key=lambda record: _OUTER.get(record.__name__, 9))),
    ])  # fmt: skip


_OUTER = {name: place for place, name in enumerate(["Run", "Benchmark", "Measurement"])}


def _record(record: type) -> str:
    summary, _, rest = (inspect.getdoc(record) or "").partition("\n")
    texts = dict(re.findall(r"^ {4}(\w+): ((?:.|\n {8})+)", rest, re.MULTILINE))
    rows = [
        f"| `{field.name}` | `{_type(field.type)}`{_default(field)} | {_flat(texts, field.name)} |"
        for field in dataclasses.fields(record)  # type: ignore[arg-type]
    ]
    return "\n".join([f"## {record.__name__}\n", f"{summary}\n", *_HEAD, *rows, ""])


_HEAD = ["| field | type | what |", "|---|---|---|"]


def _type(kind: object) -> str:
    named = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
    return re.sub(r"\b(typing|hpml_lab\.runs\.\w+)\.", "", named).replace("|", "or")


def _default(field: "dataclasses.Field[Any]") -> str:
    missing = dataclasses.MISSING
    if field.default is missing and field.default_factory is missing:
        return ""
    return ", may be missing"


def _flat(texts: Mapping[str, str], name: str) -> str:
    return " ".join(texts.get(name, "").split()).replace("|", "or")


def _method(name: str) -> str:
    method = getattr(Measure, name)
    called = "measure" if name == "__call__" else f"measure.{name}"
    return f"```text\n{called}{_signature(method)}\n\n{inspect.getdoc(method)}\n```\n"


PAGES = {
    "api.md": api,
    "cli.md": commands,
    "pytest.md": plugin,
    "format.md": run_file,
    "run.schema.json": schema_file,
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, page in PAGES.items():
        (FOLDER / file).write_text(page())
