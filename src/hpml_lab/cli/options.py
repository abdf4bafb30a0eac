"""Options that several commands share."""

from pathlib import Path

import click

storage_option = click.option(
    "--storage",
    default=Path("benchmarks"),
    type=click.Path(path_type=Path),
    show_default=True,
    help="Folder of saved runs.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
