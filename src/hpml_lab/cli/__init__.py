"""The command `hpml-lab`: thin, one function a command."""

import sys

import click

from hpml_lab.cli.ab import ab
from hpml_lab.cli.answers import answers
from hpml_lab.cli.claims import claims
from hpml_lab.cli.compare import compare
from hpml_lab.cli.fleet import fleet
from hpml_lab.cli.history import history, recover
from hpml_lab.cli.machine import machine
from hpml_lab.cli.predict import predict
from hpml_lab.cli.report import report
from hpml_lab.cli.scale import scale
from hpml_lab.cli.train import train
from hpml_lab.cli.trend import trend
from hpml_lab.cli.tune import tune
from hpml_lab.errors import HpmlError

_OF_THE_LABS = ("matplotlib", "torchvision")  # the extra `labs` has them


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hpml-lab")
def cli() -> None:
    """Measure deep-learning training, save the run, read the answers."""


for command in (
    ab, answers, claims, compare, fleet, history, machine, predict, recover, report, scale,
    train, trend,
    tune,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Runs the command line: one line and exit status 2 for bad input, never a traceback."""
    try:
        sys.exit(cli(standalone_mode=False))
    except click.Abort:
        sys.exit(130)
    except (HpmlError, OSError) as error:
        _refuse(str(error))
    except click.ClickException as error:
        _refuse(error.format_message())
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _OF_THE_LABS:
            raise
        _refuse(f"{package} is not installed; pip install 'hpml-lab[labs]' adds it")


def _refuse(text: str) -> None:
    click.echo(f"hpml-lab: {text}", err=True)
    sys.exit(2)
