"""What a picture is drawn of: a series with its ranges, or places with their precision, and what both were drawn from.
Pure; no library of drawing is known here."""

from dataclasses import dataclass
from enum import StrEnum

MAXIMUM_BARS = 120
MAXIMUM_POINTS = 1_000


class PictureFormat(StrEnum):
    SVG = "svg"
    PNG = "png"


class Standing(StrEnum):
    """What a bar stands for."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    """Of what the series is by nothing is known: counted, and drawn apart."""
    NOT_STATED = "not_stated"
    """Nobody states a number, which is not zero."""
    SUPPRESSED = "suppressed"
    """Too few to be told; there is no number."""

    @property
    def has_number(self) -> bool:
        return self in (Standing.KNOWN, Standing.UNKNOWN)


@dataclass(frozen=True)
class Bar:
    """``maximum`` None: open. Equal to ``minimum``: one number. Where there is no number neither is looked at."""

    label: str
    minimum: int = 0
    maximum: int | None = 0
    standing: Standing = Standing.KNOWN

    @property
    def value(self) -> str:
        """As words beside the bar say it."""
        if not self.standing.has_number:
            return "suppressed" if self.standing is Standing.SUPPRESSED else "none stated"
        if self.maximum is None:
            return f"{self.minimum} or more"
        return f"{self.minimum}" if self.minimum == self.maximum else f"{self.minimum} to {self.maximum}"


@dataclass(frozen=True)
class Drawn:
    """What a picture was drawn from. It is printed under it, and stands in its metadata."""

    query_sha256: str
    as_of: str
    """A time (UTC)."""
    position: str
    """In the ledger: its log and the size of the tree."""

    def lines(self) -> tuple[str, ...]:
        return (f"As of {self.as_of}, ledger position {self.position}", f"Query sha256 {self.query_sha256}")


@dataclass(frozen=True)
class Chart:
    """``notes``: what a reader must know besides, each a line."""

    title: str
    counted: str
    """What the numbers count."""
    bars: tuple[Bar, ...]
    drawn: Drawn
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """WGS 84, in degrees. ``radius_m``: within so many metres lies the true place; None: nobody says."""

    label: str
    kind: str
    latitude: float
    longitude: float
    radius_m: int | None


@dataclass(frozen=True)
class Map:
    """``without_point``: how many more incidents there are, of which no point is stated."""

    title: str
    points: tuple[Point, ...]
    without_point: int
    drawn: Drawn
    notes: tuple[str, ...] = ()
