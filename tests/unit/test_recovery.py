"""A saved run from a journal, as a normal end would have made it."""

import dataclasses
import json
import os
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_benchmark.stats import Stats

from hpml_lab.errors import InputError, JournalError
from hpml_lab.runs.journal import Journal
from hpml_lab.runs.merge import ProcessResult
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.recovery import newest_dead, published, recover, summary
from hpml_lab.runs.resume import differences, find_resumable
from hpml_lab.runs.revision import Code
from hpml_lab.runs.schema import Failure
from support.journals import crashed, header, journal_of, measured, record

THREE = [("t.py::b", crashed(1)), ("t.py::a", measured(1)), ("t.py::a", measured(2, "a", [4.0]))]
seconds = st.lists(st.floats(1e-9, 1e4), min_size=1, max_size=40)


@given(seconds)
def test_statistics_are_those_of_pytest_benchmark(rounds_s):
    """Field by field; the highest datum apart, which its versions before 5.3 have otherwise."""
    stock = Stats()
    for rounds_ in rounds_s:
        stock.update(rounds_)
    ours, theirs = summary(rounds_s), stock.as_dict()
    assert list(ours) == list(theirs)
    for name in ours.keys() - {"hd15iqr"}:
        assert ours[name] == theirs[name], name


def test_statistics_of_seven_rounds():
    """Worked out by hand: quartiles 2.25 and 5.75, so that 100 is an outlier."""
    result = summary([3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 100.0])
    assert (result["q1"], result["median"], result["q3"]) == (2.25, 4.0, 5.75)
    assert (result["ld15iqr"], result["hd15iqr"]) == (1.0, 6.0)
    assert result["outliers"] == "1;1"
    assert (result["total"], result["ops"]) == (121.0, 7 / 121)
    assert result["stddev"] == statistics.stdev([3, 1, 2, 4, 5, 6, 100])


def test_no_rounds_have_no_statistics():
    """They are refused, not divided by."""
    with pytest.raises(ValueError, match="without rounds"):
        summary([])


def test_a_recovered_run_is_what_was_measured(tmp_path):
    """Rounds by process, statistics over all, failures, and what the run did not get to."""
    path = journal_of(tmp_path / "m", THREE)
    file = recover(path)
    assert file == tmp_path / "m" / "0001_x.json"
    assert list(file.parent.iterdir()) == [file]
    run = read_run(file)
    (bench,) = run.benchmarks
    assert bench.measurement.processes == [[1.0, 2.0], [4.0]]
    assert (bench.stats.median, bench.stats.rounds) == (2.0, 3)
    assert run.datetime == "2026-01-02T03:04:05+00:00"
    assert run.hpml.unmeasured == {
        "t.py::b": [
            Failure(process=1, kind="crashed", message="killed by SIGSEGV", signal="SIGSEGV")
        ]
    }
    assert run.hpml.missing == {"t.py::b": [2]}
    assert (run.hpml.processes, run.hpml.journal) == (2, path.name)


def test_a_run_with_nothing_measured_is_not_saved(tmp_path):
    """Its journal stays where it is."""
    path = journal_of(tmp_path, THREE[:1])
    with pytest.raises(InputError, match="has nothing measured to save; remove it"):
        recover(path)
    assert list(tmp_path.iterdir()) == [path]
    Journal.reopen(path).close()  # and is let go of


def test_a_living_run_is_not_recovered(tmp_path):
    """The newest journal that nobody writes is; without one, an error says so."""
    living = Journal.create(tmp_path / "m", header(when="2026-05-01T00:00:00+00:00"))
    with pytest.raises(InputError, match="no journal of a dead run under"):
        newest_dead(tmp_path)
    with pytest.raises(InputError, match="is alive"):
        recover(living.path)
    dead = journal_of(tmp_path / "n", THREE)
    assert newest_dead(tmp_path) == dead
    living.close()
    assert newest_dead(tmp_path) == living.path


def test_a_run_that_died_behind_its_publishing_is_not_saved_twice(tmp_path):
    """The run's file names the journal; one that was written since is another matter."""
    path = journal_of(tmp_path, THREE)
    text = path.read_bytes()
    file = recover(path)
    path.write_bytes(text)
    os.utime(path, ns=(file.stat().st_mtime_ns,) * 2)
    with pytest.raises(InputError, match=r"is saved already as .*0001_x.json'; go on with it"):
        recover(path)
    os.utime(path, ns=(file.stat().st_mtime_ns + 1,) * 2)
    assert published(path) is None


def test_a_recovered_run_that_cannot_be_written_keeps_its_journal(tmp_path, monkeypatch):
    """A full disk is an error; later it can be recovered."""
    path = journal_of(tmp_path, THREE)

    def full(_run, _folder, _name):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hpml_lab.runs.recovery.save_run", full)
    with pytest.raises(OSError, match="No space left"):
        recover(path)
    monkeypatch.undo()
    assert recover(path).name == "0001_x.json"


def hostile(**changed):
    """Returns an ending whose benchmark is not one."""
    return ProcessResult(1, None, [], record("a", [1.0]) | changed)


@pytest.mark.parametrize(
    "ending",
    [
        hostile(stats={}),
        hostile(stats={"data": [], "iterations": 1}),
        hostile(stats={"data": "many", "iterations": 1}),
        hostile(stats={"data": [None], "iterations": 1}),
        hostile(stats={"data": [1e308, 1e308, -1e308], "iterations": 1}, fullname=3),
        hostile(extra_info=None),
        hostile(extra_info={"hpml": {"counters": 3}}),
        hostile(extra_info={"hpml": {"counters": {}, "sampling": 7, "case": []}}),
        hostile(fullname=7),
        hostile(params=[1]),
        ProcessResult(1, None, [], {"name": "a"}),
    ],
)
def test_what_is_no_benchmark_is_one_error(tmp_path, ending):
    """Whatever a journal claims was measured, recovering it ends in one line, and saves nothing."""
    path = journal_of(tmp_path, [("t.py::a", ending)])
    with pytest.raises(JournalError, match=r"journal '.*' holds what is no benchmark: "):
        recover(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_journal_cannot_name_another_folder(tmp_path):
    """What it wants to be saved as is a name, not a path."""
    with pytest.raises(InputError, match=r"a run cannot be saved as '../x'; give a name without"):
        recover(journal_of(tmp_path, THREE, name="../x"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"when": "2027", "process": 1, "host": "g", "name": "y", "run": {}}, []),
        ({"machine": "n"}, ["machine: recorded 'm', now 'n'"]),
        ({"code": Code("bad", False, "d1")}, ["commit: recorded 'c0ffee', now 'bad'"]),
        (
            {"code": Code("c0ffee", True, "d2")},
            [
                "uncommitted changes: recorded False, now True",
                "digest of changes and tests: recorded 'd1', now 'd2'",
            ],
        ),
        ({"software": {"torch": "2.16"}}, ["torch: recorded '2.15', now '2.16'"]),
        ({"seed": 3}, ["seed: recorded 0, now 3"]),
        ({"processes": 3}, ["processes: recorded 2, now 3"]),
        (
            {"settings": {"profile": "full", "min_rounds": "5"}},
            [
                "profile: recorded '', now 'full'",
                "max_time: recorded '1.0', now None",
                "min_rounds: recorded None, now '5'",
            ],
        ),
        (
            {"selection": {"t.py::a": 1, **{f"t.py::{n}": 2 for n in range(5)}}},
            [
                "recorded tests that are not selected: 't.py::b'",
                "selected tests that were not recorded: 't.py::0', 't.py::1', 't.py::2' and 2 more",
                "tests in another number of processes: 't.py::a'",
            ],
        ),
    ],
)
def test_what_keeps_runs_apart_is_said(changed, said):
    """Each value with what was recorded and what it is now; tests by name."""
    assert differences(header(), header(**changed)) == said


def test_of_several_unfinished_runs_the_one_that_fits_is_gone_on_with(tmp_path):
    """If none does, the newest says why; without any, that is said."""
    tmp_path = tmp_path / "machine"
    tmp_path.mkdir()
    with pytest.raises(InputError, match=r"no unfinished run under '.*'; leave out --hpml-resume"):
        find_resumable(tmp_path, header())
    fits = journal_of(tmp_path, THREE)
    journal_of(tmp_path, THREE, seed=1, when="2026-02-02T00:00:00+00:00")
    journal = find_resumable(tmp_path, header())
    assert journal.path == fits
    journal.close()
    with pytest.raises(
        InputError, match="is another one: seed: recorded 1, now 2; run what was re"
    ):
        find_resumable(tmp_path, header(seed=2))


def test_a_run_that_was_published_is_not_gone_on_with(tmp_path):
    """One that died between publishing and removing its journal has nothing missing."""
    rest = [("t.py::b", measured(2, "b"))]
    path = journal_of(tmp_path, [*THREE, *rest])
    text = path.read_bytes()
    file = recover(path)
    path.write_bytes(text)
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputError, match="no unfinished run"):
        find_resumable(tmp_path, header())
    assert list(tmp_path.iterdir()) == [file]


def test_a_header_says_all_that_a_record_says(tmp_path):
    """Every field of it is in the file: none is lost on the way."""
    line = json.loads(journal_of(tmp_path, []).read_text())
    assert set(line) == {field.name for field in dataclasses.fields(header())}


def test_unfinished_runs_of_other_machines_are_named(tmp_path):
    """Hosts of one GPU may differ in their processor, and so in their folder."""
    place, other = tmp_path / "one-gpu-a", tmp_path / "one-gpu-b"
    for folder in (place, other):
        folder.mkdir()
    journal_of(other, THREE)
    with pytest.raises(InputError, match="of this machine, and some of others: one-gpu-b; leave"):
        find_resumable(place, header())
