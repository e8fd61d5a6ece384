"""Blocks on A4 pages: where each line, rule and picture goes. Pure; a page is handed on as soon as it is full."""

from collections.abc import Callable, Sequence
from datetime import datetime

from app.exports.report.blocks import Block, Cell, Cover, Facts, Heading, Picture, Pictures, Table, Words
from app.exports.report.pdf_file import Bookmark, PdfFile, number_text
from app.exports.report.pdf_fonts import RESOURCE, UsedFont
from app.exports.report.pdf_text import Line, lines_of

WIDTH, HEIGHT = 595.28, 841.89
MARGIN, TOP, BOTTOM = 51.0, 60.0, 56.0
INNER = WIDTH - 2 * MARGIN
LEADING = 1.38
BODY, SMALL, TINY = 9.5, 8.0, 7.2
INK, QUIET, RULE = "0.11 0.13 0.16", "0.40 0.44 0.49", "0.82 0.84 0.87"
NIGHT, WARN = "0.09 0.13 0.19", "0.62 0.12 0.10"
_HEADINGS = {0: ("bold", 17.0), 1: ("bold", 12.5), 2: ("bold", 10.0)}
_ROOM_BELOW = {0: 64.0, 1: 270.0, 2: 54.0}
"""What must fit below a heading on its page, or it goes to the next: of an item its picture."""
_WORDS = {
    "plain": ("sans", BODY, INK, 0.0),
    "small": ("sans", SMALL, QUIET, 0.0),
    "quote": ("sans", BODY, INK, 12.0),
    "warning": ("bold", BODY, WARN, 0.0),
    "code": ("mono", TINY, INK, 12.0),
}
_NAME_SHARE = 0.27
_PICTURE_WIDTH, _PICTURE_HEIGHT = 236.0, 220.0
_GAP = 12.0


class PdfReport:
    """Takes blocks one by one. ``running``: what stands at the foot of every page, beside its number."""

    def __init__(self, write: Callable[[bytes], object], running: str) -> None:
        self._file = PdfFile(write)
        self._fonts = {name: UsedFont(name, self._file.reserve()) for name in RESOURCE}
        self._running = running
        self._bookmarks: list[Bookmark] = []
        self._images: dict[str, int] = {}
        self._used: dict[str, int] = {}
        self._drawn: list[str] = []
        self._at = HEIGHT - TOP
        self._is_fresh = True
        self.lacks_letters = False
        """Whether some letter had no form in the fonts."""

    # --- blocks -------------------------------------------------------------------------------------------------------

    def take(self, block: Block) -> None:
        match block:
            case Cover():
                self._cover(block)
            case Heading():
                self._heading(block)
            case Words():
                self._words(block)
            case Facts():
                self._facts(block.rows)
            case Table():
                self._table(block)
            case Pictures():
                self._pictures(block.pictures)

    def close(self, *, title: str, identity: bytes, made: datetime) -> None:
        self._turn()
        for font in self._fonts.values():
            if not font.letters:
                font.letters[0] = ""
            font.add_to(self._file)
        self._file.close(title=title, identity=identity, made=made, bookmarks=self._bookmarks)

    @property
    def pages_count(self) -> int:
        return self._file.pages_count

    def _cover(self, cover: Cover) -> None:
        self._box(0, HEIGHT - 250, WIDTH, 250, NIGHT)
        self._text(MARGIN, HEIGHT - 84, "EXHIBIT", "bold", 10, "1 1 1")
        at = HEIGHT - 140
        for line in lines_of(cover.title, "bold", 24, INNER):
            self._line(MARGIN, at, line, "bold", 24, "1 1 1", INNER)
            at -= 31
        for line in lines_of(cover.subtitle, "sans", 12, INNER)[:4]:
            self._line(MARGIN, at, line, "sans", 12, "0.82 0.86 0.92", INNER)
            at -= 17
        self._at = HEIGHT - 290
        self._is_fresh = False
        self._facts(cover.rows)
        self._at -= 10
        self._words(Words(cover.note, "small"))

    def _heading(self, heading: Heading) -> None:
        font, size = _HEADINGS[heading.level]
        if heading.level == 0:
            self._turn()
        lines = lines_of(heading.text, font, size, INNER)
        self._need(len(lines) * size * LEADING + _ROOM_BELOW[heading.level])
        if not self._is_fresh:
            self._at -= {0: 0, 1: 16, 2: 8}[heading.level]
        if heading.level == 1 and not self._is_fresh:
            self._rule(MARGIN, self._at + 4, INNER)
            self._at -= 8
        if heading.level < 2:
            self._bookmarks.append(Bookmark(heading.text, heading.level, self._file.pages_count, self._at + size))
        for line in lines:
            self._at -= size * LEADING
            self._line(MARGIN, self._at, line, font, size, INK, INNER)
        self._at -= {0: 10, 1: 5, 2: 3}[heading.level]
        self._is_fresh = False

    def _words(self, words: Words) -> None:
        font, size, colour, indent = _WORDS[words.style]
        for line in lines_of(words.text, font, size, INNER - indent):
            self._need(size * LEADING)
            self._at -= size * LEADING
            if words.style == "quote":
                self._box(MARGIN + 3, self._at - 3, 1.6, size * LEADING, RULE)
            self._line(MARGIN + indent, self._at, line, font, size, colour, INNER - indent)
        self._at -= 5
        self._is_fresh = False

    def _facts(self, rows: Sequence[tuple[str, Cell]]) -> None:
        left = INNER * _NAME_SHARE
        for name, value in rows:
            self._row([(0.0, left - 8, Cell(name)), (left, INNER - left, value)], ["quiet", ""], SMALL + 0.6)
        self._at -= 5
        self._is_fresh = False

    def _table(self, table: Table) -> None:
        edges, at = [], 0.0
        for share in table.shares:
            edges.append((at, INNER * share / 100 - 6))
            at += INNER * share / 100
        self._table_head(table, edges)
        for number, row in enumerate(table.rows):
            cells = [(left, width, value) for (left, width), value in zip(edges, row, strict=True)]
            self._row(cells, [""] * len(cells), SMALL, again=lambda: self._table_head(table, edges))
            if number + 1 < len(table.rows):
                self._rule(MARGIN, self._at - 1.5, INNER, 0.3)
                self._at -= 1.5
        self._at -= 7
        self._is_fresh = False

    def _table_head(self, table: Table, edges: Sequence[tuple[float, float]]) -> None:
        self._need(48)
        cells = [(left, width, Cell(name)) for (left, width), name in zip(edges, table.columns, strict=True)]
        self._row(cells, ["head"] * len(cells), TINY)
        self._rule(MARGIN, self._at - 2, INNER)
        self._at -= 3

    def _row(
        self,
        cells: Sequence[tuple[float, float, Cell]],
        styles: Sequence[str],
        size: float,
        again: Callable[[], None] | None = None,
    ) -> None:
        """Cells beside each other. Cut where a page ends; ``again`` draws what stands above the rest."""
        laid = []
        for (left, width, value), style in zip(cells, styles, strict=True):
            font = "mono" if value.is_code else "bold" if style == "head" else "sans"
            own = size - 0.9 if value.is_code else size
            colour = QUIET if style in ("quiet", "head") else INK
            laid.append((left, font, own, colour, lines_of(value.text, font, own, width)))
        deep = max(len(lines) for *_, lines in laid)
        step = size * LEADING
        if deep * step <= 200:
            self._need(deep * step + 2, again)
        for number in range(deep):
            self._need(step, again)
            self._at -= step
            for left, font, own, colour, lines in laid:
                if number < len(lines):
                    self._line(MARGIN + left, self._at, lines[number], font, own, colour)
        self._at -= 1.5
        self._is_fresh = False

    def _pictures(self, pictures: Sequence[Picture]) -> None:
        left, deep = 0.0, 0.0
        top = self._at
        for picture in pictures:
            if picture.tile_width is not None:
                self._at = top - deep
                self._strip(picture)
                left, deep, top = 0.0, 0.0, self._at
                continue
            most = INNER if picture.width > 3 * picture.height or picture.width > 700 else _PICTURE_WIDTH
            high = HEIGHT - TOP - BOTTOM - 40 if picture.width > 700 else _PICTURE_HEIGHT
            scale = min(most / picture.width, high / picture.height, 0.75)
            width, height = picture.width * scale, picture.height * scale
            caption = lines_of(picture.caption, "sans", TINY, max(width, 150))
            whole = height + len(caption) * TINY * LEADING + 8
            if left and (left + max(width, 150) > INNER):
                self._at, left, deep = top - deep, 0.0, 0.0
            if not left:
                self._need(whole)
                top = self._at
            elif self._need_beside(top, whole):
                left, deep, top = 0.0, 0.0, self._at
            self._image(picture, MARGIN + left, top - height, width, height)
            at = top - height - 2
            for line in caption:
                at -= TINY * LEADING
                self._line(MARGIN + left, at, line, "sans", TINY, QUIET, max(width, 150))
            left += max(width, 150) + _GAP
            deep = max(deep, whole)
        self._at = top - deep - 4
        self._is_fresh = False

    def _need_beside(self, top: float, whole: float) -> bool:
        if top - whole >= BOTTOM:
            return False
        self._turn()
        return True

    def _strip(self, picture: Picture) -> None:
        """A strip in rows of whole tiles."""
        tile = picture.tile_width or picture.width
        count = max(1, picture.width // tile)
        a_row = min(count, max(1, int(INNER // max(72.0, tile * 0.5))))
        scale = min(INNER / (a_row * tile), 0.75)
        row_height = picture.height * scale
        for first in range(0, count, a_row):
            shown = min(a_row, count - first)
            self._need(row_height + 3)
            bottom = self._at - row_height
            clip = f"{_at(MARGIN, bottom)} {_at(shown * tile * scale, row_height)} re W n"
            self._image(picture, MARGIN - first * tile * scale, bottom, picture.width * scale, row_height, clip)
            self._at = bottom - 3
        for line in lines_of(picture.caption, "sans", TINY, INNER):
            self._need(TINY * LEADING)
            self._at -= TINY * LEADING
            self._line(MARGIN, self._at, line, "sans", TINY, QUIET, INNER)
        self._at -= 5

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _image(self, picture: Picture, x: float, y: float, width: float, height: float, clip: str = "") -> None:
        if picture.sha256 not in self._images:
            self._images[picture.sha256] = self._file.add_jpeg(picture.jpeg)
        name = f"I{self._images[picture.sha256]}"
        self._used[name] = self._images[picture.sha256]
        self._drawn.append(f"q {clip} {_at(width, 0)} 0 {_at(height, x)} {number_text(y)} cm /{name} Do Q")

    def _box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self._drawn.append(f"{colour} rg {_at(x, y)} {_at(width, height)} re f")

    def _rule(self, x: float, y: float, width: float, thick: float = 0.6) -> None:
        self._drawn.append(f"{RULE} RG {number_text(thick)} w {_at(x, y)} m {_at(x + width, y)} l S")

    def _text(self, x: float, y: float, text: str, font: str, size: float, colour: str) -> None:
        for line in lines_of(text, font, size, INNER):
            self._line(x, y, line, font, size, colour, INNER)
            return

    def _line(self, x: float, y: float, line: Line, font: str, size: float, colour: str, room: float = 0.0) -> None:
        """A line whose baseline is at ``y``; where ``room`` is given, one of a paragraph from right to left ends at the
        right of it."""
        if not line.pieces:
            return
        start = x + room - line.width if line.is_rtl and room else x
        for piece in line.pieces:
            self._fonts[font].use(piece.shape)
            self.lacks_letters = self.lacks_letters or piece.shape.lacks
        run = f"BT /{RESOURCE[font]} {number_text(size)} Tf {colour} rg 1 0 0 1 {_at(start, y)} Tm {line.shown} ET"
        self._drawn.append(run)

    def _need(self, height: float, again: Callable[[], None] | None = None) -> bool:
        """Turn the page when it has no room for so much. Whether it was turned."""
        if self._at - height >= BOTTOM or self._is_fresh:
            return False
        self._turn()
        if again is not None:
            again()
        return True

    def _turn(self) -> None:
        """Hand the page on, with its foot, if anything is on it."""
        if not self._drawn:
            return
        self._text(MARGIN, 30, self._running, "sans", TINY, QUIET)
        number = lines_of(str(self._file.pages_count + 1), "sans", TINY, 60)[0]
        self._line(WIDTH - MARGIN - number.width, 30, number, "sans", TINY, QUIET, 60)
        fonts = " ".join(f"/{RESOURCE[name]} {font.number} 0 R" for name, font in self._fonts.items())
        content = "\n".join(self._drawn).encode("ascii")
        self._file.add_page((WIDTH, HEIGHT), content, fonts, self._used)
        self._drawn, self._used = [], {}
        self._at, self._is_fresh = HEIGHT - TOP, True


def _at(x: float, y: float) -> str:
    return f"{number_text(x)} {number_text(y)}"
