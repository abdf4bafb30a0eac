"""Runs compared: a word for every case, from its settings, its counters and its processes."""

from collections.abc import Iterator, Sequence

import numpy as np

from hpml_lab.errors import InputError
from hpml_lab.history.run import Run
from hpml_lab.text import short
from hpml_lab.verdict.comparability import (
    machine_difference,
    settings_difference,
    software_differences,
)
from hpml_lab.verdict.comparison import Comparison, CounterVerdict, Verdict, Word
from hpml_lab.verdict.deciding import decide
from hpml_lab.verdict.evidence import Evidence, evidence
from hpml_lab.verdict.names import renamed, reordered
from hpml_lab.verdict.sides import Array, Case, arrays, cases_of, process_logs

ALPHA = 0.01
MARGIN = 0.02
_MANY = 5  # cases
_WORTH_A_NOTE = 0.005
_FAR = 4  # standard errors

Cases = dict[str, Case]


def compare(
    base: Sequence[Run],
    new: Sequence[Run],
    *,
    alpha: float = ALPHA,
    margin: float = MARGIN,
    history: Sequence[Run] = (),
    paired: bool = False,
) -> Comparison:
    """Returns what is said of every case of two sides; docs/verdicts.md draws how.

    Args:
        base: the baseline; several runs are more processes of it.
        new: the contender.
        alpha: the chance of any false alarm in all of the comparison, in (0, 1).
        margin: changes up to this share are none, in (0, 1).
        history: earlier runs, oldest first; those of other machines are left out.
        paired: whether process i of both sides ran next to each other, as `hpml-lab ab` does.

    Raises:
        InputError: if alpha or margin is not such a share, or a side has no run.
    """
    _check(base, new, alpha, margin)
    old, now = cases_of(base), cases_of(new)
    software = software_differences(base, new)
    verdicts = _absent(old, now) | _unlike(old, now, machine_difference(base, new))
    alike = [name for name in old if name not in verdicts and _has(old, name)]
    notes = [*_software_notes(software), *_order_notes(verdicts)]
    if alike:
        earlier = [run for run in history if machine_difference(base, [run]) is None]
        past = cases_of(earlier)
        sides = [
            arrays([cases.get(name, Case(name)) for name in alike], len(runs))
            for cases, runs in ((old, base), (now, new), (past, earlier))
        ]
        found = evidence(*sides, alpha=alpha, paired=paired)
        pairs = [old[name] for name in alike], [now[name] for name in alike]
        verdicts |= {each.fullname: each for each in decide(*pairs, found, margin)}
        notes += _movement_notes(found, paired=paired)
        notes += _one_way_notes(list(verdicts.values()))
    counters = [] if software else [c for name in alike for c in _counters(old[name], now[name])]
    ordered = [verdicts[name] for name in dict.fromkeys((*old, *now)) if name in verdicts]
    return Comparison(ordered, counters, notes, alpha, margin)


def _check(base: Sequence[Run], new: Sequence[Run], alpha: float, margin: float) -> None:
    for name, value in (("alpha", alpha), ("margin", margin)):
        if not 0 < value < 1:
            raise InputError(f"{name} {value} is not a share; give a number between 0 and 1")
    for side, runs in (("baseline", base), ("contender", new)):
        if not runs:
            raise InputError(f"no run of the {side} is given; name one or more files")
        if twice := _given_twice(runs):
            one, other = twice
            raise InputError(
                f"files {one} and {other} of the {side} hold the same measurement, which is no "
                "second one; give each run once"
            )


def _given_twice(runs: Sequence[Run]) -> tuple[int, int] | None:
    """Returns the places, from 1, of two runs with one date and the same times; None without."""
    seen: dict[tuple[object, ...], int] = {}
    for place, run in enumerate(runs, 1):
        times = tuple((b.fullname, tuple(process_logs(b))) for b in run.benchmarks)
        if times and (first := seen.setdefault((run.datetime, *times), place)) != place:
            return first, place
    return None


def _absent(old: Cases, now: Cases) -> dict[str, Verdict]:
    """Returns what only one side has; what neither measured is not mentioned."""
    missing = [case for name, case in old.items() if case.present and not _has(now, name)]
    added = [case for name, case in now.items() if case.present and not _has(old, name)]
    names = renamed(missing, [case for case in added if case.processes])
    back = {new: old for old, new in names.items()}
    verdicts = [_missing(case, now.get(case.fullname), names) for case in missing]
    verdicts += [_new(case, back.get(case.fullname)) for case in added]
    return {each.fullname: each for each in verdicts}


def _has(cases: Cases, name: str) -> bool:
    """Returns whether a side has rounds of a case, and not only its failures."""
    return name in cases and cases[name].present


def _missing(case: Case, now: Case | None, names: dict[str, str]) -> Verdict:
    likely = names.get(case.fullname)
    reason = "in the baseline, but not in the new run"
    if now is not None and now.failures:
        failure = now.failures[0]
        reason = f"{failure.kind} in the new run: {failure.message}"
    elif likely is not None:
        reason += f"; {short(likely)} may be its new name: save a baseline that has it"
    processes = (case.processes, 0)
    return Verdict(case.fullname, "missing", processes=processes, reason=reason, renamed=likely)


def _new(case: Case, likely: str | None) -> Verdict:
    reason = "not in the baseline"
    if likely is not None:
        reason += f"; {short(likely)} may be its old name"
    processes = (0, case.processes)
    return Verdict(case.fullname, "new", processes=processes, reason=reason, renamed=likely)


def _unlike(old: Cases, now: Cases, machines: str | None) -> dict[str, Verdict]:
    """Returns what both sides have, but not for one machine, one setting and a time above 0."""
    found = {}
    for name in (name for name in old if _has(old, name) and _has(now, name)):
        reason = machines or settings_difference(old[name], now[name])
        for side, cases in (("baseline", old), ("new run", now)):
            if reason is None and not (cases[name].processes or cases[name].disturbed):
                reason = f"the {side} has no time above 0 of it; save it again"
        if reason is not None:
            processes = (old[name].processes, now[name].processes)
            found[name] = Verdict(name, "not comparable", processes=processes, reason=reason)
    return found


def _counters(old: Case, now: Case) -> Iterator[CounterVerdict]:
    if old.measurement is None or now.measurement is None:
        return
    for counter in dict.fromkeys((*old.counters, *now.counters)):
        base, new = old.counters.get(counter), now.counters.get(counter)
        yield CounterVerdict(old.fullname, counter, base, new, _exact(base, new))


def _exact(base: int | None, new: int | None) -> Word:
    if base is None:
        return "new"
    if new is None:
        return "missing"
    return "regressed" if new > base else "improved" if new < base else "unchanged"


def _software_notes(software: Sequence[str]) -> list[str]:
    if not software:
        return []
    return [f"other software, so counters are not compared: {', '.join(software)}"]


def _order_notes(verdicts: dict[str, Verdict]) -> list[str]:
    missing = (each for each in verdicts.values() if each.verdict == "missing")
    count = reordered({each.fullname: each.renamed for each in missing if each.renamed})
    if not count:
        return []
    return [
        f"{count} of the missing differ from new names only in the order of characters, as names "
        "made from sets do in every interpreter; give the parameters ids, or set PYTHONHASHSEED"
    ]


def _movement_notes(found: Evidence, *, paired: bool) -> list[str]:
    notes = []
    if found.excluded > 0:
        notes.append(
            f"{found.excluded:.0f} processes of cases were much slower than the rest of their run "
            "and are left out"
        )
    if found.allowance > 0:
        share = f"{np.expm1(found.allowance):.0%}"
        notes.append(
            f"some processes are slower than others by up to {share}, so often that all of a side "
            "may be: intervals are longer by that; more processes shorten them"
        )
    change = found.change[np.isfinite(found.change)]
    if not paired and _moved_together(change, found.error[np.isfinite(found.change)]):
        notes.append(
            f"all {len(change)} cases moved by about {np.expm1(np.median(change)):+.1%}: it may be "
            "the machine; `hpml-lab ab` measures both revisions next to each other"
        )
    return notes


def _one_way_notes(verdicts: Sequence[Verdict]) -> list[str]:
    """Returns what ratios say together that one process a side cannot judge one by one."""
    ratios = [each.ratio for each in verdicts if each.ratio and each.interval is None]
    signs = {ratio > 1 for ratio in ratios}
    if len(ratios) < _MANY or len(signs) > 1:
        return []
    low, high = sorted((abs(1 - min(ratios)), abs(max(ratios) - 1)))
    return [
        f"all {len(ratios)} cases are {'slower' if signs == {True} else 'faster'}, by {low:.0%} to "
        f"{high:.0%} (median {np.median(ratios) - 1:+.0%}); one process a side cannot say whether "
        "that is the code or the machine"
    ]


def _moved_together(change: Array, error: Array) -> bool:
    """Returns whether changes have one sign, and one size within what chance explains."""
    if len(change) < _MANY or abs(np.sign(change).sum()) < len(change):
        return False
    middle = np.median(change)
    return bool(abs(middle) > _WORTH_A_NOTE and np.all(np.abs(change - middle) <= _FAR * error))
