"""The numbers that the write-ups printed, digit by digit."""

from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec
import yaml

from hpml_lab.errors import DataError, InputError

Text = str | list[str]


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One printed quantity of a run: `value` or `values`, as text with all its digits.

    Attributes:
        name: name of the quantity, such as ``train_loss``.
        unit: its unit; ``1`` for none.
        value: the number, if a single one was printed.
        values: the numbers, if a list was printed.
        per: the unit that one number covers; ``epoch`` for one number per epoch, in order.
        label: the write-up's own name, if it is misleading.
        axis: meaning of the positions in `values`, if they are not epochs.
        printed: the original notation, if it is not a plain number.
        printed_unit: the original unit, if it is wrong.
        caveat: why the number must not be used as printed.
        corrected: the corrected number or numbers.
        corrected_epochs: the epochs of `corrected`; all if empty.
    """

    name: str
    unit: str
    value: str = ""
    values: list[Text] = msgspec.field(default_factory=list)
    per: str = ""
    label: str = ""
    axis: str = ""
    printed: Text = ""
    printed_unit: str = ""
    caveat: str = ""
    corrected: Text | dict[str, str] = ""
    corrected_epochs: list[int] = msgspec.field(default_factory=list)


class PublishedRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run of a write-up: its configuration, its machine and the printed quantities."""

    id: str
    write_up: str
    item: str
    machine: dict[str, str]
    config: dict[str, Text]
    metrics: list[Metric]
    caveat: str = ""


class LayerTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A printed layer table; each row is the layer, its output shape and its parameters."""

    id: str
    write_up: str
    item: str
    config: dict[str, Text]
    rows: list[tuple[str, tuple[int, ...], int]] = msgspec.field(default_factory=list)
    caveat: str = ""
    same_rows_as: str = ""


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of ``published.yaml``."""

    format: Literal["1"]
    write_ups: dict[str, dict[str, str]]
    runs: list[PublishedRun]
    layer_tables: list[LayerTable]


def parse(text: bytes) -> Published:
    """Parses the text of ``published.yaml``.

    Raises:
        DataError: if the text is invalid; the message names the place.
    """
    try:
        # The base loader reads scalars as text, so that 0.020 stays 0.020, and builds no objects.
        tree = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
        return msgspec.convert(tree, Published, strict=False)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"the published numbers cannot be read: {reason}") from error


@cache
def published() -> Published:
    """Returns the published numbers that come with the package."""
    return parse(resources.files(__package__).joinpath("published.yaml").read_bytes())


def runs(write_up: str, **config: Any) -> list[PublishedRun]:
    """Returns the runs of a write-up whose configuration contains these values."""
    of_write_up = [run for run in published().runs if run.write_up == write_up]
    return [run for run in of_write_up if config.items() <= run.config.items()]


def run(run_id: str) -> PublishedRun:
    """Returns one run.

    Raises:
        InputError: if there is no run with that id.
    """
    for candidate in published().runs:
        if candidate.id == run_id:
            return candidate
    raise InputError(f"no published run {run_id!r}; the ids are in claims/published.yaml")


def metric(run_id: str, name: str) -> Metric:
    """Returns one printed quantity of a run.

    Raises:
        InputError: if there is no such run, or it has no such quantity.
    """
    metrics = {candidate.name: candidate for candidate in run(run_id).metrics}
    if name not in metrics:
        raise InputError(f"run {run_id} has no {name!r}; it has: {', '.join(metrics)}")
    return metrics[name]


def values(run_id: str, name: str) -> list[Decimal]:
    """Returns the printed numbers of a quantity, exact and with their trailing zeros.

    Raises:
        InputError: if there is no such quantity, or not all of it is plain numbers.
    """
    quantity = metric(run_id, name)
    try:
        return [Decimal(str(text)) for text in quantity.values or [quantity.value]]
    except InvalidOperation as error:
        text = quantity.value or quantity.values
        raise InputError(f"{name} of run {run_id} is {text!r}; not a plain number") from error


def value(run_id: str, name: str) -> Decimal:
    """Returns the only printed number of a quantity, exact and with its trailing zeros.

    Raises:
        InputError: if there is no such quantity, or it is not one plain number.
    """
    numbers = values(run_id, name)
    if len(numbers) != 1:
        raise InputError(f"{name} of run {run_id} has {len(numbers)} values; use values()")
    return numbers[0]


def layer_rows(table_id: str) -> list[tuple[str, tuple[int, ...], int]]:
    """Returns the rows of a printed layer table, or those of the table that it repeats.

    Raises:
        InputError: if there is no such table.
    """
    tables = {table.id: table for table in published().layer_tables}
    if table_id not in tables:
        raise InputError(f"no published layer table {table_id!r}; there are: {', '.join(tables)}")
    table = tables[table_id]
    return table.rows or layer_rows(table.same_rows_as)
