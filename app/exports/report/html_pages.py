"""Blocks as one HTML page that needs nothing besides itself: no script, no address, pictures as data. Pure.

Whatever people wrote is escaped, stands in its own direction (``dir=auto``) and is set apart by its style. The policy
in the page forbids everything but its own style and pictures, so that nothing in it can ever call anywhere.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from html import escape

from app.exports.report.blocks import Block, Cell, Cover, Facts, Heading, Picture, Pictures, Table, Words

STYLE = """
:root{color-scheme:light}
body{font:15px/1.5 "DejaVu Sans",system-ui,sans-serif;color:#1c2129;margin:0 auto;max-width:62rem;padding:0 1.5rem 4rem}
header{background:#172130;color:#fff;margin:0 -1.5rem 2rem;padding:3rem 2rem 2rem}
header h1{font-size:2rem;margin:.6rem 0}header p{color:#d2dbea;margin:0}
h2{border-bottom:2px solid #172130;margin-top:3rem;padding-bottom:.3rem}
h3{border-top:1px solid #d1d6dd;margin-top:2.2rem;padding-top:1rem}h4{margin:1.4rem 0 .4rem}
table{border-collapse:collapse;margin:.4rem 0 1rem;width:100%;font-size:.86rem}
th,td{border-bottom:1px solid #d1d6dd;overflow-wrap:anywhere;padding:.3rem .6rem .3rem 0}
th,td{text-align:left;vertical-align:top;white-space:pre-line}
th{color:#667080}table.facts th{font-weight:400;white-space:nowrap;width:13rem}
code,.code{font:.82rem/1.4 "DejaVu Sans Mono",ui-monospace,monospace}
pre{background:#f4f6f8;overflow-x:auto;padding:.8rem}
blockquote{border-inline-start:3px solid #d1d6dd;margin:.5rem 0;padding-inline-start:1rem;white-space:pre-line}
.small{color:#667080;font-size:.84rem}.warning{color:#9e1f1a;font-weight:700}
figure{display:inline-block;margin:.4rem 1rem .8rem 0;max-width:100%;vertical-align:top}
figure.strip{display:block;overflow-x:auto}figcaption{color:#667080;font-size:.8rem;max-width:40rem}
figure img{display:block;height:auto;max-width:100%}figure.strip img{max-width:none}
@media print{body{max-width:none}h2{break-before:page}tr,figure{break-inside:avoid}}
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
_UNSEEN = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f\ud800-\udfff]")
_SPAN = {"plain": ("p", ""), "small": ("p", "small"), "warning": ("p", "warning")}


class HtmlReport:
    """Takes blocks one by one and writes each at once."""

    def __init__(self, write: Callable[[bytes], object], title: str) -> None:
        self._write = write
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
        self._out(
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(digest)}">\n'
            '<meta name="referrer" content="no-referrer">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        )

    def take(self, block: Block) -> None:
        match block:
            case Cover():
                self._out(f'<header><p>EXHIBIT</p><h1 dir="auto">{_text(block.title)}</h1>')
                self._out(f'<p dir="auto">{_text(block.subtitle)}</p></header>\n')
                self._facts(block.rows)
                self._words(Words(block.note, "small"))
            case Heading():
                level = block.level + 2
                anchor = f' id="{escape(block.anchor)}"' if block.anchor else ""
                self._out(f'<h{level}{anchor} dir="auto">{_text(block.text)}</h{level}>\n')
            case Words():
                self._words(block)
            case Facts():
                self._facts(block.rows)
            case Table():
                self._table(block)
            case Pictures():
                for picture in block.pictures:
                    self._picture(picture)

    def close(self) -> None:
        self._out("</body>\n</html>\n")

    def _words(self, words: Words) -> None:
        if words.style == "quote":
            self._out(f'<blockquote dir="auto">{_text(words.text)}</blockquote>\n')
        elif words.style == "code":
            self._out(f"<pre><code>{_text(words.text)}</code></pre>\n")
        else:
            tag, name = _SPAN[words.style]
            styled = f' class="{name}"' if name else ""
            self._out(f'<{tag}{styled} dir="auto">{_text(words.text)}</{tag}>\n')

    def _facts(self, rows: Sequence[tuple[str, Cell]]) -> None:
        shown = "".join(f'<tr><th scope="row">{_text(name)}</th>{_cell(value)}</tr>\n' for name, value in rows)
        self._out(f'<table class="facts">\n{shown}</table>\n')

    def _table(self, table: Table) -> None:
        head = "".join(f'<th scope="col">{_text(name)}</th>' for name in table.columns)
        wide = "".join(f'<col width="{share}%">' for share in table.shares)
        self._out(f"<table>\n<colgroup>{wide}</colgroup>\n<thead><tr>{head}</tr></thead>\n<tbody>\n")
        for row in table.rows:
            self._out(f"<tr>{''.join(map(_cell, row))}</tr>\n")
        self._out("</tbody>\n</table>\n")

    def _picture(self, picture: Picture) -> None:
        kind = ' class="strip"' if picture.tile_width is not None else ""
        shown = base64.b64encode(picture.jpeg).decode("ascii")
        caption = _text(picture.caption)
        self._out(
            f'<figure{kind}><img width="{picture.width}" height="{picture.height}" alt="{caption}" '
            f'src="data:image/jpeg;base64,{shown}"><figcaption>{caption}</figcaption></figure>\n'
        )

    def _out(self, text: str) -> None:
        self._write(text.encode())


def _cell(value: Cell) -> str:
    shown = _text(value.text)
    if value.anchor:
        shown = f'<a href="#{escape(value.anchor)}">{shown}</a>'
    return f'<td class="code">{shown}</td>' if value.is_code else f'<td dir="auto">{shown}</td>'


def _text(text: str) -> str:
    """Escaped; what is no character of a page (C0, lone surrogates) becomes a mark that says so."""
    return escape(_UNSEEN.sub("\ufffd", text))
