"""Where two videos show the same: spans of frames that match at one shift in time. Pure.

Every pair of frames within the radius votes for its shift (reference time minus query time). The shift with the most
distinct frames on both sides gives the first spans; its pairs are taken out and the rest votes again, so that a
compilation names every span. A still is a video of one frame: it has no shift to vote on, only moments where it occurs.
Playing speed is taken to be the same on both sides.

Time and memory are bounded. Of two long videos the longer is thinned evenly, the other only past an hour of movement.
Of a static shot every frame resembles every other: a frame with many partners keeps those at the shifts that most
frames vote for. A static video has many frames (one in two seconds) and is found as a copy by them; one of a single
frame is a still.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.fingerprints.views import IDENTITY

RADIUS_BITS = 31
MINIMUM_QUALITY = 30
MINIMUM_FRAMES = 2
SHIFT_TOLERANCE_MS = 300
"""Samples are 100 ms apart on either side, and a change may be kept one or two samples later after re-encoding."""
LARGEST_GAP_MS = 5000
"""A longer pause between matching frames ends a span. At least every 2 s a frame is kept, on either side."""
MAXIMUM_SEGMENTS = 100
MAXIMUM_FRAMES_LONGER = 4_000
MAXIMUM_FRAMES_OTHER = 16_000
"""Thinning both sides would lose a moving video: the frames left on one side are not those left on the other."""
MAXIMUM_PAIRS = 200_000
FEW_PARTNERS = 12
"""A frame with so few partners says where it belongs, and keeps them all."""
SAME_SPEED = 1000
_ROWS_AT_ONCE = 256

Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
Bytes = np.ndarray[tuple[int, int], np.dtype[np.uint8]]
Flags = np.ndarray[tuple[int, int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class TimedHash:
    """One stored frame, in one view. A still has the time 0."""

    time_ms: int
    value: bytes
    quality: int
    view: str = IDENTITY


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two frames that local features found to show the same, geometry verified."""

    query_ms: int
    reference_ms: int
    inliers: int
    transformation: str = IDENTITY


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of the query that shows what a span of the reference shows."""

    query_start_ms: int
    query_end_ms: int
    reference_start_ms: int
    reference_end_ms: int
    frames: int
    """Distinct frames that match: the smaller number of the two sides."""
    distance_bits: int | None
    """The median distance of the frames that match, each with its nearest. None by local features."""
    speed: int = SAME_SPEED
    """Thousandths of reference time per query time; negative: one is played backwards. 1000 also when unknown."""
    transformation: str = IDENTITY
    """What makes the reference's picture of the query's."""
    query_view: str = "whole"
    """Which area of the query's picture is the same: ``whole``, ``trimmed``, ``framed``."""
    reference_view: str = "whole"
    by: Literal["pdq", "orb"] = "pdq"


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Frames within the radius: indices, times and distances, row by row."""

    query: Integers
    reference: Integers
    query_ms: Integers
    reference_ms: Integers
    distance: Integers

    def where(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]] | Integers) -> "_Pairs":
        return _Pairs(
            self.query[chosen],
            self.reference[chosen],
            self.query_ms[chosen],
            self.reference_ms[chosen],
            self.distance[chosen],
        )

    def distinct_frames(self) -> int:
        return min(np.unique(self.query).size, np.unique(self.reference).size)


def align(
    query: Sequence[TimedHash],
    reference: Sequence[TimedHash],
    *,
    radius_bits: int = RADIUS_BITS,
    minimum_quality: int = MINIMUM_QUALITY,
) -> list[Segment]:
    """The spans that both show, in the order of the query's time; empty when they show nothing in common.

    A span needs two distinct frames on either side, unless one side has only one frame that says anything (a still,
    or a short static recording).
    """
    usable_query = [frame for frame in query if frame.quality >= minimum_quality]
    usable_reference = [frame for frame in reference if frame.quality >= minimum_quality]
    if not usable_query or not usable_reference:
        return []
    has_single_frame = len(usable_query) == 1 or len(usable_reference) == 1
    is_query_longer = len(usable_query) > len(usable_reference)
    limits = (MAXIMUM_FRAMES_LONGER, MAXIMUM_FRAMES_OTHER)
    query_limit, reference_limit = limits if is_query_longer else limits[::-1]
    thinned_query, query_step = _thinned(usable_query, query_limit)
    thinned_reference, reference_step = _thinned(usable_reference, reference_limit)
    pairs = _pairs_within(thinned_query, thinned_reference, radius_bits)
    gap_ms = int(LARGEST_GAP_MS * max(query_step, reference_step))
    segments = _occurrences(pairs, gap_ms) if has_single_frame else _spans(pairs, gap_ms)
    return sorted(segments, key=lambda segment: (segment.query_start_ms, segment.reference_start_ms))


def align_points(pairs: Sequence[FramePair]) -> list[Segment]:
    """The spans in which the frames lie that local features found to show the same, in the order of the query's time.

    For what is cropped, framed, or covered in part, whose hashes are far apart.
    """
    return [
        Segment(
            one.query_ms,
            one.query_ms,
            one.reference_ms,
            one.reference_ms,
            frames=1,
            distance_bits=None,
            transformation=one.transformation,
            by="orb",
        )
        for one in sorted(pairs, key=lambda one: (one.query_ms, one.reference_ms))
    ][:MAXIMUM_SEGMENTS]


def _thinned(frames: list[TimedHash], limit: int) -> tuple[list[TimedHash], float]:
    """At most so many, evenly; and of how many frames one is left on average."""
    if len(frames) <= limit:
        return frames, 1.0
    return [frames[place * len(frames) // limit] for place in range(limit)], len(frames) / limit


def _pairs_within(query: list[TimedHash], reference: list[TimedHash], radius_bits: int) -> _Pairs:
    query_bytes, reference_bytes = _as_bytes(query), _as_bytes(reference)
    if query_bytes.shape[1] != reference_bytes.shape[1]:
        raise ValueError("hashes of different length cannot be compared")
    query_ms = np.array([frame.time_ms for frame in query], np.int64)
    reference_ms = np.array([frame.time_ms for frame in reference], np.int64)
    is_near = _nearness(query_bytes, reference_bytes, radius_bits)
    if np.count_nonzero(is_near) > MAXIMUM_PAIRS:
        _keep_likely_shifts(is_near, query_ms, reference_ms)
    row, column = np.nonzero(is_near)
    distance = np.bitwise_count(query_bytes[row] ^ reference_bytes[column]).sum(axis=1, dtype=np.int64)
    return _Pairs(row, column, query_ms[row], reference_ms[column], distance)


def _as_bytes(frames: list[TimedHash]) -> Bytes:
    return np.frombuffer(b"".join(frame.value for frame in frames), np.uint8).reshape(len(frames), -1)


def _nearness(query: Bytes, reference: Bytes, radius_bits: int) -> Flags:
    """Whether each pair is within the radius. As a product of signs: of n bits, d different ones give n - 2 d."""
    bits = query.shape[1] * 8
    reference_signs = (np.unpackbits(reference, axis=1).astype(np.float32) * 2 - 1).T
    is_near = np.empty((len(query), len(reference)), np.bool_)
    for start in range(0, len(query), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        signs = np.unpackbits(query[rows], axis=1).astype(np.float32) * 2 - 1
        is_near[rows] = signs @ reference_signs >= bits - 2 * radius_bits
    return is_near


def _keep_likely_shifts(is_near: Flags, query_ms: Integers, reference_ms: Integers) -> None:
    """Clears, in place, pairs of frames with many partners at all but the shifts with the most pairs."""
    has_many = np.nonzero(is_near.sum(axis=1) > FEW_PARTNERS)[0]
    room = MAXIMUM_PAIRS - int(is_near.sum()) + int(is_near[has_many].sum())
    lowest = int(reference_ms.min() - query_ms.max()) // SHIFT_TOLERANCE_MS
    highest = int(reference_ms.max() - query_ms.min()) // SHIFT_TOLERANCE_MS
    votes = np.zeros(highest - lowest + 1, np.int64)
    for start in range(0, has_many.size, _ROWS_AT_ONCE):
        rows = has_many[start : start + _ROWS_AT_ONCE]
        bins = (reference_ms[np.newaxis, :] - query_ms[rows, np.newaxis]) // SHIFT_TOLERANCE_MS - lowest
        votes += np.bincount(bins[is_near[rows]], minlength=votes.size)
    by_votes = np.argsort(-votes, kind="stable")
    is_kept = np.zeros(votes.size, np.bool_)
    is_kept[by_votes[np.cumsum(votes[by_votes]) <= room]] = True
    for start in range(0, has_many.size, _ROWS_AT_ONCE):
        rows = has_many[start : start + _ROWS_AT_ONCE]
        bins = (reference_ms[np.newaxis, :] - query_ms[rows, np.newaxis]) // SHIFT_TOLERANCE_MS - lowest
        is_near[rows] &= is_kept[bins]


def _occurrences(pairs: _Pairs, gap_ms: int) -> list[Segment]:
    """Of a single frame on one side: every stretch of the other side that shows it."""
    times = pairs.query_ms if np.unique(pairs.query).size > 1 else pairs.reference_ms
    return [_segment(group) for group in _split_at_gaps(pairs, times, gap_ms)][:MAXIMUM_SEGMENTS]


def _spans(pairs: _Pairs, gap_ms: int) -> list[Segment]:
    segments: list[Segment] = []
    while len(segments) < MAXIMUM_SEGMENTS and pairs.distinct_frames() >= MINIMUM_FRAMES:
        shifts = pairs.reference_ms - pairs.query_ms
        is_at_shift = np.abs(shifts - _best_shift(pairs, shifts)) <= SHIFT_TOLERANCE_MS
        at_shift = pairs.where(is_at_shift)
        groups = _split_at_gaps(at_shift, at_shift.query_ms, gap_ms)
        found = [group for group in groups if group.distinct_frames() >= MINIMUM_FRAMES]
        if not found:
            # The best shift has no span, but a weaker one may: take only this shift out.
            pairs = pairs.where(~is_at_shift)
            continue
        for group in found[: MAXIMUM_SEGMENTS - len(segments)]:
            segments.append(_segment(group))
            pairs = _without_span(pairs, segments[-1])
    return segments


def _best_shift(pairs: _Pairs, shifts: Integers) -> int:
    """The shift, in steps of the tolerance, at which the most distinct query frames have a partner."""
    bins = np.floor_divide(shifts, SHIFT_TOLERANCE_MS)
    width = int(pairs.query.max()) + 1
    votes = np.floor_divide(np.unique(bins * width + pairs.query), width)
    candidates, counts = np.unique(votes, return_counts=True)
    # A true shift may lie on the border of two bins: count each together with its right neighbour.
    right = np.searchsorted(candidates, candidates + 1)
    has_right = (right < candidates.size) & (candidates[np.minimum(right, candidates.size - 1)] == candidates + 1)
    counts = counts + np.where(has_right, counts[np.minimum(right, candidates.size - 1)], 0)
    best = candidates[int(np.argmax(counts))]
    return int(np.median(shifts[(bins == best) | (bins == best + 1)]))


def _split_at_gaps(pairs: _Pairs, times: Integers, gap_ms: int) -> list[_Pairs]:
    if times.size == 0:
        return []
    order = np.argsort(times, kind="stable")
    breaks = np.nonzero(np.diff(times[order]) > gap_ms)[0] + 1
    return [pairs.where(part) for part in np.split(order, breaks)]


def _without_span(pairs: _Pairs, segment: Segment) -> _Pairs:
    """Leaves out what the span explains: pairs inside it on both sides, at whatever shift (a still shot has many)."""
    in_query = (pairs.query_ms >= segment.query_start_ms) & (pairs.query_ms <= segment.query_end_ms)
    in_reference = (pairs.reference_ms >= segment.reference_start_ms) & (pairs.reference_ms <= segment.reference_end_ms)
    return pairs.where(~(in_query & in_reference))


def _segment(pairs: _Pairs) -> Segment:
    order = np.argsort(pairs.query, kind="stable")
    _, starts = np.unique(pairs.query[order], return_index=True)
    nearest = np.minimum.reduceat(pairs.distance[order], starts)
    return Segment(
        query_start_ms=int(pairs.query_ms.min()),
        query_end_ms=int(pairs.query_ms.max()),
        reference_start_ms=int(pairs.reference_ms.min()),
        reference_end_ms=int(pairs.reference_ms.max()),
        frames=pairs.distinct_frames(),
        distance_bits=int(np.median(nearest)),
    )
