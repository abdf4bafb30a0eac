"""A report as Markdown, without its pictures; every name is text, whatever it holds."""

import html
import re

from hpml_lab.report.answers.answer import Answer
from hpml_lab.report.document import Document, Section
from hpml_lab.report.terminal import is_number_column, plain

# What is markup, and what would make a link by itself: https://... and www. ...; an underscore
# between letters, as in most names, is none.
_MARKUP = re.compile(r"[\\`*\[\]{}|~$#!]|(?<!\w)_|_(?!\w)|:(?=//)|(?<=\bwww)\.", re.IGNORECASE)


def render(document: Document) -> str:
    """Returns the report."""
    pictures = sum(len(section.pictures) for section in document.sections)
    lead = [*document.lead, f"The HTML form has {pictures} pictures too." if pictures else ""]
    blocks = [
        f"# {_text(document.title)}",
        *map(_text, filter(None, lead)),
        *(block for section in document.sections for block in _section(section)),
    ]
    return "\n\n".join(blocks) + "\n"


def _section(section: Section) -> list[str]:
    blocks = [f"## {_text(section.title)}"]
    for answer in section.answers:
        heading = f"### {_text(f'{answer.item} {answer.title}'.strip())}"
        blocks += [heading, f"({_text(answer.setting)})", _table(answer)]
        blocks += [_text(sentence) for sentence in answer.sentences]
    return blocks


def _table(answer: Answer) -> str:
    ruler = ["--:" if is_number_column(answer, i) else "---" for i in range(len(answer.columns))]
    rows = [[*map(_text, cells)] for cells in (answer.columns, *answer.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ruler, *rows[1:]))


def _text(text: str) -> str:
    """Returns text in which no character is markup."""
    return _MARKUP.sub(r"\\\g<0>", html.escape(plain(text).plain, quote=False))
