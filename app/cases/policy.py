"""A case's policy: what a submission needs, how near is a match, how much one person looks at. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Any

DIMENSIONS = ("provenance", "source", "date", "location", "content", "technical", "motivation")
DEFAULT_REQUIRED_DIMENSIONS = tuple(dimension for dimension in DIMENSIONS if dimension != "motivation")

BITS_RANGES = {"pdq": (0, 64), "phash": (0, 16), "dhash": (0, 16)}
"""Per algorithm, the thresholds that a case may set: what is farther says nothing of two pictures."""
INLIERS_RANGES = {"same_picture": (10, 100), "likely": (6, 100)}
"""Per tier, how many points of local features a case may ask for: fewer agree between unrelated pictures."""
DEFAULT_LEASES = 20
DEFAULT_INLIERS = {"same_picture": 12, "likely": 11}


@dataclass(frozen=True)
class Policy:
    """One version of a case's rules.

    ``thresholds``: per algorithm the largest distance in bits that is still a match; absent: the algorithm's own.
    ``inliers``: per tier how many points of local features have to agree; absent: :data:`DEFAULT_INLIERS`.
    ``matching_across_cases``: whether its items are compared with those of other cases that allow it too.
    ``blind_double_verification``: whether two persons verify each item, neither seeing the other's work until both have
    submitted. It holds for the rounds that begin after it was set.
    """

    required_dimensions: tuple[str, ...] = DEFAULT_REQUIRED_DIMENSIONS
    thresholds: dict[str, int] = field(default_factory=dict)
    inliers: dict[str, int] = field(default_factory=dict)
    matching_across_cases: bool = True
    exposure_items_per_day: int | None = None
    """How many items one person looks at in a day, as content; None: as many as they like."""
    exposure_minutes_per_day: int | None = None
    break_minutes: int | None = None
    """How long the rest lasts at the least, from the viewing that reached a cap; and always until the day is over."""
    blind_double_verification: bool = False
    exports_need_approval: bool = False
    """Whether another person approves each package before it is made; then no custody file opens anything either."""
    releases_need_sign_off: bool = True
    """Whether every item of a release has to be signed off."""
    leases_per_person: int | None = DEFAULT_LEASES
    """How many of the case's items one person holds at once; None: as many as they take."""
    smallest_figure: int | None = None
    """Figures give no count below it, nor what it could be computed from; None: of sexual violence alone."""

    def inliers_of(self, tier: str) -> int:
        return self.inliers.get(tier, DEFAULT_INLIERS[tier])

    def document(self) -> dict[str, Any]:
        return asdict(self) | {"required_dimensions": list(self.required_dimensions)}

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Policy":
        """Also of a document from before a setting was there."""
        return cls(
            tuple(document["required_dimensions"]),
            dict(document["thresholds"]),
            dict(document.get("inliers", {})),
            bool(document.get("matching_across_cases", True)),
            exposure_items_per_day=document.get("exposure_items_per_day"),
            exposure_minutes_per_day=document.get("exposure_minutes_per_day"),
            break_minutes=document.get("break_minutes"),
            blind_double_verification=bool(document.get("blind_double_verification", False)),
            exports_need_approval=bool(document.get("exports_need_approval", False)),
            releases_need_sign_off=bool(document.get("releases_need_sign_off", True)),
            leases_per_person=document.get("leases_per_person", DEFAULT_LEASES),
            smallest_figure=document.get("smallest_figure"),
        )
