"""The command `hpml-lab compare`: what it prints, and one line for what it refuses."""

import json

import pytest

from hpml_lab.text import told_apart
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
    """The first line says whether a gate passes; counts follow, then the table of what changed."""
    base, new = saved("base", *BASE), saved("new", *SLOWER)
    status, out, _ = run("compare", "--base", *base, "--new", *new)
    lines = [line for line in out.splitlines() if line]
    assert lines[0] == "Fails: 1 case regressed."
    assert lines[1].startswith("1 case: 1 regressed. The chance of any false alarm")
    place = lines.index("Regressed: 1 case")
    assert lines[place + 3].split()[:3] == ["test_a", "+10.0", "%"]
    assert status == 1


def test_the_same_files_pass(run, saved):
    """What is unchanged is counted only."""
    base = saved("base", *BASE)
    status, out, _ = run("compare", "--base", *base, "--new", *base)
    assert status == 0
    assert "test_a" not in out
    assert "1 case: 1 unchanged." in out
    assert out.splitlines()[0] == "Passes."


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
        (["--base", "x.json", "--new", "x.json"], "run file 'x.json' cannot be read"),
        (["--base", "x" * 300, "--new", "x.json"], "no baseline 'xxx"),
        (["--base", "nowhere", "--new", "x.json"], "no baseline 'nowhere' is a file, number, name"),
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
    assert "Inconclusive: 2 cases; measured in 1 and 1 processes" in out


def test_many_cases_are_a_screen(run, tmp_path):
    """Of 256 cases of one reason the five with the largest changes are shown, and their number."""
    paths = [tmp_path / "base.json", tmp_path / "new.json"]
    names = [f"tests/test_it.py::test_{n}" for n in range(256)]
    for path, factor in zip(paths, (0, 1), strict=True):
        medians = {name: 1 + factor * n / 1000 for n, name in enumerate(names)}
        path.write_text(json.dumps(stock_json(medians)))
    _, out, _ = run("compare", "--base", str(paths[0]), "--new", str(paths[1]))
    assert len(out.splitlines()) < 20
    assert max(map(len, out.splitlines())) <= 100
    shown = [line.split()[0] for line in out.splitlines() if line.startswith("test_")]
    assert shown == ["test_255", "test_254", "test_253", "test_252", "test_251"]
    assert "and 251 more; all: --json" in out


def test_names_that_differ_in_their_last_letter_stay_apart(run, tmp_path):
    """Of 5,000 characters, in one module, in two: every row has its own name, none is cut."""
    long = "x" * 5000
    names = [
        f"tests/test_a.py::test_it[{long}a]",
        f"tests/test_a.py::test_it[{long}b]",
        "tests/test_a.py::test_same",
        "tests/test_b.py::test_same",
    ]
    path = tmp_path / "run.json"
    path.write_text(json.dumps(stock_json(dict.fromkeys(names, 1.0))))
    _, out, _ = run("compare", "--base", str(path), "--new", str(path))
    told = told_apart(names)
    assert len(set(told.values())) == 4
    assert told[names[2]] == "test_a.py::test_same"
    digests = {told[name].split("...")[1] for name in names[:2]}
    assert len(digests) == 2
    assert all(digest in out for digest in digests)
    assert "test_a.py::test_same" in out
