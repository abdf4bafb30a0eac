"""A report as one page of HTML: no script, nothing fetched, every name escaped."""

import base64
import hashlib
import html
from importlib import resources

from hpml_lab.labs.answer import Answer
from hpml_lab.labs.picture import Picture
from hpml_lab.report.document import Document, Section
from hpml_lab.report.summary import NO_VERDICT, Line, Summary
from hpml_lab.report.terminal import is_number_column
from hpml_lab.text import printable


def render(document: Document) -> str:
    """Returns the page.

    Its content security policy allows embedded pictures and this one style, by its digest, and
    nothing else. All text from a run file is escaped.
    """
    style = resources.files(__package__).joinpath("page.css").read_text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    links = "".join(
        f'<li><a href="#{_text(section.name)}">{_text(section.title)}</a></li>'
        for section in document.sections
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(document.title)}</title><style>{style}</style></head><body>",
            f"<header><h1>{_text(document.title)}</h1>",
            *(f"<p>{_text(line)}</p>" for line in document.lead),
            "</header><main>",
            *(_summary(name, summary, document) for name, summary in document.summaries.items()),
            *map(_section, document.sections),
            f'</main><nav aria-label="Sections"><h2>Sections</h2><ul>{links}</ul></nav>',
            "</body></html>\n",
        ]
    )


def _summary(name: str, summary: Summary, document: Document) -> str:
    """Returns the answers as cards; of several runs each under its name."""
    title = f"Answers of {name}" if len(document.summaries) > 1 else "Answers"
    facts = "; ".join(summary.machine)
    return "\n".join(
        [
            f'<section><h2>{_text(title)}</h2><p class="setting">{_text(facts)}</p>',
            '<ul class="cards">',
            *(_card(line, summary.since) for line in summary.lines),
            "</ul></section>",
        ]
    )


def _card(line: Line, since: str) -> str:
    sure = "sure" if line.brief.is_sure else f"not sure; to settle: {line.brief.settle}"
    kind = "sure" if line.brief.is_sure else "open"
    item = f'<span class="item">{_text(line.item)}</span> ' if line.item else ""
    told = line.change not in ("", "new", NO_VERDICT)
    change = f" &middot; since {_text(since)}: {_text(line.change)}" if told else ""
    return (
        f'<li class="{kind}"><p class="question">{item}{_text(line.question)}</p>'
        f'<p class="answer">{_text(line.brief.text)}</p>'
        f'<p class="setting"><span class="badge">{_text(sure)}</span>{change}</p></li>'
    )


def _section(section: Section) -> str:
    kind = ' class="alarm"' if section.alarming else ""
    pictures = "".join(map(_figure, section.pictures))
    notes = "".join(f'<p class="setting">{_text(note)}</p>' for note in section.notes)
    return "\n".join(
        [
            f'<section id="{_text(section.name)}"{kind}><h2>{_text(section.title)}</h2>',
            f'<div class="{"beside" if pictures else "alone"}"><div>',
            *(_answer(answer, section.title) for answer in section.answers),
            notes,
            f"</div><div>{pictures}</div></div>" if pictures else "</div></div>",
            "</section>",
        ]
    )


def _answer(answer: Answer, above: str) -> str:
    """Returns heading, sentences and the folded table, with its footnotes, of an answer."""
    heading = f"{answer.item} {answer.title}".strip()
    footnotes = [sentence for sentence in answer.sentences if sentence.startswith("*")]
    sentences = [sentence for sentence in answer.sentences if sentence not in footnotes]
    is_new = heading and heading != above.replace(": ", " ")
    rows = f"{len(answer.rows)} {'row' if len(answer.rows) == 1 else 'rows'}"
    name = _text(heading or "table")
    table = (
        f"<details><summary>Table of {name} ({rows})</summary>"
        f'<p class="setting">{_text(answer.setting)}</p>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{name}">'
        f"<table>{_table(answer)}</table></div>"
        f"{''.join(f'<p>{_text(footnote)}</p>' for footnote in footnotes)}</details>"
    )
    return "\n".join(
        [
            f"<h3>{_text(heading)}</h3>" if is_new else "",
            *(f"<p>{_text(sentence)}</p>" for sentence in sentences),
            table if answer.rows else "",
        ]
    )


def _table(answer: Answer) -> str:
    kinds = [
        ' class="n"' if is_number_column(answer, index) else ""
        for index in range(len(answer.columns))
    ]
    head = "".join(
        f'<th scope="col"{kind}>{_text(column)}</th>' if column else f"<td{kind}></td>"
        for kind, column in zip(kinds, answer.columns, strict=True)
    )
    rows = "\n".join(
        f"<tr>{''.join(f'<td{k}>{_text(c)}</td>' for k, c in zip(kinds, row, strict=True))}</tr>"
        for row in answer.rows
    )
    return f"<thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody>"


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.svg().encode()).decode()
    caption = _text(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _text(text: str) -> str:
    return html.escape(printable(text), quote=True)
