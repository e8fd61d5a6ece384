"""When a month of a schedule begins and ends: on a day of the month, in a time zone. Pure.

A day begins at the first moment that the zone's clocks show its date: where they skip midnight, or the whole day, at
the moment of the skip; where they show midnight twice, the first time. So every moment is in one month.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

LAST_DAY = 28
"""Every month has it."""


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month: ``2026-11``."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    def next(self) -> "Month":
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Of what ``str`` gave."""
        return cls(int(text[:4]), int(text[5:]))


def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """In UTC."""
    midnight = datetime.combine(day, time(), zone)
    shown = midnight.astimezone(UTC)
    if shown.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return shown
    # Clocks skip this midnight: with the offset after the skip it lies before the skip, with that before it after.
    earlier, later = midnight.replace(fold=1).astimezone(UTC), shown
    while later - earlier > timedelta(microseconds=1):
        middle = earlier + (later - earlier) / 2
        if middle.astimezone(zone).date() >= day:
            later = middle
        else:
            earlier = middle
    return later


def limits(month: Month, day: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first moment of a month that begins on this day of it, and that of the next."""
    following = month.next()
    return (
        first_moment(date(month.year, month.number, day), zone),
        first_moment(date(following.year, following.number, day), zone),
    )


def month_at(moment: datetime, day: int, zone: ZoneInfo) -> Month:
    """The month that a moment is in."""
    local = moment.astimezone(zone)
    month = Month(local.year, local.month)
    while limits(month, day, zone)[0] > moment:
        month = Month(month.year - (month.number == 1), (month.number - 2) % 12 + 1)
    while limits(month, day, zone)[1] <= moment:
        month = month.next()
    return month


def ended_months(first: Month, day: int, zone: ZoneInfo, now: datetime, grace: timedelta) -> Iterator[Month]:
    """Every month from the first on that ended at least so long ago, in order."""
    month = first
    while limits(month, day, zone)[1] + grace <= now:
        yield month
        month = month.next()
