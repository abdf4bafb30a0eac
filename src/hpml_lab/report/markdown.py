"""A comparison as Markdown, for the summary of a CI job."""

from collections.abc import Iterator, Sequence

from hpml_lab.comparison.verdicts import Comparison, counted
from hpml_lab.report.comparison import Group, changed_counters, groups, names_of, rows
from hpml_lab.text import markdown

# GitHub drops a summary above 1 MiB whole. A row of the longest name, escaped, has 2 KiB.
MOST_ROWS, MOST_GROUPS = 200, 20
_MOST_OTHERS = 5  # rows of a group that shows no change


def render(comparison: Comparison) -> str:
    """Returns the outcome, then tables, changes first; unchanged cases are only counted.

    All names are escaped; see `markdown`.
    """
    unchanged = sum(verdict.verdict == "unchanged" for verdict in comparison.verdicts)
    names, known = names_of(comparison), groups(comparison)
    lines = [
        f"### Performance gate: {'failed' if comparison.refusals else 'passed'}",
        f"{len(comparison.verdicts)} cases, {unchanged} unchanged. {markdown(comparison.outcome)}",
    ]
    for group in known[:MOST_GROUPS]:
        lines += [f"#### {markdown(group.title)}", _table(group, names)]
    if len(known) > MOST_GROUPS:
        lines.append(f"{len(known) - MOST_GROUPS} more reasons are left out.")
    changed = changed_counters(comparison)
    lines += _list("Counters changed", [f"{names[c.fullname]}: {counted(c)}" for c in changed])
    lines += _list("Notes", comparison.notes)
    return "\n\n".join(lines) + "\n"


def _table(group: Group, names: dict[str, str]) -> str:
    shown = rows(group, names, MOST_ROWS if group.is_change else _MOST_OTHERS)
    lines = [shown.columns, ["---", *["--:"] * (len(shown.columns) - 1)]]
    lines += [[*map(markdown, cells)] for cells in shown.cells]
    return "\n".join([*map(_row, lines), *(f"\n{line}" for line in shown.sentences)])


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _list(title: str, sentences: Sequence[str]) -> Iterator[str]:
    if sentences:
        yield f"#### {title}: {len(sentences)}"
        yield "\n".join(f"- {markdown(sentence)}" for sentence in sentences[:MOST_ROWS])
        if len(sentences) > MOST_ROWS:
            yield f"{len(sentences) - MOST_ROWS:,} more are left out."
