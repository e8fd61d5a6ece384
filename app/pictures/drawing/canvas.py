"""A sheet to draw on with one font, and its file: SVG that can be read aloud, or PNG; equal for ever.

Only greys, each told from the next one by its outline, hatching or words too, so that a copy in black and white says
the same. No ``pyplot``: nothing is kept between two pictures.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font

from app.pictures.chart import Drawn, PictureFormat
from app.pictures.words import DESCRIBED_CHARACTERS, ELLIPSIS, one_line

matplotlib.rcdefaults()
matplotlib.rcParams.update(
    {
        "svg.hashsalt": "exhibit",  # Ids within the file that do not depend on when it is made.
        "svg.fonttype": "none",  # Text stays text: it can be found, copied and read aloud.
        "text.parse_math": False,
        "text.usetex": False,
        "hatch.linewidth": 0.6,
    }
)

_FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
_MEASURE = FT2Font(str(_FONT))
_HAS = frozenset(_MEASURE.get_charmap())
NO_GLYPH = "\N{WHITE RECTANGLE}"

INK, MIDDLE, LIGHT, PAPER, RULE = "#1a1a1a", "#5c5c5c", "#d0d0d0", "#ffffff", "#b8b8b8"
WIDTH_IN, DPI = 7.5, 150
MARGIN_IN, LINE_IN = 0.25, 0.19
LINE_CHARACTERS = 160


def font(size_pt: float = 8.5) -> FontProperties:
    return FontProperties(family=["DejaVu Sans"], fname=str(_FONT), size=size_pt)


def shown(written: str, limit: int) -> str:
    """One line, a rectangle where the font has no letter: the picture's description has the text as it is."""
    return "".join(each if ord(each) in _HAS else NO_GLYPH for each in one_line(written, limit))


def width_in(words: str, size_pt: float) -> float:
    """How wide a line is, in inches."""
    _MEASURE.set_size(size_pt, 72)
    _MEASURE.set_text(words, 0.0)
    return float(_MEASURE.get_width_height()[0]) / 64 / 72


def fitted(words: str, size_pt: float, limit_in: float) -> str:
    """The beginning that is not wider, with an ellipsis if it is not all."""
    if width_in(words, size_pt) <= limit_in:
        return words
    kept = len(words) - 1
    while kept and width_in(words[:kept] + ELLIPSIS, size_pt) > limit_in:
        kept -= 1
    return words[:kept].rstrip() + ELLIPSIS


class Sheet:
    """A figure with a title above and lines below; between them ``axes``, ``height_in`` high, and as much room under
    it as ``legend_in`` says."""

    def __init__(
        self, title: str, subtitle: str, height_in: float, notes: Sequence[str], left_in: float, legend_in: float = 0
    ) -> None:
        below, above = MARGIN_IN * 2 + LINE_IN * len(notes) + legend_in, MARGIN_IN + 0.55
        total = height_in + below + above
        self.figure = Figure(figsize=(WIDTH_IN, total), dpi=DPI, facecolor=PAPER)
        self.axes = self.figure.add_axes(
            (left_in / WIDTH_IN, below / total, (WIDTH_IN - left_in - MARGIN_IN) / WIDTH_IN, height_in / total)
        )
        self._text(title, 1 - MARGIN_IN / total, 11, INK)
        self._text(subtitle, 1 - (MARGIN_IN + 0.24) / total, 8.5, MIDDLE)
        for number, note in enumerate(notes):
            self._text(note, (MARGIN_IN * 0.4 + LINE_IN * (len(notes) - number)) / total, 7, MIDDLE)

    def _text(self, words: str, y: float, size_pt: float, colour: str) -> None:
        line = fitted(shown(words, LINE_CHARACTERS), size_pt, WIDTH_IN - 2 * MARGIN_IN)
        self.figure.text(
            MARGIN_IN / WIDTH_IN, y, line, fontproperties=font(size_pt), color=colour, va="top", parse_math=False
        )

    def file(self, picture_format: PictureFormat, title: str, description: Iterable[str], drawn: Drawn) -> bytes:
        """``description``: all that the picture says, in words."""
        title = one_line(title, DESCRIBED_CHARACTERS)
        lines = "\n".join(one_line(line, DESCRIBED_CHARACTERS) for line in (*description, *drawn.lines()))
        return self._png(title, lines) if picture_format is PictureFormat.PNG else self._svg(title, lines)

    def _png(self, title: str, description: str) -> bytes:
        written = io.BytesIO()
        told = {"Title": title, "Description": description, "Software": None}
        print_png: Callable[..., None] = FigureCanvasAgg(self.figure).print_png
        print_png(written, metadata=told)
        return written.getvalue()

    def _svg(self, title: str, description: str) -> bytes:
        """With a title and a description of its own; the library's metadata (a date, its version) are left out."""
        written = io.StringIO()
        nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        print_svg: Callable[..., None] = FigureCanvasSVG(self.figure).print_svg
        print_svg(written, metadata=nothing)
        text = written.getvalue()
        begin = text.index(">", text.index("<svg ")) + 1
        head = text[text.index("<svg ") : begin - 1]
        named = f'{head} role="img" aria-labelledby="title description">'
        told = f'\n <title id="title">{escape(title)}</title>\n <desc id="description">{escape(description)}</desc>'
        return f'<?xml version="1.0" encoding="utf-8"?>\n{named}{told}{text[begin:]}'.encode()
