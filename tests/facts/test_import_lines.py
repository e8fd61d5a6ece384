"""Lines of files to be imported: what each reader takes, and what it names instead of guessing."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.facts.import_lines import LineProblem, Record, read_csv, read_json_lines


def problems(found: list[Record | LineProblem]) -> list[tuple[int, str, str]]:
    return [(each.line, each.field, each.reason) for each in found if isinstance(each, LineProblem)]


def test_csv_when_read_then_paths_lists_and_quoted_lines_with_the_number_where_each_begins() -> None:
    text = '\ufeffrecord,stated.name,stated.area,stated.minimum\r\nx,"a ""b"",\r\nc",Ukraine|Kyiv,\r\n\r\ny,d,,3\r\n'
    assert list(read_csv(text.encode("utf-8"))) == [
        Record(2, {"record": "x", "stated": {"name": 'a "b",\r\nc', "area": ["Ukraine", "Kyiv"]}}),
        Record(5, {"record": "y", "stated": {"name": "d", "minimum": "3"}}),
    ]


@pytest.mark.parametrize(
    ("data", "line", "field"),
    [
        (b"record;stated.name\r\nx;y\r\n", 1, ""),
        ("record,x\n".encode("utf-16"), 1, ""),
        (b"record,code\nx,caf\xe9\n", 2, ""),
        (b"record,colour\nx,red\n", 1, "colour"),
        (",".join(f"stated.a{number}" for number in range(50_000)).encode(), 1, ""),
        (b"record,record\nx,y\n", 1, "record"),
        (b"record,stated,stated.name\nx,y,z\n", 1, "stated"),
        (b"record,code\nx\n", 2, ""),
        (b"record,code\nx,=1+1\n", 2, "code"),
        (b"record,code\nx,y\nx,#REF!\n", 3, "code"),
        (b'record,code\nx,"y\n', 2, ""),
        (b'record,code\nx,"y"z\n', 2, ""),
    ],
)
def test_csv_when_a_spreadsheet_left_something_behind_then_line_and_field_are_named(
    data: bytes, line: int, field: str
) -> None:
    [(at, where, reason)] = problems(list(read_csv(data)))
    assert (at, where) == (line, field)
    assert reason


def test_json_lines_when_read_then_objects_with_their_line_and_the_rest_named() -> None:
    lines = [
        '{"record": "x"}',
        "",
        "[1]",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        "{",
        "[" * 100_000,
        '{"a": "' + "x" * 64_000 + '"}',
        '{"record": "y"}\r',
    ]
    found = list(read_json_lines("\n".join(lines).encode("utf-8")))
    assert [each for each in found if isinstance(each, Record)] == [
        Record(1, {"record": "x"}),
        Record(9, {"record": "y"}),
    ]
    assert [line for line, _, _ in problems(found)] == [3, 4, 5, 6, 7, 8]


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12).filter(
    lambda cell: not cell.startswith("=") and not cell.strip().startswith("#")
)


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_csv_when_written_by_a_library_then_read_back_as_it_was(rows: list[tuple[str, str]]) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(["code", "stated.name"])
    writer.writerows(rows)
    expected = [(code, name) for code, name in rows if code or name]
    found = list(read_csv(written.getvalue().encode("utf-8")))
    read = [
        (each.values.get("code", ""), each.values.get("stated", {}).get("name", ""))
        for each in found
        if isinstance(each, Record)
    ]
    assert read == expected


@given(st.binary(max_size=200))
def test_readers_when_given_any_bytes_then_records_or_problems_and_no_error(data: bytes) -> None:
    for read in (read_csv, read_json_lines):
        assert all(isinstance(each, Record | LineProblem) for each in read(data))
        json.dumps(problems(list(read(data))))
