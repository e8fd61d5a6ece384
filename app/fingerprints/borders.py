"""Which part of a recording's frames is the picture, as long as its borders stand still. Pure.

A border belongs to the recording and not to a frame: what three of the last five looks agree on is believed, so that a
dark scene is not taken for a border. A compilation may have other borders in each of its parts. Frames that came
before a border was believed are held back, a few of them, and given with it: an excerpt of two seconds has few frames.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.fingerprints.algorithms.algorithm import Pixels
from app.fingerprints.algorithms.reducing import reduced_picture
from app.fingerprints.areas import Box, areas_in

LOOKS = 5
AGREEING = 3
LOOK_EVERY_MS = 400
LOOK_AGAIN_EVERY_MS = 2000
"""While the border that is believed was seen the last time."""
MOST_HELD_BACK = 8
SAME_SHARE = 0.012
"""Edges so near, of the longer side, are the same."""


@dataclass(frozen=True, slots=True)
class _Look:
    time_ms: int
    boxes: Sequence[Box]


class Borders:
    """Looks at the frames in order of time, as they come; holds the pixels of at most 8 of those that are kept."""

    def __init__(self) -> None:
        self._begin(())

    def _begin(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._box: Box | None = None
        """What is believed now, in pixels of the frames."""
        self._looks: deque[_Look] = deque(maxlen=LOOKS)
        self._believed_from_ms = 0
        self._held_back: deque[tuple[int, Pixels]] = deque(maxlen=MOST_HELD_BACK)

    def inside(self, time_ms: int, rgb: Pixels) -> Pixels | None:
        """The frame's pixels within what is believed; None where there is no border."""
        if rgb.shape != self._shape:
            self._begin(rgb.shape)
        if self._is_time_to_look(time_ms):
            self._looks.append(_Look(time_ms, [area.box for area in areas_in(rgb, reduced_picture(rgb))]))
            believed, since_ms = self._agreed()
            if believed is None or self._box is None or not self._are_same(believed, self._box):
                self._box, self._believed_from_ms = believed, since_ms
        return None if self._box is None else self._box.of(rgb)

    def held_back(self, time_ms: int, rgb: Pixels) -> Iterator[tuple[int, Pixels]]:
        """Times and pixels within the border of the kept frames that it is believed of now and was not before. To be
        asked after every frame that is kept, which is held back itself while nothing is believed."""
        if self._box is None:
            self._held_back.append((time_ms, rgb))
            return
        for at_ms, held in self._held_back:
            if at_ms >= self._believed_from_ms:
                yield at_ms, self._box.of(held)
        self._held_back.clear()

    def _is_time_to_look(self, time_ms: int) -> bool:
        if not self._looks:
            return True
        last = self._looks[-1]
        is_standing = self._box is not None and any(self._are_same(self._box, one) for one in last.boxes)
        return time_ms - last.time_ms >= (LOOK_AGAIN_EVERY_MS if is_standing else LOOK_EVERY_MS)

    def _agreed(self) -> tuple[Box | None, int]:
        """The box that enough looks have; of several the one that most have, then the smallest. And since when."""
        best: tuple[int, int, list[tuple[int, Box]]] = (0, 0, [])
        for candidate in (box for look in self._looks for box in look.boxes):
            same = [(look.time_ms, box) for look in self._looks for box in look.boxes if self._are_same(box, candidate)]
            found = (len({at_ms for at_ms, _ in same}), -candidate.width * candidate.height, same)
            best = max(best, found, key=lambda one: one[:2])
        if best[0] < AGREEING:
            return None, 0
        sides = np.median([(box.left, box.top, box.right, box.bottom) for _, box in best[2]], axis=0)
        left, top, right, bottom = (int(side) for side in sides)
        return Box(left, top, right, bottom), best[2][0][0]

    def _are_same(self, first: Box, second: Box) -> bool:
        nearest = max(2.0, SAME_SHARE * max(self._shape[:2]))
        return (
            abs(first.left - second.left) <= nearest
            and abs(first.top - second.top) <= nearest
            and abs(first.right - second.right) <= nearest
            and abs(first.bottom - second.bottom) <= nearest
        )
