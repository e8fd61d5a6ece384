"""Is it similar, and why: the explanation of one pair of blobs by their fingerprints. Pure.

Of each algorithm the newest version counts that both blobs have: what was not recomputed since a rule changed is
compared by the rule before, as long as both sides have it.

Two pictures: PDQ under the query's eight symmetries says ``same_picture``; phash or dhash alone say ``likely``, for a
person to look at (they find slight crops, and more wrong pairs), unless much of one is even. A video on either side:
PDQ of its frames, aligned.
So also an animated picture and a file of several pages; where nothing aligns, each of their frames is a picture by
itself, because one page of an album, or one frame among others, may be all that is used again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from app.fingerprints.algorithms.algorithm import Algorithm, hamming
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.algorithms.image_hashes import DHASH
from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.alignment import MAXIMUM_SEGMENTS, Segment, TimedHash, align, wider_radius
from app.fingerprints.views import IDENTITY, UPRIGHT, area_of, symmetry_of

LIKELY = "likely"
RULE = "match/3"
TIERS = ("exact", "same_picture", "likely")
"""The strongest first."""
SAME_PICTURE_INLIERS = 12
LIKELY_INLIERS = 8
WHOLE = "whole"
"""The area of a picture that is all of it. Others are named by ``views``."""


@dataclass(frozen=True, slots=True)
class Print:
    """One stored hash of a blob."""

    version: str
    time_ms: int
    view: str
    value: bytes
    quality: int | None


@dataclass(frozen=True, slots=True)
class Prints:
    """All stored hashes of one blob, and the sets of local features that are compared."""

    is_video: bool
    prints: Sequence[Print] = field(default_factory=tuple)
    features: Sequence[LocalFeatures] = field(default_factory=tuple)

    @property
    def is_sequence(self) -> bool:
        """A video, or an image's file that holds further frames or pages."""
        return self.is_video or any(one.time_ms > 0 for one in self.prints)

    def first(self) -> "Prints":
        """Of an image: what is stored of its first picture."""
        return Prints(
            self.is_video,
            [one for one in self.prints if one.time_ms == 0],
            [one for one in self.features if one.time_ms == 0],
        )

    def of(self, algorithm: Algorithm, view: str | None = IDENTITY) -> list[Print]:
        """``view`` None: in every view."""
        return [one for one in self.prints if one.version == algorithm.version and (view is None or one.view == view)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One reason for a match: a distance of hashes, or points of local features that agree under one transformation.

    Places are thousandths of the displayed picture's width and height.
    """

    algorithm: str
    version: str
    transformation: str = IDENTITY
    """The symmetry that makes the reference of the query."""
    query_view: str = WHOLE
    """The area of the query's picture that was looked at: ``whole``, ``trimmed`` or ``framed``."""
    reference_view: str = WHOLE
    distance_bits: int | None = None
    threshold_bits: int | None = None
    inliers: int | None = None
    """Local features: points that agree."""
    threshold_inliers: int | None = None
    query_ms: int | None = None
    """Of sequences: the frame."""
    reference_ms: int | None = None
    outline: tuple[tuple[int, int], ...] | None = None
    """Four corners of the query's picture in the reference's; they may lie outside."""
    points: tuple[tuple[int, int, int, int], ...] | None = None
    """At most 40 of the points that agree: query x, y, reference x, y."""

    def as_json(self) -> dict[str, Any]:
        """What is known of it; the rest is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Explanation:
    tier: str
    grounds: list[Ground]
    """The strongest first."""
    segments: list[Segment]

    def strength(self) -> tuple[int, int, int]:
        """By which the stronger of two explanations sorts first."""
        first = self.grounds[0]
        distance = first.distance_bits if first.distance_bits is not None else 0
        return TIERS.index(self.tier), -(first.inliers or 0), distance

    def as_json(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        return [ground.as_json() for ground in self.grounds], [asdict(segment) for segment in self.segments]


@dataclass(frozen=True)
class Thresholds:
    """From where on two blobs match."""

    bits: Mapping[str, int]
    """Algorithm → the largest distance."""
    inliers: int = SAME_PICTURE_INLIERS
    """Points of local features that agree: so many say ``same_picture``."""
    inliers_likely: int = LIKELY_INLIERS
    """So many say ``likely``."""


def thresholds_of(
    bits: Mapping[str, int] | None = None,
    *,
    inliers: int = SAME_PICTURE_INLIERS,
    inliers_likely: int = LIKELY_INLIERS,
    catalog: Catalog = CATALOG,
) -> Thresholds:
    """What a case says of itself, else the algorithm's own."""
    own = bits or {}
    return Thresholds(
        {name: own.get(name, versions[0].threshold_bits) for name, versions in catalog.matching().items()},
        inliers,
        inliers_likely,
    )


def rule_of(thresholds: Thresholds, catalog: Catalog = CATALOG) -> str:
    """The rule by which a pair was compared, in one line: pairs compared by another one are compared anew."""
    parts = [f"{versions[0].version}<={thresholds.bits[name]}" for name, versions in catalog.matching().items()]
    features = f"{catalog.local_features}>={thresholds.inliers},{thresholds.inliers_likely}"
    return " ".join([RULE, *parts, features])


def explain(query: Prints, reference: Prints, thresholds: Thresholds, catalog: Catalog = CATALOG) -> Explanation | None:
    """Why the two are similar; None when they are not."""
    if query.is_sequence or reference.is_sequence:
        pdq = _common(catalog.matching()[PDQ.name], query, reference)
        found = None if pdq is None else _explain_frames(pdq, query, reference, thresholds.bits[PDQ.name])
        if found is not None or query.is_video or reference.is_video:
            return found
    return _explain_pictures(query.first(), reference.first(), thresholds, catalog)


def _explain_frames(pdq: Algorithm, query: Prints, reference: Prints, threshold_bits: int) -> Explanation | None:
    found = _explain_moving(pdq, query, reference, threshold_bits)
    if found is not None or (query.is_video and reference.is_video):
        return found
    return _explain_moments(pdq, query, reference, threshold_bits)


def _common(versions: Sequence[Algorithm], query: Prints, reference: Prints) -> Algorithm | None:
    """The newest version of which both have hashes."""
    both = {one.version for one in query.prints} & {one.version for one in reference.prints}
    return next((algorithm for algorithm in versions if algorithm.version in both), None)


def _explain_pictures(query: Prints, reference: Prints, thresholds: Thresholds, catalog: Catalog) -> Explanation | None:
    matching = catalog.matching()
    if not all(_says_something(matching[PDQ.name], prints) for prints in (query, reference)):
        return None
    common = [_common(versions, query, reference) for versions in matching.values()]
    grounds = [_nearest(algorithm, query, reference, thresholds) for algorithm in common if algorithm is not None]
    kept = [ground for ground in grounds if ground is not None]
    if not kept:
        return None
    is_certain = any(ground.algorithm == PDQ.name for ground in kept)
    if not is_certain and (_is_mostly_even(query, matching) or _is_mostly_even(reference, matching)):
        return None
    return Explanation("same_picture" if is_certain else "likely", kept, [])


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


def _nearest(algorithm: Algorithm, query: Prints, reference: Prints, thresholds: Thresholds) -> Ground | None:
    """The smallest distance over the areas of both in the query's symmetries, when it is within the threshold; of
    equal ones that of the whole pictures as they are, if it is among them."""
    distances = [
        (hamming(mine.value, theirs.value), mine.view != IDENTITY, theirs.view != IDENTITY, mine.view, theirs.view)
        for mine in query.of(algorithm, view=None)
        for theirs in reference.of(algorithm, view=None)
        if theirs.view in UPRIGHT
    ]
    if not distances:
        return None
    distance_bits, _, _, mine, theirs = min(distances)
    threshold_bits = thresholds.bits[algorithm.name]
    if distance_bits > threshold_bits:
        return None
    ground = _by_hash(algorithm, distance_bits, threshold_bits, symmetry_of(mine))
    return replace(ground, query_view=area_of(mine), reference_view=area_of(theirs))


def _by_hash(algorithm: Algorithm, distance_bits: int, threshold_bits: int, transformation: str) -> Ground:
    return Ground(
        algorithm=algorithm.name,
        version=algorithm.version,
        transformation=transformation,
        distance_bits=distance_bits,
        threshold_bits=threshold_bits,
    )


def _explain_moving(pdq: Algorithm, query: Prints, reference: Prints, threshold_bits: int) -> Explanation | None:
    """Two sequences, or a still and a sequence, in all views of either."""
    sides = [_timed(prints.of(pdq, view=None)) for prints in (query, reference)]
    segments = align(*sides, radius_bits=threshold_bits)
    if not segments:
        return None
    return Explanation("same_picture", [_by_frames(pdq, segments, threshold_bits)], segments)


def _by_frames(pdq: Algorithm, segments: Sequence[Segment], threshold_bits: int) -> Ground:
    """What the longest span says."""
    best = max(segments, key=lambda segment: (segment.frames, -(segment.distance_bits or 0)))
    distance_bits = best.distance_bits or 0
    within = threshold_bits if distance_bits <= threshold_bits else wider_radius(threshold_bits)
    ground = _by_hash(pdq, distance_bits, within, best.transformation)
    return replace(ground, query_view=best.query_view, reference_view=best.reference_view)


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
    return Explanation("same_picture", [ground], segments[:MAXIMUM_SEGMENTS])


def _timed(prints: Sequence[Print]) -> list[TimedHash]:
    return [TimedHash(one.time_ms, one.value, one.quality or 0, one.view) for one in prints]
