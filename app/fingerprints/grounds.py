"""Why two blobs are similar: the grounds of a match, how sure they make it, and the thresholds of a case. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.alignment import Segment
from app.fingerprints.views import IDENTITY, VIEWS_RULE, WHOLE

RULE = "match/7"
WITHOUT_PICTURES = " without_pictures"
"""Follows the rule's name where points agree and there were no working pictures to be laid upon each other: such a pair
is compared anew whenever one of the two is, as after a recompute has made them."""
NO_PICTURES = "no_pictures"
SAME_PICTURE, LIKELY = "same_picture", "likely"
TIERS = ("exact", SAME_PICTURE, LIKELY)
"""The strongest first."""
SAME_PICTURE_INLIERS = 12
LIKELY_INLIERS = 11


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
    alike_percent: int | None = None
    """Local features: of what both pictures show, laid upon each other, so much is alike."""
    threshold_alike_percent: int | None = None
    held_back: str | None = None
    """Why as many points as are asked for do not make it the same picture all the same; see ``agreeing``."""
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

    def named(self, rule: str) -> str:
        """The name of the rule by which it is kept."""
        return rule + WITHOUT_PICTURES if any(one.held_back == NO_PICTURES for one in self.grounds) else rule

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
    return " ".join([RULE, VIEWS_RULE, *parts, features])
