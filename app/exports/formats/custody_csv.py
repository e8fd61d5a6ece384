"""The custody log as a table to read: CSV. A reading copy; only the JSON Lines file carries its proof."""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from app.exports.custody_service import CustodyExport
from app.exports.custody_streams import CustodyEntry, each_entry

NAME = "csv"
MEDIA_TYPE = "text/csv; charset=utf-8"
SUFFIX = ".custody.reading-copy-without-proof.csv"

COLUMNS = (
    *("stream", "seq", "log_index", "time", "occurred", "type", "actor", "role"),
    *("object", "object_sha256", "entry_sha256", "purpose", "reason_code", "self_reviewed"),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\u2212", "|")
_BREAKS = ("\t", "\r", "\n", "\v", "\f", "\u0085", "\u2028", "\u2029", "\0")
_PLAIN = re.compile(r"[A-Za-z0-9_./:-][A-Za-z0-9_./: -]*|")
_READ_AS_NUMBER = re.compile(r"[0-9]{16,}|0[0-9]+|[0-9]+(\.[0-9]+)?[eE][0-9]+")
"""Digits that a spreadsheet would round or strip of their zeros: more than the 15 that it keeps, or an exponent."""


def write(export: CustodyExport, sessions: sessionmaker[Session]) -> Iterator[bytes]:
    """Rows in the order of the JSON Lines file, in constant memory, as RFC 4180 has them."""
    yield csv_row(COLUMNS)
    for entry in each_entry(sessions, export.spans, export.checkpoint.log_id):
        yield csv_row(_cells(entry))


def _cells(entry: CustodyEntry) -> tuple[Any, ...]:
    if entry.body is None:
        withheld = dict.fromkeys(COLUMNS) | {"stream": str(entry.stream), "seq": entry.seq, "type": "withheld"}
        withheld |= {"log_index": entry.log_index, "entry_sha256": entry.commitment}
        return tuple(withheld.values())
    value = json.loads(entry.body)
    acted_on = value["object"]
    return (
        value["stream"],
        value["seq"],
        entry.log_index,
        value["time"],
        value["occurred"],
        value["type"],
        value["actor"]["id"],
        value["actor"]["role"],
        f"{acted_on['kind']}/{acted_on['id']}",
        acted_on.get("sha256"),
        entry.commitment,
        value["data"].get("purpose"),
        value["data"].get("reason_code"),
        "true" if value["data"].get("self_reviewed") else None,
    )


def csv_row(cells: tuple[Any, ...]) -> bytes:
    """One line (RFC 4180, CRLF), UTF-8 without a byte order mark: it would be read as part of the first column's name,
    and what stands here is ASCII. See :func:`_safe_cell`."""
    return (",".join(map(_written, cells)) + "\r\n").encode("utf-8")


def _written(cell: Any) -> str:
    """Quoted when it holds more than plain words: also another separator, which some countries' spreadsheets cut at."""
    if not isinstance(cell, str):
        return "" if cell is None else str(cell)
    text = _safe_cell(cell)
    return text if _PLAIN.fullmatch(text) else '"{}"'.format(text.replace('"', '""'))


def _safe_cell(cell: str) -> str:
    """Text that a spreadsheet would run as a formula, or read as a number that it is not, begins with an apostrophe,
    which makes it text (OWASP, "CSV Injection").

    Full-width and small forms of the signs count as the signs (NFKC), and so does what comes after spaces, quotes or
    invisible characters, which some programs trim first.
    """
    shown = unicodedata.normalize("NFKC", cell)
    begins = shown.lstrip(" \u00a0\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\"'" + "".join(_BREAKS))
    if cell.startswith(_BREAKS) or begins.startswith(_FORMULA_STARTS) or _READ_AS_NUMBER.fullmatch(shown.strip()):
        return f"'{cell}"
    return cell
