"""Is it similar, and why: the explanation of one pair of blobs by their fingerprints. Pure.

Of each algorithm the newest version counts that both blobs have: what was not recomputed since a rule changed is
compared by the rule before, as long as both sides have it.

Two pictures: PDQ of any area of the one, under the eight symmetries, and any area of the other says ``same_picture``;
so do twelve points of local features that lie alike, where what lies between them is alike too (``agreeing``, by the
working pictures); eleven say ``likely``. phash or dhash alone say
``likely``, for a person to look at (they find slight crops, and more wrong pairs), unless much of one is even. A video
on either side: PDQ of its frames, aligned; else the frames whose points lie alike.
So also an animated picture and a file of several pages; where nothing aligns, each of their frames is a picture by
itself, because one page of an album, or one frame among others, may be all that is used again.

The answer is the same whichever of the two is called the query, but for what it calls them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from app.fingerprints.agreeing import PICTURES_DIFFER, Agreement, agreements
from app.fingerprints.algorithms.algorithm import Algorithm, hamming
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.algorithms.image_hashes import DHASH
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.alignment import (
    MAXIMUM_SEGMENTS,
    Segment,
    TimedHash,
    align,
    align_frames,
    wider_radius,
)
from app.fingerprints.frame_pairs import Frames, frames_of, stills_near
from app.fingerprints.grounds import (
    LIKELY,
    LIKELY_INLIERS,
    SAME_PICTURE,
    SAME_PICTURE_INLIERS,
    TIERS,
    Explanation,
    Ground,
    Thresholds,
    rule_of,
    thresholds_of,
)
from app.fingerprints.overlap import LEAST_ALIKE
from app.fingerprints.point_spans import FramePair, align_points
from app.fingerprints.prints import Print, Prints
from app.fingerprints.search.hamming import distances_between, words_of
from app.fingerprints.views import AREAS, IDENTITY, INVERSE, WHOLE, are_comparable, area_of, is_part, symmetry_of

__all__ = [
    "LIKELY",
    "LIKELY_INLIERS",
    "SAME_PICTURE_INLIERS",
    "TIERS",
    "Explanation",
    "Ground",
    "Print",
    "Prints",
    "Thresholds",
    "explain",
    "rule_of",
    "thresholds_of",
]

MOST_PARTS_SOUGHT = 100
"""Of a recording that are sought in another one."""

Moments = Sequence[tuple[int, int]]
"""Frames that may show the same: times in the query and in the reference."""


def explain(
    query: Prints,
    reference: Prints,
    thresholds: Thresholds,
    catalog: Catalog = CATALOG,
    moments: Moments = (),
) -> Explanation | None:
    """Why the two are similar; None when they are not. ``moments``: of sequences, whose local features are compared."""
    if query.is_sequence or reference.is_sequence:
        pdq = _common(catalog.matching()[PDQ.name], query, reference)
        found = None if pdq is None else _explain_frames(pdq, query, reference, thresholds.bits[PDQ.name])
        if found is not None:
            return found
        by_points = _explain_points(query, reference, moments, thresholds, catalog)
        if query.is_video or reference.is_video or (by_points is not None and by_points.tier == SAME_PICTURE):
            return by_points
        by_first = _explain_pictures(query.first(), reference.first(), thresholds, catalog)
        return min((one for one in (by_points, by_first) if one), key=Explanation.strength, default=None)
    return _explain_pictures(query, reference, thresholds, catalog)


def _explain_frames(pdq: Algorithm, query: Prints, reference: Prints, threshold_bits: int) -> Explanation | None:
    found = _explain_moving(pdq, query, reference, threshold_bits)
    if found is None and not (query.is_video and reference.is_video):
        found = _explain_moments(pdq, query, reference, threshold_bits)
    return found or _explain_parts(pdq, query, reference, threshold_bits)


def _common(versions: Sequence[Algorithm], query: Prints, reference: Prints) -> Algorithm | None:
    """The newest version of which both have hashes."""
    both = {one.version for one in query.prints} & {one.version for one in reference.prints}
    return next((algorithm for algorithm in versions if algorithm.version in both), None)


def _explain_pictures(query: Prints, reference: Prints, thresholds: Thresholds, catalog: Catalog) -> Explanation | None:
    by_hashes = _explain_hashes(query, reference, thresholds, catalog)
    if by_hashes is not None and by_hashes.tier == SAME_PICTURE:
        return by_hashes
    by_points = _explain_points(query, reference, [(0, 0)], thresholds, catalog)
    if by_points is None or by_hashes is None:
        return by_points or by_hashes
    return Explanation(by_points.tier, [*by_points.grounds, *by_hashes.grounds], [])


def _explain_hashes(query: Prints, reference: Prints, thresholds: Thresholds, catalog: Catalog) -> Explanation | None:
    matching = catalog.matching()
    pdq = _common(matching[PDQ.name], query, reference)
    nearest = None if pdq is None else _nearest_area(pdq, query, reference, thresholds.bits[PDQ.name])
    say_something = all(_says_something(matching[PDQ.name], prints) for prints in (query, reference))
    others = [versions for name, versions in matching.items() if name != PDQ.name] if say_something else []
    common = [_common(versions, query, reference) for versions in others]
    grounds = [_nearest(algorithm, query, reference, thresholds) for algorithm in common if algorithm is not None]
    kept = [ground for ground in (nearest, *grounds) if ground is not None]
    if not kept:
        return None
    if nearest is None and (_is_mostly_even(query, matching) or _is_mostly_even(reference, matching)):
        return None
    return Explanation(LIKELY if nearest is None else SAME_PICTURE, kept, [])


def _explain_points(
    query: Prints, reference: Prints, moments: Moments, thresholds: Thresholds, catalog: Catalog
) -> Explanation | None:
    """By local features: of two pictures the strongest agreement; of sequences the spans of all that are as sure."""
    found = agreements(query, reference, moments, thresholds)
    if not found:
        return None
    firm = [one for one in found if one.alike is not None and one.held_back is None]
    is_firm, strongest = bool(firm), (firm or found)[0]
    if not (query.is_sequence or reference.is_sequence):
        return Explanation(SAME_PICTURE if is_firm else LIKELY, [_by_points(strongest, thresholds, is_firm)], [])
    # What could not be looked at is believed beside what was; what was and differs is not.
    as_sure = [
        one for one in found if not is_firm or (_is_enough(one, thresholds) and one.held_back != PICTURES_DIFFER)
    ]
    pairs = [FramePair(one.query_ms, one.reference_ms, one.inliers, one.transformation) for one in as_sure]
    ground = _by_points(strongest, thresholds, is_firm, has_times=True)
    pdq = _common(catalog.matching()[PDQ.name], query, reference)
    frames = [] if pdq is None else [_timed(prints.of(pdq)) for prints in (query, reference)]
    return Explanation(SAME_PICTURE if is_firm else LIKELY, [ground], align_points(pairs, *frames)[:MAXIMUM_SEGMENTS])


def _is_enough(found: Agreement, thresholds: Thresholds) -> bool:
    return found.inliers >= thresholds.inliers


def _by_points(found: Agreement, thresholds: Thresholds, is_firm: bool, *, has_times: bool = False) -> Ground:
    return Ground(
        algorithm=found.version.partition("/")[0],
        version=found.version,
        transformation=found.transformation,
        inliers=found.inliers,
        threshold_inliers=thresholds.inliers if is_firm else thresholds.inliers_likely,
        alike_percent=None if found.alike is None else int(100 * found.alike),
        threshold_alike_percent=None if found.alike is None else round(100 * LEAST_ALIKE),
        held_back=found.held_back,
        query_ms=found.query_ms if has_times else None,
        reference_ms=found.reference_ms if has_times else None,
        outline=found.outline,
        points=found.points,
    )


def _says_something(versions_of_pdq: Sequence[Algorithm], prints: Prints) -> bool:
    """Near-flat pictures resemble each other by every hash: PDQ's quality tells them."""
    return any((one.quality or 0) >= pdq.minimum_quality for pdq in versions_of_pdq for one in prints.of(pdq))


def _is_mostly_even(prints: Prints, matching: Mapping[str, Sequence[Algorithm]]) -> bool:
    """Whether three of eight rows of dhash see no difference: much of such a picture is missing, and grey; of
    unrelated ones what is grey resembles itself. (Measured with 10 % of the rows known: 51 of 60 pairs alike.)"""
    versions = {algorithm.version for algorithm in matching.get(DHASH.name, ())}
    return any(
        one.value.count(0) * 8 >= 3 * len(one.value)
        for one in prints.prints
        if one.version in versions and one.view == IDENTITY
    )


def _nearest_area(pdq: Algorithm, query: Prints, reference: Prints, threshold_bits: int) -> Ground | None:
    """The smallest distance of any area of the one to any of the other, turned on either side."""
    mine, theirs = (
        [one for one in prints.of(pdq, view=None) if (one.quality or 0) >= pdq.minimum_quality]
        for prints in (query, reference)
    )
    distances = [
        (hamming(one.value, other.value), _transformation(one, other), area_of(one.view), area_of(other.view))
        for one, other in _near(mine, theirs, threshold_bits)
        if _is_turned_once(one, other) and are_comparable(one.view, other.view)
    ]
    if not distances:
        return None
    distance_bits, transformation, query_view, reference_view = min(
        distances, key=lambda found: (found[0], found[1] != IDENTITY, _plainness(found[2], found[3]), found[1:])
    )
    return _by_hash(pdq, distance_bits, threshold_bits, transformation, query_view, reference_view)


def _near(mine: Sequence[Print], theirs: Sequence[Print], threshold_bits: int) -> Iterator[tuple[Print, Print]]:
    """Every two within so many bits: of two unlike pictures, some hundreds of pairs, hardly any."""
    if mine and theirs:
        words = [words_of([one.value for one in prints]) for prints in (mine, theirs)]
        for place, other in np.argwhere(distances_between(*words) <= threshold_bits).tolist():
            yield mine[place], theirs[other]


def _is_turned_once(one: Print, other: Print) -> bool:
    """One at least is upright."""
    return IDENTITY in (symmetry_of(one.view), symmetry_of(other.view))


def _plainness(query_view: str, reference_view: str) -> int:
    """Fewer areas that are not all of the picture come first."""
    return sum(area != WHOLE for area in (query_view, reference_view))


def _transformation(query: Print, reference: Print) -> str:
    """What makes the reference's picture of the query's: one of the two was turned to be like the other."""
    turned = symmetry_of(query.view)
    return turned if turned != IDENTITY else INVERSE[symmetry_of(reference.view)]


def _nearest(algorithm: Algorithm, query: Prints, reference: Prints, thresholds: Thresholds) -> Ground | None:
    """The smallest distance of the pictures as they are, when it is within the threshold."""
    distances = [
        hamming(mine.value, theirs.value) for mine in query.of(algorithm) for theirs in reference.of(algorithm)
    ]
    threshold_bits = thresholds.bits[algorithm.name]
    if not distances or min(distances) > threshold_bits:
        return None
    return _by_hash(algorithm, min(distances), threshold_bits)


def _by_hash(
    algorithm: Algorithm,
    distance_bits: int,
    threshold_bits: int,
    transformation: str = IDENTITY,
    query_view: str = WHOLE,
    reference_view: str = WHOLE,
) -> Ground:
    return Ground(
        algorithm=algorithm.name,
        version=algorithm.version,
        transformation=transformation,
        query_view=query_view,
        reference_view=reference_view,
        distance_bits=distance_bits,
        threshold_bits=threshold_bits,
    )


def _explain_moving(pdq: Algorithm, query: Prints, reference: Prints, threshold_bits: int) -> Explanation | None:
    """Two sequences, or a still and a sequence, in all views of either."""
    sides = [
        _timed([one for one in prints.of(pdq, view=None) if area_of(one.view) in AREAS])
        for prints in (query, reference)
    ]
    segments = align(*sides, radius_bits=threshold_bits)
    if not segments:
        return None
    return Explanation(SAME_PICTURE, [_by_frames(pdq, segments, threshold_bits)], segments)


def _by_frames(pdq: Algorithm, segments: Sequence[Segment], threshold_bits: int) -> Ground:
    """What the longest span says."""
    best = max(segments, key=lambda segment: (segment.frames, -(segment.distance_bits or 0)))
    distance_bits = best.distance_bits or 0
    within = threshold_bits if distance_bits <= threshold_bits else wider_radius(threshold_bits)
    return _by_hash(pdq, distance_bits, within, best.transformation, best.query_view, best.reference_view)


def _explain_moments(pdq: Algorithm, query: Prints, reference: Prints, threshold_bits: int) -> Explanation | None:
    """Two sequences, one of them an image's: each frame that occurs in the other, whatever comes before and after."""
    singles, others = (query, reference) if not query.is_video else (reference, query)
    frames = _timed(others.of(pdq))
    segments: list[Segment] = []
    for single in _timed(singles.of(pdq)):
        if single.quality >= pdq.minimum_quality and len(segments) < MAXIMUM_SEGMENTS:
            pair = ([single], frames) if singles is query else (frames, [single])
            segments += align(*pair, radius_bits=threshold_bits, minimum_quality=pdq.minimum_quality)
    if not segments:
        return None
    ground = _by_frames(pdq, segments, threshold_bits)
    return Explanation(SAME_PICTURE, [ground], segments[:MAXIMUM_SEGMENTS])


def _explain_parts(pdq: Algorithm, query: Prints, reference: Prints, threshold_bits: int) -> Explanation | None:
    """Two of which one is a sequence: each part of a picture, or of the frame that stands for a shot, that is a frame
    of the other. An inset is seen while its shot lasts; a part is a still, and so is the span."""
    segments: list[Segment] = []
    for part, still, frames in _parts_near(pdq, query, reference, threshold_bits):
        found = align_frames(still, frames, radius_bits=threshold_bits)
        segments += [replace(each, query_view=part) for each in found]
    for part, still, frames in _parts_near(pdq, reference, query, threshold_bits):
        found = align_frames(frames, still, radius_bits=threshold_bits)
        segments += [replace(each, reference_view=part) for each in found]
    if not segments:
        return None
    return Explanation(SAME_PICTURE, [_by_frames(pdq, segments, threshold_bits)], segments[:MAXIMUM_SEGMENTS])


def _parts_near(
    pdq: Algorithm, within: Prints, other: Prints, threshold_bits: int
) -> Iterator[tuple[str, Frames, Frames]]:
    """Parts that are near a frame of the other: the name, the still, and all those frames. Of what is unlike, which
    most pairs are, nothing is aligned."""
    parts = _parts_of_shots(within, pdq)
    if not parts:
        return
    frames = frames_of(_timed(other.of(pdq)), pdq.minimum_quality)
    for place in stills_near([part.value for part in parts], frames, threshold_bits):
        still = frames_of(_timed([replace(parts[place], view=IDENTITY)]), pdq.minimum_quality)
        yield area_of(parts[place].view), still, frames


def _parts_of_shots(prints: Prints, pdq: Algorithm) -> list[Print]:
    """Evenly so many at most, as they are."""
    upright = [one for one in prints.of(pdq, view=None) if is_part(one.view) and symmetry_of(one.view) == IDENTITY]
    return upright[:: max(1, -(-len(upright) // MOST_PARTS_SOUGHT))]


def _timed(prints: Sequence[Print]) -> list[TimedHash]:
    return [TimedHash(one.time_ms, one.value, one.quality or 0, one.view) for one in prints]
