"""Where two recordings show the same by local features: pairs of frames that were found alike, joined into spans. Pure.

For what is cropped, framed, or covered in part, whose hashes are far apart (``alignment`` joins what hashes find).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.fingerprints.alignment import MAXIMUM_SEGMENTS, SAME_SPEED, Segment
from app.fingerprints.frame_pairs import Array, Integers, TimedHash
from app.fingerprints.views import IDENTITY

POINT_TOLERANCE_MS = 2000
LARGEST_GAP_OF_POINTS_MS = 60_000
"""A shot of a still camera lasts long, and has one frame with points."""
POINTS_BACKWARDS = 3
HASH_BYTES = 32
STILL_THE_SAME_BITS = 90
"""So far a frame may be from the one whose points are known, in its own recording: what is further has its own."""
MAXIMUM_POINT_PAIRS = 1000
"""The surest; all of two recordings' shots would be millions."""


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two frames that local features found to show the same, geometry verified."""

    query_ms: int
    reference_ms: int
    inliers: int
    transformation: str = IDENTITY


@dataclass(frozen=True)
class _Recording:
    """All kept frames of one side, as they are."""

    times_ms: Integers
    hashes: Array

    @classmethod
    def of(cls, frames: Sequence[TimedHash]) -> "_Recording":
        whole = sorted((one for one in frames if one.view == IDENTITY), key=lambda one: one.time_ms)
        values = np.frombuffer(b"".join(one.value for one in whole), np.uint8)
        return cls(np.array([one.time_ms for one in whole], np.int64), values.reshape(-1, HASH_BYTES))

    def shows_around(self, time_ms: int) -> tuple[int, int]:
        """How long before and after this moment it shows what it shows there, in ms."""
        at = int(np.searchsorted(self.times_ms, time_ms, "right")) - 1
        if at < 0:
            return 0, 0
        bits = np.bitwise_count(self.hashes ^ self.hashes[at]).sum(axis=1, dtype=np.int64)
        others = np.nonzero(bits > STILL_THE_SAME_BITS)[0]
        place = int(np.searchsorted(others, at))
        first = int(others[place - 1]) + 1 if place else 0
        last = int(others[place]) - 1 if place < others.size else self.times_ms.size - 1
        return max(0, time_ms - int(self.times_ms[first])), max(0, int(self.times_ms[last]) - time_ms)


def align_points(
    pairs: Sequence[FramePair], query: Sequence[TimedHash] = (), reference: Sequence[TimedHash] = ()
) -> list[Segment]:
    """The spans in which the frames lie that local features found to show the same, in the order of the query's time.

    Every pair was verified by itself and is in a span, if need be alone: a shot has one frame. The frames that stand
    for the same shot on either side need not be the same moment, so shifts agree within two seconds; that it is played
    backwards three pairs have to say.

    A span reaches as far as both recordings, of which ``query`` and ``reference`` are the frames, go on to show what
    the frames in it show: each is compared with its own recording, where it was neither cropped nor covered.
    """
    segments: list[Segment] = []
    sides = _Recording.of(query), _Recording.of(reference)
    known = sorted(set(pairs), key=lambda one: (-one.inliers, one.query_ms + one.reference_ms, one.query_ms))
    for transformation in sorted({one.transformation for one in known}):
        left = [one for one in known[:MAXIMUM_POINT_PAIRS] if one.transformation == transformation]
        while left and len(segments) < MAXIMUM_SEGMENTS:
            span, speed = _along_points(left)
            segment = _segment_of_points(span, speed, *sides)
            segments.append(segment)
            taken = set(span)
            left = [one for one in left if one not in taken and not _is_within(segment, one)]
    return sorted(segments, key=lambda one: (one.query_start_ms, one.reference_start_ms))


def _is_within(segment: Segment, pair: FramePair) -> bool:
    """Whether the span explains the pair, at whatever shift: of a picture that stands still every frame is like every
    other."""
    return (
        segment.query_start_ms <= pair.query_ms <= segment.query_end_ms
        and segment.reference_start_ms <= pair.reference_ms <= segment.reference_end_ms
    )


def _along_points(pairs: list[FramePair]) -> tuple[list[FramePair], int]:
    """Those pairs that agree with one shift, or with one moment of turning back, without a longer pause; the most."""
    query_ms = np.array([one.query_ms for one in pairs], np.int64)
    reference_ms = np.array([one.reference_ms for one in pairs], np.int64)
    best: list[FramePair] = []
    best_speed = SAME_SPEED
    for speed in (SAME_SPEED, -SAME_SPEED):
        shifts = reference_ms - query_ms if speed > 0 else reference_ms + query_ms
        agree = np.abs(shifts[:, np.newaxis] - shifts[np.newaxis, :]) <= POINT_TOLERANCE_MS
        anchor = int(np.argmax(np.count_nonzero(agree, axis=1)))
        order = [place for place in np.argsort(query_ms, kind="stable").tolist() if agree[anchor][place]]
        group = _without_pause([pairs[place] for place in order], pairs[anchor])
        if len(group) > len(best) and (speed > 0 or _different_frames(group) >= POINTS_BACKWARDS):
            best, best_speed = group, speed
    return best, best_speed


def _without_pause(pairs: list[FramePair], around: FramePair) -> list[FramePair]:
    group: list[FramePair] = []
    for one in pairs:
        if group and one.query_ms - group[-1].query_ms > LARGEST_GAP_OF_POINTS_MS:
            if around in group:
                break
            group = []
        group.append(one)
    return group


def _different_frames(pairs: Sequence[FramePair]) -> int:
    return min(len({one.query_ms for one in pairs}), len({one.reference_ms for one in pairs}))


def _segment_of_points(
    pairs: Sequence[FramePair], speed: int, in_query: _Recording, in_reference: _Recording
) -> Segment:
    query, reference = list[int](), list[int]()
    for one in pairs:
        mine, theirs = in_query.shows_around(one.query_ms), in_reference.shows_around(one.reference_ms)
        before, after = (min(some) for some in zip(mine, theirs if speed > 0 else theirs[::-1], strict=True))
        query += [one.query_ms - before, one.query_ms + after]
        back, forth = (before, after) if speed > 0 else (after, before)
        reference += [one.reference_ms - back, one.reference_ms + forth]
    return Segment(
        min(query),
        max(query),
        min(reference),
        max(reference),
        frames=_different_frames(pairs),
        distance_bits=None,
        speed=speed,
        transformation=pairs[0].transformation,
        by="orb",
    )
