"""The command `hpml-lab`: thin, one function a command."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hpml_lab.cli.ab import ab
from hpml_lab.cli.compare import compare
from hpml_lab.cli.history import history, recover
from hpml_lab.cli.machine import machine
from hpml_lab.cli.options import json_option, storage_option
from hpml_lab.cli.predict import predict
from hpml_lab.cli.report import report
from hpml_lab.cli.trend import trend
from hpml_lab.errors import HpmlError

if TYPE_CHECKING:
    from hpml_lab.measure.epochs import Epoch
    from hpml_lab.workloads.trainer import Trainer
    from hpml_lab.workloads.training import Training


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hpml-lab")
def cli() -> None:
    """Measure deep-learning training, save the run, read the answers."""


@cli.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@storage_option
@click.option(
    "--pictures", type=click.Path(path_type=Path), help="Draw what it holds into this folder."
)
@json_option
def answers(file: Path | None, storage: Path, pictures: Path | None, as_json: bool) -> None:
    """Print the lab's tables from a saved run (default: the last one)."""
    from hpml_lab.history.run import read_run
    from hpml_lab.history.store import latest
    from hpml_lab.report import answers, terminal

    run = read_run(file or latest(storage))
    found = answers.everything(run)
    if not (found or as_json):
        click.echo(
            f"{len(run.benchmarks)} benchmarks without a record of ours; see: hpml-lab compare"
            if run.benchmarks
            else "No benchmark is in this run."
        )
        return
    click.echo(json.dumps([asdict(a) for a in found]) if as_json else terminal.render(found))
    if pictures is not None:
        from hpml_lab.report.pictures import draw_run

        for path in draw_run(run, pictures):
            click.echo(f"Drawn: {path}", err=True)


@cli.command()
@click.option("--write-up", help="Only this write-up, such as 001.")
@json_option
@click.pass_context
def claims(context: click.Context, write_up: str | None, as_json: bool) -> None:
    """Print published answers of the labs, whether they hold, and what decided that.

    Exit status 1: a computed check disagrees with the ledger.
    """
    from hpml_lab.claims.decide import decide
    from hpml_lab.claims.ledger import claims_of
    from hpml_lab.report.claims import record, render

    decisions = [decide(claim) for claim in claims_of(write_up)]
    click.echo(json.dumps(record(decisions)) if as_json else render(decisions), nl=as_json)
    context.exit(0 if all(decision.agrees for decision in decisions) else 1)


class _TrainingCommand(click.Command):
    """A command with an option for every field of `Training`.

    They are made when it is parsed: the fields come with torch, which other commands do without.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*_training_options(), *super().get_params(ctx)]


def _training_options() -> Iterator[click.Option]:
    from hpml_lab.workloads.training import Training, parse_field

    helps = dict(re.findall(r"^ +(\w+): (.+?)\.?$", Training.__doc__ or "", re.MULTILINE))

    def convert(_context: click.Context, option: click.Parameter, value: str | None) -> Any:
        return None if value is None else parse_field(str(option.name), value)

    for field in fields(Training):
        flag = f"--{field.name.replace('_', '-')}"
        yield click.Option([flag], help=helps[field.name], callback=convert, metavar="VALUE")


@cli.command(cls=_TrainingCommand)
@click.option("--profile", default="", help="Sizes to start from: quick, short or full.")
@click.option(
    "--epochs", default=5, show_default=True, type=click.IntRange(min=1), help="How many."
)
@json_option
def train(profile: str, epochs: int, as_json: bool, **chosen: Any) -> None:
    """Train a network and print loss and top-1 accuracy of every mini-batch (lab item C1).

    Sizes come from a profile, quick on cpu and full on cuda; every option below replaces one.
    """
    from hpml_lab.measure.clock import clock_for
    from hpml_lab.measure.counters import network_counters
    from hpml_lab.measure.epochs import run_epoch
    from hpml_lab.workloads.trainer import Trainer

    trainer = Trainer(_training(profile, chosen))
    side = trainer.training.image
    counts = network_counters(trainer.model, (3, side, side))
    write = _silent if as_json else click.echo
    write(_network_line(trainer, counts))
    program = _Reporting(trainer, write)
    clock = clock_for(trainer.training.device)
    done = []
    for index in range(1, epochs + 1):
        done.append(run_epoch(program, clock, index))
        write(_epoch_line(done[-1]))
    if as_json:
        record: dict[str, Any] = {"training": asdict(trainer.training), "source": trainer.source}
        record |= {"network": counts, "batches": program.batches, "epochs": [*map(asdict, done)]}
        click.echo(json.dumps(record))


def _training(profile: str, chosen: dict[str, Any]) -> "Training":
    from hpml_lab.workloads.profiles import profile_for

    given = {name: value for name, value in chosen.items() if value is not None}
    return profile_for(profile, given.get("device", "cpu")).training_with(given)


def _silent(_line: str) -> None:
    """Takes a line and drops it."""


class _Reporting:
    """A trainer that reads loss and accuracy of every mini-batch, as the lab asks."""

    def __init__(self, trainer: "Trainer", write: Callable[[str], None]) -> None:
        self._trainer = trainer
        self._write = write
        self.batches: list[dict[str, float]] = []

    @property
    def loader(self) -> Iterable[Any]:
        return self._trainer.loader

    def to_device(self, batch: Any) -> Any:
        return self._trainer.to_device(batch)

    def step(self, batch: Any) -> tuple[Any, Any]:
        loss, logits = self._trainer.step(batch)
        accuracy = (logits.argmax(1) == batch[1]).float().mean().item()
        self.batches.append({"loss": loss.item(), "accuracy": accuracy})
        self._write(f"batch {len(self.batches)}: loss {loss.item():.4f}, top-1 {accuracy:.2%}")
        return loss, logits


def _network_line(trainer: "Trainer", counts: dict[str, int]) -> str:
    return (
        f"{trainer.training.network}: {counts['parameters']:,} parameters, "
        f"{counts['flops_per_sample'] / 1e9:.3f} GFLOP per image; {trainer.source} images"
    )


def _epoch_line(epoch: "Epoch") -> str:
    parts = epoch.parts
    times = (
        f" = loading {parts.wait_s:.3f} + copy {parts.copy_s:.3f} + compute {parts.compute_s:.3f}"
        f" + other {parts.other_s:.3f}"
        if parts
        else ""
    )
    return (
        f"epoch {epoch.index}: loss {epoch.loss:.4f}, top-1 {epoch.accuracy:.2%}, "
        f"{epoch.total_s:.3f} s{times}"
    )


cli.add_command(ab)
cli.add_command(compare)
cli.add_command(history)
cli.add_command(machine)
cli.add_command(predict)
cli.add_command(recover)
cli.add_command(report)
cli.add_command(trend)


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


def _refuse(text: str) -> None:
    click.echo(f"hpml-lab: {text}", err=True)
    sys.exit(2)
