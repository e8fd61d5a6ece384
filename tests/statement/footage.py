"""Small real pictures and recordings that stand in for a case's footage, none of which shows what another does."""

import io
from collections.abc import Iterator
from functools import cache

from PIL import Image

from tests.media_samples import PHONE_VIDEO, PHOTOGRAPHS, VIDEO, encoded, excerpt, upright

TILES = 5
"""Each photograph gives so many times so many pictures of places beside each other."""
SIDE = 128
RECORDING = (128, 72)


def stills(count: int) -> list[bytes]:
    """JPEG files of 128 × 128 pixels: disjoint parts of photographs."""
    found = [tile for tile, _ in zip(_tiles(), range(count), strict=False)]
    assert len(found) == count
    return found


def _tiles() -> Iterator[bytes]:
    """One of each photograph in turn, so that few of them are enough to have something of all."""
    for row in range(TILES):
        for column in range(TILES):
            for path in PHOTOGRAPHS:
                yield _tile(str(path), row, column)


@cache
def _opened(path: str) -> Image.Image:
    return upright(next(each for each in PHOTOGRAPHS if str(each) == path))


def _tile(path: str, row: int, column: int, side: int = SIDE) -> bytes:
    whole = _opened(path)
    width, height = whole.width // TILES, whole.height // TILES
    part = whole.crop((column * width, row * height, (column + 1) * width, (row + 1) * height))
    return encoded(part.resize((side, side), Image.Resampling.LANCZOS), quality=80)


def recordings(count: int) -> list[bytes]:
    """MP4 files of half a second each, seconds apart from one another."""
    places = [(VIDEO, 0.5 + 3.0 * number) for number in range(9)] + [(PHONE_VIDEO, 0.2)]
    assert count <= len(places)
    return [excerpt(start, start + 0.5, path=path, size=RECORDING) for path, start in places[:count]]


def further_still() -> bytes:
    """One more, larger: the last part of a photograph, which is the last of all to be given."""
    return _tile(str(PHOTOGRAPHS[2]), TILES - 1, TILES - 1, 320)


def saved_again(picture: bytes) -> bytes:
    """The same picture, smaller by a fifth and with a stronger compression: another file of one capture."""
    with Image.open(io.BytesIO(picture)) as opened:
        smaller = opened.convert("RGB").resize(
            (opened.width * 4 // 5, opened.height * 4 // 5), Image.Resampling.BICUBIC
        )
    return encoded(smaller, quality=60)
