"""A fresh interpreter: arguments and results cross as JSON, and no failure passes for a result."""

import os

import pytest

from hpml_lab.errors import InputError, MeasurementError
from hpml_lab.measure.subprocess_call import in_fresh_process
from support import fresh_jobs


def test_a_job_runs_elsewhere_with_its_arguments():
    """Another process; lists, numbers and names arrive."""
    result = in_fresh_process(fresh_jobs.describe, 1, [2, "three"], four={"five": None})
    assert result["pid"] != os.getpid()
    assert (result["arguments"], result["named"]) == ([1, [2, "three"]], {"four": {"five": None}})


def test_what_a_job_prints_is_not_its_result():
    """Noise on either stream is left out."""
    assert in_fresh_process(fresh_jobs.chatter) == "quiet"


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (fresh_jobs.fail, "fail failed in its own process: of two lines"),
        (fresh_jobs.die, "die failed in its own process: exit status 9"),
        (fresh_jobs.nothing_json, "Out of range float values are not JSON compliant"),
    ],
)
def test_a_job_that_fails_has_no_result(job, message):
    """An error, a death without a word, a result that is not JSON."""
    with pytest.raises(MeasurementError, match=message):
        in_fresh_process(job)


def test_a_job_that_hangs_is_killed():
    """The limit is named; the process is gone."""
    with pytest.raises(MeasurementError, match=r"hang did not end within 0\.2 s"):
        in_fresh_process(fresh_jobs.hang, timeout_s=0.2)


def test_a_job_needs_a_name_to_be_found_by():
    """A function inside another, a lambda, one of the main program."""
    for job in (lambda: None, test_a_job_needs_a_name_to_be_found_by.__get__(1)):
        with pytest.raises(InputError, match="cannot run in a fresh process"):
            in_fresh_process(job)


def test_arguments_must_be_json():
    """A set is not, nor is infinity."""
    for argument in ({1}, float("inf")):
        with pytest.raises(InputError, match="the arguments of describe must be JSON"):
            in_fresh_process(fresh_jobs.describe, argument)
