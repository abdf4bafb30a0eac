"""The command `hpml-lab compare`: what it prints, and one line for what it refuses."""

import json

import pytest

from support.runs import stock_json


@pytest.fixture
def saved(tmp_path):
    """Returns a function that saves stock files of given medians, one a process."""

    def save(name, *medians, fullname="test_a"):
        paths = []
        for index, median in enumerate(medians):
            path = tmp_path / f"{name}{index}.json"
            path.write_text(json.dumps(stock_json({fullname: median})))
            paths.append(str(path))
        return paths

    return save


BASE = (1.0, 1.001, 0.999)
SLOWER = (1.1, 1.101, 1.099)


def test_files_follow_one_option_or_one_each(run, saved):
    """`--base a b c` and `--base a --base b --base c` are the same."""
    base, new = saved("base", *BASE), saved("new", *SLOWER)
    together = run("compare", "--base", *base, "--new", *new, "--json")
    apart = run(
        "compare",
        "--json",
        *(part for path in new for part in ("--new", path)),
        *(f"--base={path}" for path in base),
    )
    assert together == apart
    assert together[0] == 1


def test_json_is_as_agreed(run, saved):
    """Verdicts with their numbers, counters, and the exit status."""
    files = ["--base", *saved("base", *BASE), "--new", *saved("new", *SLOWER)]
    status, out, _ = run("compare", *files, "--json")
    record = json.loads(out)
    (verdict,) = record["verdicts"]
    assert (verdict["fullname"], verdict["verdict"]) == ("test_a", "regressed")
    assert verdict["interval"][0] < verdict["ratio"] < verdict["interval"][1]
    assert 1 < verdict["detectable"] < 1.02
    assert (record["counters"], record["exit"], status) == ([], 1, 1)


def test_text_leads_with_what_changed(run, saved):
    """The first table is of what changed; the last line says whether a gate passes."""
    base, new = saved("base", *BASE), saved("new", *SLOWER)
    status, out, _ = run("compare", "--base", *base, "--new", *new)
    lines = [line for line in out.splitlines() if line]
    assert lines[0] == "Changed: 1"
    assert lines[3].split()[:4] == ["test_a", "regressed", "+10.0", "%"]
    assert lines[-1] == "Fails: 1 reason above."
    assert status == 1


def test_the_same_files_pass(run, saved):
    """What is unchanged is counted only."""
    base = saved("base", *BASE)
    status, out, _ = run("compare", "--base", *base, "--new", *base)
    assert status == 0
    assert "test_a" not in out
    assert "1 cases: 1 unchanged." in out
    assert out.splitlines()[-1] == "Passes."


def test_names_of_files_cannot_write_to_the_terminal(run, saved):
    """Control characters become question marks, markup stays as it is."""
    hostile = "test[red]\x1b[31m"
    base = saved("base", *BASE, fullname=hostile)
    _, out, _ = run("compare", "--base", *base, "--new", *saved("new", *SLOWER, fullname=hostile))
    assert "test[red]?[31m" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--base is missing; name one or more saved runs"),
        (["--base", "nowhere"], "--new is missing"),
        (["--base", "nowhere", "--new", "nowhere"], "run file 'nowhere' cannot be read"),
        (["--base", "{0}", "--new", "{0}", "--alpha", "0"], "alpha 0.0 is not a share"),
        (["--base", "{0}", "--new", "{0}", "--alpha", "x"], "Invalid value for '--alpha'"),
        (["--base", "{0}", "--new", "{0}", "--margin", "1"], "margin 1.0 is not a share"),
        (["{0}", "--base", "{0}"], "Got unexpected extra argument"),
    ],
)
def test_bad_input_is_one_line(run, saved, arguments, message):
    """Exit status 2, nothing on standard output, and one line that says what is wrong."""
    files = saved("base", *BASE)
    status, out, errors = run("compare", *(argument.format(*files) for argument in arguments))
    assert (status, out, len(errors)) == (2, "", 1)
    assert errors[0].startswith(f"hpml-lab: {message}")


@pytest.mark.parametrize("text", ["", "{}", "[", '{"benchmarks": NaN}', "[" * 100_000])
def test_a_file_that_is_no_run_is_one_line(run, tmp_path, text):
    """Whatever it holds."""
    path = tmp_path / "run.json"
    path.write_text(text)
    status, out, errors = run("compare", "--base", str(path), "--new", str(path))
    assert (status, out, len(errors)) == (2, "", 1)
    assert "is not a saved run" in errors[0]


def test_what_many_cases_have_in_common_is_said_once(run, tmp_path):
    """Two cases of one process a side share a reason; it is printed once, with their number."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps(stock_json({"test_a": 1.0, "test_b": 1.0})))
    _, out, _ = run("compare", "--base", str(path), "--new", str(path))
    assert out.count("measured in 1 and 1 processes") == 1
    assert "2 of these: measured in 1 and 1 processes" in out
