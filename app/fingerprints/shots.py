"""Where one shot of a recording ends and the next begins, from the frames that the decoder kept. Pure.

The rule ``shots/1``. A shot begins at the first frame, and

- at a **cut**: a frame at least 104 of 256 bits of PDQ from the one before (unrelated pictures are 128 ± 8 apart), and
  at least 0.2 from it in colour, so that a head that turns or a camera that swings begins no shot: it moves what is
  there, and a histogram of colours knows no places;
- after a **flat** stretch (a fade through black): a frame at least 104 bits from the last one that showed something;
- by **drift**: when the shot has lasted 10 seconds or more, and the frame is at least 104 bits and 0.35 in colour from
  its first one that showed something: a camera that turns to other things shows more than one picture of it can say.

What looks again, within half a second, as it did before a cut was a flash, and no cut. A shot is shown by the frame
that stood longest before the picture changed: the camera was still, so it is the sharpest; flat ones come last.
(Measured: unrelated photographs are 114 to 140 bits and 0.32 to 0.70 in colour apart; windows into one, up to 134 and
0.33.)
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.fingerprints.algorithms.algorithm import Hash, Pixels, hamming

SHOTS_RULE = "shots/1"
OTHER_PICTURE_BITS = 104
SAME_PICTURE_BITS = 64
CUT_COLOUR = 0.2
DRIFT_COLOUR = 0.35
DRIFT_AFTER_MS = 10_000
FLASH_MS = 500
FLAT_QUALITY = 10
LONGEST_STANDING_MS = 2000
"""The decoder keeps a frame at least this often, changed or not."""

_SAMPLE_EVERY = 8
_COLOURS = 64

Colours = np.ndarray[tuple[int], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Shot:
    """From ``from_ms`` on and before ``to_ms``; ``shown_ms`` is the time of the frame that stands for it."""

    number: int
    from_ms: int
    to_ms: int
    shown_ms: int


@dataclass(frozen=True, slots=True)
class FoundShot:
    """A shot, and the pixels of the frame that stands for it."""

    shot: Shot
    shown: Pixels


@dataclass(frozen=True, slots=True)
class _Look:
    """What is compared of a frame, and its pixels."""

    time_ms: int
    rgb: Pixels
    value: bytes
    quality: int
    colours: Colours

    @property
    def is_flat(self) -> bool:
        return self.quality < FLAT_QUALITY

    def bits_to(self, other: "_Look") -> int:
        return hamming(self.value, other.value)

    def colour_to(self, other: "_Look") -> float:
        """0: the same colours in the same amounts; 1: none in common."""
        return float(np.abs(self.colours - other.colours).sum()) / 2


@dataclass(slots=True)
class _Open:
    """A shot whose end is not known yet."""

    first: _Look
    sight: _Look
    """The first frame that showed something, else the first."""
    last: _Look
    """The last frame that showed something, else the first."""
    shown: _Look | None = None
    shown_rank: tuple[bool, int, int] = (False, -1, -1)

    def see(self, look: _Look) -> None:
        if not look.is_flat:
            self.sight = look if self.sight.is_flat else self.sight
            self.last = look

    def add(self, look: _Look, stood_ms: int) -> None:
        rank = (not look.is_flat, min(stood_ms, LONGEST_STANDING_MS), look.quality)
        if rank > self.shown_rank:
            self.shown, self.shown_rank = look, rank


class ShotFinder:
    """Takes a recording's frames in order of time, gives its shots in order. Holds the pixels of a few frames at most.

    The shots lie end to end from 0 to the recording's end; each is shown by a frame of its own.
    """

    def __init__(self) -> None:
        self._count = 0
        self._before: _Open | None = None
        """The shot that a cut has just ended, until it is clear that the cut is no flash."""
        self._now: _Open | None = None
        self._last: _Look | None = None

    @property
    def began_ms(self) -> int:
        """Where the shot began that the last frame belongs to, unless that was a flash."""
        return 0 if self._now is None else self._now.first.time_ms

    def take(self, time_ms: int, rgb: Pixels, pdq: Hash) -> Iterator[FoundShot]:
        """The shots that are over now."""
        look = _Look(time_ms, rgb, pdq.value, pdq.quality or 0, _colours_of(rgb))
        if self._now is None or self._last is None:
            self._now = _Open(look, look, look)
        else:
            self._now.add(self._last, time_ms - self._last.time_ms)
            yield from self._go_on(self._now, self._last, look)
        self._last = look
        self._now.see(look)

    def end(self, end_ms: int) -> Iterator[FoundShot]:
        """The shots that were still open; ``end_ms`` is the time of the last frame that was decoded, kept or not."""
        if self._now is None or self._last is None:
            return
        end_ms = max(end_ms, self._last.time_ms)
        self._now.add(self._last, end_ms - self._last.time_ms)
        if self._before is not None:
            yield self._close(self._before, self._now.first.time_ms)
        yield self._close(self._now, end_ms + 1)

    def _go_on(self, now: _Open, last: _Look, look: _Look) -> Iterator[FoundShot]:
        if self._before is not None:
            if look.time_ms - now.first.time_ms > FLASH_MS:
                yield self._close(self._before, now.first.time_ms)
                self._before = None
            elif not look.is_flat and look.bits_to(self._before.last) <= SAME_PICTURE_BITS:
                self._now, self._before = self._before, None
                return
        if _is_cut(now, last, look):
            if self._before is not None:
                yield self._close(self._before, now.first.time_ms)
            self._before, self._now = now, _Open(look, look, look)
        elif _has_drifted(now, look):
            if self._before is not None:
                yield self._close(self._before, now.first.time_ms)
                self._before = None
            yield self._close(now, look.time_ms)
            self._now = _Open(look, look, look)

    def _close(self, ended: _Open, to_ms: int) -> FoundShot:
        assert ended.shown is not None
        shot = Shot(self._count, ended.first.time_ms, to_ms, ended.shown.time_ms)
        self._count += 1
        return FoundShot(shot, ended.shown.rgb)


def _is_cut(now: _Open, last: _Look, look: _Look) -> bool:
    if look.is_flat:
        return False
    if last.is_flat:
        return not now.last.is_flat and look.bits_to(now.last) >= OTHER_PICTURE_BITS
    return look.bits_to(last) >= OTHER_PICTURE_BITS and look.colour_to(last) >= CUT_COLOUR


def _has_drifted(now: _Open, look: _Look) -> bool:
    return (
        not look.is_flat
        and look.time_ms - now.first.time_ms >= DRIFT_AFTER_MS
        and look.bits_to(now.sight) >= OTHER_PICTURE_BITS
        and look.colour_to(now.sight) >= DRIFT_COLOUR
    )


def _colours_of(rgb: Pixels) -> Colours:
    """How much of the picture each of 64 colours has (four levels of red, green and blue)."""
    coarse = (rgb[::_SAMPLE_EVERY, ::_SAMPLE_EVERY] >> 6).reshape(-1, 3)
    numbers = (coarse[:, 0] << 4) | (coarse[:, 1] << 2) | coarse[:, 2]
    counts = np.bincount(numbers, minlength=_COLOURS)
    return (counts / len(numbers)).astype(np.float32)
