"""The words of an incident, and what may be linked to it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

MICRODEGREES = 1_000_000


class IncidentKind(StrEnum):
    AIR_STRIKE = "air_strike"
    MISSILE_STRIKE = "missile_strike"
    ARTILLERY = "artillery"
    DRONE = "drone"
    SHOOTING = "shooting"
    DETENTION = "detention"
    TORTURE = "torture"
    SEXUAL_VIOLENCE = "sexual_violence"
    UNLAWFUL_KILLING = "unlawful_killing"
    OTHER = "other"


class PlacePrecision(StrEnum):
    """How near a stated point is to the true place."""

    EXACT = "exact"
    """Within 10 m."""
    VICINITY = "vicinity"
    """Within 100 m."""
    LOCALITY = "locality"
    """Within 1 km."""
    AREA = "area"
    COUNTRY = "country"
    NONE = "none"


WITHIN_M: Mapping[PlacePrecision, int] = MappingProxyType(
    {PlacePrecision.EXACT: 10, PlacePrecision.VICINITY: 100, PlacePrecision.LOCALITY: 1000}
)
"""The widest radius that a precision allows; the database holds the same."""
MAXIMUM_RADIUS_M = 20_100_000
"""Half of the way round the Earth."""


@dataclass(frozen=True)
class Occurrence:
    """When it happened: an interval as wide as it is uncertain, the zone in which people there count their time, and
    how this is known."""

    from_: datetime
    to: datetime
    zone: str
    """An IANA name such as ``Europe/Kyiv``."""
    basis: str


@dataclass(frozen=True)
class Place:
    """Where it happened. A point is kept in millionths of a degree (at most 11 cm), so that it stays what was stated.

    ``administrative_units``: from the country downwards.
    """

    name: str | None = None
    latitude_microdegrees: int | None = None
    longitude_microdegrees: int | None = None
    precision: PlacePrecision | None = None
    radius_m: int | None = None
    """The true place lies within so many metres of the point."""
    administrative_units: tuple[str, ...] = ()


@dataclass(frozen=True)
class Segment:
    """The part of a video that shows the incident, in milliseconds from its beginning."""

    from_ms: int
    to_ms: int
