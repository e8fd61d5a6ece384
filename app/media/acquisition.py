"""What is stated about an item when its bytes come in, and the values that may later be corrected. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.kernel.primitives import format_time, utc_now
from app.media.errors import AcquiredInFuture, ClaimedIntervalReversed

CORRECTABLE = (
    "collector",
    "method",
    "tool",
    "acquired_at",
    "source",
    "source_address",
    "claimed_from",
    "claimed_to",
    "claimed_place",
    "notes",
)
"""Acquisition fields that a person stated. What the server measured is not among them."""

TIMES = frozenset({"acquired_at", "claimed_from", "claimed_to"})
CLOCK_TOLERANCE_S = 300
"""A collector's clock may run ahead of ours by this much."""

GRAPHIC_LEVELS = ("none", "mild", "severe")
LABEL_FLAGS = ("child", "sexual_violence", "distressing_audio")


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """How, when and from where somebody acquired a file, in their own words."""

    collector: str
    method: str
    acquired_at: datetime
    source: str
    source_address: str | None = None
    tool: str | None = None
    claimed_from: datetime | None = None
    claimed_to: datetime | None = None
    claimed_place: str | None = None
    notes: str | None = None


def require_plausible_times(values: dict[str, Any]) -> None:
    """Raises AcquiredInFuture, ClaimedIntervalReversed."""
    acquired_at = values.get("acquired_at")
    if acquired_at is not None and (acquired_at - utc_now()).total_seconds() > CLOCK_TOLERANCE_S:
        raise AcquiredInFuture("'acquired_at' lies in the future. Check the clock and the time zone.")
    begins, ends = values.get("claimed_from"), values.get("claimed_to")
    if begins is not None and ends is not None and ends < begins:
        raise ClaimedIntervalReversed("'claimed_to' is before 'claimed_from'.")


def to_stored(value: str | datetime | None) -> str | None:
    """A field's value as JSON holds it."""
    return format_time(value) if isinstance(value, datetime) else value


def from_stored(field: str, value: str | None) -> str | datetime | None:
    return datetime.fromisoformat(value) if field in TIMES and value is not None else value
