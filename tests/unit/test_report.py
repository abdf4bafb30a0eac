"""The report of saved runs as a page: complete, safe to open, written whole."""

import base64
import dataclasses
import hashlib
import html.parser
import json
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hpml_lab.comparison.sides import Subject
from hpml_lab.labs.answer import Answer, Brief
from hpml_lab.labs.picture import Picture
from hpml_lab.labs.questions import QUESTIONS
from hpml_lab.report import html as page
from hpml_lab.report import markdown_document
from hpml_lab.report.document import Document, Section, document
from hpml_lab.report.summary import Line, Summary
from hpml_lab.runs.schema import Row
from support.runs import benchmark, doubtful, run_of

SAVED = Path(__file__).parents[2] / "benchmarks/amd-epyc-2cpu-118a12e1/0002_bench.json"
FEW = {"workers", "batch_size"}
HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=y>\x1b[31m\u202e|`*_[a](javascript:b)$x$&lt;"
)


class Tags(html.parser.HTMLParser):
    """Collects the tags of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.data.append(data)


def hostile_document():
    """Returns a document in which every text is hostile."""
    answer = Answer(HOSTILE, HOSTILE, HOSTILE, [HOSTILE] * 2, [[HOSTILE] * 2], [HOSTILE])
    picture = Picture("name", HOSTILE, Figure(figsize=(1, 1)))
    line = Line(HOSTILE, HOSTILE, Brief(HOSTILE, HOSTILE), HOSTILE)
    summary = Summary([HOSTILE], [line], HOSTILE, [HOSTILE], [HOSTILE])
    section = Section(HOSTILE, [answer], [picture], [HOSTILE], alarming=True, name=HOSTILE)
    return Document(HOSTILE, [HOSTILE], {HOSTILE: summary}, [section])


def test_hostile_names_are_text_in_html():
    """No tag, attribute or control character comes from a name; the name can still be read."""
    text = page.render(hostile_document())
    result = Tags(text)
    known = {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "nav", "ul", "li",
        "a", "section", "div", "table", "thead", "tbody", "tr", "th", "td", "figure", "img",
        "figcaption", "header", "main", "details", "summary", "span",
    }  # fmt: skip
    assert {tag for tag, _ in result.tags} <= known
    allowed = {
        "lang", "charset", "http-equiv", "content", "name", "href", "id", "class", "scope", "alt",
        "src", "tabindex", "role", "aria-label",
    }  # fmt: skip
    assert {key for _, attributes in result.tags for key in attributes} <= allowed
    assert all(a.get("href", "#").startswith("#") for _, a in result.tags)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert any("<script>alert(1)</script>" in data for data in result.data)


def test_the_policy_allows_only_this_style_and_these_pictures():
    """Nothing by default; the one style by its digest; pictures that are part of the page."""
    text = page.render(hostile_document())
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [a["content"] for _, a in Tags(text).tags if "http-equiv" in a]
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert "style=" not in text
    assert not re.search(r"(?:https?:)?//\w", re.sub(r"base64,[^\"]*", "", text))


def test_an_unescaped_name_would_be_seen(monkeypatch):
    """The test above fails for a page that takes names as they are."""
    monkeypatch.setattr(page, "_text", lambda text: text)
    assert "script" in {tag for tag, _ in Tags(page.render(hostile_document())).tags}


def test_hostile_names_are_text_in_markdown():
    """No cell is split, no tag opened, no link or code or emphasis made."""
    text = markdown_document.render(hostile_document())
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in table] == [4] * 3 + [3] * 3
    assert "<" not in text
    assert not re.search(r"(?<!\\)[`*$\[\]]", text)
    assert all(c.isprintable() or c == "\n" for c in text)


def test_names_of_tests_stay_readable_in_markdown():
    """An underscore between letters is no emphasis."""
    answer = Answer(
        "C3", "t", "s", ["a", "b"], [["test_epochs[cpu-workers=0]", "1"]], ["x: 2 < 3."]
    )
    text = markdown_document.render(Document("R", [], {}, [Section("S", [answer])]))
    assert "| test_epochs&#91;cpu-workers=0&#93; | 1 |" in text
    assert "| --- | --: |" in text
    assert "x: 2 &#60; 3&#46;" in text


def test_a_document_leads_with_warnings_and_holds_machine_answers_and_cases():
    """Sections in the order in which they are to be read."""
    result = document([Subject("m", doubtful())])
    titles = [section.title for section in result.sections]
    assert titles[0] == "Warnings"
    assert titles[1] == "Batch size: throughput"
    assert titles[-3:] == ["Not in this run", "The machine", "All cases"]
    assert [section.alarming for section in result.sections].count(True) == 1
    assert len({section.name for section in result.sections}) == len(titles)
    assert result.lead == ["m: 3 cases in up to 2 processes, saved 2026."]


def test_pictures_are_drawn_of_sweeps_and_of_memory():
    """Throughput by batch over three sizes; a step that was watched; names are no formulas."""
    run = doubtful()
    rows = [
        Row(phase="before", layer="", live_bytes=[1] * 7),
        Row(phase="forward", layer="$\\frac{", live_bytes=[2] * 7),
    ]
    watched = dataclasses.replace(benchmark("memory_plan", seconds=[1.0]), name="a $\\frac{ \u4e2d")
    watched.measurement.timelines["tracked"] = rows
    whole = dataclasses.replace(run, benchmarks=[*run.benchmarks, watched])
    sections = [s for s in document([Subject("m", whole)]).sections if s.pictures]
    assert [section.title for section in sections] == ["Batch size: throughput"]
    found = [picture for question in QUESTIONS for picture in question.pictures(whole)]
    assert [picture.caption.split(" (")[0].split(":")[0] for picture in found] == [
        "Memory over a step",
        "Throughput by batch size",
    ]
    assert all(picture.png().startswith(b"\x89PNG") for picture in found)
    assert all("<svg" in picture.svg() for picture in found)


def test_runs_of_two_machines_stand_beside_each_other_first():
    """What they say together, and then each by its name."""
    other = run_of(machine="n")
    titles = [s.title for s in document([Subject("a", doubtful()), Subject("b", other)]).sections]
    assert titles[0] == "Machines compared"
    assert "a: Warnings" in titles
    assert "b: The machine" in titles


def test_a_run_without_benchmarks_says_so():
    """A page of nothing but a machine would leave its reader in doubt."""
    (lead,) = document([Subject("a", run_of())]).lead
    assert lead.startswith("a: no benchmark is in this run, saved 20")


def test_runs_of_one_machine_are_compared():
    """The second against the first, with the comparison's words and its outcome."""
    result = document([Subject("a", doubtful()), Subject("b", doubtful())]).sections[0]
    assert result.title == "a against b"
    assert result.answers[0].title.startswith("Inconclusive: ")
    assert "The chance of any false alarm" in " ".join(result.answers[-1].sentences)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The file of a real run, cut to two groups."""
    tree = json.loads(SAVED.read_text())
    tree["benchmarks"] = [one for one in tree["benchmarks"] if one["group"] in FEW]
    path = tmp_path_factory.mktemp("saved") / "0001_few.json"
    path.write_text(json.dumps(tree))
    return str(path)


def test_report_writes_html_and_markdown(run, saved, tmp_path):
    """The ending chooses the format; an old file is replaced; nothing else is left behind."""
    out = tmp_path / "report.html"
    out.write_text("old")
    assert run("report", saved, "-o", str(out)) == (0, f"Written: {out}\n", [])
    assert out.read_text().startswith("<!doctype html>")
    assert out.read_text().count("<img") == 2
    assert run("report", saved, "-o", str(tmp_path / "report.md"))[0] == 0
    assert (tmp_path / "report.md").read_text().startswith("# Performance of deep-learning")
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.md"}


def test_the_same_run_gives_the_same_bytes(run, saved, tmp_path):
    """A report is a pure function of its run."""
    for name in ("a.html", "b.html"):
        run("report", saved, "-o", str(tmp_path / name))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.json", "-o", "r.html"], "run file 'no.json' cannot be read"),
        ([str(SAVED), "-o", "nowhere/r.md"], "No such file or directory"),
        ([str(SAVED)], "Missing option '-o'"),
        ([str(SAVED), "-o", "r.html", "--format", "pdf"], "Invalid value for '--format'"),
        (["--storage", "empty", "-o", "r.html"], "no saved run under 'empty'"),
    ],
)
def test_report_refuses_in_one_line(run, arguments, message, monkeypatch, tmp_path):
    """Exit status 2, one line, and no file."""
    monkeypatch.chdir(tmp_path)
    status, out, errors = run("report", *arguments)
    assert (status, out, len(errors)) == (2, "", 1)
    assert message in errors[0]
    assert not list(tmp_path.iterdir())


def test_a_page_that_cannot_be_written_leaves_nothing(run, saved, tmp_path, monkeypatch):
    """A full disk: one line, the old page as it was, no temporary file."""
    out = tmp_path / "report.html"
    out.write_text("old")

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    status, _, errors = run("report", saved, "-o", str(out))
    assert (status, len(errors)) == (2, 1)
    assert "No space left on device" in errors[0]
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
