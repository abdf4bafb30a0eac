"""Dropout lab, 1(i): accuracy with and without the label pixels, with and without dropout."""

import statistics

from hpml_lab.history.run import Run
from hpml_lab.report.answers.answer import Answer, differ, plus_minus
from hpml_lab.report.answers.dropout_lab import (
    CLEAN,
    MARKED,
    Part,
    drop_of,
    lost,
    percents,
    shortcuts,
)

# Write-up 001 last, before it two further runs of the lab: CIFAR-10, with pixels / without.
_PUBLISHED = {0.0: "90/10, 80/10, 100/10", 0.75: "78/29, 88/23, 93/21"}


def answers(run: Run) -> list[Answer]:
    """Returns the answer to 1(i) for each device and setting in the run."""
    return [_answer(parts) for parts in shortcuts(run)]


def _answer(parts: list[Part]) -> Answer:
    of = parts[0].of.case
    return Answer(
        "1(i)",
        f"Dropout lab: label pixels as a shortcut, {len(parts[0].learnt.seeds)} seeds",
        f"{of['device']}, {of['images']:,} {of['source']} images, {parts[0].last:g} epochs, "
        f"batch {of['batch_size']}, SGD {of['learning_rate']:g}, {of['tests']:,} test images",
        ["drop p", "with pixels %", "without %", "lost", "dead classes", "published"],
        list(map(_row, parts)),
        [*_verdict(parts), *_remarks(str(of["source"]))],
    )


def _row(part: Part) -> list[str]:
    dead = (f"{count:g}" for count in part.at("dead_classes", part.last))
    return [
        f"{drop_of(part):g}",
        plus_minus(percents(part, MARKED, part.last), 1),
        plus_minus(percents(part, CLEAN, part.last), 1),
        plus_minus(lost(part), 1),
        " ".join(dead),
        _PUBLISHED.get(drop_of(part), "-"),
    ]


def _verdict(parts: list[Part]) -> list[str]:
    if len(parts) < 2:
        return []
    plain, dropped = lost(parts[0]), lost(parts[-1])
    means = [statistics.fmean(each) for each in (plain, dropped)]
    losses = f"without the pixels {means[0]:.1f} points are lost, with dropout {means[1]:.1f}"
    if not differ(plain, dropped):
        return [f"Cannot tell: {losses}, within the spread of the seeds."]
    less = "less" if means[1] < means[0] else "no less"
    return [f"Dropout makes networks rely {less} on the label pixels: {losses}."]


def _remarks(source: str) -> list[str]:
    dead = "Dead classes, seed by seed: logits that the network's last ReLU stops for every image;"
    slower = "Networks with dropout learn slower: after few steps a small loss may be no more."
    found = [f"{dead} each costs 10 points.", slower]
    other = "Published is CIFAR-10, with pixels/without; generated images are another task."
    return found if source == "cifar10" else [*found, other]
