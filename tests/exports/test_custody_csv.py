"""The table never runs as a formula, whatever stands in a cell."""

import csv
import dataclasses
import io
import json

import pytest

from app.exports.custody_streams import each_entry
from app.exports.formats import custody_csv
from app.exports.formats.custody_csv import COLUMNS, csv_row
from tests.exports.custody_cases import Hub


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_cell_when_it_would_be_a_formula_then_it_is_text(start: str) -> None:
    hostile = f'{start}HYPERLINK("https://evil.example","x")'
    [cells] = list(csv.reader(io.StringIO(csv_row((hostile, 7, None)).decode(), newline="")))
    assert cells == [f"'{hostile}", "7", ""]


def test_cell_when_it_holds_separators_then_the_row_keeps_its_columns() -> None:
    row = csv_row(tuple(f'a,"{name}"\r\nb;' for name in COLUMNS)).decode()
    [cells] = list(csv.reader(io.StringIO(row, newline="")))
    assert cells == [f'a,"{name}"\r\nb;' for name in COLUMNS]


def test_table_when_entries_state_a_purpose_or_a_reason_code_then_they_end_the_row(shared_hub: Hub) -> None:
    content = b"".join(custody_csv.write(shared_hub.take(), shared_hub.sessions)).decode()
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert list(rows[0])[-3:] == ["purpose", "reason_code", "self_reviewed"]
    assert {row["self_reviewed"] for row in rows} == {""}
    purposes = {row["type"]: row["purpose"] for row in rows}
    assert purposes["export.created"] == "audit"
    assert purposes["case.created"] == ""
    assert {row["reason_code"] for row in rows} == {""}


@pytest.mark.parametrize("name", ["purpose", "reason_code"])
def test_cell_when_a_purpose_or_reason_code_would_be_a_formula_then_it_is_text(
    shared_hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    export = shared_hub.take()
    body = {
        "stream": "s", "seq": 1, "time": "t", "occurred": "t", "type": "x", "actor": {"id": "a", "role": None},
        "object": {"kind": "evidence", "id": "e"}, "data": {name: "=1+1"},
    }  # fmt: skip
    entry = next(each_entry(shared_hub.sessions, export.spans, 1))
    hostile = dataclasses.replace(entry, body=json.dumps(body).encode())
    monkeypatch.setattr(custody_csv, "each_entry", lambda *_: [hostile])
    content = b"".join(custody_csv.write(export, shared_hub.sessions)).decode()
    [row] = csv.DictReader(io.StringIO(content, newline=""))
    assert row[name] == "'=1+1"
