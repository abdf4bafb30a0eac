"""A report as Markdown, without its pictures; every name is escaped."""

from hpml_lab.labs.answer import Answer
from hpml_lab.report.document import Document, Section
from hpml_lab.report.terminal import is_number_column
from hpml_lab.text import markdown


def render(document: Document) -> str:
    """Returns the report as Markdown."""
    pictures = sum(len(section.pictures) for section in document.sections)
    lead = [*document.lead, f"The HTML form has {pictures} pictures too." if pictures else ""]
    blocks = [
        f"# {markdown(document.title)}",
        *map(markdown, filter(None, lead)),
        *(block for section in document.sections for block in _section(section)),
    ]
    return "\n\n".join(blocks) + "\n"


def _section(section: Section) -> list[str]:
    blocks = [f"## {markdown(section.title)}"]
    for answer in section.answers:
        heading = f"### {markdown(f'{answer.item} {answer.title}'.strip())}"
        blocks += [heading, f"({markdown(answer.setting)})", _table(answer)]
        blocks += [markdown(sentence) for sentence in answer.sentences]
    return blocks


def _table(answer: Answer) -> str:
    ruler = ["--:" if is_number_column(answer, i) else "---" for i in range(len(answer.columns))]
    rows = [[*map(markdown, cells)] for cells in (answer.columns, *answer.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ruler, *rows[1:]))
