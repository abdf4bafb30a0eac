"""What CI is shown of a comparison, with names that would be something else than text."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hpml_lab.comparison.verdicts import Comparison, CounterVerdict, Refusal, Verdict
from hpml_lab.report import actions
from hpml_lab.report.actions import MOST, annotation, annotations, inert
from hpml_lab.report.markdown import MOST_ROWS, render
from hpml_lab.text import markdown

HOSTILE = [
    "::set-env name=PATH::/evil",
    "a\n::error::planted",
    "a\r\n::stop-commands::x",
    "a%0A::error::x",
    "##[add-path]/evil",
    "a | b | <script>alert(1)</script>",
    "`x` **b** [l](javascript:1) ![i](http://e) @you #1 www.evil.com",
    "\x1b[31mred\x07\u202eltr",
    "\\|",
    ",file=/etc/passwd,line=1::x",
]


def regressed(name):
    """Returns a regression of a case."""
    return Verdict(name, "regressed", 1.1, (1.05, 1.15), 1.04, (3, 3), None, f"{name} is slower")


@given(st.one_of(st.sampled_from(HOSTILE), st.text()), st.text())
def test_an_annotation_is_one_command_of_one_line(name, path):
    """Whatever is in it: no line end, and nothing that ends a property or the properties."""
    line = annotation("error", name, (path, 3))
    assert len(line.splitlines()) <= 1 or not {"\n", "\r"} & set(line)
    head, properties, _data = re.fullmatch(r"(::error )([^:]*)::(.*)", line, re.DOTALL).groups()
    assert head == "::error "
    assert [pair.partition("=")[0] for pair in properties.split(",")] == ["title", "file", "line"]


def test_an_annotation_is_escaped_like_the_toolkit_does():
    """Percent, line ends, and in properties colon and comma."""
    assert annotation("error", "50 %\nmore: a,b", ("a,b:c%d.py", 7)) == (
        "::error title=Performance gate,file=a%2Cb%3Ac%25d.py,line=7::50 %25%0Amore: a,b"
    )


def test_many_reasons_leave_room_for_how_many():
    """GitHub shows ten errors of a step."""
    lines = annotations([Refusal(f"t{n}", "slower") for n in range(25)], {"t0": ("t.py", 1)})
    assert len(lines) == MOST
    assert lines[0] == "::error title=Performance gate,file=t.py,line=1::t0: slower"
    assert lines[-1].endswith("::16 more; see the table in the log")


def test_text_between_stop_commands_needs_an_unknown_token():
    """Which is another one each time and ends what it began."""
    first, *between, last = inert("::error::x\n").splitlines()
    token = first.removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert between == ["::error::x"]
    assert last == f"::{token}::"
    assert inert("x") != inert("x")


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@given(st.one_of(st.sampled_from(HOSTILE), st.text(), st.text("*_-=+#>|`~[](){}!<&:.1 a@/w\\")))
def test_markdown_holds_text_only(text):
    """A parser finds nothing but text in a paragraph and in a cell, and reads it as it was."""
    written = markdown(text)
    assert html.unescape(written) == "".join(c if c.isprintable() else "?" for c in text)
    for source in (f"x {written}", f"| a |\n|---|\n| x {written} |"):
        tokens = MARKDOWN.parse(source)
        kinds = {child.type for token in tokens for child in token.children or []}
        assert kinds == {"text"}


@pytest.mark.parametrize(
    "text", ["www.a.b", "https://a.b", "@name", "#12", ":tada:", "1. x", "- x"]
)
def test_markdown_leaves_nothing_that_github_would_link_or_list(text):
    """What only GitHub takes for markup has its marks written as numbers too."""
    assert re.search(r"&#\d+;", markdown(text))


def test_markdown_leaves_numbers_and_names_readable():
    """Points within numbers, dashes within words and brackets stay."""
    assert (
        markdown("1.25 (max-autotune, batch_size), 5 %") == "1.25 (max-autotune, batch_size), 5 %"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_adds_no_cell_and_no_line(name):
    """The table has as many lines and bars as that of a harmless name."""
    shapes = [
        [line.count("|") for line in render(Comparison([regressed(one)])).splitlines()]
        for one in ("harmless", name)
    ]
    assert shapes[0] == shapes[1]


def test_the_summary_leads_with_what_changed():
    """Regressions first; what is unchanged is only counted; counters and notes follow."""
    comparison = Comparison(
        [
            Verdict("test_same", "unchanged", 1.0, (0.99, 1.01), 1.02),
            Verdict("test_lost", "missing", reason="not there"),
            regressed("test_slow"),
        ],
        [CounterVerdict("test_same", "operators", 10, 12, "regressed")],
        ["a note"],
    )
    text = html.unescape(render(comparison))
    assert text.startswith("### Performance gate: failed\n\n3 cases, 1 unchanged. Fails: ")
    order = [text.index(word) for word in ("test_slow |", "test_lost |", "operators", "a note")]
    assert order == sorted(order)
    assert "test_same |" not in text


def test_a_summary_is_bounded():
    """A thousand regressions are 200 rows and a number."""
    text = render(Comparison([regressed(f"t{n}") for n in range(1000)]))
    assert text.count("\n| t") == MOST_ROWS
    assert "and 800 more; all: --json" in text


@pytest.fixture
def job(monkeypatch, tmp_path):
    """A job of GitHub Actions; returns its summary file."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return tmp_path / "summary.md"


def shown(comparison):
    """Returns the lines that are written of a comparison."""
    lines = []
    actions.show(comparison, lines.append)
    return lines


def test_a_job_gets_summary_and_annotations(job):
    """The summary is appended to what is there."""
    job.write_text("before\n")
    assert shown(Comparison([regressed("test_a")])) == [
        "::error title=Performance gate::test_a: regressed: test_a is slower"
    ]
    assert job.read_text().startswith("before\n### Performance gate: failed\n")


def test_outside_a_job_nothing_is_written(monkeypatch):
    """No annotation, and text is left as it is."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    assert shown(Comparison([regressed("test_a")])) == []
    assert actions.without_commands("::error::x") == "::error::x"


def test_a_summary_that_cannot_be_written_is_one_line(job, monkeypatch):
    """And the annotations are still there."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job.parent))
    first, second = shown(Comparison([regressed("test_a")]))
    assert first == "No job summary: it cannot be written: Is a directory"
    assert second.startswith("::error ")
