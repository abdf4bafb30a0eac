"""A comparison of two runs as answers, for a report."""

from hpml_lab.report.answers.answer import Answer
from hpml_lab.report.comparison import COLUMNS, cells, changed_counters, sections, summary
from hpml_lab.text import short
from hpml_lab.verdict.comparison import Comparison, counted


def answers(comparison: Comparison) -> list[Answer]:
    """Returns what changed first; what did not is counted in the sentences of the last answer."""
    tables = [
        Answer(
            "",
            title,
            "time of the second run over that of the first",
            [*COLUMNS, "why"],
            [[*cells(each), each.reason] for each in verdicts],
        )
        for title, verdicts in sections(comparison)
    ]
    rows = [[short(each.fullname), counted(each)] for each in changed_counters(comparison)]
    settled = Answer(
        "",
        "Counters changed",
        "exact; any rise is a regression",
        ["case", "counter"],
        rows or [["none", "-"]],
        [*summary(comparison)],
    )
    return [*tables, settled]
