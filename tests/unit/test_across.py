"""Machines compared: ratios, judgements and counters worked out by hand."""

import json
import math
import random
from pathlib import Path

import pytest

from hpml_lab.comparison.across import across, equivalence
from hpml_lab.comparison.comparability import differing
from hpml_lab.comparison.ratios import ratios
from hpml_lab.comparison.sides import Subject, subjects
from hpml_lab.labs.published_machines import published_machines
from hpml_lab.labs.questions import CONTRASTS
from hpml_lab.report import across as report
from hpml_lab.report.terminal import render
from hpml_lab.runs.reading import read_run
from support.runs import benchmark, run_of, stock_run

SAVED = Path(__file__).parents[2] / "benchmarks"
OPTIMIZERS = next(c for c in CONTRASTS if c.group == "optimizers")
(BATCHES,) = [contrast for contrast in CONTRASTS if contrast.group == "batch_learning"]


def case(optimizer, *processes, **more):
    """Returns an optimizer's benchmark with these rounds by process."""
    result = benchmark("optimizers", seconds=[1.0], optimizer=optimizer, **more)
    result.measurement.processes[:] = processes
    return result


def machine(name, adam, sgd, **more):
    """Returns a machine on which both optimizers took these seconds, by process."""
    return Subject(
        name,
        run_of(
            case("adam", *([s] for s in adam), **more),
            case("sgd-momentum", *([s] for s in sgd), **more),
        ),
    )


def words(*machines):
    """Returns the words beside the first machine, with their reasons."""
    (table,) = across(machines, CONTRASTS).tables
    return {row.machine: (row.word, row.why) for row in table.rows}


def test_a_ratio_pairs_what_was_measured_in_one_process():
    """Two processes, the second twice as slow at all: 1.5 in both, so nothing is spread."""
    run = machine("a", [1.5, 3.0], [1.0, 2.0]).run
    (result,) = ratios(run, OPTIMIZERS)
    assert (result.level, result.quantities, result.value) == (
        "adam",
        (2.25, 1.5),
        pytest.approx(1.5),
    )
    assert result.interval == (pytest.approx(1.5), pytest.approx(1.5))
    assert result.spread is None


def test_a_process_that_left_one_of_the_two_is_not_counted():
    """Adam failed in the first process of three: two ratios, 2 and 3, of mean sqrt(6)."""
    run = run_of(case("adam", [], [2.0], [3.0]), case("sgd-momentum", [9.0], [1.0], [1.0]))
    (result,) = ratios(run, OPTIMIZERS)
    assert result.value == pytest.approx(math.sqrt(6))
    assert len(result.logs) == 2


def test_one_process_has_a_spread_and_no_interval():
    """Rounds 1, 3 lie 1 from their median 2: a deviation of 1.4826 for 2, over 1, 1."""
    (result,) = ratios(
        run_of(case("adam", [1.0, 3.0]), case("sgd-momentum", [1.0] * 2)), OPTIMIZERS
    )
    assert result.interval is None
    assert result.spread == pytest.approx(1.4826)


@pytest.mark.parametrize("broken", [[[]], [[0.0]], [[math.inf]]])
def test_what_cannot_be_divided_has_no_ratio(broken):
    """A case without rounds, a clock that stood still, a time without end."""
    assert ratios(run_of(case("adam", *broken), case("sgd-momentum", [1.0])), OPTIMIZERS) == []


def test_without_the_reference_there_is_no_ratio():
    """Adam alone is set against nothing."""
    assert ratios(run_of(case("adam", [1.0])), OPTIMIZERS) == []


def test_seeds_are_rounds_of_their_process():
    """Two seeds of batch 8: 4 and 6 s, over 10 s of batch 4, is a half, in one process."""
    timed = [(4, 0, 10.0), (8, 0, 4.0), (8, 1, 6.0)]
    run = run_of(
        *(benchmark("batch_learning", seconds=[s], batch_size=b, seed=n) for b, n, s in timed)
    )
    (result,) = ratios(run, BATCHES)
    assert (result.value, len(result.logs)) == (pytest.approx(0.5), 1)


def test_judging_by_welch():
    """Variances 0.0004 of three each: t(97.5 %, 4) = 2.7764 times 0.016330 reaches 0.0453."""
    own = [0.0, 0.02, 0.04]
    assert equivalence(own, [0.30, 0.32, 0.34], 0.95) == "differ"
    assert (
        equivalence(own, [0.01, 0.03, 0.05], 0.95) == "agree"
    )  # 0.01 + 0.0453 <= log(1.1) = 0.0953
    assert equivalence(own, [0.06, 0.08, 0.10], 0.95) == "differ"  # 0.06 > 0.0453, 0.1053 > 0.0953
    assert equivalence(own, [-0.2, 0.1, 0.4], 0.95) == "cannot tell"
    assert equivalence([0.0, 0.0], [0.0, 0.0], 0.95) == "agree"
    assert equivalence([0.0, 0.0], [1.0, 1.0], 0.95) == "differ"


def test_equal_machines_seldom_differ():
    """Of 100 tables of 10 ratios of equal machines, three processes each, few say differ."""
    rng = random.Random(5)
    draw = lambda: [rng.gauss(0, 0.05) for _ in range(3)]  # noqa: E731
    confidence = 1 - 0.05 / 10
    wrong = sum(
        any(equivalence(draw(), draw(), confidence) == "differ" for _ in range(10))
        for _ in range(100)
    )
    assert wrong <= 11  # 5 expected; 12 or more has a chance of 0.4 %
    naive = sum(
        any(equivalence(draw(), draw(), 0.95) == "differ" for _ in range(10)) for _ in range(100)
    )
    assert naive > 11  # without the correction the law breaks, so the test can fail


def test_the_first_machine_is_judged_against_the_others():
    """Twice against twice agrees, twice against once differs."""
    first = machine("first", [2.0, 2.01], [1.0, 1.0])
    result = words(
        first,
        machine("like", [4.0, 4.02], [2.0, 2.0]),
        machine("unlike", [1.0, 1.01], [1.0, 1.0]),
        machine("one process", [9.0], [1.0]),
    )
    assert result == {
        "first": ("", ""),
        "like": ("agree", ""),
        "unlike": ("differ", ""),
        "one process": ("", ""),
    }


def test_other_settings_are_not_comparable():
    """A wider network, more images: named, and never judged; the device may differ."""
    first = machine("first", [2.0, 2.0], [1.0, 1.0])
    other = machine("other", [2.0, 2.0], [1.0, 1.0], width=64, images=50_000)
    device = machine("gpu", [2.0, 2.0], [1.0, 1.0], device="cuda", pin_memory=True)
    assert words(first, other)["other"] == ("not comparable", "other width, images")
    assert words(first, device)["gpu"] == ("agree", "")


def test_settings_that_one_side_does_not_know_do_not_differ():
    """An older run or a write-up says less."""
    assert differing({"width": 8, "seed": 0}, {"width": 8}) == []
    assert differing({"width": 8, "device": "cpu"}, {"width": 9, "device": "cuda"}) == ["width"]


def test_questions_without_an_answer_on_the_first_machine_are_left_out():
    """The others' ratios alone compare with nothing."""
    assert (
        across([Subject("first", run_of()), machine("other", [1.0], [1.0])], CONTRASTS).tables == []
    )


def counted(**counters):
    """Returns a machine whose one case counted this."""
    return run_of(benchmark("memory", counters=counters, seconds=[1.0]))


def test_counters_are_equal_or_not():
    """One of three is not the same; one that the other lacks is not compared."""
    own = Subject("own", counted(parameters=10, graphs=1, own=5))
    (row,) = across([own, Subject("other", counted(parameters=10, graphs=2))], CONTRASTS).counters
    assert (row.equal, row.unequal) == (1, ["test: graphs 1 != 2"])


def test_many_unequal_counters_are_counted():
    """The text names ten of twelve, the record all."""
    own = Subject("own", counted(**{f"c{n}": 1 for n in range(12)}))
    result = across([own, Subject("other", counted(**{f"c{n}": 2 for n in range(12)}))], CONTRASTS)
    (table,) = [a for a in report.answers(result) if a.title == "Exact counters"]
    assert table.rows == [["other", "memory", "0", "12", "-"]]
    assert len(table.sentences) == 11
    assert table.sentences[-1] == "other: 2 more; --json has all of them."
    assert len(report.record(result)["counters"][0]["unequal"]) == 12


def test_counters_of_other_settings_are_not_compared():
    """A wider network has other counts, which says nothing."""
    wide = run_of(benchmark("memory", counters={"parameters": 99}, seconds=[1.0], width=64))
    (row,) = across(
        [Subject("own", counted(parameters=10)), Subject("wide", wide)], CONTRASTS
    ).counters
    assert (row.equal, row.unequal, row.not_comparable) == (0, [], ["width"])


def test_runs_of_one_machine_are_told_apart_by_their_files():
    """Two files of one machine have their own names; a stock run always has."""
    stock = stock_run({})
    names = [s.name for s in subjects([("a", run_of()), ("b", run_of()), ("c", stock)])]
    assert names == ["a", "b", "c"]


INTEL = "intel-r-xeon-r-processor-2cpu-9549db88/0001_bench.json"
AMD = "amd-epyc-2cpu-118a12e1/0002_bench.json"


@pytest.fixture(scope="module")
def committed():
    """The saved runs of the project and the published machines, as the command puts them."""
    own = subjects([(file, read_run(SAVED / file)) for file in (INTEL, AMD)])
    published = [Subject(m.name, m.run, m.caveats) for m in published_machines()]
    return across([*own, *published], CONTRASTS)


def test_a_first_run_stands_beside_the_published_machines(committed):
    """Adam against SGD on two measured machines and three published ones; L4 is another network."""
    (table,) = [t for t in committed.tables if t.contrast == OPTIMIZERS]
    adam = {row.machine.split(":")[0]: row for row in table.rows if row.ratio.level == "adam"}
    assert list(adam) == [
        "intel-r-xeon-r-processor-2cpu-9549db88",
        "amd-epyc-2cpu-118a12e1",
        "published 002",
        "published 003",
        "published 004",
    ]
    assert adam["published 002"].ratio.value == pytest.approx(1.2472592)
    assert "network" in adam["published 004"].why
    assert not any(row.word in ("agree", "differ") for row in table.rows)


def test_the_text_names_caveats_and_seconds(committed):
    """Every published machine's caveat is there, every table has the seconds behind its ratios."""
    text = render(report.answers(committed))
    assert "launch time" in text
    assert "never judged" in text
    assert "every program ran once, in one process" in text


def test_the_record_is_json_without_nan(committed):
    """All of it can be written strictly, and holds what the text does."""
    record = json.loads(json.dumps(report.record(committed), allow_nan=False))
    assert len(record["machines"]) == 7
    (adam,) = [
        row
        for row in record["ratios"]
        if row["of"] == "adam" and row["reading"] == "seconds" and "002" in row["machine"]
    ]
    assert adam["ratio"] == pytest.approx(1.2472592)
    assert adam["interval"] is None


def test_the_command_puts_a_first_run_beside_the_published_machines(run):
    """One file is enough; the JSON holds its machine and five others, and nothing is judged."""
    status, out, errors = run("compare", "--across", str(SAVED / INTEL), "--json")
    record = json.loads(out)
    assert (status, errors) == (0, [])
    names = [machine["name"] for machine in record["machines"]]
    assert names[0] == "intel-r-xeon-r-processor-2cpu-9549db88"
    assert [name[:13] for name in names[1:]] == [f"published 00{n}" for n in range(5)]
    assert {row["verdict"] for row in record["ratios"]} == {None, "not comparable"}


def test_the_command_takes_several_files_and_prints_text(run):
    """Two files after one option."""
    status, out, _ = run("compare", "--across", str(SAVED / INTEL), str(SAVED / AMD))
    assert status == 0
    assert "Optimizers: time of an epoch" in out
    assert "amd-epyc-2cpu-118a12e1" in out


def test_machines_without_a_question_of_the_lab_have_nothing_beside_each_other():
    """Two runs of other benchmarks: it says so, and what compares seconds."""
    own = [Subject(name, run_of(benchmark("mine", seconds=[1.0]))) for name in ("a", "b")]
    text = render(report.answers(across(own, CONTRASTS)))
    assert "Nothing can be compared" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--across", "no.json"], "run file 'no.json' cannot be read"),
        (["--across", str(SAVED / AMD), "--base", str(SAVED / AMD)], "--across stands alone"),
        (["--across", str(SAVED / AMD), "--alpha", "2"], "alpha 2.0 is not between 0 and 1"),
    ],
)
def test_the_command_refuses_in_one_line(run, arguments, message):
    """Exit status 2 and one line."""
    status, out, errors = run("compare", *arguments)
    assert (status, out, len(errors)) == (2, "", 1)
    assert message in errors[0]
