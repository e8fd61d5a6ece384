"""Where two videos show the same: spans of frames that match along a line in time. Pure.

Every pair of frames that look alike (``frame_pairs``: under any symmetry, in any areas) votes for a shift in time and a
speed (``lines``). The line on which most lies gives the first spans; what they explain is taken out and the rest votes
again, so that a compilation names every span. A still is a video of one frame: it has no line, only moments where it
occurs.

One frame is believed within the radius only. Several different ones that run along together are believed at a wider
one: what is unrelated does not run along.

Time and memory are bounded. Of two long videos the longer is thinned evenly, the other only past an hour of movement.
A static video has many frames (one in two seconds) and is found as a copy by them; where no two of them run along with
two of the other's, and of a single frame, it is a still.

Which of two is called the query makes no difference: they are put in an order of their own, and the spans turned back;
of two that say the same, what is found is its own mirror image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.fingerprints.frame_pairs import Array, Frames, Integers, Pairs, Plane, TimedHash, frames_of, pairs_alike
from app.fingerprints.lines import Line, line_at_same_speed, strongest_line
from app.fingerprints.reach import Standing
from app.fingerprints.views import AREAS, IDENTITY, INVERSE

__all__ = ["Segment", "TimedHash", "align", "align_frames", "wider_radius"]

RADIUS_BITS = 31
WIDER_BITS = 17
"""So many bits more for frames that run along with others: 48 in place of 31."""
MINIMUM_QUALITY = 30
MINIMUM_FRAMES = 2
LOOKS_AT_WIDER = 2.0
"""Different looks (see ``Pairs.weight``) that a span shows, of which fewer than two frames are within the radius."""
FRAMES_AT_WIDER = 4
FRAMES_AT_A_SPEED = 5
COVERED_AT_WIDER = 0.5
"""Of the frames of either side within such a span, so many are to be on its line."""
LARGEST_GAP_MS = 5000
"""A longer pause between matching frames ends a span. At least every 2 s a frame is kept, on either side."""
FEW_OF_A_STILL = 16
"""Frames that stand for a recording in which nothing moves."""
MAXIMUM_SEGMENTS = 100
MAXIMUM_LINES = 300
MAXIMUM_FRAMES_LONGER = 4_000
MAXIMUM_FRAMES_OTHER = 16_000
"""Thinning both sides would lose a moving video: the frames left on one side are not those left on the other."""
SAME_SPEED = 1000


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
class _Span:
    """Pairs along one line, in one plane."""

    symmetry: Plane
    pairs: Pairs
    line: Line | None = None
    """None of a still: it has no time of its own."""

    @property
    def order(self) -> tuple[int, int]:
        return int(self.pairs.a_ms.min()), int(self.pairs.b_ms.min())


def wider_radius(radius_bits: int) -> int:
    """The distance at which frames are believed that run along with others."""
    return radius_bits + WIDER_BITS if radius_bits else 0


def align(
    query: Sequence[TimedHash],
    reference: Sequence[TimedHash],
    *,
    radius_bits: int = RADIUS_BITS,
    minimum_quality: int = MINIMUM_QUALITY,
) -> list[Segment]:
    """The spans that both show, in the order of the query's time; empty when they show nothing in common.

    Either side may have hashes of several areas of its frames, and those of a still in all symmetries; what is not
    given turned is turned here. A span needs two distinct frames on either side, unless one side has only one frame
    that says anything (a still, or a short static recording).
    """
    return align_frames(
        frames_of(query, minimum_quality), frames_of(reference, minimum_quality), radius_bits=radius_bits
    )


def align_frames(query: Frames, reference: Frames, *, radius_bits: int = RADIUS_BITS) -> list[Segment]:
    """The same of sides that were made ready before, as one that is compared again and again is."""
    sides = query, reference
    if not all(side.plain for side in sides):
        return []
    orders = [side.order for side in sides]
    if orders[0] == orders[1]:
        return _in_order(_with_itself(sides[0], radius_bits))
    is_turned_back = orders[0] > orders[1]
    a, b = sides[::-1] if is_turned_back else sides
    has_single_frame = len(a) == 1 or len(b) == 1
    is_a_longer = len(a) > len(b)
    limits = (MAXIMUM_FRAMES_LONGER, MAXIMUM_FRAMES_OTHER)
    a_limit, b_limit = limits if is_a_longer else limits[::-1]
    gap_ms = int(LARGEST_GAP_MS * max(1.0, len(a) / a_limit, len(b) / b_limit))
    is_thinned, standing = len(a) > a_limit or len(b) > b_limit, None
    a, b = a.thinned(a_limit), b.thinned(b_limit)
    if has_single_frame:
        spans = _occurrences(pairs_alike(a, b, radius_bits), len(a) == 1, gap_ms)
    else:
        wider = pairs_alike(a, b, wider_radius(radius_bits))
        spans = _Spans(a, b, radius_bits, gap_ms).of(wider)
        # Of a side that was thinned the frames that are left stand for more than they were kept for.
        standing = None if is_thinned else Standing.of(a, b, wider)
        if not spans and (a.is_still(radius_bits) or b.is_still(radius_bits)):
            is_a_still = a.is_still(radius_bits)
            a, b = (a.thinned(FEW_OF_A_STILL), b) if is_a_still else (a, b.thinned(FEW_OF_A_STILL))
            spans = _occurrences(pairs_alike(a, b, radius_bits), is_a_still, gap_ms)
    return _in_order([_segment(span, is_turned_back, standing) for span in spans])


def _in_order(segments: list[Segment]) -> list[Segment]:
    return sorted(segments, key=lambda one: (one.query_start_ms, one.reference_start_ms))


def _with_itself(side: Frames, radius_bits: int) -> list[Segment]:
    """Of two recordings that say the same at the same times, as of one that was only put into another container. No
    order tells the two apart, so what is found has to be its own mirror image: every moment is the other's same
    moment; and where something occurs again, that is looked for later in the second alone, and said of both."""
    gap_ms = int(LARGEST_GAP_MS * max(1.0, len(side) / MAXIMUM_FRAMES_LONGER))
    side = side.thinned(MAXIMUM_FRAMES_LONGER)
    same = _same_moments(side)
    groups = _split_at_gaps(same, same.a_ms, gap_ms)
    several = [group for group in groups if group.distinct_frames() >= MINIMUM_FRAMES] or groups
    spans = [_Span(IDENTITY, group, Line(1.0, 0.0, group.looks())) for group in several[:MAXIMUM_SEGMENTS]]
    later = {plane: pairs.where(pairs.a < pairs.b) for plane, pairs in _pairs_with_itself(side, radius_bits).items()}
    for span in spans:
        later = {plane: pairs.where(_outside(pairs, span.pairs)) for plane, pairs in later.items()}
    again = _Spans(side, side, radius_bits, gap_ms).of(later)[: (MAXIMUM_SEGMENTS - len(spans)) // 2]
    return [_segment(span, False) for span in (*spans, *again)] + [_segment(span, True) for span in again]


def _pairs_with_itself(side: Frames, radius_bits: int) -> dict[Plane, Pairs]:
    return pairs_alike(side, side, wider_radius(radius_bits)) if len(side) > 1 else {}


def _same_moments(side: Frames) -> Pairs:
    """Each frame and itself, in the first area that it has."""
    numbers = np.arange(len(side))
    areas = np.zeros(len(side), np.int64)
    for area in reversed(side.plain):
        areas[side.has[area]] = AREAS.index(area) * 11
    return Pairs(
        numbers, numbers, side.times_ms, side.times_ms, np.zeros_like(numbers), areas, np.ones(len(side), np.float64)
    )


def _occurrences(planes: dict[Plane, Pairs], is_a_still: bool, gap_ms: int) -> list[_Span]:
    """Of a still on one side: every stretch of the other side that shows it, under the nearest symmetry."""
    found: list[_Span] = []
    for symmetry, pairs in planes.items():
        times = pairs.b_ms if is_a_still else pairs.a_ms
        found += [_Span(symmetry, group) for group in _split_at_gaps(pairs, times, gap_ms)]
    found.sort(key=lambda span: (int(span.pairs.distance.min()), -span.pairs.distinct_frames(), span.order))
    kept: list[_Span] = []
    for span in found:
        if len(kept) < MAXIMUM_SEGMENTS and not any(_overlap(span, other) for other in kept):
            kept.append(span)
    return kept


def _overlap(one: _Span, other: _Span) -> bool:
    return all(
        getattr(one.pairs, side).min() <= getattr(other.pairs, side).max()
        and getattr(other.pairs, side).min() <= getattr(one.pairs, side).max()
        for side in ("a_ms", "b_ms")
    )


class _Spans:
    """Takes line after line out of the planes, the one on which most lies first."""

    def __init__(self, a: Frames, b: Frames, radius_bits: int, gap_ms: int) -> None:
        self._a_ms, self._b_ms = a.times_ms, b.times_ms
        self._radius_bits = radius_bits
        self._gap_ms = gap_ms

    def of(self, planes: dict[Plane, Pairs]) -> list[_Span]:
        spans: list[_Span] = []
        left = dict(planes)
        lines: dict[Plane, Line] = {}
        for _ in range(MAXIMUM_LINES):
            left = {plane: pairs for plane, pairs in left.items() if pairs.distinct_frames() >= MINIMUM_FRAMES}
            if not left or len(spans) == MAXIMUM_SEGMENTS:
                break
            for plane in left.keys() - lines.keys():
                lines[plane] = strongest_line(left[plane])
            best = max(left, key=lambda plane: lines[plane].looks)
            line = lines.pop(best)
            is_on_line = line.holds(left[best])
            found = self._believed(line, left[best].where(is_on_line))
            if not found and line.speed != 1.0:
                lines[best] = line_at_same_speed(left[best])
                continue
            if not found:
                # The best line has no span, but a weaker one may: take only this line out.
                left[best] = left[best].where(~is_on_line)
                continue
            for group in found[: MAXIMUM_SEGMENTS - len(spans)]:
                spans.append(_Span(best, group, line))
                for plane, pairs in left.items():
                    outside = _outside(pairs, group)
                    if not outside.all():
                        left[plane] = pairs.where(outside)
                        lines.pop(plane, None)
        return spans

    def _believed(self, line: Line, pairs: Pairs) -> list[Pairs]:
        return [group for group in _split_at_gaps(pairs, pairs.a_ms, self._gap_ms) if self._is_believed(line, group)]

    def _is_believed(self, line: Line, pairs: Pairs) -> bool:
        frames = pairs.distinct_frames()
        if frames < MINIMUM_FRAMES:
            return False
        within = pairs.where(pairs.distance <= self._radius_bits)
        if line.speed == 1.0 and within.distinct_frames() >= MINIMUM_FRAMES:
            return True
        least = FRAMES_AT_WIDER if line.speed == 1.0 else FRAMES_AT_A_SPEED
        return (
            frames >= least
            and pairs.looks() >= LOOKS_AT_WIDER
            and _covered(pairs.a, pairs.a_ms, self._a_ms) >= COVERED_AT_WIDER
            and _covered(pairs.b, pairs.b_ms, self._b_ms) >= COVERED_AT_WIDER
        )


def _covered(frames: Integers, frames_ms: Integers, times_ms: Integers) -> float:
    """Of one side's frames between the first and the last of the pairs', how many are among them."""
    between = np.searchsorted(times_ms, frames_ms.max(), "right") - np.searchsorted(times_ms, frames_ms.min())
    return np.unique(frames).size / max(int(between), 1)


def _split_at_gaps(pairs: Pairs, times: Integers, gap_ms: int) -> list[Pairs]:
    if times.size == 0:
        return []
    order = np.argsort(times, kind="stable")
    breaks = np.nonzero(np.diff(times[order]) > gap_ms)[0] + 1
    return [pairs.where(part) for part in np.split(order, breaks)]


def _outside(pairs: Pairs, span: Pairs) -> Array:
    """What the span does not explain: pairs inside it on both sides, at whatever line (a still shot has many)."""
    in_a = (pairs.a_ms >= span.a_ms.min()) & (pairs.a_ms <= span.a_ms.max())
    in_b = (pairs.b_ms >= span.b_ms.min()) & (pairs.b_ms <= span.b_ms.max())
    outside: Array = ~(in_a & in_b)
    return outside


def _ends(span: _Span, standing: Standing | None) -> list[tuple[int, int]]:
    """From when to when on either side: where the line enters and leaves what the pairs cover, so that the ends, too,
    are the same moments; and on, as far as what stands there stays alike. The first frame of one side may have its
    partner within the tolerance only."""
    box = [(int(side.min()), int(side.max())) for side in (span.pairs.a_ms, span.pairs.b_ms)]
    if span.line is None:
        return box
    speed, shift_ms = span.line.speed, span.line.shift_ms
    enters, leaves = sorted((b_ms - shift_ms) / speed for b_ms in box[1])
    begin, end = max(box[0][0], enters), min(box[0][1], leaves)
    if begin >= end:
        return box
    if standing is not None:
        begin, end = standing.reached(span.symmetry, span.line, begin, end)
    there = sorted((speed * begin + shift_ms, speed * end + shift_ms))
    return [(round(begin), round(end)), (round(there[0]), round(there[1]))]


def _segment(span: _Span, is_turned_back: bool, standing: Standing | None = None) -> Segment:
    pairs = span.pairs
    order = np.argsort(pairs.a, kind="stable")
    _, starts = np.unique(pairs.a[order], return_index=True)
    nearest = np.minimum.reduceat(pairs.distance[order], starts)
    numbers, counts = np.unique(pairs.areas, return_counts=True)
    of_a, of_b = divmod(int(numbers[np.argmax(counts)]), 10)
    times = _ends(span, standing)
    areas = [AREAS[of_a], AREAS[of_b]]
    speed, symmetry = 1.0 if span.line is None else span.line.speed, span.symmetry
    if is_turned_back:
        times, areas, speed, symmetry = times[::-1], areas[::-1], 1 / speed, INVERSE[symmetry]
    return Segment(
        *times[0],
        *times[1],
        frames=pairs.distinct_frames(),
        distance_bits=int(np.median(nearest)),
        speed=round(speed * SAME_SPEED),
        transformation=symmetry,
        query_view=areas[0],
        reference_view=areas[1],
    )
