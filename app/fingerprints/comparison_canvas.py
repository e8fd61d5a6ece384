"""What the drawings of a comparison have in common: colours, letters, and a block to draw on. Pure.

Letters are those that Pillow carries (Aileron Regular, by Sora Sagano, CC0): the same on every machine. They have
figures, Latin letters and little else, which is all that is written here: ids, numbers, fixed words.

Lines and dots are drawn at twice their size on a layer of their own, and reduced: Pillow draws no smooth ones. A block
is drawn and put onto the sheet before the next one is begun, so that only one such layer is in memory.
"""

from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Place = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge in pixels."""

WIDTH = 1280
MARGIN = 40
INNER = WIDTH - 2 * MARGIN
FINER = 2
FARTHEST = 10_000.0

PAPER: Colour = (255, 255, 255)
PANEL: Colour = (243, 245, 247)
RULE: Colour = (208, 215, 222)
INK: Colour = (27, 31, 36)
QUIET: Colour = (87, 96, 106)
NIGHT: Colour = (24, 32, 44)
QUERY: Colour = (0, 114, 178)
REFERENCE: Colour = (213, 94, 0)

SERIES: tuple[Colour, ...] = (
    *((0, 114, 178), (213, 94, 0), (0, 158, 115), (170, 68, 153), (204, 140, 0), (17, 119, 51), (136, 34, 85)),
    (68, 119, 170),
)
"""Told apart also by those who do not tell red from green (Okabe and Ito, 2008; Tol, 2021)."""

_RAMP: tuple[Colour, ...] = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Viridis at five places."""


@cache
def letters(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def ramp(share: float) -> Colour:
    """A colour for 0 to 1."""
    place = min(max(share, 0.0), 1.0) * (len(_RAMP) - 1)
    low = min(int(place), len(_RAMP) - 2)
    part = place - low
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(_RAMP[low], _RAMP[low + 1], strict=True))
    return red, green, blue


class Block:
    """A part of the sheet over its whole width: pictures and letters, and fine lines that lie over them."""

    def __init__(self, height: int, paper: Colour = PAPER) -> None:
        self.image = Image.new("RGB", (WIDTH, height), paper)
        self._draw = ImageDraw.Draw(self.image)
        self._layer: Image.Image | None = None

    @property
    def height(self) -> int:
        return self.image.height

    def text(self, place: Place, words: str, size: int = 15, colour: Colour = INK, anchor: str = "la") -> None:
        self._draw.text(place, words, font=letters(size), fill=colour, anchor=anchor)

    def fill(self, box: Box, colour: Colour) -> None:
        left, upper, right, lower = box
        self._draw.rectangle((left, upper, right - 1, lower - 1), fill=colour)

    def picture(self, picture: Image.Image, place: tuple[int, int]) -> None:
        self.image.paste(picture, place)

    def pill(self, place: Place, words: str, colour: Colour, size: int = 15) -> float:
        """A word on a coloured ground; its right edge."""
        width = letters(size).getlength(words) + 2 * size * 0.8
        left, upper = place
        box = (left, upper, left + width, upper + size * 1.9)
        self._over().rounded_rectangle(_finer_box(box), radius=size * 0.95 * FINER, fill=(*colour, 255))
        self.settle()
        self.text((left + width / 2, upper + size * 0.9), words, size, PAPER, "mm")
        return left + width

    def line(self, places: Sequence[Place], colour: Colour, width: float = 1.5, alpha: int = 255) -> None:
        self._over().line(
            [_finer(each) for each in places], fill=(*colour, alpha), width=round(width * FINER), joint="curve"
        )

    def outline(self, places: Sequence[Place], colour: Colour, width: float = 3.0) -> None:
        """A closed line on a paler one, which is seen on any picture."""
        around = [*places, places[0], places[1]]
        self.line(around, PAPER, width + 2, 210)
        self.line(around, colour, width)

    def dashes(self, start: Place, end: Place, colour: Colour, dash: float = 6.0) -> None:
        length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
        count = int(length // dash) or 1
        for number in range(0, count, 2):
            some, next_one = number / count, min(1.0, (number + 1) / count)
            self.line([_between(start, end, some), _between(start, end, next_one)], colour, 1.0)

    def dot(self, place: Place, colour: Colour, radius: float = 4.0) -> None:
        x, y = place
        over = self._over()
        for size, shade in ((radius + 1.5, (*PAPER, 230)), (radius, (*colour, 255))):
            over.ellipse(_finer_box((x - size, y - size, x + size, y + size)), fill=shade)

    def area(self, places: Sequence[Place], colour: Colour, alpha: int) -> None:
        self._over().polygon([_finer(each) for each in places], fill=(*colour, alpha))

    def settle(self, within: Box | None = None) -> Image.Image:
        """The block with its lines on it, or with what of them lies within a box; further ones lie above."""
        drawn = None if self._layer is None else self._layer.getbbox()
        if self._layer is not None and drawn is not None:
            left, upper, right, lower = within or (0, 0, WIDTH, self.height)
            part = (
                max(drawn[0] // FINER, round(left)),
                max(drawn[1] // FINER, round(upper)),
                min(-(-drawn[2] // FINER), round(right)),
                min(-(-drawn[3] // FINER), round(lower)),
            )
            if part[0] < part[2] and part[1] < part[3]:
                finer = (part[0] * FINER, part[1] * FINER, part[2] * FINER, part[3] * FINER)
                layer = self._layer.crop(finer).reduce(FINER)
                self.image.paste(layer, part[:2], layer)
        self._layer = None
        return self.image

    def _over(self) -> ImageDraw.ImageDraw:
        """Each thing that is drawn replaces what it covers: so what shines through goes onto a layer after it."""
        if self._layer is None:
            self._layer = Image.new("RGBA", (WIDTH * FINER, self.height * FINER), (0, 0, 0, 0))
        return ImageDraw.Draw(self._layer)


def fitting(size: tuple[int, int], box: tuple[float, float], *, most: float = 4.0) -> tuple[int, int]:
    """As large as fits, enlarged at most so many times."""
    scale = min(box[0] / size[0], box[1] / size[1], most)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def clock(time_ms: int, *, tenths: bool = True) -> str:
    """``3.0``, ``1:02.5``, ``1:00:00.0``: seconds, minutes, hours as far as there are any."""
    sign, time_ms = ("-", -time_ms) if time_ms < 0 else ("", time_ms)
    total = (time_ms + 50) // 100 if tenths else (time_ms + 500) // 1000 * 10
    seconds, tenth = divmod(total, 10)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    rest = f".{tenth}" if tenths else ""
    if hours:
        return f"{sign}{hours}:{minutes:02}:{seconds:02}{rest}"
    return f"{sign}{minutes}:{seconds:02}{rest}" if minutes else f"{sign}{seconds}{rest}"


def moment(time_ms: int) -> str:
    """``3.0 s``, ``1:02.5``."""
    words = clock(time_ms)
    return words if ":" in words else f"{words} s"


def _finer(place: Place) -> Place:
    """Nothing is drawn further out than this: a line there may be as long as numbers are."""
    x, y = (min(max(each, -FARTHEST), FARTHEST) * FINER for each in place)
    return x, y


def _finer_box(box: Box) -> Box:
    return box[0] * FINER, box[1] * FINER, box[2] * FINER, box[3] * FINER


def _between(start: Place, end: Place, share: float) -> Place:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
