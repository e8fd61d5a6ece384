"""What a report is made of, whatever it is written as: a row of blocks, each complete in itself. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Heading:
    """``level``: 0 begins a part on a page of its own, 1 one item or incident, 2 a section of that."""

    level: int
    text: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph. ``quote``: what a person wrote, set apart from what the report says."""

    text: str
    style: Literal["plain", "small", "quote", "warning", "code"] = "plain"


@dataclass(frozen=True, slots=True)
class Cell:
    """``is_code``: an id, a digest, an address: in letters of one width. ``is_quote``: a person's own words."""

    text: str
    is_code: bool = False
    is_quote: bool = False
    anchor: str = ""
    """Of the heading that it leads to."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are, one under another."""

    rows: Sequence[tuple[str, Cell]]


@dataclass(frozen=True, slots=True)
class Table:
    """``shares``: how wide each column is, as parts of 100. A row is never cut but by a page."""

    columns: Sequence[str]
    shares: Sequence[int]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG of ours. ``tile_width``: of a strip that may be folded after any of its tiles, in pixels."""

    jpeg: bytes
    sha256: str
    """Of these bytes."""
    width: int
    height: int
    caption: str
    tile_width: int | None = None


@dataclass(frozen=True, slots=True)
class Pictures:
    """Beside each other, as many as fit."""

    pictures: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Cover:
    title: str
    subtitle: str
    rows: Sequence[tuple[str, Cell]]
    note: str


Block = Heading | Words | Facts | Table | Pictures | Cover


def cell(text: object) -> Cell:
    return Cell(str(text))


def code(text: object) -> Cell:
    return Cell(str(text), is_code=True)


def quote(text: object) -> Cell:
    return Cell(str(text), is_quote=True)
