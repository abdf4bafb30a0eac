"""The comparison of two sides: a verdict for every case, and the likely renames among them."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher

import numpy as np

from hpml_lab.comparison.comparability import (
    machine_difference,
    settings_difference,
    software_differences,
)
from hpml_lab.comparison.deciding import decide
from hpml_lab.comparison.sides import Array, Case, arrays, cases_of, process_logs
from hpml_lab.comparison.verdicts import Comparison, CounterVerdict, Status, Verdict
from hpml_lab.errors import InputError
from hpml_lab.runs.schema import Run
from hpml_lab.runs.summary import file_and_test
from hpml_lab.stats.two_sample import Evidence, evidence
from hpml_lab.text import short

ALIKE = 0.6  # difflib's own threshold for close matches
_LONGEST = 300  # characters compared
_MOST_PAIRS = 10_000


def find_renames(missing: Sequence[Case], new: Sequence[Case]) -> dict[str, str]:
    """Likely new names of missing cases; no name is suggested twice.

    A test of the same name in a file of the same name comes first. Other cases are matched by the
    similarity of their names; equal settings or counters count for more.

    Args:
        missing: cases of the baseline; among more than 10,000 other pairs none is suggested.
        new: cases of the contender.
    """
    names = _in_another_folder(missing, new)
    missing = [case for case in missing if case.fullname not in names]
    new = [case for case in new if case.fullname not in names.values()]
    if len(missing) * len(new) > _MOST_PAIRS:
        return names
    pairs = (
        (similarity, baseline.fullname, contender.fullname)
        for baseline in missing
        for contender in new
        if (similarity := _similarity(baseline, contender)) >= ALIKE
    )
    for _, before, after in sorted(pairs, key=lambda pair: -pair[0]):
        if before not in names and after not in names.values():
            names[before] = after
    return names


def reordered(names: Mapping[str, str]) -> int:
    """Number of names that differ from their likely new ones only in the order of characters."""
    return sum(sorted(before) == sorted(after) for before, after in names.items())


def _in_another_folder(missing: Sequence[Case], new: Sequence[Case]) -> dict[str, str]:
    """New names of tests whose file is in another folder, if exactly one test matches."""
    baseline, contender = (_by_file_and_test(cases) for cases in (missing, new))
    return {
        names[0]: contender[key][0]
        for key, names in baseline.items()
        if len(names) == 1 and len(contender.get(key, ())) == 1
    }


def _by_file_and_test(cases: Sequence[Case]) -> dict[tuple[str, str], list[str]]:
    names: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        names.setdefault(file_and_test(case.fullname), []).append(case.fullname)
    return names


def _similarity(baseline: Case, contender: Case) -> float:
    # Being in the same file does not make two tests similar.
    before, after = (case.fullname.rpartition("::")[2][:_LONGEST] for case in (baseline, contender))
    similarity = SequenceMatcher(None, before, after).ratio()
    if _same(baseline.counters, contender.counters):
        return similarity + 1
    # One parameter that is equal is often all that two cases have.
    return similarity + (_same(baseline.settings, contender.settings) and similarity >= ALIKE)


def _same(baseline: Mapping[str, object], contender: Mapping[str, object]) -> bool:
    return bool(baseline) and baseline == contender


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
    """Verdict for every case of two sides, by the rules in docs/verdicts.md.

    Args:
        base: runs of the baseline; several runs are more processes of it.
        new: runs of the contender.
        alpha: the chance of any false alarm in the whole comparison, in (0, 1).
        margin: equivalence margin: changes up to this share count as none, in (0, 1).
        history: earlier runs, oldest first; those of other machines are left out.
        paired: whether process i of both sides ran next to each other, as `hpml-lab ab` does.

    Raises:
        InputError: if alpha or margin is not such a share, or a side has no run.
    """
    _check(base, new, alpha, margin)
    baseline, contender = cases_of(base), cases_of(new)
    software = software_differences(base, new)
    verdicts = _one_sided(baseline, contender) | _not_comparable(
        baseline, contender, machine_difference(base, new)
    )
    comparable = [name for name in baseline if name not in verdicts and _has(baseline, name)]
    notes = [*_software_notes(software), *_order_notes(verdicts)]
    if comparable:
        earlier = [run for run in history if machine_difference(base, [run]) is None]
        past = cases_of(earlier)
        sides = [
            arrays([cases.get(name, Case(name)) for name in comparable], len(runs))
            for cases, runs in ((baseline, base), (contender, new), (past, earlier))
        ]
        result = evidence(*sides, alpha=alpha, paired=paired)
        pairs = [[side[name] for name in comparable] for side in (baseline, contender)]
        judged = decide(pairs[0], pairs[1], result, margin)
        verdicts |= {verdict.fullname: verdict for verdict in judged}
        notes += _evidence_notes(result, paired=paired)
        notes += _one_way_notes(list(verdicts.values()))
    counters = [
        verdict
        for name in ([] if software else comparable)
        for verdict in _counters(baseline[name], contender[name])
    ]
    names = dict.fromkeys((*baseline, *contender))
    ordered = [verdicts[name] for name in names if name in verdicts]
    return Comparison(ordered, counters, notes, alpha, margin)


def _check(base: Sequence[Run], new: Sequence[Run], alpha: float, margin: float) -> None:
    for name, value in (("alpha", alpha), ("margin", margin)):
        if not 0 < value < 1:
            raise InputError(f"{name} {value} is not a share; give a number between 0 and 1")
    for side, runs in (("baseline", base), ("contender", new)):
        if not runs:
            raise InputError(f"no run of the {side} is given; name one or more files")
        if twice := _given_twice(runs):
            first, second = twice
            raise InputError(
                f"files {first} and {second} of the {side} hold the same measurement, which is no "
                "second one; give each run once"
            )


def _given_twice(runs: Sequence[Run]) -> tuple[int, int] | None:
    """Places, from 1, of two runs with the same date and times; None without such runs."""
    seen: dict[tuple[object, ...], int] = {}
    for place, run in enumerate(runs, 1):
        times = tuple((b.fullname, tuple(process_logs(b))) for b in run.benchmarks)
        if times and (first := seen.setdefault((run.datetime, *times), place)) != place:
            return first, place
    return None


def _one_sided(baseline: Cases, contender: Cases) -> dict[str, Verdict]:
    """Verdicts ``missing`` and ``new`` for cases that only one side measured."""
    missing = [
        case for name, case in baseline.items() if case.present and not _has(contender, name)
    ]
    added = [case for name, case in contender.items() if case.present and not _has(baseline, name)]
    names = find_renames(missing, [case for case in added if case.processes])
    old_names = {after: before for before, after in names.items()}
    verdicts = [_missing(case, contender.get(case.fullname), names) for case in missing]
    verdicts += [_new(case, old_names.get(case.fullname)) for case in added]
    return {verdict.fullname: verdict for verdict in verdicts}


def _has(cases: Cases, name: str) -> bool:
    """Whether a side has rounds of a case, and not only its failures."""
    return name in cases and cases[name].present


def _missing(case: Case, contender: Case | None, names: dict[str, str]) -> Verdict:
    likely = names.get(case.fullname)
    reason = "in the baseline, but not in the new run"
    if contender is not None and contender.failures:
        failure = contender.failures[0]
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


def _not_comparable(baseline: Cases, contender: Cases, machines: str | None) -> dict[str, Verdict]:
    """Verdicts ``not comparable`` for cases of both sides.

    Their machines or settings differ, or a side has no time above 0.
    """
    verdicts = {}
    for name in (name for name in baseline if _has(baseline, name) and _has(contender, name)):
        reason = machines or settings_difference(baseline[name], contender[name])
        for side, cases in (("baseline", baseline), ("new run", contender)):
            if reason is None and not (cases[name].processes or cases[name].disturbed):
                reason = f"the {side} has no time above 0 of it; save it again"
        if reason is not None:
            processes = (baseline[name].processes, contender[name].processes)
            verdicts[name] = Verdict(name, "not comparable", processes=processes, reason=reason)
    return verdicts


def _counters(baseline: Case, contender: Case) -> Iterator[CounterVerdict]:
    if baseline.measurement is None or contender.measurement is None:
        return
    for counter in dict.fromkeys((*baseline.counters, *contender.counters)):
        before, after = (side.counters.get(counter) for side in (baseline, contender))
        yield CounterVerdict(baseline.fullname, counter, before, after, _exact(before, after))


def _exact(baseline: int | None, contender: int | None) -> Status:
    if baseline is None:
        return "new"
    if contender is None:
        return "missing"
    if contender == baseline:
        return "unchanged"
    return "regressed" if contender > baseline else "improved"


def _software_notes(software: Sequence[str]) -> list[str]:
    if not software:
        return []
    return [f"other software, so counters are not compared: {', '.join(software)}"]


def _order_notes(verdicts: dict[str, Verdict]) -> list[str]:
    missing = (verdict for verdict in verdicts.values() if verdict.verdict == "missing")
    count = reordered({verdict.fullname: verdict.renamed for verdict in missing if verdict.renamed})
    if not count:
        return []
    return [
        f"{count} of the missing differ from new names only in the order of characters, as names "
        "made from sets do in every interpreter; give the parameters ids, or set PYTHONHASHSEED"
    ]


def _evidence_notes(result: Evidence, *, paired: bool) -> list[str]:
    notes = []
    if result.excluded > 0:
        notes.append(
            f"{result.excluded:.0f} processes of cases were much slower than the rest of their run "
            "and are left out"
        )
    if result.allowance > 0:
        share = f"{np.expm1(result.allowance):.0%}"
        notes.append(
            f"some processes are slower than others by up to {share}, so often that all of a side "
            "may be: intervals are longer by that; more processes shorten them"
        )
    finite = np.isfinite(result.change)
    change = result.change[finite]
    if not paired and _is_common(change, result.error[finite]):
        notes.append(
            f"all {len(change)} cases drifted by about {np.expm1(np.median(change)):+.1%}: it may "
            "be the machine; `hpml-lab ab` measures both revisions next to each other"
        )
    return notes


def _one_way_notes(verdicts: Sequence[Verdict]) -> list[str]:
    """Note on ratios that all lie on one side of 1, where one process a side decides no case."""
    ratios = [verdict.ratio for verdict in verdicts if verdict.ratio and verdict.interval is None]
    signs = {ratio > 1 for ratio in ratios}
    if len(ratios) < _MANY or len(signs) > 1:
        return []
    low, high = sorted((abs(1 - min(ratios)), abs(max(ratios) - 1)))
    return [
        f"all {len(ratios)} cases are {'slower' if signs == {True} else 'faster'}, by {low:.0%} to "
        f"{high:.0%} (median {np.median(ratios) - 1:+.0%}); one process a side cannot say whether "
        "that is the code or the machine"
    ]


def _is_common(change: Array, error: Array) -> bool:
    """Whether all changes have one sign, and equal sizes within their standard errors."""
    if len(change) < _MANY or abs(np.sign(change).sum()) < len(change):
        return False
    middle = np.median(change)
    return bool(abs(middle) > _WORTH_A_NOTE and np.all(np.abs(change - middle) <= _FAR * error))
