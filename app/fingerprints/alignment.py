"""Where two videos show the same: spans of frames that match at one shift in time. Pure.

Every pair of frames within the radius votes for its shift (reference time minus query time). The shift with the most
distinct frames on both sides gives the first spans; its pairs are taken out and the rest votes again, so that a
compilation names every span. A still is a video of one frame: it has no shift to vote on, only moments where it occurs.
Playing speed is taken to be the same on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RADIUS_BITS = 31
MINIMUM_QUALITY = 30
MINIMUM_FRAMES = 2
SHIFT_TOLERANCE_MS = 300
"""Samples are 100 ms apart on either side, and a change may be kept one or two samples later after re-encoding."""
LARGEST_GAP_MS = 5000
"""A longer pause between matching frames ends a span. At least every 2 s a frame is kept, on either side."""
MAXIMUM_SEGMENTS = 100
_ROWS_AT_ONCE = 256

Integers = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class TimedHash:
    """One stored frame. A still has the time 0."""

    time_ms: int
    value: bytes
    quality: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of the query that shows what a span of the reference shows."""

    query_start_ms: int
    query_end_ms: int
    reference_start_ms: int
    reference_end_ms: int
    frames: int
    """Distinct frames that match: the smaller number of the two sides."""
    distance_bits: int
    """The median distance of the frames that match, each with its nearest."""


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
    pairs = _pairs_within(usable_query, usable_reference, radius_bits)
    has_single_frame = len(usable_query) == 1 or len(usable_reference) == 1
    segments = _occurrences(pairs) if has_single_frame else _spans(pairs)
    return sorted(segments, key=lambda segment: (segment.query_start_ms, segment.reference_start_ms))


def _pairs_within(query: list[TimedHash], reference: list[TimedHash], radius_bits: int) -> _Pairs:
    query_bits = np.frombuffer(b"".join(frame.value for frame in query), np.uint8).reshape(len(query), -1)
    reference_bits = np.frombuffer(b"".join(frame.value for frame in reference), np.uint8).reshape(len(reference), -1)
    if query_bits.shape[1] != reference_bits.shape[1]:
        raise ValueError("hashes of different length cannot be compared")
    rows, columns, distances = [], [], []
    for start in range(0, len(query), _ROWS_AT_ONCE):
        block = query_bits[start : start + _ROWS_AT_ONCE, np.newaxis, :] ^ reference_bits[np.newaxis, :, :]
        distance = np.bitwise_count(block).sum(axis=2, dtype=np.int64)
        row, column = np.nonzero(distance <= radius_bits)
        rows.append(row + start)
        columns.append(column)
        distances.append(distance[row, column])
    row_of, column_of = np.concatenate(rows), np.concatenate(columns)
    query_ms = np.array([frame.time_ms for frame in query], np.int64)
    reference_ms = np.array([frame.time_ms for frame in reference], np.int64)
    return _Pairs(row_of, column_of, query_ms[row_of], reference_ms[column_of], np.concatenate(distances))


def _occurrences(pairs: _Pairs) -> list[Segment]:
    """Of a single frame on one side: every stretch of the other side that shows it."""
    times = pairs.query_ms if np.unique(pairs.query).size > 1 else pairs.reference_ms
    return [_segment(group) for group in _split_at_gaps(pairs, times)][:MAXIMUM_SEGMENTS]


def _spans(pairs: _Pairs) -> list[Segment]:
    segments: list[Segment] = []
    while len(segments) < MAXIMUM_SEGMENTS and pairs.distinct_frames() >= MINIMUM_FRAMES:
        shifts = pairs.reference_ms - pairs.query_ms
        is_at_shift = np.abs(shifts - _best_shift(pairs, shifts)) <= SHIFT_TOLERANCE_MS
        at_shift = pairs.where(is_at_shift)
        found = [
            group for group in _split_at_gaps(at_shift, at_shift.query_ms) if group.distinct_frames() >= MINIMUM_FRAMES
        ]
        if not found:
            # The best shift has no span, but a weaker one may: take only this shift out.
            pairs = pairs.where(~is_at_shift)
            continue
        for group in found:
            segments.append(_segment(group))
            pairs = _without_span(pairs, segments[-1])
    return segments


def _best_shift(pairs: _Pairs, shifts: Integers) -> int:
    """The shift, in steps of the tolerance, at which the most distinct query frames have a partner."""
    bins = np.floor_divide(shifts, SHIFT_TOLERANCE_MS)
    votes = np.unique(np.stack([bins, pairs.query]), axis=1)[0]
    candidates, counts = np.unique(votes, return_counts=True)
    # A true shift may lie on the border of two bins: count each together with its right neighbour.
    right = np.searchsorted(candidates, candidates + 1)
    has_right = (right < candidates.size) & (candidates[np.minimum(right, candidates.size - 1)] == candidates + 1)
    counts = counts + np.where(has_right, counts[np.minimum(right, candidates.size - 1)], 0)
    best = candidates[int(np.argmax(counts))]
    return int(np.median(shifts[(bins == best) | (bins == best + 1)]))


def _split_at_gaps(pairs: _Pairs, times: Integers) -> list[_Pairs]:
    if times.size == 0:
        return []
    order = np.argsort(times, kind="stable")
    breaks = np.nonzero(np.diff(times[order]) > LARGEST_GAP_MS)[0] + 1
    return [pairs.where(part) for part in np.split(order, breaks)]


def _without_span(pairs: _Pairs, segment: Segment) -> _Pairs:
    """Leaves out what the span explains: pairs inside it on both sides, at whatever shift (a still shot has many)."""
    in_query = (pairs.query_ms >= segment.query_start_ms) & (pairs.query_ms <= segment.query_end_ms)
    in_reference = (pairs.reference_ms >= segment.reference_start_ms) & (pairs.reference_ms <= segment.reference_end_ms)
    return pairs.where(~(in_query & in_reference))


def _segment(pairs: _Pairs) -> Segment:
    nearest = [int(pairs.distance[pairs.query == frame].min()) for frame in np.unique(pairs.query)]
    return Segment(
        query_start_ms=int(pairs.query_ms.min()),
        query_end_ms=int(pairs.query_ms.max()),
        reference_start_ms=int(pairs.reference_ms.min()),
        reference_end_ms=int(pairs.reference_ms.max()),
        frames=pairs.distinct_frames(),
        distance_bits=int(np.median(nearest)),
    )
