"""Dropout lab, 1(a) to 1(h): trained weights next to those of least squares.

p is the drop probability.
"""

from collections.abc import Callable
from dataclasses import replace

from hpml_lab.labs.answer import Answer, Brief, plus_minus
from hpml_lab.labs.dropout.records import (
    HALF,
    LARGE,
    SHORTEST,
    WEIGHTS,
    Lab,
    Trained,
    errors,
    labs,
    minimiser,
)
from hpml_lab.runs.schema import Run
from hpml_lab.units import percent

_LAB_STEPS = 1000
_BIASED = (110 / 102, 11 / 102, 11 / 102)


def answers(run: Run) -> list[Answer]:
    """Returns the answers to all parts of the lab in the run."""
    pairs = [(lab, answer(lab)) for lab in labs(run) for answer in _ANSWERS]
    return [_placed(lab, answer) for lab, answer in pairs if answer is not None]


def _placed(lab: Lab, answer: Answer) -> Answer:
    setting = f"{lab.device}, row (10, 1) of target 11, from zero, learning rate 0.001"
    return replace(answer, title=f"Dropout lab: {answer.title}", setting=setting)


def _least_squares(lab: Lab) -> Answer | None:
    exact = lab.find("least squares")
    if exact is None:
        return None
    weights = {p: tuple(exact.mean(name, p) for name in WEIGHTS) for p in (0.0, HALF)}
    names = {0.0: "110/101, 11/101", HALF: "11/30, 11/3"}
    w1, w2 = weights[HALF]
    missing = (11 - 10 * w1 - w2) ** 2
    # Dropout adds the variance p / (1 - p) = 1 times each input's squared contribution.
    training = missing + (10 * w1) ** 2 + w2**2
    return Answer(
        "1(a, c)",
        "least squares",
        "",
        ["drop p", "w1", "w2", "lab"],
        [[f"{p:g}", *(f"{w:.8f}" for w in weights[p]), names[p]] for p in weights],
        [
            "Without dropout x^T x has rank 1: the weights nearest to zero of all that fit.",
            f"At p = 0.5 they predict {10 * w1 + w2:.4f} (lab: 22/3) for the clean row, squared "
            f"error {missing:.3f} (13.444); the mean squared error in training is {training:.4f} "
            "(121/3).",
        ],
        Brief(f"w = ({w1:.4f}, {w2:.4f}) at p = 0.5; lab: (11/30, 11/3)"),
    )


def _without_dropout(lab: Lab) -> Answer | None:
    rows = []
    for bias, name, right in ((False, "as asked", SHORTEST), (True, "with a bias", _BIASED)):
        if (part := lab.find("descent", drop=0.0, bias=bias)) is None:
            return None
        weights = [part.mean(f"w{i + 1}", _LAB_STEPS) for i in range(len(right))]
        off = max(abs(w - r) for w, r in zip(weights, right, strict=True))
        cells = [", ".join(f"{w:.5f}" for w in values) for values in (weights, right)]
        rows.append([name, *cells, f"{off:.1g}", f"{part.mean('loss', _LAB_STEPS):.1g}"])
    return Answer(
        "1(b)",
        "gradient descent without dropout, 1000 steps",
        "",
        ["model", "weights", "nearest to zero", "apart", "last loss"],
        rows,
        ["A bias left on is another model, not a descent that stopped too early."],
        Brief(f"w = ({rows[0][1]}), {rows[0][3]} from the one nearest to zero"),
    )


def _course(item: str, batch_size: int, title: str) -> Callable[[Lab], Answer | None]:
    def answer(lab: Lab) -> Answer | None:
        part = lab.find("descent", drop=HALF, batch_size=batch_size)
        expected = lab.find("expected", drop=HALF, batch_size=batch_size)
        if part is None or expected is None:
            return None
        steps = [step for step in (10, 100, _LAB_STEPS, 10_000) if step in part.learning.points]
        return Answer(
            item,
            f"{title}, p = 0.5, {len(part.learning.seeds)} seeds",
            "",
            ["step", "w1", "expected", "off", "w2", "expected", "off", "loss"],
            [_course_row(part, expected, step) for step in steps],
            _words(part, expected),
            Brief(
                f"within {_most_errors(part, expected):.1f} standard errors of the expected course"
            ),
        )

    return answer


def _course_row(part: Trained, expected: Trained, step: int) -> list[str]:
    cells = [f"{step:,}"]
    for index, name in enumerate(WEIGHTS):
        off = errors(part, expected, index, step)
        cells += [plus_minus(part.at(name, step), 4), f"{expected.mean(name, step):.4f}"]
        cells.append(f"{off:+.1f} SE")
    return [*cells, plus_minus(part.at("loss", step), 1)]


def _words(part: Trained, expected: Trained) -> list[str]:
    steps = part.learning.points
    most = _most_errors(part, expected)
    exact = ", ".join(f"{expected.mean(f'deviation{i}', _LAB_STEPS):.4f}" for i in (1, 2))
    return [
        f"± is one run's standard deviation; exact after 1,000 steps: {exact}. The mean of all "
        f"is within {most:.1f} standard errors (SE) of the expected course at all of {len(steps)} "
        "steps saved.",
        *_jumps(part),
    ]


def _most_errors(part: Trained, expected: Trained) -> float:
    steps = part.learning.points
    return max(abs(errors(part, expected, i, step)) for i in (0, 1) for step in steps)


def _jumps(part: Trained) -> list[str]:
    counters = part.measurement.counters
    at_121, steps = (counters.get(name, 0) for name in ("steps_of_loss_121", "steps"))
    if not steps:
        return []
    share = f"in {percent(at_121 / steps)} of {steps:,} steps"
    return [f"The loss is exactly 121, both inputs dropped, {share} (lab: 1/4): no convergence."]


def _contributions(lab: Lab) -> Answer | None:
    rows = []
    for drop, batch_size in ((0.0, 1), (HALF, LARGE)):
        part = lab.find("descent", drop=drop, bias=False, batch_size=batch_size)
        if part is None:
            return None
        w1, w2 = (part.mean(weight, part.last) for weight in WEIGHTS)
        rows.append(
            [f"{drop:g}", f"{w1 / w2:.3f}", f"{10 * w1:.3f}", f"{w2:.3f}", f"{10 * w1 + w2:.3f}"]
        )
    return Answer(
        "1(f)",
        "weights and contributions",
        "",
        ["drop p", "w1 / w2", "10 w1", "w2", "both"],
        rows,
        [
            "Dropout turns the weights from 10:1 to 1:10 and makes both inputs contribute alike, "
            "11/3 each, in place of 10.891 and 0.109."
        ],
        Brief(f"w1 / w2 is {rows[0][1]} without dropout, {rows[1][1]} with it"),
    )


def _sweep(lab: Lab) -> Answer | None:
    part = lab.find("sweep", optimizer="sgd")
    if part is None:
        return None
    rows = []
    for drop in part.learning.points:
        cells = [f"{drop:g}"]
        for name, right in zip(WEIGHTS, minimiser(drop), strict=True):
            cells += [plus_minus(part.at(name, drop), 4), f"{right:.4f}"]
        rows.append(cells)
    return Answer(
        "1(g)",
        f"drop probabilities, {len(part.learning.seeds)} seeds, batch 1024, 10,000 steps",
        "",
        ["drop p", "w1", "least squares", "w2", "least squares"],
        rows,
        [
            "At p = 0 the weights jump: with the smallest p there is only one solution, (0.55, 5.5)"
            " in the limit; without dropout descent ends at the one nearest to zero of many.",
            "At p = 0.1 descent is not there yet: its slow direction takes 2,388 steps a factor e.",
        ],
        Brief(f"{len(rows)} drop probabilities; w1 is {rows[0][1]} at 0, {rows[-1][1]} at the end"),
    )


def _optimizers(lab: Lab) -> Answer | None:
    parts = {name: lab.find("sweep", optimizer=name) for name in ("sgd", "adam")}
    rows = [
        [name, f"{drop:g}", *(plus_minus(part.at(n, drop), 4) for n in WEIGHTS)]
        for drop in (0.0, HALF)
        for name, part in parts.items()
        if part is not None
    ]
    if None in parts.values():
        return None
    return Answer(
        "1(h)",
        "Adam and SGD, batch 1024, 10,000 steps",
        "",
        ["optimizer", "drop p", "w1", "w2"],
        rows,
        [
            "With dropout both end at the only minimiser, (0.3667, 3.6667). Without it each fits "
            "the row in its own way: SGD nearest to zero, Adam with equal weights (1, 1)."
        ],
        Brief("one minimiser with dropout; without it each its own"),
    )


_ANSWERS = (
    _least_squares,
    _without_dropout,
    _course("1(d)", 1, "descent with dropout, batch 1"),
    _course("1(e)", LARGE, f"descent with dropout, batch {LARGE}"),
    _contributions,
    _sweep,
    _optimizers,
)
