"""A case's policy: which dimensions a submission needs, and how near is a match. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Any

DIMENSIONS = ("provenance", "source", "date", "location", "content", "technical", "motivation")
DEFAULT_REQUIRED_DIMENSIONS = tuple(dimension for dimension in DIMENSIONS if dimension != "motivation")


@dataclass(frozen=True)
class Policy:
    """One version of a case's rules.

    ``thresholds``: per algorithm the largest distance in bits that is still a match; absent: the algorithm's own.
    """

    required_dimensions: tuple[str, ...] = DEFAULT_REQUIRED_DIMENSIONS
    thresholds: dict[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return asdict(self) | {"required_dimensions": list(self.required_dimensions)}

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Policy":
        return cls(tuple(document["required_dimensions"]), dict(document["thresholds"]))
