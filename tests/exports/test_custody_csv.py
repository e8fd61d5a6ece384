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

STARTS = tuple("=+-@|\u2212\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b")
BREAKS = ("\t", "\r", "\n", "\r\n", "\v", "\f", "\u0085", "\u2028", "\0")
TRIMMED = (" ", "\u00a0", "\u200b", "\u200f", "\ufeff", '"', "'", " \t")


@pytest.mark.parametrize("start", [*STARTS, *BREAKS, *(f"{before}=" for before in TRIMMED)])
def test_cell_when_it_would_be_a_formula_then_it_is_text(start: str) -> None:
    hostile = f'{start}HYPERLINK("https://evil.example","x")'
    [cells] = list(csv.reader(io.StringIO(csv_row((hostile, 7, None)).decode(), newline="")))
    assert cells == [f"'{hostile}", "7", ""]


@pytest.mark.parametrize("number", ["1234567890123456", "007", "3e5", "1.5E9", "1234567890123456e78901", " 007"])
def test_cell_when_it_would_be_read_as_another_number_then_it_is_text(number: str) -> None:
    assert next(csv.reader(io.StringIO(csv_row((number,)).decode(), newline=""))) == [f"'{number}"]


@pytest.mark.parametrize(
    "plain",
    ["", "evidence.collected", "2026-11-26T23:45:00.000Z", "1a2b3c4d-20e6-4000-8000-000000000007", "7", "Олена", "نور"],
)
def test_cell_when_it_is_plain_then_it_stays_as_it_is(plain: str) -> None:
    assert next(csv.reader(io.StringIO(csv_row((plain, 7)).decode(), newline=""))) == [plain, "7"]


def test_cell_when_it_holds_another_separator_then_it_is_quoted() -> None:
    """A spreadsheet set to a country that separates by semicolons would cut there, and run what follows."""
    for separator in (";", "\t", "|"):
        assert csv_row((f"a{separator}=1+1",)) == f'"a{separator}=1+1"\r\n'.encode()


@pytest.mark.thorough
def test_table_when_written_then_is_ascii_without_a_mark_before_its_first_column(shared_hub: Hub) -> None:
    content = b"".join(custody_csv.write(shared_hub.take(), shared_hub.sessions))
    assert content.isascii()
    assert content.startswith(b"stream,seq,")


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
