"""Roofline table: the share of the attainable rate that each case reached."""

from hpml_lab.comparison.roofline_points import has_work, place
from hpml_lab.labs.answer import Answer
from hpml_lab.runs.cases import typical_s
from hpml_lab.runs.schema import Benchmark, Measurement, Run
from hpml_lab.theory.roofline import Position
from hpml_lab.units import flop_rate, per_second, percent

_METHOD = (
    "FLOP: convolutions and matrix products, forward and backward. Bytes: every operator reads its "
    "inputs and writes its outputs once; the optimizer's are left out, its time is not."
)
_ABOVE = (
    "A share above 100 %: caches kept some of these bytes, or the ceilings were measured while "
    "others kept the machine busy; measure them again with: hpml-lab machine --fresh"
)


def answers(run: Run) -> list[Answer]:
    """Returns the roofline table of the cases whose work was counted; no table without any."""
    cases = [
        (benchmark, case)
        for benchmark in run.benchmarks
        if (case := benchmark.measurement) is not None
        if has_work(case)
    ]
    if not cases:
        return []
    machine = run.machine_info.hpml
    ceilings = machine.ceilings if machine else {}
    places = {id(case): place(case, ceilings) for _, case in cases}
    rows = [_row(benchmark, case, places[id(case)]) for benchmark, case in cases]
    return [
        Answer(
            "",
            "Roofline",
            "forward and backward, against what was measured on this machine; - is unknown",
            ["case", "images/s", "FLOP/s", "FLOP/byte", "attainable", "share", "bound by"],
            rows,
            [_METHOD, *_warnings(list(places.values()))],
        )
    ]


def _row(benchmark: Benchmark, case: Measurement, place: Position) -> list[str]:
    roof, share = place.attainable_flops_per_s, place.fraction
    return [
        benchmark.name,
        per_second((case.samples or 0) / typical_s(case)),
        flop_rate(place.flops_per_s),
        f"{place.intensity:.1f}",
        "-" if roof is None else flop_rate(roof),
        "-" if share is None else percent(share),
        place.bound or "-",
    ]


def _warnings(places: list[Position]) -> list[str]:
    above = [place for place in places if place.fraction is not None and place.fraction > 1]
    return [_ABOVE] if above else []
