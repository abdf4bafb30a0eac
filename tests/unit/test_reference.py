"""The reference pages are what the source says, and nothing public says nothing of itself."""

import dataclasses
import importlib.util
from pathlib import Path

import click
import pytest

from hpml_lab.cli import cli

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference():
    """The script that makes the pages."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = ["api.md", "cli.md", "pytest.md", "format.md", "run.schema.json"]


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_what_the_source_says(reference, page):
    """If it is not: python tools/reference.py."""
    assert (ROOT / "docs" / "reference" / page).read_text() == reference.PAGES[page]()


def test_every_option_says_what_it_is(reference):
    """None without help."""
    assert list(reference.undocumented()) == []


def test_a_planted_option_is_found(reference, monkeypatch):
    """It is on no page and says nothing."""
    planted = click.Option(["--planted"])
    command = cli.commands["compare"]
    monkeypatch.setattr(command, "params", [*command.params, planted])
    assert (ROOT / "docs" / "reference" / "cli.md").read_text() != reference.commands()
    assert list(reference.undocumented()) == ["compare --planted"]


def test_every_field_of_a_saved_record_says_what_it_is(reference):
    """None of ours without a sentence; pytest-benchmark's own are described there."""
    theirs = {"MachineInfo", "Cpu", "Stats", "ExtraInfo", "Benchmark", "Run", "Machine"}
    silent = [
        f"{record.__name__}.{field.name}"
        for record in vars(reference.saved).values()
        if dataclasses.is_dataclass(record) and record.__name__ not in theirs
        for field in dataclasses.fields(record)
        if f" {field.name}: " not in record.__doc__
    ]
    assert silent == []


def test_a_new_field_is_another_format(reference, monkeypatch):
    """The version is that of the schema, so that no change of what is saved goes by unseen."""
    before = reference.version()
    wider = dataclasses.make_dataclass("Run", [("planted", int)], bases=(), frozen=True)
    monkeypatch.setattr(reference, "Run", wider)
    assert reference.version() != before
    assert len(before) == 8


def test_no_page_describes_what_is_not_there(reference):
    """The folder holds these pages and no other."""
    files = {path.name for path in (ROOT / "docs" / "reference").iterdir()}
    assert files == set(reference.PAGES)
