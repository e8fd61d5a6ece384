"""What is done to a user's own pictures where no copies of them are known: a few edits of each kind. Pure.

They stand for what was measured on many (docs/matching.md); they are no substitute for copies that were really found.
"""

import io
from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw, ImageOps

Picture = Image.Image

JPEG_QUALITY = 80
WORDS = "see what happened"


def _cropped(picture: Picture, area: float, random: Random) -> Picture:
    keep = (1 - area) ** 0.5
    width, height = max(1, round(picture.width * keep)), max(1, round(picture.height * keep))
    left, top = random.randint(0, picture.width - width), random.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def _captioned(picture: Picture) -> Picture:
    bar = max(1, picture.height // 5)
    edited = Image.new("RGB", (picture.width, picture.height + bar), (255, 255, 255))
    edited.paste(picture, (0, bar))
    ImageDraw.Draw(edited).text((bar * 0.3, bar * 0.2), WORDS, (0, 0, 0), font_size=max(8.0, bar * 0.5))
    return edited


def _with_banner(picture: Picture) -> Picture:
    edited, height = picture.copy(), max(1, picture.height // 6)
    draw = ImageDraw.Draw(edited)
    draw.rectangle((0, picture.height - height, picture.width, picture.height), (20, 20, 120))
    draw.text((height * 0.3, picture.height - height * 0.8), WORDS, (255, 255, 0), font_size=max(8.0, height * 0.5))
    return edited


def _screenshot(picture: Picture) -> Picture:
    screen = Image.new("RGB", (720, 1480), (250, 250, 250))
    draw = ImageDraw.Draw(screen)
    shown = ImageOps.contain(picture, (720, 860))
    screen.paste(shown, ((720 - shown.width) // 2, 300))
    draw.text((26, 20), "21:47", (60, 60, 60), font_size=30)
    draw.ellipse((26, 120, 106, 200), (90, 140, 200))
    draw.text((126, 140), "channel", (60, 60, 60), font_size=32)
    for place in range(4):
        left, top = 40 + place * 170, 330 + shown.height
        draw.rounded_rectangle((left, top, left + 80, top + 60), 20, outline=(60, 60, 60), width=4)
    return screen


EDITS: dict[str, Callable[[Picture, Random], Picture]] = {
    "smaller": lambda picture, _: ImageOps.contain(picture, (480, 480)),
    "grey": lambda picture, _: ImageOps.grayscale(picture).convert("RGB"),
    "banner": lambda picture, _: _with_banner(picture),
    "caption": lambda picture, _: _captioned(picture),
    "letterboxed": lambda picture, _: ImageOps.expand(picture, (0, max(1, picture.height // 7))),
    "cropped_10": lambda picture, random: _cropped(picture, 0.10, random),
    "cropped_30": lambda picture, random: _cropped(picture, 0.30, random),
    "mirrored": lambda picture, _: ImageOps.mirror(picture),
    "turned_5": lambda picture, _: picture.rotate(5, Image.Resampling.BICUBIC),
    "screenshot": lambda picture, _: _screenshot(picture),
}
"""By name; each is then a JPEG."""


def edited(picture: Picture, edit: str, name: str) -> bytes:
    """The edited picture's file. The same ``name`` (of the original) gives the same edit."""
    buffer = io.BytesIO()
    chance = Random(f"{name} {edit}")  # noqa: S311 - where a crop lies is no secret, and the same each time
    EDITS[edit](picture, chance).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
