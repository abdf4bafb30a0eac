"""A report as Markdown, without its pictures; every name is escaped."""

from hpml_lab.labs.answer import Answer
from hpml_lab.report.document import Document, Section
from hpml_lab.report.summary import Summary
from hpml_lab.report.terminal import is_number_column
from hpml_lab.text import markdown


def render(document: Document) -> str:
    """Returns the report as Markdown."""
    pictures = sum(len(section.pictures) for section in document.sections)
    lead = [*document.lead, f"The HTML form has {pictures} pictures too." if pictures else ""]
    blocks = [
        f"# {markdown(document.title)}",
        *map(markdown, filter(None, lead)),
        *(block for summary in document.summaries.values() for block in _summary(summary)),
        *(block for section in document.sections for block in _section(section)),
    ]
    return "\n\n".join(blocks) + "\n"


def _summary(summary: Summary) -> list[str]:
    rows = [["question", "answer", "how sure"], ["---"] * 3]
    for line in summary.lines:
        question = f"{line.item} {line.question}".strip()
        sure = "sure" if line.brief.is_sure else f"not sure; to settle: {line.brief.settle}"
        rows.append([*map(markdown, (question, line.brief.text, sure))])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return [markdown("; ".join(summary.machine)), *([table] if summary.lines else [])]


def _section(section: Section) -> list[str]:
    blocks = [f"## {markdown(section.title)}"]
    for answer in section.answers:
        if heading := f"{answer.item} {answer.title}".strip():
            blocks.append(f"### {markdown(heading)}")
        blocks += [markdown(sentence) for sentence in answer.sentences]
        if answer.rows:
            blocks += [f"({markdown(answer.setting)})", _table(answer)]
    return blocks + [markdown(note) for note in section.notes]


def _table(answer: Answer) -> str:
    ruler = ["--:" if is_number_column(answer, i) else "---" for i in range(len(answer.columns))]
    rows = [[*map(markdown, cells)] for cells in (answer.columns, *answer.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ruler, *rows[1:]))
