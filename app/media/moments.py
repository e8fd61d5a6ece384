"""Moments that a file claims, written as ISO 8601 where they can be read. Pure.

An instant without an offset stays without one: it is the time of an unknown zone, and no zone is guessed.
"""

import re
from collections.abc import Mapping
from datetime import datetime

_EXIF = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?", re.ASCII)
_OFFSET = re.compile(r"\s*(Z|[+-]\d\d:?\d\d)", re.ASCII)
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)", re.ASCII)
_DAY_MINUTES = 24 * 60


def iso_moment(stated: str, *, offset: str | None = None, subsecond: str | None = None) -> str | None:
    """``2024:05:06 07:08:09``, or ISO 8601 as containers write it, in ISO 8601; None for what is no moment.

    ``offset`` and ``subsecond`` are EXIF's tags beside it; what stands in the text itself comes first.
    """
    found = _EXIF.match(stated.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction = found.groups()
    moment = f"{year}-{month}-{day}T{hour}:{minute}:{second}"
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return None
    rest = stated.strip()[found.end() :]
    zone = iso_offset(rest) if rest else iso_offset(offset or "")
    if rest and zone is None:
        return None
    digits = fraction or (subsecond or "").strip()
    return moment + (f".{digits}" if re.fullmatch(r"\d{1,9}", digits, re.ASCII) else "") + (zone or "")


def iso_offset(stated: str) -> str | None:
    """``+02:00`` or ``Z``; None for what is no offset of less than a day."""
    found = _OFFSET.fullmatch(stated.rstrip())
    if found is None:
        return None
    zone = found.group(1)
    if zone == "Z":
        return zone
    sign, hours, minutes = zone[0], int(zone[1:3]), int(zone[-2:])
    return f"{sign}{hours:02}:{minutes:02}" if minutes < 60 and hours * 60 + minutes < _DAY_MINUTES else None


def gps_moment(claims: Mapping[str, object]) -> str | None:
    """The satellites' time, which is UTC, of ``{"date_utc", "time_utc"}``."""
    date, time = str(claims.get("date_utc", "")), str(claims.get("time_utc", ""))
    return iso_moment(f"{date} {time}", offset="Z") if _DATE.fullmatch(date) else None
