"""Dropout lab, 1(i): accuracy with and without the label pixels, with and without dropout."""

import statistics

from hpml_lab.labs.answer import Answer, Brief, differ, plus_minus
from hpml_lab.labs.dropout.records import CLEAN, MARKED, Trained, drop_of, lost, percents, shortcuts
from hpml_lab.runs.schema import Run

# Two other runs of the lab, then write-up 001: CIFAR-10, with pixels / without.
_PUBLISHED = {0.0: "90/10, 80/10, 100/10", 0.75: "78/29, 88/23, 93/21"}


def answers(run: Run) -> list[Answer]:
    """Returns the answer to 1(i) for each device and setting in the run."""
    return [_answer(parts) for parts in shortcuts(run)]


def _answer(parts: list[Trained]) -> Answer:
    case = parts[0].measurement.case
    return Answer(
        "1(i)",
        f"Dropout lab: label pixels as a shortcut, {len(parts[0].learning.seeds)} seeds",
        f"{case['device']}, {case['images']:,} {case['source']} images, {parts[0].last:g} epochs, "
        f"batch {case['batch_size']}, SGD {case['learning_rate']:g}, {case['tests']:,} test images",
        ["drop p", "with pixels %", "without %", "lost", "dead classes", "published"],
        list(map(_row, parts)),
        [*_verdict(parts), *_remarks(str(case["source"]))],
        _brief(parts),
    )


def _row(part: Trained) -> list[str]:
    dead = (f"{count:g}" for count in part.at("dead_classes", part.last))
    return [
        f"{drop_of(part):g}",
        plus_minus(percents(part, MARKED, part.last), 1),
        plus_minus(percents(part, CLEAN, part.last), 1),
        plus_minus(lost(part), 1),
        " ".join(dead),
        _PUBLISHED.get(drop_of(part), "-"),
    ]


def _brief(parts: list[Trained]) -> Brief | None:
    if len(parts) < 2:
        return None
    plain, dropped = lost(parts[0]), lost(parts[-1])
    means = [statistics.fmean(losses) for losses in (plain, dropped)]
    text = f"points lost without the pixels: {means[0]:.1f}, with dropout {means[1]:.1f}"
    return Brief(text, "" if differ(plain, dropped) else "more seeds")


def _verdict(parts: list[Trained]) -> list[str]:
    if len(parts) < 2:
        return []
    plain, dropped = lost(parts[0]), lost(parts[-1])
    means = [statistics.fmean(losses) for losses in (plain, dropped)]
    sentence = f"without the pixels {means[0]:.1f} points are lost, with dropout {means[1]:.1f}"
    if not differ(plain, dropped):
        return [f"Cannot tell: {sentence}, within the spread of the seeds."]
    less = "less" if means[1] < means[0] else "no less"
    return [f"Dropout makes networks rely {less} on the label pixels: {sentence}."]


def _remarks(source: str) -> list[str]:
    dead = "Dead classes, seed by seed: logits that the network's last ReLU stops for every image;"
    slower = "Networks with dropout learn slower: after few steps a small loss may be no more."
    remarks = [f"{dead} each costs 10 points.", slower]
    other = "Published is CIFAR-10, with pixels/without; generated images are another task."
    return remarks if source == "cifar10" else [*remarks, other]
