"""The report's typefaces: shaping by HarfBuzz, and of each font only the glyphs that were used. Pure but for one read.

DejaVu Sans comes with matplotlib (licence beside it: Bitstream Vera's and Arev's, which allow embedding); it has Latin,
Greek, Cyrillic, Arabic and Hebrew. Glyph numbers stay as they are (identity), so a text is the numbers of its glyphs;
``ToUnicode`` says which letters they stand for (ISO 32000-1, 9.7 and 9.10.3; OpenType: glyf, loca, hmtx).
"""

import importlib.util
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import uharfbuzz as hb

from app.exports.report.pdf_file import PdfFile, number_text

FONT_FILES = {"sans": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf", "mono": "DejaVuSansMono.ttf"}
RESOURCE = {"sans": "F1", "bold": "F2", "mono": "F3"}
_KEPT_TABLES = ("cvt ", "fpgm", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "prep")
_WORDS, _SCALE, _MORE, _TWO_SCALES, _MATRIX = 0x1, 0x8, 0x20, 0x40, 0x80
SHAPED_AT_MOST = 5_000
"""Words whose shape is remembered."""
REMEMBERED_LETTERS = 24
"""Of a word that may come again: ids and digests, which are longer, stand in few places."""
_FEATURES = {"liga": False, "clig": False, "dlig": False}
"""Letters stay one glyph each where a script does not need more: texts are found again."""


def font_directory() -> Path:
    """Where matplotlib keeps its fonts, without importing it."""
    found = importlib.util.find_spec("matplotlib")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


@dataclass(frozen=True, slots=True)
class Glyph:
    """One glyph in its place; lengths in thousandths of the font's size."""

    number: int
    advance: float
    shift_x: float
    shift_y: float
    text: str
    """The letters that it stands for; "" when a glyph before it stands for them already."""


@dataclass(frozen=True, slots=True, eq=False)
class Shaped:
    """A run of one direction, in the order in which it is seen. Remembered, so each is itself alone."""

    glyphs: tuple[Glyph, ...]
    width: float
    """In thousandths of the size."""
    shown: str
    """Its glyphs and the moves between them, as they stand between ``[<`` and ``>]`` of a text; "" where one rises."""
    lacks: bool
    """Whether the font has no form for some letter."""


class FontFile:
    """One TrueType font, read once a process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.content = (font_directory() / FONT_FILES[name]).read_bytes()
        count = struct.unpack(">H", self.content[4:6])[0]
        self.tables: dict[str, tuple[int, int]] = {}
        for number in range(count):
            tag, _, at, size = struct.unpack(">4sIII", self.content[12 + 16 * number : 28 + 16 * number])
            self.tables[tag.decode("ascii")] = (at, size)
        head, hhea = self.table("head"), self.table("hhea")
        self.units = struct.unpack(">H", head[18:20])[0]
        self.box = struct.unpack(">4h", head[36:44])
        self._is_long = struct.unpack(">h", head[50:52])[0] == 1
        self.ascent, self.descent = struct.unpack(">2h", hhea[4:8])
        self.glyphs_count = struct.unpack(">H", self.table("maxp")[4:6])[0]
        self._advances = self._read_advances(struct.unpack(">H", hhea[34:36])[0])
        self._font = hb.Font(hb.Face(hb.Blob(self.content)))

    def table(self, tag: str) -> bytes:
        at, size = self.tables[tag]
        return self.content[at : at + size]

    def _read_advances(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f">{'Hh' * count}", self.table("hmtx")[: 4 * count])[::2]

    def natural(self, glyph: int) -> float:
        """The advance that the font gives a glyph, in thousandths."""
        advances = self._advances
        return float(advances[min(glyph, len(advances) - 1)]) * 1000 / float(self.units)

    def offsets(self) -> tuple[int, ...]:
        loca = self.table("loca")
        if self._is_long:
            return struct.unpack(f">{self.glyphs_count + 1}I", loca)
        return tuple(2 * each for each in struct.unpack(f">{self.glyphs_count + 1}H", loca))

    def shape(self, text: str, *, is_rtl: bool) -> Shaped:
        buffer = hb.Buffer()
        buffer.add_str(text)
        buffer.guess_segment_properties()
        buffer.direction = "rtl" if is_rtl else "ltr"
        hb.shape(self._font, buffer, _FEATURES)
        infos, places = buffer.glyph_infos, buffer.glyph_positions
        starts = sorted({info.cluster for info in infos})
        ends = dict(zip(starts, [*starts[1:], len(text)], strict=True))
        scale, told = 1000 / self.units, set[int]()
        glyphs = []
        for info, place in zip(infos, places, strict=True):
            letters = "" if info.cluster in told else text[info.cluster : ends[info.cluster]]
            told.add(info.cluster)
            shift = place.x_offset * scale, place.y_offset * scale
            glyphs.append(Glyph(info.codepoint, place.x_advance * scale, *shift, letters))
        return self._shaped(tuple(glyphs))

    def _shaped(self, glyphs: tuple[Glyph, ...]) -> Shaped:
        rises = any(each.shift_y for each in glyphs)
        shown = "" if rises else "".join(map(self.placed, glyphs))
        return Shaped(glyphs, sum(each.advance for each in glyphs), shown, any(not each.number for each in glyphs))

    def placed(self, glyph: Glyph) -> str:
        """A glyph's number, with the moves before and after it that its place asks for (ISO 32000-1, 9.4.3)."""
        after = self.natural(glyph.number) - glyph.advance + glyph.shift_x
        return f"{_move(-glyph.shift_x)}{glyph.number:04X}{_move(after)}"


def _move(thousandths: float) -> str:
    return f">{number_text(thousandths)}<" if abs(thousandths) >= 0.5 else ""


@lru_cache(maxsize=len(FONT_FILES))
def font_file(name: str) -> FontFile:
    return FontFile(name)


def shaped(name: str, text: str, is_rtl: bool) -> Shaped:
    if len(text) <= REMEMBERED_LETTERS:
        return _remembered(name, text, is_rtl)
    if name == "mono" and text.isascii() and not is_rtl:
        return _row(text)
    return font_file(name).shape(text, is_rtl=is_rtl)


@lru_cache(maxsize=SHAPED_AT_MOST)
def _remembered(name: str, text: str, is_rtl: bool) -> Shaped:
    return font_file(name).shape(text, is_rtl=is_rtl)


def _row(text: str) -> Shaped:
    """Letters of one width, none of which changes by its neighbours: digests, without asking HarfBuzz."""
    letters = [_remembered("mono", letter, False) for letter in text]
    return Shaped(
        tuple(glyph for letter in letters for glyph in letter.glyphs),
        sum(letter.width for letter in letters),
        "".join(letter.shown for letter in letters),
        any(letter.lacks for letter in letters),
    )


@dataclass
class UsedFont:
    """What one document uses of a font."""

    name: str
    number: int
    """Of its object in the file."""
    letters: dict[int, str] = field(default_factory=dict)
    """Glyph → the letters that it stood for first."""
    _taken: set[Shaped] = field(default_factory=set)

    def use(self, shape: Shaped) -> None:
        if shape in self._taken:
            return
        if len(shape.glyphs) <= REMEMBERED_LETTERS:
            if len(self._taken) >= SHAPED_AT_MOST:
                self._taken.clear()
            self._taken.add(shape)
        for glyph in shape.glyphs:
            if not self.letters.get(glyph.number):
                self.letters[glyph.number] = glyph.text

    def add_to(self, file: PdfFile) -> None:
        """The font's objects. Its name begins with six letters, as that of a subset must (9.6.4)."""
        font = font_file(self.name)
        named = f"EXHIBT+{FONT_FILES[self.name].removesuffix('.ttf')}"
        program = subset(font, self.letters)
        embedded = file.add_stream(f"/Length1 {len(program)}", program)
        scale = 1000 / font.units
        box = " ".join(str(round(each * scale)) for each in font.box)
        up, down = round(font.ascent * scale), round(font.descent * scale)
        descriptor = file.add(
            f"<< /Type /FontDescriptor /FontName /{named} /Flags 4 /FontBBox [{box}] /ItalicAngle 0 /Ascent {up} "
            f"/Descent {down} /CapHeight {up} /StemV 80 /FontFile2 {embedded} 0 R >>"
        )
        widths = " ".join(f"{glyph} [{round(font.natural(glyph))}]" for glyph in sorted(self.letters))
        descendant = file.add(
            f"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{named} /CIDSystemInfo << /Registry (Adobe) "
            f"/Ordering (Identity) /Supplement 0 >> /FontDescriptor {descriptor} 0 R /DW 600 /W [{widths}] "
            "/CIDToGIDMap /Identity >>"
        )
        to_unicode = file.add_stream("", _to_unicode(self.letters))
        file.add(
            f"<< /Type /Font /Subtype /Type0 /BaseFont /{named} /Encoding /Identity-H "
            f"/DescendantFonts [{descendant} 0 R] /ToUnicode {to_unicode} 0 R >>",
            self.number,
        )


def _to_unicode(letters: dict[int, str]) -> bytes:
    lines = [
        f"<{glyph:04X}> <{text.encode('utf-16-be', 'replace').hex().upper()}>"
        for glyph, text in sorted(letters.items())
        if text and glyph
    ]
    parts = [lines[at : at + 100] for at in range(0, len(lines), 100)]
    mapped = "\n".join(f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar" for part in parts)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
        "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <FFFF>\n"
        f"endcodespacerange\n{mapped}\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
    ).encode("ascii")


def subset(font: FontFile, glyphs: Iterable[int]) -> bytes:
    """The font with the outlines of these glyphs alone, and of those that they are put together from."""
    offsets, outlines = font.offsets(), font.table("glyf")
    wanted, waiting = set[int](), [0, *glyphs]
    while waiting:
        glyph = waiting.pop()
        if glyph not in wanted:
            wanted.add(glyph)
            waiting += _components(outlines[offsets[glyph] : offsets[glyph + 1]])
    kept, places = bytearray(), [0]
    for glyph in range(font.glyphs_count):
        if glyph in wanted:
            kept += outlines[offsets[glyph] : offsets[glyph + 1]]
            kept += b"\0" * (-len(kept) % 4)
        places.append(len(kept))
    head = bytearray(font.table("head"))
    head[8:12], head[50:52] = b"\0\0\0\0", struct.pack(">h", 1)
    loca = struct.pack(f">{len(places)}I", *places)
    made = {"glyf": bytes(kept), "loca": loca, "head": bytes(head)}
    return _font_of({tag: made.get(tag) or font.table(tag) for tag in _KEPT_TABLES if tag in font.tables})


def _components(outline: bytes) -> list[int]:
    """The glyphs that one is put together from: none of most."""
    if len(outline) < 10 or struct.unpack(">h", outline[:2])[0] >= 0:
        return []
    found, at, flags = [], 10, _MORE
    while flags & _MORE:
        flags, glyph = struct.unpack(">2H", outline[at : at + 4])
        found.append(glyph)
        at += 8 if flags & _WORDS else 6
        at += 2 if flags & _SCALE else 4 if flags & _TWO_SCALES else 8 if flags & _MATRIX else 0
    return found


def _font_of(tables: dict[str, bytes]) -> bytes:
    count = len(tables)
    power = count.bit_length() - 1
    spread = 16 << power
    head = struct.pack(">I4H", 0x00010000, count, spread, power, 16 * count - spread)
    at, directory, content = 12 + 16 * count, b"", b""
    for tag, table in sorted(tables.items()):
        padded = table + b"\0" * (-len(table) % 4)
        total = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        directory += struct.pack(">4s3I", tag.encode("ascii"), total, at + len(content), len(table))
        content += padded
    return head + directory + content
