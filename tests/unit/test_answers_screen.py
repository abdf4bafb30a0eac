"""A run in one screen: an answer a line, how sure it is, and what changed since the last run."""

import html.parser
import json
import re
import statistics
from pathlib import Path

import pytest

from hpml_lab.comparison.sides import Subject
from hpml_lab.report import html as page
from hpml_lab.report import terminal
from hpml_lab.report.document import document
from hpml_lab.report.summary import previous_run, summary
from hpml_lab.runs.reading import read_run
from hpml_lab.units import seconds
from support.runs import benchmark, case, doubtful, run_of

SAVED = Path(__file__).parents[2] / "benchmarks/intel-r-xeon-r-processor-2cpu-9549db88"


def batches(small, large):
    """Returns batches of 10 and of 20, with the time of a step in each process."""
    cases = [
        benchmark("batch_size", samples=size, batch_size=size, seconds=[1.0]) for size in (10, 20)
    ]
    for made, times in zip(cases, (small, large), strict=True):
        made.measurement.processes[:] = [[time] for time in times]
    return run_of(*cases)


def test_an_order_that_is_told_is_sure_and_a_tie_is_not():
    """Half the time an image in each of four processes; then the same within 1 %."""
    (told,) = summary(batches([1.0, 1.01, 0.99, 1.0], [1.0, 1.01, 0.99, 1.0])).lines
    assert told.brief.is_sure
    (tie,) = summary(batches([1.0, 1.01, 0.99, 1.0], [2.0, 1.98, 2.02, 2.0])).lines
    assert not tie.brief.is_sure
    assert tie.brief.text.startswith("cannot tell ")
    assert tie.brief.settle == "more processes"


def test_one_process_never_tells_an_order():
    """However large the difference."""
    result = summary(batches([1.0], [0.1]))
    assert [line.brief.settle for line in result.lines] == ["3 processes"]
    assert result.settle == ["Batch size: throughput: 3 processes"]


def test_a_step_of_one_s_own_has_its_interval():
    """Three processes near 10 ms say where the next one is; one process says its time alone."""
    three, one = case("t.py::test_a", 0.0100, 0.0101, 0.0099), case("t.py::test_b", 0.02)
    first, second = summary(run_of(three, one)).lines
    assert re.fullmatch(r"10\.0 ms \(.* ms to .* ms\)", first.brief.text)
    assert first.brief.is_sure
    assert (second.brief.text, second.brief.settle) == ("20.0 ms", "3 processes")


def test_changes_are_those_that_a_comparison_tells():
    """Ten per cent in three steady processes is a regression, the same again is none."""
    before = run_of(case("t.py::test_a", 1.0, 1.001, 0.999))
    slower = run_of(case("t.py::test_a", 1.1, 1.101, 1.099))
    assert summary(slower, ("0001_before", before)).lines[0].change == "1 regressed"
    assert summary(before, ("0001_before", before)).lines[0].change == "unchanged"
    assert summary(before).lines[0].change == ""


def test_a_screen_has_forty_lines_of_a_hundred_columns_at_most():
    """Sixty steps do not fit; the screen says how many are left out, and names stay whole."""
    name = "test_a_step_with_a_rather_long_name_and_parameters[cpu-batch_size=128-precision={}]"
    run = run_of(*(case(f"t.py::{name.format(n)}", 0.01, 0.01, 0.01) for n in range(60)))
    text = terminal.render_summary(summary(run), ["Saved: x"])
    lines = text.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    (left,) = re.findall(r"^(\d+) more answers: --all$", text, re.MULTILINE)
    assert int(left) + len(re.findall("10.0 ms", text)) // 3 == 60
    assert lines[-1] == "Saved: x"


def test_warnings_are_one_line_each():
    """Of each kind, with its first case and the number of others."""
    warnings = summary(doubtful()).warnings
    assert [line.partition(":")[0] for line in warnings] == [
        "no result",
        "failed",
        "flagged",
        "unsteady",
    ]


def test_the_previous_run_is_the_last_one_of_a_lower_number(tmp_path):
    """An unreadable one is passed over; a file outside a storage has none."""
    text = (SAVED / "0002_edges.json").read_text()
    for number in (1, 3, 10):
        (tmp_path / f"{number:04d}_run.json").write_text(text)
    (tmp_path / "0009_broken.json").write_text("{")
    assert previous_run(tmp_path / "0010_run.json")[0] == "0003_run"
    assert previous_run(tmp_path / "0001_run.json") is None
    (tmp_path / "mine.json").write_text(text)
    assert previous_run(tmp_path / "mine.json") is None


class Cells(html.parser.HTMLParser):
    """Collects the cells of every row of a page."""

    def __init__(self, text):
        super().__init__()
        self.rows, self._in_cell = [], False
        self.feed(text)

    def handle_starttag(self, tag, _attributes):
        if tag == "tr":
            self.rows.append([])
        self._in_cell = tag in ("td", "th")
        if self._in_cell:
            self.rows[-1].append("")

    def handle_endtag(self, _tag):
        self._in_cell = False

    def handle_data(self, data):
        if self._in_cell:
            self.rows[-1][-1] += data


@pytest.mark.integration
def test_times_on_the_page_are_those_of_the_file():
    """For each of the 49 cases the median over processes of medians over rounds, read twice."""
    file = SAVED / "0001_bench.json"
    rows = Cells(page.render(document([Subject("m", read_run(file))]))).rows
    shown = {(row[1], row[2]) for row in rows if len(row) == 8}
    for saved in json.loads(file.read_text())["benchmarks"]:
        rounds = [r for r in saved["extra_info"]["hpml"]["processes"] if r]
        median_s = statistics.median(map(statistics.median, rounds))
        assert (saved["name"], seconds(median_s)) in shown


@pytest.mark.parametrize(
    ("items", "status", "text"),
    [
        (["C3"], 0, "C3  How many loader workers"),
        (["c3", "Q2"], 0, "Q1-Q4  The network counted"),
        (["warnings"], 0, "Warnings"),
        (["--all"], 0, "Every timed case"),
        ([], 0, "how sure"),
    ],
)
def test_items_print_their_tables(run, items, status, text):
    """By the lab's name in any case, by the question's, or all."""
    result = run("answers", str(SAVED / "0001_bench.json"), *items)
    assert result[0] == status
    assert text in result[1]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("C99", "unknown item 'C99'; choose one of: C2, C3, C4, workers"),
        ("1(i)", r"1\(i\) is not in this run; measure it with: pytest tests/perf/test_shortcuts"),
    ],
)
def test_an_item_that_cannot_be_printed_is_one_line(run, item, message):
    """Unknown, or not measured: then the command that measures it."""
    status, out, errors = run("answers", str(SAVED / "0001_bench.json"), item)
    assert (status, out, len(errors)) == (2, "", 1)
    assert re.search(message, errors[0])
