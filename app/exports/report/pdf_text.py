"""Paragraphs to lines: where they break, in which order they are seen, and how wide they are. Pure.

Directions follow the Unicode bidirectional algorithm (UAX 9; its levels are fpdf2's, asked only of text that needs
them); a line is put in visual order after it is broken, by rule L2. Words are shaped one by one and remembered.
"""

import importlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.exports.report.pdf_file import number_text
from app.exports.report.pdf_fonts import REMEMBERED_LETTERS, SHAPED_AT_MOST, Shaped, font_file, shaped

_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})
_JOINERS = "\u200c\u200d"
"""Of what is not seen, these alone shape letters."""
_BREAK_AFTER = frozenset("-/_.,:;?&=+\\")
_SHORT = 80
_WORD = re.compile("[^ ]* |[^ ]+")
_MOST_PARAGRAPH = 20_000
"""Letters of one text that are laid out; what is longer says so."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word, of one direction; ``level`` is its embedding, odd from right to left."""

    text: str
    level: int
    shape: Shaped


@dataclass(frozen=True, slots=True)
class Line:
    """Pieces as they are seen, from the left; ``width`` in points."""

    pieces: tuple[Piece, ...]
    width: float
    text: str
    """As it is read."""
    is_rtl: bool
    """Whether its paragraph begins at the right."""
    shown: str
    """The operators that show its glyphs from where it begins (ISO 32000-1, 9.4.3)."""


def lines_of(text: str, font: str, size: float, width: float) -> Sequence[Line]:
    """The lines of a text, at most ``width`` points wide; at least one."""
    return _remembered(text, font, size, width) if len(text) <= _SHORT else tuple(_laid(text, font, size, width))


@lru_cache(maxsize=2_000)
def _remembered(text: str, font: str, size: float, width: float) -> tuple[Line, ...]:
    """Words of short cells come again and again: names of acts, roles, people, states."""
    return tuple(_laid(text, font, size, width))


def _laid(text: str, font: str, size: float, width: float) -> Iterator[Line]:
    if len(text) > _MOST_PARAGRAPH:
        text = f"{text[:_MOST_PARAGRAPH]} … (shortened here; data/ledger/disclosures.jsonl has all of it)"
    for paragraph in text.splitlines() or [""]:
        yield from _broken(_seen(paragraph), font, size, width)


def _seen(paragraph: str) -> str:
    """Without control characters, which are not seen and might turn the order around; a tab is a space."""
    spaced = paragraph.replace("\t", " ")
    if spaced.isascii() and spaced.isprintable():
        return spaced
    return "".join(each for each in spaced if unicodedata.category(each) not in _UNSEEN or each in _JOINERS)


def _broken(paragraph: str, font: str, size: float, width: float) -> Iterator[Line]:
    levels, base = _levels(paragraph)
    room = width * 1000 / size
    line: list[Piece] = []
    used = 0.0
    for word in _words(paragraph, levels, font, room):
        wide = sum(piece.shape.width for piece in word)
        shown = wide if word[-1].text != " " else wide - word[-1].shape.width
        if line and used + shown > room:
            yield _line(line, font, size, base)
            line, used = [], 0.0
        line += word
        used += wide
    yield _line(line, font, size, base)


def _levels(paragraph: str) -> tuple[Sequence[int] | None, int]:
    """The embedding of each letter, and of the paragraph; None: all of it runs from left to right."""
    if paragraph.isascii() or not any(unicodedata.bidirectional(each) in _RIGHT_TO_LEFT for each in paragraph):
        return None, 0
    return _bidirectional(paragraph)


@lru_cache(maxsize=2_000)
def _bidirectional(paragraph: str) -> tuple[Sequence[int], int]:
    bidi = importlib.import_module("fpdf.bidi")  # Only for text that needs it: its package is slow to load.
    found = bidi.BidiParagraph(paragraph, preserve_bn_chars=True)
    levels = [found.base_embedding_level] * len(paragraph)
    for each in found.get_characters_with_embedding_level():
        levels[each.character_index] = each.embedding_level
    return levels, found.base_embedding_level


def _words(paragraph: str, levels: Sequence[int] | None, font: str, room: float) -> Iterator[Sequence[Piece]]:
    """Words with the space after them, each in pieces of one level; one that no line holds is cut."""
    if levels is None:
        for word in _WORD.findall(paragraph):
            plain = (_plain_word if len(word) <= REMEMBERED_LETTERS else _plain)(word, font)
            yield from [plain] if sum(piece.shape.width for piece in plain) <= room else _cut(plain, font, room)
        return
    start = 0
    for at, letter in enumerate(paragraph):
        if letter == " " or at + 1 == len(paragraph):
            pieces = _pieces(paragraph, levels, font, start, at + 1)
            start = at + 1
            if sum(piece.shape.width for piece in pieces) <= room:
                yield pieces
            else:
                yield from _cut(pieces, font, room)


@lru_cache(maxsize=SHAPED_AT_MOST)
def _plain_word(word: str, font: str) -> tuple[Piece, ...]:
    return _plain(word, font)


def _plain(word: str, font: str) -> tuple[Piece, ...]:
    """From left to right; with the space after it, which is a piece of its own."""
    parts = [word[:-1], " "] if word[-1] == " " else [word]
    return tuple(Piece(part, 0, shaped(font, part, False)) for part in parts if part)


def _pieces(paragraph: str, levels: Sequence[int], font: str, start: int, end: int) -> list[Piece]:
    found, begin = [], start
    for at in range(start + 1, end + 1):
        is_over = at == end or levels[at] != levels[begin] or paragraph[at] == " " or paragraph[at - 1] == " "
        if is_over and at > begin:
            level, text = levels[begin], paragraph[begin:at]
            found.append(Piece(text, level, shaped(font, text, level % 2 == 1)))
            begin = at
    return found


def _cut(pieces: Sequence[Piece], font: str, room: float) -> Iterator[list[Piece]]:
    """A word that is wider than a line: after a sign at which addresses break, else anywhere."""
    part: list[Piece] = []
    used = 0.0
    for piece in pieces:
        for text in _runs(piece.text, font, piece.level, room):
            shape = shaped(font, text, piece.level % 2 == 1)
            if part and used + shape.width > room:
                yield part
                part, used = [], 0.0
            part.append(Piece(text, piece.level, shape))
            used += shape.width
    if part:
        yield part


def _runs(text: str, font: str, level: int, room: float) -> Iterator[str]:
    start, last_break, used = 0, 0, 0.0
    for at, letter in enumerate(text):
        wide = shaped(font, letter, level % 2 == 1).width
        if used + wide > room and at > start:
            end = last_break if last_break > start else at
            yield text[start:end]
            start = end
            used = sum(shaped(font, each, level % 2 == 1).width for each in text[start:at])
        used += wide
        if letter in _BREAK_AFTER:
            last_break = at + 1
    yield text[start:]


def _line(pieces: list[Piece], font: str, size: float, base: int) -> Line:
    """In visual order (L2), without the space at its end (L1)."""
    while pieces and not pieces[-1].text.strip():
        pieces = pieces[:-1]
    read = "".join(piece.text for piece in pieces)
    seen = list(pieces)
    highest = max((piece.level for piece in seen), default=0)
    lowest = min((piece.level for piece in seen if piece.level % 2), default=highest + 1)
    for level in range(highest, lowest - 1, -1):
        at = 0
        while at < len(seen):
            end = at
            while end < len(seen) and seen[end].level >= level:
                end += 1
            seen[at:end] = reversed(seen[at:end])
            at = max(end, at + 1)
    width = sum(piece.shape.width for piece in seen) * size / 1000
    return Line(tuple(seen), width, read, base == 1, _shown(seen, font, size))


def _shown(pieces: Sequence[Piece], font: str, size: float) -> str:
    shapes = [piece.shape for piece in pieces]
    if all(shape.shown for shape in shapes):
        return _text(shape.shown for shape in shapes)
    placed, parts, run, rise = font_file(font).placed, list[str](), list[str](), 0.0
    for glyph in (glyph for shape in shapes for glyph in shape.glyphs):
        if glyph.shift_y != rise:
            parts += [_text(run), f"{number_text(glyph.shift_y * size / 1000)} Ts"]
            run, rise = [], glyph.shift_y
        run.append(placed(glyph))
    return " ".join(filter(None, [*parts, _text(run), "0 Ts" if rise else ""]))


def _text(glyphs: Iterable[str]) -> str:
    run = "".join(glyphs)
    return f"[<{run}>] TJ".replace("<>", "") if run else ""
