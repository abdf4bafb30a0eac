"""The command `hpml-lab report`."""

import json
from pathlib import Path

import click

from hpml_lab.cli.options import json_option, storage_option
from hpml_lab.errors import RunFileError
from hpml_lab.files import atomic_write

_FORMATS = ("html", "markdown")


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write."
)
@click.option("--format", "kind", type=click.Choice(_FORMATS), help="[default: by -o's ending]")
@storage_option
@json_option
def report(
    files: tuple[Path, ...], output: Path, kind: str | None, storage: Path, as_json: bool
) -> None:
    """Write all that saved runs say into one page (default: the last run).

    The page holds no script and fetches nothing. Several runs are compared first.
    """
    from hpml_lab.comparison.sides import subjects
    from hpml_lab.report import html, markdown_document
    from hpml_lab.report.document import document
    from hpml_lab.report.summary import previous_run
    from hpml_lab.runs.reading import read_run
    from hpml_lab.runs.store import latest

    kind = kind or ("markdown" if output.suffix in (".md", ".markdown") else "html")
    render = html.render if kind == "html" else markdown_document.render
    paths = list(files) or [latest(storage)]
    runs = [(str(path), read_run(path)) for path in paths]
    page = render(document(subjects(runs), previous_run(paths[0]), _history(paths[0]))).encode()
    atomic_write(output, page)
    done = {"written": str(output), "format": kind, "bytes": len(page), "runs": [*map(str, paths)]}
    click.echo(json.dumps(done) if as_json else f"Written: {output}")


def _history(path: Path) -> list[str]:
    """Returns sentences on the trend of the folder that a run is saved in, if it is one of ours."""
    from hpml_lab.comparison.trend import trend
    from hpml_lab.report.trend import lines
    from hpml_lab.runs.store import runs
    from hpml_lab.runs.summary import summarise

    saved = [run for run in summarise(runs(path.parent)) if not isinstance(run, RunFileError)]
    machine = next((run.machine for run in saved if run.path.samefile(path)), None)
    own = [run for run in saved if run.machine == machine]
    return [*filter(None, lines(trend(own)))] if len(own) > 1 else []
