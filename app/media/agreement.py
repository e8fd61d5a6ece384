"""Whether two places in a file state of one thing what cannot both be so. Pure; decision 0022.

Two programs round a place differently, cut a second off or leave the zone out: that is no contradiction. A place is the
same within 11 m, a height within a metre, a time within a second, and a time without a zone contradicts another only
where no zone of the world lies between them.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

Stated = str | int | bool

TIMES = frozenset(
    {"taken_at", "digitized_at", "modified_at", "created_at", "created_at_local", "metadata_changed_at", "date"}
)
TOLERANCES: Mapping[str, Decimal] = {
    **dict.fromkeys(("gps_latitude", "gps_longitude"), Decimal("0.0001")),
    "gps_altitude_m": Decimal(1),
    "gps_direction_degrees": Decimal(1),
}
"""Of quantities that several places state: degrees, metres, degrees. A ten-thousandth of a degree is 11 m at most."""

_ISO_6709 = re.compile(
    r"([+-]\d{1,2}(?:\.\d{1,20})?)([+-]\d{1,3}(?:\.\d{1,20})?)([+-]\d{1,6}(?:\.\d{1,20})?)?(?:CRS[^/]*)?/?", re.ASCII
)
"""A ``location`` in decimal degrees, as cameras write it. One with minutes or seconds is compared as a text."""
_NUMBER = re.compile(r"[+-]?\d{1,12}(?:\.\d{1,20})?", re.ASCII)
_DAY = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)", re.ASCII)
_WEST, _EAST = timedelta(hours=-12), timedelta(hours=14)
_QUARTER, _SECOND = timedelta(minutes=15), timedelta(seconds=1)


def readings(name: str, value: Stated) -> dict[str, Stated]:
    """What a claim states, by quantity: a container's ``location`` states a latitude and a longitude."""
    found = _ISO_6709.fullmatch(str(value).strip()) if name == "location" else None
    if found is None:
        return {name: value}
    latitude, longitude, altitude = found.groups()
    return {"gps_latitude": latitude, "gps_longitude": longitude} | ({"gps_altitude_m": altitude} if altitude else {})


def contradict(quantity: str, one: Stated, other: Stated) -> bool:
    """Whether these two of one quantity cannot both be so. A time is compared in ISO 8601, where it can be read."""
    first, second = str(one).strip(), str(other).strip()
    if quantity in TOLERANCES and _NUMBER.fullmatch(first) and _NUMBER.fullmatch(second):
        return abs(Decimal(first) - Decimal(second)) > TOLERANCES[quantity]
    if quantity in TIMES:
        return _times_differ(first, second)
    return _plain(first) != _plain(second)


def _times_differ(first: str, second: str) -> bool:
    one, other = _moment(first), _moment(second)
    if one is None or other is None:  # As far as both go: a day, or nothing.
        days = _DAY.match(first), _DAY.match(second)
        return bool(days[0] and days[1] and days[0].groups() != days[1].groups())
    if (one.tzinfo is None) == (other.tzinfo is None):
        return abs(one - other) >= _SECOND
    local, instant = (one, other) if one.tzinfo is None else (other, one)
    try:
        offset = local - instant.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # The first or last day of all years.
        return False
    from_quarter = min(offset % _QUARTER, -offset % _QUARTER)
    return not _WEST - _SECOND < offset < _EAST + _SECOND or from_quarter >= _SECOND


def _moment(stated: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stated) if "T" in stated else None
    except ValueError:
        return None


def _plain(text: str) -> str:
    """Without what standards and programs take away or add: letters' forms, spaces, line ends, upper case."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
