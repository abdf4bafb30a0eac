"""A report as one page of HTML: no script, nothing fetched, every name escaped."""

import base64
import hashlib
import html

from hpml_lab.labs.answer import Answer
from hpml_lab.labs.picture import Picture
from hpml_lab.report.document import Document, Section
from hpml_lab.report.terminal import is_number_column
from hpml_lab.text import printable

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1b;--page:#fff;--soft:#5c5c5c;--line:#d5d5d5;
--alarm:#b3261e;--alarm-page:#fdecea}
@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--page:#161616;--soft:#a8a8a8;
--line:#3d3d3d;--alarm:#ff8a80;--alarm-page:#3a1613}}
*{box-sizing:border-box}
body{color:var(--ink);background:var(--page);font:16px/1.5 system-ui,sans-serif;margin:0 auto;
max-width:72rem;padding:1rem}
h1{font-size:1.5rem}h2{font-size:1.25rem;border-bottom:1px solid var(--line);margin-top:2.5rem}
h3{font-size:1.05rem;margin:1.75rem 0 0}
h1,h2,h3,p,li,figcaption{overflow-wrap:anywhere}
p{margin:.35rem 0}.setting,figcaption{color:var(--soft);font-size:.9rem}
.wide{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .75rem .2rem 0;text-align:left;vertical-align:top}
th{border-bottom:2px solid var(--line);white-space:nowrap}td{border-bottom:1px solid var(--line)}
.n{text-align:right;white-space:nowrap}
section.alarm{border-left:.3rem solid var(--alarm);background:var(--alarm-page);padding:.1rem 1rem}
figure{margin:1.5rem 0}img{max-width:100%;height:auto;background:#fff}
@media print{body{max-width:none;font-size:10pt;padding:0}nav{display:none}.wide{overflow:visible}
table{font-size:8pt}tr,figure{break-inside:avoid}h2,h3{break-after:avoid}thead{display:table-header-group}}
"""


def render(document: Document) -> str:
    """Returns the page.

    Its content security policy allows embedded pictures and this one style, by its digest, and
    nothing else. All text from a run file is escaped.
    """
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    sections = document.sections
    links = "".join(
        f'<li><a href="#s{index}">{_text(section.title)}</a></li>'
        for index, section in enumerate(sections)
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(document.title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{_text(document.title)}</h1>",
            *(f"<p>{_text(line)}</p>" for line in document.lead),
            f"<nav><ul>{links}</ul></nav>",
            *(_section(index, section) for index, section in enumerate(sections)),
            "</body></html>\n",
        ]
    )


def _section(index: int, section: Section) -> str:
    kind = ' class="alarm"' if section.alarming else ""
    return "\n".join(
        [
            f'<section id="s{index}"{kind}><h2>{_text(section.title)}</h2>',
            *map(_answer, section.answers),
            *map(_figure, section.pictures),
            "</section>",
        ]
    )


def _answer(answer: Answer) -> str:
    return "\n".join(
        [
            f"<h3>{_text(f'{answer.item} {answer.title}'.strip())}</h3>",
            f'<p class="setting">{_text(answer.setting)}</p>',
            f'<div class="wide"><table>{_table(answer)}</table></div>',
            *(f"<p>{_text(sentence)}</p>" for sentence in answer.sentences),
        ]
    )


def _table(answer: Answer) -> str:
    kinds = [
        ' class="n"' if is_number_column(answer, index) else ""
        for index in range(len(answer.columns))
    ]
    head = "".join(
        f'<th scope="col"{kind}>{_text(column)}</th>'
        for kind, column in zip(kinds, answer.columns, strict=True)
    )
    rows = "\n".join(
        f"<tr>{''.join(f'<td{k}>{_text(c)}</td>' for k, c in zip(kinds, row, strict=True))}</tr>"
        for row in answer.rows
    )
    return f"<thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody>"


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png()).decode()
    caption = _text(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _text(text: str) -> str:
    return html.escape(printable(text), quote=True)
