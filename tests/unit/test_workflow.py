"""The GitHub Actions workflow is sound: it parses, may do little, and its commands exist."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from hpml_lab.cli import cli

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "performance.yml"
TEXT = WORKFLOW.read_text()
PARSED = yaml.safe_load(TEXT)
STEPS = [step for job in PARSED["jobs"].values() for step in job["steps"]]
LINES = [line for step in STEPS for line in step.get("run", "").splitlines()]


def commands(program):
    """Returns the arguments of every call of a program."""
    calls = [shlex.split(line) for line in LINES]
    return [words[1:] for words in calls if Path(words[0]).name == program]


def test_every_job_may_only_read():
    """Nothing is allowed by default, and no step keeps the token."""
    assert PARSED["permissions"] == {}
    assert all(job["permissions"] == {"contents": "read"} for job in PARSED["jobs"].values())
    checkouts = [step for step in STEPS if "checkout" in step.get("uses", "")]
    assert len(checkouts) == 2
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert "pull_request_target" not in TEXT


def test_actions_are_pinned_by_commit():
    """With the version they had beside it."""
    uses = re.findall(r"uses: (.+)", TEXT)
    assert uses
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses)


def test_no_expression_is_part_of_a_script():
    """What a pull request can name reaches the shell as a variable alone."""
    assert not [line for line in LINES if "${{" in line]


def test_forks_do_not_run_on_own_machines():
    """The condition of the self-hosted job names the repository."""
    condition = PARSED["jobs"]["gpu"]["if"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in condition


def test_the_cpu_gate_parses():
    """`hpml-lab ab` takes its arguments as they are, with history enough for the merge base."""
    (arguments,) = commands("hpml-lab")
    command = cli.commands[arguments[0]]
    with command.make_context("ab", arguments[1:]) as context:
        assert isinstance(context, click.Context)
        assert context.params["base"] == "$base"
        assert context.params["new"] == "HEAD"
    assert PARSED["jobs"]["cpu"]["steps"][0]["with"]["fetch-depth"] == 0


def test_the_tests_that_are_measured_are_there():
    """Every path behind a command exists."""
    (ab,) = commands("hpml-lab")
    named = [*ab[ab.index("--") + 1 :], *(word for call in commands("pytest") for word in call)]
    paths = [word for word in named if word.startswith("tests")]
    assert len(paths) == 3
    assert all((ROOT / path).exists() for path in paths)


@pytest.mark.parametrize("arguments", commands("pytest"), ids=["gate", "save"])
def test_pytest_takes_the_gpu_commands(pytester, arguments):
    """Every option is known; there is nothing to measure here."""
    named = [word for word in arguments if word != "tests/perf"]
    result = pytester.runpytest_inprocess(*named, "--help")
    assert result.ret == 0
