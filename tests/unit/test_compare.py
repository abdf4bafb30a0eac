"""The word for each case of two sides, and whether a gate passes."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from hpml_lab.comparison.compare import compare
from hpml_lab.errors import InputError
from hpml_lab.runs.schema import Failure, Sampling
from support.runs import case, run_of, stock_run, verdict_of

STEADY = (1.0, 1.001, 0.999)


def words(base, new, **options):
    """Returns the words for the cases of two runs."""
    return [verdict.verdict for verdict in compare([base], [new], **options).verdicts]


def test_identical_runs_pass():
    """Every case is unchanged with a ratio of 1."""
    saved = run_of(case("a", *STEADY), case("b", *STEADY))
    result = compare([saved], [saved])
    assert [(verdict.verdict, verdict.ratio) for verdict in result.verdicts] == [
        ("unchanged", 1.0)
    ] * 2
    assert (result.exit, result.refusals, result.outcome) == (0, [], "Passes.")


def test_one_case_by_the_textbook():
    """Of one case alone the interval is that of the two-sample t test in logs.

    Logs -s, 0, s on both sides: pooled variance s^2, so s sqrt(2/3) t(99.5 %, 4), t = 4.604095.
    """
    spread = 0.001
    sides = [
        run_of(case("a", *(math.exp(shift + step * spread) for step in (-1, 0, 1))))
        for shift in (0.0, 0.1)
    ]
    result = verdict_of(compare([sides[0]], [sides[1]]))
    half_width = spread * math.sqrt(2 / 3) * 4.604095
    assert result.verdict == "regressed"
    assert result.ratio == pytest.approx(math.exp(0.1))
    assert result.interval == pytest.approx(
        (math.exp(0.1 - half_width), math.exp(0.1 + half_width)), rel=1e-7
    )
    assert result.processes == (3, 3)


@pytest.mark.parametrize(
    ("factor", "word", "exit_status"),
    [(1.10, "regressed", 1), (0.90, "improved", 0), (1.005, "unchanged", 0)],
)
def test_changes_of_steady_processes(factor, word, exit_status):
    """Processes within 0.1 % of each other show 10 % as a change, and 0.5 % as none."""
    new = run_of(case("a", *(factor * median for median in STEADY)))
    result = compare([run_of(case("a", *STEADY))], [new])
    assert (verdict_of(result).verdict, result.exit) == (word, exit_status)


def test_noise_is_inconclusive_and_says_what_would_help():
    """Processes 10 % apart cannot show 3 %; the gate passes, and says what would have been seen."""
    base, new = run_of(case("a", 1.0, 1.1, 0.9)), run_of(case("a", 1.03, 1.13, 0.93))
    comparison = compare([base], [new])
    result = verdict_of(comparison)
    assert (result.verdict, comparison.exit) == ("inconclusive", 0)
    assert result.detectable > 1.3
    assert result.additional > 50
    assert "would have been seen" in result.reason


def test_two_slow_processes_of_three_are_no_regression():
    """A runner that was slow twice is not a change of the code, whatever the other cases say."""
    steady = [case(f"steady {index}", *STEADY) for index in range(20)]
    base, new = run_of(case("a", *STEADY), *steady), run_of(case("a", 1.0, 1.3, 1.3), *steady)
    result = compare([base], [new])
    assert verdict_of(result).verdict == "inconclusive"
    assert verdict_of(result, "steady 0").verdict == "unchanged"


@pytest.mark.parametrize("counts", [(1, 1), (1, 3), (3, 1)])
def test_one_process_is_not_enough(counts):
    """A side of one process is inconclusive even at ten times the time; it says what to run.

    Nothing was judged then, which does not pass.
    """
    base, new = (
        run_of(case("a", *[time] * count)) for time, count in zip((1, 10), counts, strict=True)
    )
    comparison = compare([base], [new])
    result = verdict_of(comparison)
    assert (result.verdict, result.interval, comparison.exit) == ("inconclusive", None, 1)
    assert comparison.outcome.startswith("Fails: nothing was judged: ")
    assert result.ratio == pytest.approx(10)
    assert "--hpml-processes=3" in result.reason


def test_stock_files_are_a_process_each():
    """Three stock files a side are three processes; one is too few."""
    base = [stock_run({"a": median}) for median in STEADY]
    new = [stock_run({"a": 1.1 * median}) for median in STEADY]
    assert verdict_of(compare(base, new)).verdict == "regressed"
    assert verdict_of(compare(base[:1], new)).verdict == "inconclusive"


def test_all_cases_slower_are_all_regressed():
    """What all cases share is not taken away, but it is said that it may be the machine."""
    names = [f"case {index}" for index in range(10)]
    base = run_of(*(case(name, *STEADY) for name in names))
    new = run_of(*(case(name, *(1.1 * median for median in STEADY)) for name in names))
    result = compare([base], [new])
    assert {verdict.verdict for verdict in result.verdicts} == {"regressed"}
    assert any("all 10 cases drifted by about +10.0%" in note for note in result.notes)


def test_missing_fails_and_new_does_not():
    """A case of the baseline that was not measured fails the gate; one more case does not."""
    result = compare([run_of(case("gone", *STEADY))], [run_of(case("added", *STEADY))])
    assert [verdict.verdict for verdict in result.verdicts] == ["missing", "new"]
    assert result.exit == 1
    assert str(result.refusals[0]).startswith("gone: missing: in the baseline, but not in the new")
    assert (
        compare([run_of(case("a", *STEADY))], [run_of(case("a", *STEADY), case("b", 1.0))]).exit
        == 0
    )


def test_a_renamed_case_is_suggested_and_still_fails():
    """Equal settings suggest the new name over one that is spelled more alike."""
    base = run_of(case("test_step[adam-8]", *STEADY, optimizer="adam", batch=8))
    new = run_of(
        case("test_step[adam-9]", *STEADY, optimizer="adam", batch=9),
        case("test_steps[batch=8-adam]", *STEADY, optimizer="adam", batch=8),
    )
    result = compare([base], [new])
    assert verdict_of(result, "test_step[adam-8]").renamed == "test_steps[batch=8-adam]"
    assert verdict_of(result, "test_steps[batch=8-adam]").renamed == "test_step[adam-8]"
    assert verdict_of(result, "test_step[adam-9]").renamed is None
    assert result.exit == 1


@pytest.mark.parametrize("where", ["benchmark", "unmeasured"])
def test_a_case_that_failed_is_missing_and_says_why(where):
    """The kind of its failure is the reason."""
    failure = Failure(process=1, kind="out-of-memory", message="9 GB asked for")
    if where == "benchmark":
        new = run_of(case("a", None, None, failures=[failure]))
    else:
        new = run_of(case("b", *STEADY), unmeasured={"a": [failure]})
    result = compare([run_of(case("a", *STEADY))], [new])
    assert verdict_of(result).verdict == "missing"
    assert verdict_of(result).reason == "out-of-memory in the new run: 9 GB asked for"
    assert result.exit == 1


def test_nothing_compared_fails():
    """An empty baseline, or one without a case in common, lets nothing pass."""
    empty, some = run_of(), run_of(case("a", *STEADY))
    assert compare([empty], [some]).exit == 1
    assert "nothing was judged" in compare([empty], [empty]).outcome
    assert compare([some], [empty]).exit == 1


@pytest.mark.parametrize("time", [0.0, math.nan, math.inf])
def test_a_baseline_without_a_time_is_not_comparable(time):
    """A time that is no positive number is not a process; a baseline of none fails."""
    result = compare([run_of(case("a", time, time))], [run_of(case("a", *STEADY))])
    assert (verdict_of(result).verdict, result.exit) == ("not comparable", 1)


def test_other_machines_are_not_comparable():
    """Neither ours by their id nor stock files by their processor; the reason names both."""
    result = compare(
        [run_of(case("a", *STEADY), machine="x")], [run_of(case("a", *STEADY), machine="y")]
    )
    assert (verdict_of(result).verdict, result.exit) == ("not comparable", 1)
    assert verdict_of(result).reason == "other machines: x, y"
    stocks = [stock_run({"a": 1.0}, cpu="Xeon")], [stock_run({"a": 1.0}, cpu="EPYC")]
    assert verdict_of(compare(*stocks)).reason == "other machines: cpu 'Xeon' -> 'EPYC'"


def test_other_settings_are_not_comparable():
    """A case that kept its name and changed its batch is another case."""
    base, new = (run_of(case("a", *STEADY, batch=batch)) for batch in (8, 16))
    result = compare([base], [new])
    assert (verdict_of(result).verdict, result.exit) == ("not comparable", 1)
    assert verdict_of(result).reason == "other settings: batch 8 -> 16"


@pytest.mark.parametrize(
    ("base", "new", "word", "exit_status"),
    [
        (10, 11, "regressed", 1),
        (10, 9, "improved", 0),
        (10, 10, "unchanged", 0),
        (10, None, "missing", 1),
        (None, 10, "new", 0),
    ],
)
def test_counters_are_compared_exactly(base, new, word, exit_status):
    """One operator more is a regression, however steady the time."""
    sides = [
        run_of(case("a", *STEADY, counters={} if count is None else {"operators": count}))
        for count in (base, new)
    ]
    result = compare([sides[0]], [sides[1]])
    assert [counter.verdict for counter in result.counters] == [word]
    assert verdict_of(result).verdict == "unchanged"
    assert result.exit == exit_status


def test_one_measurement_given_twice_is_refused():
    """It would count as two processes, and no two would differ."""
    one = run_of(case("a", *STEADY))
    with pytest.raises(InputError, match="files 1 and 2 of the contender hold the same measure"):
        compare([one], [one, run_of(case("a", *STEADY))])


def test_runs_of_other_days_are_not_one_measurement():
    """Equal times by chance, as of a simulation."""
    later = replace(run_of(case("a", *STEADY)), datetime="2027")
    assert verdict_of(compare([later], [run_of(case("a", *STEADY)), later])).processes == (3, 6)


def test_cases_that_all_moved_one_way_are_told_of_one_process_too():
    """Five cases a sixth faster: each inconclusive, and together a sentence."""
    names = [f"c{n}" for n in range(5)]
    sides = [stock_run(dict.fromkeys(names, median)) for median in (1.0, 0.84)]
    result = compare([sides[0]], [sides[1]])
    assert {verdict.verdict for verdict in result.verdicts} == {"inconclusive"}
    assert result.notes[-1].startswith("all 5 cases are faster, by 16% to 16% (median -16%); one")


def test_what_neither_side_measured_is_not_missing():
    """A case that failed in both runs is not mentioned by the baseline."""
    failure = Failure(process=1, kind="failed", message="no")
    sides = [run_of(case("a", *STEADY), unmeasured={"b": [failure]}) for _ in range(2)]
    result = compare([sides[0]], [sides[1]])
    assert [verdict.fullname for verdict in result.verdicts] == ["a"]


def test_one_equal_parameter_is_no_hint_of_a_new_name():
    """Two tests of other names share nothing but their n."""
    result = compare(
        [run_of(case("t.py::alpha", *STEADY, n=8))], [run_of(case("t.py::zzz", *STEADY, n=8))]
    )
    assert verdict_of(result, "t.py::alpha").renamed is None


def disturbed_run(*medians, disturbed):
    """Returns a run of one case, of which some processes were disturbed."""
    result = case("a", *medians)
    result.measurement.sampling.extend(
        Sampling(iterations=1, warm_up=1, stopped="budget", disturbed=place in disturbed)
        for place in range(len(medians))
    )
    return run_of(result)


@pytest.mark.parametrize("disturbed", [{0, 1}, {0, 1, 2}])
def test_a_disturbed_side_has_no_firm_verdict(disturbed):
    """A hundred times as slow in processes that others disturbed is inconclusive, and passes."""
    slow = disturbed_run(1.00, 1.01, 1.02, disturbed=disturbed)
    for sides, name in (
        (([run_of(case("a", *STEADY))], [slow]), "contender"),
        (([slow], [run_of(case("a", *STEADY))]), "baseline"),
    ):
        result = compare(*sides)
        assert verdict_of(result).verdict == "inconclusive"
        assert verdict_of(result).reason.startswith(
            f"the {name} was disturbed in {len(disturbed)} of 3 processes, which speak of the "
            "machine's load; measure again on a quiet machine"
        )
        assert result.exit == 1


def test_one_disturbed_process_is_left_out():
    """The two others are enough: the code is unchanged."""
    result = compare([run_of(case("a", *STEADY))], [disturbed_run(*STEADY[:2], 9.0, disturbed={2})])
    assert verdict_of(result).processes == (3, 2)
    assert verdict_of(result).ratio == pytest.approx(1, abs=0.01)


def test_a_process_that_was_mostly_disturbed_has_no_say_at_all():
    """Of three cases two were disturbed in all processes: the third is not called faster."""
    quiet = run_of(*(case(name, *STEADY) for name in "abc"))
    cases = [case(name, *(10 * median for median in STEADY)) for name in "ab"]
    for result in cases:
        result.measurement.sampling.extend(
            Sampling(iterations=1, warm_up=1, stopped="budget", disturbed=True) for _ in STEADY
        )
    calm = case("c", *(0.8 * median for median in STEADY))
    calm.measurement.sampling.extend(
        Sampling(iterations=1, warm_up=1, stopped="budget") for _ in STEADY
    )
    result = verdict_of(compare([quiet], [run_of(*cases, calm)]), "c")
    assert (result.verdict, result.processes) == ("inconclusive", (3, 0))
    assert result.reason.startswith("the contender was disturbed in 3 of 3 processes")
    others = [case(name, *STEADY) for name in "de"]
    result = verdict_of(compare([quiet], [run_of(*cases, calm, *others)]), "c")
    assert result.verdict == "improved"


def test_peaks_of_memory_are_compared_like_counters():
    """Four bytes more are a regression; what the process holds beside them is not compared."""
    sides = [
        run_of(case("a", *STEADY, memory={"peak_step_bytes": peak, "peak_resident_bytes": held}))
        for peak, held in ((64, 9_000), (68, 9_999))
    ]
    (result,) = compare([sides[0]], [sides[1]]).counters
    assert (result.counter, result.base, result.new) == ("peak_step_bytes", 64, 68)
    assert result.verdict == "regressed"


def test_counters_of_other_software_are_not_compared():
    """Seconds are, with a note that names the versions."""
    sides = [
        run_of(case("a", *STEADY, counters={"operators": count}), software={"torch": version})
        for count, version in ((10, "2.14"), (11, "2.15"))
    ]
    result = compare([sides[0]], [sides[1]])
    assert (result.counters, result.exit) == ([], 0)
    assert verdict_of(result).verdict == "unchanged"
    assert result.notes == ["other software, so counters are not compared: torch 2.14 -> 2.15"]


def test_pairs_cancel_what_both_sides_share():
    """Processes 20 % apart, next to their partners, show 5 %; without pairs they do not."""
    levels = (1.0, 1.2, 1.1, 0.95, 1.3)
    base = run_of(case("a", *levels))
    new = run_of(
        case("a", *(1.05 * level * (1 + 0.001 * (-1) ** i) for i, level in enumerate(levels)))
    )
    assert words(base, new) == ["inconclusive"]
    assert words(base, new, paired=True) == ["regressed"]


def test_a_pair_without_a_partner_is_left_out():
    """The second process of the baseline failed, so its pair does not count."""
    base = run_of(case("a", 1.0, None, 1.001, 0.999))
    new = run_of(case("a", 1.1, 9.0, 1.101, 1.099))
    assert verdict_of(compare([base], [new], paired=True)).ratio == pytest.approx(1.1, abs=1e-3)


def test_what_was_flagged_is_said():
    """A reason to doubt the numbers stands beside the verdict."""
    result = compare(
        [run_of(case("a", *STEADY))], [run_of(case("a", *STEADY, flags=["throttled"]))]
    )
    assert verdict_of(result).reason.endswith("(contender: throttled)")


@pytest.mark.parametrize("option", ["alpha", "margin"])
@pytest.mark.parametrize("value", [0, 1, -0.1, math.nan])
def test_shares_lie_between_0_and_1(option, value):
    """Neither alpha nor the margin may be anything else."""
    saved = run_of(case("a", *STEADY))
    with pytest.raises(InputError, match=f"{option} .* is not a share"):
        compare([saved], [saved], **{option: value})


def test_a_side_without_a_run_is_refused():
    """It says which one."""
    with pytest.raises(InputError, match="no run of the baseline"):
        compare([], [run_of()])


def test_times_of_any_size_have_finite_ratios():
    """A file may hold any positive numbers."""
    result = compare([run_of(case("a", 1e-300, 2e-300))], [run_of(case("a", 1e300, 1e-300))])
    assert all(math.isfinite(value) for value in (*verdict_of(result).interval, result.alpha))


def test_the_worked_example_is_what_compare_says():
    """Every number of the example in docs/verdicts.md, by the code."""
    page = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text()
    base, new = run_of(case("a", 10.00, 10.05, 9.95)), run_of(case("a", 10.50, 10.56, 10.45))
    result = verdict_of(compare([base], [new]))
    assert result.verdict == "regressed"
    low, high = result.interval
    assert f"the ratio is {result.ratio:.4f}" in page
    assert f"The interval is {low:.4f} .. {high:.4f}" in page
    assert f"so {result.detectable:.4f}: a change of {100 * (result.detectable - 1):.1f} %" in page
    assert f"Means of logs differ by\n{math.log(result.ratio):.5f}" in page
