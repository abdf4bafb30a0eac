"""A comparison as Markdown, for the summary of a CI job."""

from collections.abc import Iterator, Sequence

from hpml_lab.comparison.verdicts import Comparison, Verdict, counted
from hpml_lab.report.comparison import COLUMNS, cells, changed_counters, sections
from hpml_lab.text import markdown, short

MOST_ROWS = 200  # a job's summary may have 1 MiB


def render(comparison: Comparison) -> str:
    """Returns the outcome, then tables, changes first; unchanged cases are only counted.

    All names are escaped; see `markdown`.
    """
    refusals = comparison.refusals
    unchanged = sum(verdict.verdict == "unchanged" for verdict in comparison.verdicts)
    lines = [
        f"### Performance gate: {'failed' if refusals else 'passed'}",
        f"{len(comparison.verdicts)} cases, {unchanged} unchanged.",
        *(markdown(refusal.why) for refusal in refusals if not refusal.fullname),
    ]
    for title, verdicts in sections(comparison):
        lines += [f"#### {title}: {len(verdicts)}", _table(verdicts)]
    lines += _list("Counters changed", _counters(comparison))
    lines += _list("Notes", comparison.notes)
    return "\n\n".join(lines) + "\n"


def _table(verdicts: Sequence[Verdict]) -> str:
    shown = [
        _row([*map(markdown, (*cells(verdict), verdict.reason))])
        for verdict in verdicts[:MOST_ROWS]
    ]
    more = len(verdicts) - MOST_ROWS
    head = [_row([*COLUMNS, "why"]), _row(["---"] * (len(COLUMNS) + 1))]
    return "\n".join([*head, *shown, *([f"\n{more} more are left out."] if more > 0 else [])])


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _counters(comparison: Comparison) -> list[str]:
    return [
        f"{short(counter.fullname)}: {counted(counter)}" for counter in changed_counters(comparison)
    ]


def _list(title: str, sentences: Sequence[str]) -> Iterator[str]:
    if sentences:
        yield f"#### {title}: {len(sentences)}"
        yield "\n".join(f"- {markdown(sentence)}" for sentence in sentences[:MOST_ROWS])
