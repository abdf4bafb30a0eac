"""Journals made up so that what they hold is known."""

import json

from hpml_lab.runs.journal import Header, Journal
from hpml_lab.runs.merge import ProcessResult
from hpml_lab.runs.revision import Code
from hpml_lab.runs.schema import Failure


def header(**changed):
    """Returns the header of a run of two tests in two processes."""
    named = {
        "when": "2026-01-02T03:04:05+00:00",
        "process": 7,
        "host": "h",
        "code": Code("c0ffee", False, "d1"),
        "machine": "m",
        "software": {"torch": "2.15"},
        "settings": {"profile": "", "max_time": "1.0"},
        "processes": 2,
        "seed": 0,
        "selection": {"t.py::a": 2, "t.py::b": 2},
        "name": "x",
        "run": {"machine_info": {"node": "h"}, "commit_info": {"id": "c0ffee"}, "version": "5.2.3"},
    }
    return Header(**named | changed)


def record(name, rounds):
    """Returns a benchmark as pytest-benchmark's fixture leaves it in one process."""
    return {
        "group": None,
        "name": name,
        "fullname": f"t.py::{name}",
        "params": None,
        "param": None,
        "extra_info": {},
        "options": {},
        "stats": {"data": rounds, "iterations": 3},
    }


def measured(process, name="a", rounds=(1.0, 2.0)):
    """Returns the ending of a test that passed."""
    return ProcessResult(process, None, [{"outcome": "passed"}], record(name, list(rounds)))


def crashed(process, signal="SIGSEGV"):
    """Returns the result of a test that took its interpreter down."""
    failure = Failure(process=process, kind="crashed", message=f"killed by {signal}", signal=signal)
    return ProcessResult(process, failure, [], None, "stack", 0.5)


def journal_of(folder, endings, **changed):
    """Writes the journal of a run that died; returns its file."""
    journal = Journal.create(folder, header(**changed))
    for nodeid, ending in endings:
        journal.append(nodeid, ending)
    journal.close()
    return journal.path


def lines_of(path):
    """Returns what the lines of a journal say."""
    return [json.loads(line) for line in path.read_text().splitlines()]
