"""The table never runs as a formula, whatever stands in a cell."""

import csv
import io

import pytest

from app.exports.formats.custody_csv import COLUMNS, csv_row


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_cell_when_it_would_be_a_formula_then_it_is_text(start: str) -> None:
    hostile = f'{start}HYPERLINK("https://evil.example","x")'
    [cells] = list(csv.reader(io.StringIO(csv_row((hostile, 7, None)).decode(), newline="")))
    assert cells == [f"'{hostile}", "7", ""]


def test_cell_when_it_holds_separators_then_the_row_keeps_its_columns() -> None:
    row = csv_row(tuple(f'a,"{name}"\r\nb;' for name in COLUMNS)).decode()
    [cells] = list(csv.reader(io.StringIO(row, newline="")))
    assert cells == [f'a,"{name}"\r\nb;' for name in COLUMNS]
