"""A machine's record as tables: identity, state, software, probe and peak rates."""

from hpml_lab.labs.answer import Answer
from hpml_lab.runs.machine import Machine, State
from hpml_lab.theory.roofline import ridge
from hpml_lab.units import byte_rate, flop_rate, mebibytes

_METHOD = (
    "Best of 5 calls each. Matrix products: n x n, 2 n^3 FLOP, n doubled from 1024 until a call "
    "takes 20 ms. Memory: the better of a = b and a = b + s c on buffers that no cache holds, "
    "bytes read and written. To the GPU: bytes copied."
)


def answers(machine: Machine) -> list[Answer]:
    """Returns the tables of a machine's record."""
    probed = [_probe(machine)] if machine.probe else []
    return [_identity(machine), _software(machine), _ceilings(machine), *probed]


def _probe(machine: Machine) -> Answer:
    rows = [
        [_words(name.removesuffix("_bytes")), _number(name, value)]
        for name, value in machine.probe.items()
    ]
    return Answer(
        "",
        "What a probe of its GPU found",
        "the lab's network; hpml-lab machine --probe",
        ["what", "is"],
        rows,
        [
            "Host over device: 1 and a little. Behind a profile over before: 1, or counting slows "
            "what is timed next. The timeline's peak and the requested one are the same.",
        ],
    )


def _number(name: str, value: float) -> str:
    if name.endswith("_bytes"):
        return mebibytes(round(value))
    return f"{value:.3f}x" if "_over_" in name else f"{value:,.0f}"


def _identity(machine: Machine) -> Answer:
    named = machine.identity
    gpu = f"{named.gpu_count} x {named.gpu}, {named.gpu_memory_gib} GiB each" if named.gpu else "-"
    rows = [
        ["processor", f"{named.cpu}, {named.cpu_count} logical"],
        ["memory", f"{named.memory_gib} GiB"],
        ["GPU", f"{gpu}{', split into instances' if named.mig else ''}"],
        ["host", machine.unit.host],
        *([f"GPU {i}", uuid] for i, uuid in enumerate(machine.unit.gpu_uuids)),
        *(
            [f"{what} {when}", text]
            for when, state in machine.state.items()
            for what, text in _state(state)
        ),
    ]
    return Answer(
        "",
        "This machine",
        machine.id,
        ["what", "is"],
        rows,
        ["Runs saved on machines with this name are compared in seconds, on others by ratios."],
    )


def _state(state: State) -> list[tuple[str, str]]:
    clock = "-" if state.cpu_mhz is None else f"{state.cpu_mhz:,.0f} MHz"
    gpus = [
        ", ".join(f"{name} {'-' if value is None else value}" for name, value in gpu.items())
        for gpu in state.gpu
    ]
    return [
        ("load", f"{state.load_1min:.2f}"),
        ("clock", f"{clock}, governor {state.governor or '-'}"),
        *((f"GPU {i}", text) for i, text in enumerate(gpus)),
    ]


def _software(machine: Machine) -> Answer:
    rows = [[name, version or "-"] for name, version in machine.software.items()]
    return Answer("", "Its software", machine.id, ["what", "version"], rows)


def _ceilings(machine: Machine) -> Answer:
    rows = [[_words(name), _rate(name, rate)] for name, rate in machine.ceilings.items()]
    return Answer(
        "",
        "What it can do at most",
        "measured once for this machine and software; - is unknown",
        ["ceiling", "rate"],
        rows,
        [_METHOD, *_ridges(machine.ceilings)],
    )


def _words(name: str) -> str:
    for unit in ("_flops_per_s", "_bytes_per_s"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def _rate(name: str, rate: float | None) -> str:
    if rate is None:
        return "-"
    return flop_rate(rate) if name.endswith("_flops_per_s") else byte_rate(rate)


def _ridges(ceilings: dict[str, float | None]) -> list[str]:
    sentences = []
    for device in ("cpu", "cuda"):
        peak = ceilings.get(f"{device}_matmul_float32_flops_per_s")
        memory = ceilings.get(f"{device}_memory_bytes_per_s")
        if peak and memory:
            sentences.append(
                f"On {device} in float32, work of less than {ridge(peak, memory):.1f} FLOP a byte "
                "is bound by memory, any other by arithmetic."
            )
    return sentences
