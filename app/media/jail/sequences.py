"""The further frames of an animated picture, and the further pages of a file of several, inside the jail.

The rule ``sequence/1``, part of the meaning of their fingerprints: the first picture (of HEIF: the primary one) is at
time 0 · an animation's frame is at the sum of the durations before it, one under 10 ms counting as 100 ms as in
browsers; it is sent when its 64 × 36 luma differs from the last sent one's by 2.5 or more of 255 on average, or when
2 seconds have passed · a page has no time: the k-th further one is at k seconds, and every one is sent.
One picture is in memory at a time; how many are sent and how many pixels are decoded for them is bounded.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from app.media.jail.limits import DecodeLimits

SEQUENCE_RULE = "sequence/1"
MS_BETWEEN_PAGES = 1000
KEEP_AT_LEAST_EVERY_MS = 2000
KEEP_FROM_LUMA_DIFFERENCE = 2.5
_LUMA_SIZE = (64, 36)
_SHORTEST_MS, _INSTEAD_MS, _LONGEST_MS = 10, 100, 3_600_000
_MOST_LOOKED_AT = 10_000

ANIMATED = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
PAGED = frozenset({"TIFF", "HEIF", "MPO"})


@dataclass(slots=True)
class Sequence:
    """What is known of a file's pictures after they were gone through."""

    kind: str | None = None
    """``animation`` or ``pages``; None when there is only one picture."""
    duration_ms: int | None = None
    """Of an animation that was gone through to its end."""
    shortfall: str | None = None
    """In words, why not all pictures could be decoded."""


class Sender:
    """Goes through the pictures behind the first one."""

    def __init__(
        self,
        picture_of: Callable[[Image.Image], Image.Image],
        fits: Callable[[tuple[int, int]], bool],
        limits: DecodeLimits,
        send: Callable[[int, Image.Image], None],
    ) -> None:
        """``picture_of`` gives the pixels that the file stands at; ``send`` takes their time (ms) and them."""
        self._picture_of = picture_of
        self._fits = fits
        self._send = send
        self._frames_left = limits.sequence_frames
        self._pixels_left = limits.sequence_pixels
        self._kept_luma: np.ndarray[tuple[int, ...], np.dtype[np.int16]] | None = None
        self._kept_ms = 0

    def go_through(self, image: Image.Image, first: Image.Image) -> Sequence:
        """``image`` stands at its first picture, which was decoded to ``first`` and sent. Raises MemoryError."""
        if image.format in PAGED:
            return self._go_through_pages(image)
        return self._go_through_frames(image, first) if image.format in ANIMATED else Sequence()

    def _go_through_frames(self, image: Image.Image, first: Image.Image) -> Sequence:
        found = Sequence()
        self._kept_luma = _luma_of(first)
        time_ms = _duration_ms(image)
        for number in range(1, _MOST_LOOKED_AT):
            try:
                image.seek(number)
                found.kind = "animation"
                if not self._may_decode(image.size):
                    found.shortfall = f"after {number} frames: an animation may not have more pixels decoded"
                    return found
                picture = self._picture_of(image)
            except EOFError:
                found.duration_ms = time_ms if found.kind else None
                return found
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - Pillow raises whatever comes to hand on a broken file
                found.shortfall = f"the animation is cut off or damaged after {number} frames"
                return found
            if not self._take_frame(picture, time_ms):
                found.shortfall = f"after {number} frames: an animation may not have more frames kept"
                return found
            time_ms += _duration_ms(image)
        found.shortfall = f"after {_MOST_LOOKED_AT} frames: an animation may not have more"
        return found

    def _take_frame(self, picture: Image.Image, time_ms: int) -> bool:
        """Sends it when it changed. False when it should be sent, and too many were."""
        luma = _luma_of(picture)
        is_still = (
            self._kept_luma is not None
            and time_ms - self._kept_ms < KEEP_AT_LEAST_EVERY_MS
            and float(np.abs(luma - self._kept_luma).mean()) < KEEP_FROM_LUMA_DIFFERENCE
        )
        if is_still:
            return True
        if not self._frames_left:
            return False
        self._kept_luma, self._kept_ms = luma, time_ms
        self._frames_left -= 1
        self._send(time_ms, picture)
        return True

    def _go_through_pages(self, image: Image.Image) -> Sequence:
        found = Sequence()
        damaged: list[int] = []
        start, page, place = image.tell(), 0, -1
        while True:
            place += 1
            if place == start:
                continue
            page += 1
            try:
                image.seek(place)
            except EOFError:
                break
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - as above
                found.kind, found.shortfall = "pages", f"the file is cut off or damaged after {page} pages"
                return found
            found.kind = "pages"
            if not self._frames_left or not self._may_decode(image.size):
                found.shortfall = f"after {page} pages: no more are decoded of one file"
                return found
            try:
                picture = self._picture_of(image)
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - as above
                damaged.append(page + 1)
                continue
            self._frames_left -= 1
            self._send(page * MS_BETWEEN_PAGES, picture)
        if damaged:
            found.shortfall = f"page {damaged[0]} of {page} cannot be decoded" + (
                f", and {len(damaged) - 1} more" if damaged[1:] else ""
            )
        return found

    def _may_decode(self, size: tuple[int, int]) -> bool:
        self._pixels_left -= size[0] * size[1]
        return self._pixels_left >= 0 and self._fits(size)


def _luma_of(picture: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    small = picture.resize(_LUMA_SIZE, Image.Resampling.BOX, reducing_gap=2.0).convert("L")
    return np.asarray(small, dtype=np.int16)


def _duration_ms(image: Image.Image) -> int:
    """How long the current frame is shown."""
    said = image.info.get("duration")
    if not isinstance(said, int | float) or not said >= _SHORTEST_MS:
        return _INSTEAD_MS
    return min(round(said), _LONGEST_MS)
