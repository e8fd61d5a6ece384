"""The custody log as a table to read. It proves nothing by itself: the seal covers it, the entries are the proof."""

import json
from collections.abc import Iterator
from typing import Any

from app.exports.custody_streams import CustodyEntry
from app.exports.dossier import Dossier
from app.exports.formats.custody_csv import csv_row

PATH = "data/custody.csv"

COLUMNS = (
    *("stream", "seq", "log_index", "time", "occurred", "type", "actor", "role"),
    *("object", "object_sha256", "entry_sha256"),
)


def write(dossier: Dossier) -> Iterator[tuple[str, Iterator[bytes]]]:
    yield PATH, _rows(dossier)


def _rows(dossier: Dossier) -> Iterator[bytes]:
    yield csv_row(COLUMNS)
    for entry in dossier.entries():
        yield csv_row(_cells(entry))


def _cells(entry: CustodyEntry) -> tuple[Any, ...]:
    place = (str(entry.stream), entry.seq, entry.log_index)
    if entry.body is None:
        return (*place, None, None, "withheld", None, None, None, None, entry.commitment)
    value = json.loads(entry.body)
    actor, acted_on = value["actor"], value["object"]
    return (
        *place,
        *(value["time"], value["occurred"], value["type"], actor["id"], actor["role"]),
        *(f"{acted_on['kind']}/{acted_on['id']}", acted_on.get("sha256"), entry.commitment),
    )
