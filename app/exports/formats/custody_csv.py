"""The custody log as a table to read: CSV. A reading copy; only the JSON Lines file carries its proof."""

import csv
import io
import json
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
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


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
    written = io.StringIO()
    csv.writer(written).writerow([_safe_cell(cell) for cell in cells])
    return written.getvalue().encode("utf-8")


def _safe_cell(cell: Any) -> Any:
    """Text that a spreadsheet would run as a formula begins with an apostrophe, which makes it text."""
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell
