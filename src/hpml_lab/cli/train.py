"""The command `hpml-lab train`."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from hpml_lab.cli.options import json_option

if TYPE_CHECKING:
    from hpml_lab.runs.schema import Epoch
    from hpml_lab.training.trainer import Trainer
    from hpml_lab.training.training import Training


class _TrainingCommand(click.Command):
    """A command with an option for every field of `Training`.

    They are made when it is parsed: the fields need torch, which other commands do not import.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*_training_options(), *super().get_params(ctx)]


def _training_options() -> Iterator[click.Option]:
    from hpml_lab.training.training import Training, parse_field

    def convert(_context: click.Context, option: click.Parameter, value: str | None) -> Any:
        return None if value is None else parse_field(str(option.name), value)

    for field in fields(Training):
        flag = f"--{field.name.replace('_', '-')}"
        yield click.Option([flag], help=field.metadata["help"], callback=convert, metavar="VALUE")


@click.command(cls=_TrainingCommand)
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
    from hpml_lab.training.trainer import Trainer

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
    from hpml_lab.training.profiles import profile_for

    given = {name: value for name, value in chosen.items() if value is not None}
    return profile_for(profile, given.get("device", "cpu")).training_with(given)


def _silent(_line: str) -> None:
    """Discards a line."""


class _Reporting:
    """A trainer that reports loss and accuracy of every mini-batch, as the lab asks."""

    def __init__(self, trainer: "Trainer", write: Callable[[str], None]) -> None:
        self._trainer = trainer
        self._write = write
        self.batches: list[dict[str, float]] = []

    @property
    def loader(self) -> Iterable[Any]:
        loader: Iterable[Any] = self._trainer.loader
        return loader

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
