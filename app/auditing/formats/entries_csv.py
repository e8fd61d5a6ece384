"""The same entries as a table to read: CSV. A reading copy; only the JSON Lines file carries its proof."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from app.auditing.entry_log import EntryLog
from app.auditing.reading import PlacedEntry, each_placed
from app.exports.formats.custody_csv import csv_row

NAME = "csv"
MEDIA_TYPE = "text/csv; charset=utf-8"
SUFFIX = ".entries.reading-copy-without-proof.csv"

COLUMNS = (
    *("log_index", "stream", "seq", "time", "occurred", "type", "actor", "actor_kind", "role"),
    *("object", "object_sha256", "purpose", "authority", "reason_code", "rendering", "bytes", "entry_sha256"),
)


def write(entry_log: EntryLog, sessions: sessionmaker[Session]) -> Iterator[bytes]:
    """Rows in the order of the tree, in constant memory, as RFC 4180 has them."""
    yield csv_row(COLUMNS)
    for one in each_placed(sessions, entry_log.places):
        is_shown = one.passes(entry_log.filters) if one.entry.body is not None else not entry_log.filters.narrows
        if is_shown and one.is_in(entry_log.scope):
            yield csv_row(_cells(one))


def _cells(one: PlacedEntry) -> tuple[Any, ...]:
    entry = one.entry
    if entry.body is None:
        withheld = dict.fromkeys(COLUMNS) | {"stream": str(entry.stream), "seq": entry.seq, "type": "withheld"}
        return tuple((withheld | {"log_index": entry.log_index, "entry_sha256": entry.commitment}).values())
    value = json.loads(entry.body)
    actor, acted_on, data = value["actor"], value["object"], value["data"]
    return (
        entry.log_index,
        value["stream"],
        value["seq"],
        value["time"],
        value["occurred"],
        value["type"],
        actor["id"],
        actor["kind"],
        actor["role"],
        f"{acted_on['kind']}/{acted_on['id']}",
        acted_on.get("sha256"),
        data.get("purpose"),
        data.get("authority"),
        data.get("reason_code"),
        data.get("rendering"),
        data.get("bytes"),
        entry.commitment,
    )
