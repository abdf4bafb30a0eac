"""Q1 to Q4, and the memory of optimizers: exact counts that were saved with the run."""

from itertools import pairwise

from hpml_lab.labs.answer import Answer, Brief, setting
from hpml_lab.runs.cases import alike, lab_cases
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.units import mebibytes

_COUNTERS = (
    "convolutions",
    "last_linear_inputs",
    "trainable_parameters",
    "gradients",
    "parameters_bytes",
    "optimizer_state_bytes",
)


def answers(run: Run) -> list[Answer]:
    """Returns Q1 to Q4 and the optimizers' memory for each device and setting in the run."""
    results = []
    for sweep in alike(lab_cases(run, "memory", epochs=False, counters=_COUNTERS), "optimizer"):
        results += [_questions(sweep), _memory(sweep)]
    return results


def _questions(cases: list[Measurement]) -> Answer:
    by_name = {str(case.case["optimizer"]): case.counters for case in cases}
    counters = cases[0].counters
    rows = [
        ["Q1", "convolution layers", f"{counters['convolutions']}"],
        ["Q2", "inputs of the last linear layer", f"{counters['last_linear_inputs']}"],
    ]
    for item, name in (("Q3", "sgd"), ("Q4", "adam")):
        if name in by_name:
            counts = by_name[name]
            rows.append(
                [item, f"{name}: trainable parameters", f"{counts['trainable_parameters']:,}"]
            )
            rows.append(
                [item, f"{name}: gradients after a backward pass", f"{counts['gradients']:,}"]
            )
    return Answer(
        "Q1-Q4",
        "The network counted",
        str(cases[0].case["network"]),
        ["item", "what", "count"],
        rows,
        brief=Brief(
            f"{counters['convolutions']} convolutions, {counters['last_linear_inputs']} inputs, "
            f"{counters['trainable_parameters']:,} parameters"
        ),
    )


def _memory(cases: list[Measurement]) -> Answer:
    cases = sorted(cases, key=lambda case: case.counters["optimizer_state_bytes"])
    parameters = cases[0].counters["parameters_bytes"]
    return Answer(
        "",
        "Memory of optimizers",
        setting(cases[0], "optimizer", "images", "workers"),
        ["optimizer", "state bytes", "state", "copies of the parameters", "peak allocated"],
        [
            [
                str(case.case["optimizer"]),
                f"{case.counters['optimizer_state_bytes']:,}",
                mebibytes(case.counters["optimizer_state_bytes"]),
                f"{case.counters['optimizer_state_bytes'] / parameters:g}",
                _peak(case),
            ]
            for case in cases
        ],
        [f"Order of memory: {_order(cases)}."],
        Brief(_order(cases)),
    )


def _order(cases: list[Measurement]) -> str:
    sizes = [(str(c.case["optimizer"]), c.counters["optimizer_state_bytes"]) for c in cases]
    first, *others = sizes
    signs = (" = " if size == before else " < " for (_, before), (_, size) in pairwise(sizes))
    return first[0] + "".join(s + name for s, (name, _) in zip(signs, others, strict=True))


def _peak(case: Measurement) -> str:
    peak = case.memory.get("peak_allocated_bytes")
    return "-" if peak is None else mebibytes(peak)
