"""Which frames of two recordings look alike, whatever symmetry lies between them and whatever area is the same. Pure.

Two frames look alike when a hash of any area of the one, under one of the eight symmetries, is near the hash of any
area of the other. Only one side is turned: turning the other by the inverse gives the same distances.

Memory and time are bounded. Of two long recordings one is thinned evenly (see ``alignment``); symmetries and areas
other than the plain ones are first tried on some rows, and looked at whole where these find anything. Of a static shot
every frame resembles every other: a frame with many partners keeps those at the shifts that most frames vote for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.search.hamming import distances_between, words_of
from app.fingerprints.views import AREAS, IDENTITY, SYMMETRIES, WHOLE, area_of, symmetry_of

SHIFT_TOLERANCE_MS = 300
"""Samples are 100 ms apart on either side, and a change may be kept one or two samples later after re-encoding."""
MAXIMUM_PAIRS = 200_000
FEW_PARTNERS = 12
"""A frame with so few partners says where it belongs, and keeps them all."""
HALF_AS_SURE_BITS = 4.0
"""So much further than a frame's nearest partner, another one is half as likely the same moment."""
TRIED_PAIRS = 8_000_000
"""Pairs that are looked at to find out which symmetries and areas are worth all of them; fewer than that are all."""
MOST_BINS = 1 << 20
"""Shifts further apart than that share a bin: times are another program's word, memory is ours."""
_ROWS_AT_ONCE = 256
_FAR = 1 << 16

Array = np.ndarray[Any, Any]
Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Flags = np.ndarray[tuple[int, int], np.dtype[np.bool_]]
Plane = str
"""A symmetry's name: pairs under one symmetry lie in one plane of time against time."""


@dataclass(frozen=True, slots=True)
class TimedHash:
    """One stored frame, in one view. A still has the time 0."""

    time_ms: int
    value: bytes
    quality: int
    view: str = IDENTITY


@dataclass(frozen=True)
class Frames:
    """One side: moments in order of time, and their hashes by area; n × 32 bytes, and which of them there are."""

    times_ms: Integers
    plain: dict[str, Array]
    has: dict[str, Array]
    turned: dict[tuple[str, str], tuple[Array, Array]]
    """By area and symmetry the hashes that were stored turned: at which places, and which."""
    blank_ms: Integers
    """The moments that say nothing, in order."""
    _made: dict[str, Mapping[str, Array]] = field(default_factory=dict)
    """By area the hashes turned here, all symmetries at once."""
    _columns: dict[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.times_ms.size

    @property
    def order(self) -> tuple[int, int, bytes, bytes]:
        """By which one of two sides comes first, whatever they are called: that with turned hashes, the shorter. Of two
        sides it is the same only where they say the same at the same times."""
        stored = sum(places.size for places, _ in self.turned.values())
        parts = [
            f"{area} ".encode("ascii") + self.has[area].tobytes() + self.plain[area].tobytes() for area in self.plain
        ]
        for (area, symmetry), (places, values) in self.turned.items():
            in_order = np.argsort(places, kind="stable")
            parts.append(f"{area} {symmetry} ".encode("ascii") + places[in_order].tobytes())
            parts.append(values[in_order].tobytes())
        return -stored, len(self), self.times_ms.tobytes(), b"".join(parts)

    def signs(self, area: str, symmetry: str, rows: slice) -> Array:
        """Rows of -1 and 1, and of zeros (far from everything) where a frame lacks the area."""
        signs = np.unpackbits(self.hashes(area, symmetry)[rows], axis=1).astype(np.float32) * 2 - 1
        signs[~self.has[area][rows]] = 0
        return signs

    def columns(self, area: str) -> Array:
        """The signs of all frames as they are, as the right side of a product."""
        if area not in self._columns:
            self._columns[area] = self.signs(area, IDENTITY, slice(None)).T
        return self._columns[area]

    def hashes(self, area: str, symmetry: str) -> Array:
        hashes = self.plain[area]
        if symmetry != IDENTITY:
            if area not in self._made:
                self._made[area] = PDQ.of_values_in_symmetries(hashes)
            hashes = self._made[area][symmetry]
        places, values = self.turned.get((area, symmetry), (None, None))
        if places is not None:
            hashes = hashes.copy()
            hashes[places] = values
        return hashes

    def is_still(self, radius_bits: int) -> bool:
        """Whether nothing moves: every frame looks like the one in the middle."""
        for area, hashes in self.plain.items():
            if self.has[area].all():
                differing = np.bitwise_count(hashes ^ hashes[len(self) // 2]).sum(axis=1, dtype=np.int64)
                return int(differing.max()) <= radius_bits
        return False

    def thinned(self, limit: int) -> "Frames":
        """At most so many, evenly."""
        if len(self) <= limit:
            return self
        kept = np.arange(limit) * len(self) // limit
        number = np.full(len(self), -1)
        number[kept] = np.arange(limit)
        turned = {}
        for view, (places, values) in self.turned.items():
            is_kept = number[places] >= 0
            turned[view] = (number[places[is_kept]], values[is_kept])
        plain = {area: hashes[kept] for area, hashes in self.plain.items()}
        has = {area: has[kept] for area, has in self.has.items()}
        return Frames(self.times_ms[kept], plain, has, turned, self.blank_ms)


def frames_of(hashes: Sequence[TimedHash], minimum_quality: int) -> Frames:
    """The moments that say anything. Raises ValueError when hashes differ in length."""
    usable = [one for one in hashes if one.quality >= minimum_quality]
    size = len(usable[0].value) if usable else 0
    if any(len(one.value) != size for one in usable):
        raise ValueError("hashes of different length cannot be compared")
    times, number = np.unique(np.array([one.time_ms for one in usable], np.int64), return_inverse=True)
    plain: dict[str, Array] = {}
    has: dict[str, Array] = {}
    turned: dict[tuple[str, str], dict[int, bytes]] = {}
    for place, one in zip(number.tolist(), usable, strict=True):
        area, symmetry = area_of(one.view), symmetry_of(one.view)
        if symmetry != IDENTITY:
            turned.setdefault((area, symmetry), {})[place] = one.value
            continue
        if area not in plain:
            plain[area] = np.zeros((times.size, size), np.uint8)
            has[area] = np.zeros(times.size, np.bool_)
        plain[area][place] = np.frombuffer(one.value, np.uint8)
        has[area][place] = True
    areas = [area for area in AREAS if area in plain]
    stored = {
        view: (np.array(list(found)), np.frombuffer(b"".join(found.values()), np.uint8).reshape(len(found), -1))
        for view, found in sorted(turned.items())
        if view[0] in plain and view[1] in SYMMETRIES
    }
    blank = np.setdiff1d(np.array([one.time_ms for one in hashes], np.int64), times)
    return Frames(times, {area: plain[area] for area in areas}, {area: has[area] for area in areas}, stored, blank)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Frames that look alike under one symmetry, row by row."""

    a: Integers
    b: Integers
    a_ms: Integers
    b_ms: Integers
    distance: Integers
    areas: Integers
    """Which of the first's areas × which of the second's: numbers in AREAS, the first times ten."""
    weight: Floats
    """How surely these two are the same moment: each frame shares one among its partners, the nearer the more. So the
    sum over a line counts different looks, not frames: a static shot has one look however long it lasts."""

    def where(self, chosen: Array) -> "Pairs":
        return Pairs(*(getattr(self, one.name)[chosen] for one in fields(self)))

    def distinct_frames(self) -> int:
        return min(np.unique(self.a).size, np.unique(self.b).size)

    def looks(self) -> float:
        return float(self.weight.sum())


def pairs_alike(a: Frames, b: Frames, radius_bits: int) -> dict[Plane, Pairs]:
    """Per symmetry that makes the second's picture of the first's, the frames that look alike."""
    found: dict[Plane, Pairs] = {}
    room = MAXIMUM_PAIRS
    for symmetry, areas in _worth_looking_at(a, b, radius_bits):
        is_near = np.zeros((len(a), len(b)), np.bool_)
        for first, second in areas:
            _mark(is_near, a, b, (first, second, symmetry), radius_bits)
        if not is_near.any():
            continue
        of_a, of_b = np.count_nonzero(is_near, axis=1), np.count_nonzero(is_near, axis=0)
        if int(of_a.sum()) > room:
            _keep_likely_shifts(is_near, of_a, a.times_ms, b.times_ms, room)
        found[symmetry] = _pairs(is_near, (of_a, of_b), a, b, symmetry, areas)
        room = max(room - found[symmetry].a.size, 0)
    return found


def _worth_looking_at(a: Frames, b: Frames, radius_bits: int) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The symmetries, each with the pairs of areas under which some frames look alike; the plain ones always."""
    areas = [(first, second) for first in a.plain for second in b.plain]
    symmetries = list(SYMMETRIES) if _can_be_turned(next(iter(a.plain.values()))) else [IDENTITY]
    tried = len(a) * len(b) * len(areas) * len(symmetries)
    step = -(-tried // TRIED_PAIRS)
    for symmetry in symmetries:
        kept = [
            (first, second)
            for first, second in areas
            if step == 1
            or (symmetry == IDENTITY and first == second == WHOLE)
            or _any_near(a, b, (first, second, symmetry), radius_bits, step)
        ]
        if kept:
            yield symmetry, kept


def _can_be_turned(hashes: Array) -> bool:
    return int(hashes.shape[1]) * 8 == PDQ.bits


def stills_near(stills: Sequence[bytes], frames: Frames, radius_bits: int) -> list[int]:
    """Which of these hashes, by their places, are near any of the frames as they are, under any symmetry: of many
    stills the few that are worth aligning. Under the inverse symmetry the other side would be as near."""
    if not stills or WHOLE not in frames.plain:
        return []
    hashes = np.frombuffer(b"".join(stills), np.uint8).reshape(len(stills), -1)
    turned = PDQ.of_values_in_symmetries(hashes) if _can_be_turned(hashes) else {IDENTITY: hashes}
    words = words_of([row.tobytes() for row in frames.plain[WHOLE][frames.has[WHOLE]]])
    is_near = np.zeros(len(stills), np.bool_)
    for values in turned.values():
        distances = distances_between(words_of([row.tobytes() for row in values]), words)
        is_near |= distances.min(axis=1) <= radius_bits
    return np.flatnonzero(is_near).tolist()


def _any_near(a: Frames, b: Frames, view: tuple[str, str, str], radius_bits: int, step: int) -> bool:
    first, second, symmetry = view
    rows = a.signs(first, symmetry, slice(step // 2, None, step))
    columns = b.columns(second)
    least = rows.shape[1] - 2 * radius_bits
    return any(
        bool((rows[start : start + _ROWS_AT_ONCE] @ columns >= least).any())
        for start in range(0, len(rows), _ROWS_AT_ONCE)
    )


def _mark(is_near: Flags, a: Frames, b: Frames, view: tuple[str, str, str], radius_bits: int) -> None:
    """Sets what is within the radius. As a product of signs: of n bits, d different ones give n - 2 d."""
    first, second, symmetry = view
    columns = b.columns(second)
    signs = a.signs(first, symmetry, slice(None))
    least = signs.shape[1] - 2 * radius_bits
    for start in range(0, len(a), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        is_near[rows] |= signs[rows] @ columns >= least


def _keep_likely_shifts(is_near: Flags, of_a: Integers, a_ms: Integers, b_ms: Integers, room: int) -> None:
    """Clears, in place, pairs of frames with many partners at all but the shifts with the most pairs."""
    has_many = np.nonzero(of_a > FEW_PARTNERS)[0]
    room = max(room - int(of_a.sum()) + int(of_a[has_many].sum()), 0)
    lowest = int(b_ms.min() - a_ms.max()) // SHIFT_TOLERANCE_MS
    highest = int(b_ms.max() - a_ms.min()) // SHIFT_TOLERANCE_MS
    votes = np.zeros(min(highest - lowest + 1, MOST_BINS), np.int64)

    def bins_of(rows: Integers) -> Array:
        bins: Array = (b_ms[np.newaxis, :] - a_ms[rows, np.newaxis]) // SHIFT_TOLERANCE_MS - lowest
        return bins if highest - lowest < MOST_BINS else bins % MOST_BINS

    for start in range(0, has_many.size, _ROWS_AT_ONCE):
        rows = has_many[start : start + _ROWS_AT_ONCE]
        votes += np.bincount(bins_of(rows)[is_near[rows]], minlength=votes.size)
    by_votes = np.argsort(-votes, kind="stable")
    is_kept = np.zeros(votes.size, np.bool_)
    is_kept[by_votes[np.cumsum(votes[by_votes]) <= room]] = True
    for start in range(0, has_many.size, _ROWS_AT_ONCE):
        rows = has_many[start : start + _ROWS_AT_ONCE]
        is_near[rows] &= is_kept[bins_of(rows)]


def _pairs(
    is_near: Flags,
    partners: tuple[Integers, Integers],
    a: Frames,
    b: Frames,
    symmetry: str,
    areas: Sequence[tuple[str, str]],
) -> Pairs:
    row, column = np.nonzero(is_near)
    distance = np.full(row.size, _FAR, np.int64)
    nearest = np.zeros(row.size, np.int64)
    for first, second in areas:
        differing = np.bitwise_count(a.hashes(first, symmetry)[row] ^ b.plain[second][column])
        bits = differing.sum(axis=1, dtype=np.int64)
        bits[~(a.has[first][row] & b.has[second][column])] = _FAR
        is_nearer = bits < distance
        distance[is_nearer] = bits[is_nearer]
        nearest[is_nearer] = AREAS.index(first) * 10 + AREAS.index(second)
    weight = np.minimum(
        _shares(row, distance, partners[0]),
        _shares(column, distance, partners[1]),
    )
    return Pairs(row, column, a.times_ms[row], b.times_ms[column], distance, nearest, weight)


def _shares(frames: Integers, distance: Integers, partners: Integers) -> Floats:
    """What each pair has of the one that its frame shares among its partners; those left out have had their part."""
    nearest = np.full(partners.size, _FAR, np.int64)
    np.minimum.at(nearest, frames, distance)
    closeness = np.exp2((nearest[frames] - distance) / HALF_AS_SURE_BITS)
    kept = np.bincount(frames, minlength=partners.size)
    total = np.bincount(frames, closeness, minlength=partners.size) * partners / np.maximum(kept, 1)
    shares: Floats = closeness / total[frames]
    return shares
