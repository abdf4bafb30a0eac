"""Options that several commands share, and what they mean by default."""

from pathlib import Path

import click

from hpml_lab.errors import InputError

LAB = "hpml_lab.training.lab:training"  # the workload where none is named
LAB_ON_CPU = {"width": 8, "images": 1024, "workers": 0}  # its quick profile

_STORAGES = (".benchmarks", "benchmarks")  # pytest-benchmark's own, and this project's


def default_storage() -> Path:
    """Returns the folder in which runs are saved here: the first that holds one."""
    from hpml_lab.runs.store import saved_runs

    folders = [Path(name) for name in _STORAGES]
    return next((folder for folder in folders if saved_runs(folder)), folders[0])


storage_option = click.option(
    "--storage",
    default=default_storage,
    type=click.Path(path_type=Path),
    show_default=f"{_STORAGES[0]}, or {_STORAGES[1]} where that holds no run",
    help="Folder of saved runs.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
settings_option = click.option(
    "--set", "settings", multiple=True, help="NAME=VALUE: a parameter of the workload."
)


def pair(option: str, text: str) -> tuple[str, str]:
    """Returns name and value of an option such as ``--set width=8``; dashes in names are ``_``.

    Raises:
        InputError: if the text has another form.
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InputError(f"{option} {text!r} is not NAME=VALUE; give one such as batch_size=64")
    return name.replace("-", "_"), value


def numbers_of_ranks(text: str) -> list[int]:
    """Returns the numbers of ``--world``, such as ``1,2,4``.

    Raises:
        InputError: if the text has another form.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--world {text!r} is no list of numbers; give one such as 1,2,4"
        ) from None
