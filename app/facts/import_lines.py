"""The lines of a file to be imported: CSV (RFC 4180) and JSON Lines, each line a record with its number. Pure.

A CSV column is a path with dots (``stated.minimum``, ``source.page``); an empty cell is nothing, ``|`` parts the
members of a list. What a spreadsheet leaves behind is named instead of guessed at: formulas, error values, semicolons,
other encodings.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LIMIT_BYTES = 4 * 1024 * 1024
LIMIT_RECORDS = 500
"""The case takes no other change while they are taken in: some 8 ms of processor time each."""
LINE_LIMIT_CHARACTERS = 64_000
LIMIT_COLUMNS = 200
"""Of a CSV file: more than all kinds of records have together; each is compared with every other."""
LISTS = frozenset({"place.administrative_units", "stated.area", "stated.aliases", "stated.protected_by"})
ROOTS = frozenset(
    {
        *("record", "external_reference", "incident", "stated", "source"),
        *("code", "title", "kind", "occurred", "place"),
    }
)
_ERROR_VALUES = ("#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!")


@dataclass(frozen=True)
class LineProblem:
    """``field`` empty: the line as a whole."""

    line: int
    field: str
    reason: str


@dataclass(frozen=True)
class Record:
    """``line``: where it begins, from 1."""

    line: int
    values: dict[str, Any]


Lines = Iterator[Record | LineProblem]


def read_csv(data: bytes) -> Lines:
    """The records of a CSV file with a header. After what cannot be read on from, nothing more comes."""
    text = _decoded(data)
    if isinstance(text, LineProblem):
        yield text
        return
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins, header = 1, None
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield LineProblem(begins, "", f"It cannot be read as CSV: {error}.")
            return
        line, begins = begins, rows.line_num + 1
        if header is None:
            header = [name.strip() for name in row]
            problems = _header_problems(header)
            yield from problems
            if problems:
                return
        elif any(row):
            yield from _cells(line, header, row)


def _header_problems(header: list[str]) -> list[LineProblem]:
    if len(header) > LIMIT_COLUMNS:
        return [LineProblem(1, "", f"More than {LIMIT_COLUMNS} columns.")]
    if len(header) == 1 and ";" in header[0]:
        return [LineProblem(1, "", "Columns are parted by semicolons: save the file with commas.")]
    found = [LineProblem(1, name, "There is no such column.") for name in header if name.split(".")[0] not in ROOTS]
    found += [LineProblem(1, name, "The column is there twice.") for name in set(header) if header.count(name) > 1]
    inner = {name for name in header if any(other.startswith(f"{name}.") for other in header)}
    return found + [LineProblem(1, name, "It is a column and has columns within.") for name in sorted(inner)]


def _cells(line: int, header: list[str], row: list[str]) -> Lines:
    if len(row) != len(header):
        yield LineProblem(line, "", f"It has {len(row)} cells, the header has {len(header)}.")
        return
    problems = [LineProblem(line, name, _wrong(cell)) for name, cell in zip(header, row, strict=True) if _wrong(cell)]
    if problems:
        yield from problems
        return
    values: dict[str, Any] = {}
    for name, cell in zip(header, row, strict=True):
        if cell != "":
            _put(values, name.split("."), cell.split("|") if name in LISTS else cell)
    yield Record(line, values)


def _wrong(cell: str) -> str:
    if cell.startswith("="):
        return "A formula instead of its value."
    if cell.strip() in _ERROR_VALUES:
        return "A spreadsheet's error instead of a value."
    return ""


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = value


def read_json_lines(data: bytes) -> Lines:
    """One JSON object a line; empty lines are nothing."""
    text = _decoded(data)
    if isinstance(text, LineProblem):
        yield text
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _json_line(number, line)


def _json_line(number: int, line: str) -> Record | LineProblem:
    if len(line) > LINE_LIMIT_CHARACTERS:
        return LineProblem(number, "", f"A line may have {LINE_LIMIT_CHARACTERS} characters at the most.")
    try:
        values = json.loads(line, object_pairs_hook=_without_repetition, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, _NotPlain) else "It is no JSON object."
        return LineProblem(number, "", reason)
    if not isinstance(values, dict):
        return LineProblem(number, "", "It is no JSON object.")
    return Record(number, values)


class _NotPlain(ValueError):
    """JSON by its grammar, and two readers would read it differently."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _NotPlain("A member is there twice.")
    return made


def _no_constant(name: str) -> Any:
    raise _NotPlain(f"{name} is no number.")


def _decoded(data: bytes) -> str | LineProblem:
    """Without the mark that some programs begin UTF-8 with."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return LineProblem(1, "", "The file is UTF-16: save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return LineProblem(data.count(b"\n", 0, error.start) + 1, "", "Here the file is not UTF-8: save it as UTF-8.")
