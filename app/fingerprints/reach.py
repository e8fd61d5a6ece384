"""How far a span reaches beyond the frames that name it: as long as what both sides show stays alike. Pure.

A frame is kept when the picture changed, so it stands for all that is shown until the next one. Where little moves,
few frames are kept, and of two encodings not the same ones: the pairs upon one line begin late and end early. Beyond
them the line is followed, from change to change on either side, as long as the two frames that stand there are alike.
What stands after the last frame of a side is not known, nor is what says nothing (``Frames.blank_ms``).
"""

from dataclasses import dataclass

import numpy as np

from app.fingerprints.frame_pairs import Array, Frames, Integers, Pairs, Plane
from app.fingerprints.lines import Line

LONGEST_MS = 5000
"""So long a frame stands at most: what lies later may be missing."""


@dataclass(frozen=True)
class Standing:
    """What two recordings show at every moment, and which of it is alike."""

    a_ms: Integers
    """The first's moments at which something else is shown, in order."""
    b_ms: Integers
    of_a: Integers
    """The number of the frame that stands from each on; -1 where nothing does."""
    of_b: Integers
    alike: dict[Plane, Integers]
    """The pairs of frames, as one number each, in order."""
    across: int

    @classmethod
    def of(cls, a: Frames, b: Frames, planes: dict[Plane, Pairs]) -> "Standing":
        (a_ms, of_a), (b_ms, of_b) = _changes(a), _changes(b)
        alike = {plane: np.sort(pairs.a * len(b) + pairs.b) for plane, pairs in planes.items()}
        return cls(a_ms, b_ms, of_a, of_b, alike, len(b))

    def reached(self, plane: Plane, line: Line, begin: float, end: float) -> tuple[float, float]:
        """From when to when on the first side, both sides are alike along the line around what lies between."""
        moments = np.unique(np.concatenate([self.a_ms, (self.b_ms - line.shift_ms) / line.speed, [begin, end]]))
        is_alike = self._are_alike(plane, line, (moments[:-1] + moments[1:]) / 2)
        first, last = np.searchsorted(moments, [begin, end])
        differs = np.flatnonzero(~is_alike)
        before, after = differs[differs < first], differs[differs >= last]
        lowest = moments[before[-1] + 1] if before.size else moments[0]
        highest = moments[after[0]] if after.size else moments[-1]
        return float(lowest), float(highest)

    def _are_alike(self, plane: Plane, line: Line, at_ms: Array) -> Array:
        """Whether what stands at these moments of the first side is alike in the second."""
        first = _standing(self.a_ms, self.of_a, at_ms)
        second = _standing(self.b_ms, self.of_b, line.speed * at_ms + line.shift_ms)
        codes, stored = first * self.across + second, self.alike[plane]
        place = np.minimum(np.searchsorted(stored, codes), stored.size - 1)
        is_alike: Array = (first >= 0) & (second >= 0) & (stored[place] == codes)
        return is_alike


def _changes(side: Frames) -> tuple[Integers, Integers]:
    """The moments of all that was kept, and which frame stands from each on; -1 from what says nothing, from the last
    one, and where one would stand too long."""
    times = np.concatenate([side.times_ms, side.blank_ms])
    numbers = np.concatenate([np.arange(len(side)), np.full(side.blank_ms.size, -1)])
    order = np.argsort(times, kind="stable")
    times, numbers = times[order], numbers[order]
    numbers[-1] = -1
    too_long = np.flatnonzero(np.diff(times) > LONGEST_MS)
    times = np.insert(times, too_long + 1, times[too_long] + LONGEST_MS)
    return times, np.insert(numbers, too_long + 1, -1)


def _standing(changes_ms: Integers, numbers: Integers, at_ms: Array) -> Array:
    place = np.searchsorted(changes_ms, at_ms, "right") - 1
    return np.where(place < 0, -1, numbers[np.maximum(place, 0)])
