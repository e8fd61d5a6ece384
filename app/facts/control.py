"""Who held a place when an incident happened, from intervals that sources state. Pure.

The smallest administrative unit of the incident decides of which anything is stated for its time; wider ones are asked
only where nothing is. What is stated there must agree and must cover the whole interval in which the incident happened:

- ``known``: every statement that touches the interval names the same controller (or that it was contested), and
  together they leave no gap in it;
- ``unknown``, because: ``no_time`` or ``no_place`` is stated of the incident; ``not_covered``: nothing is stated of any
  of its units for its time; ``partly_covered``: only for some of it; ``sources_disagree``: two sources name different
  controllers; ``changed_meanwhile``: one source names different ones, one after the other, within the interval.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.facts.folding import fold_area
from app.facts.words import Control


class Unresolved(StrEnum):
    NO_TIME = "no_time"
    NO_PLACE = "no_place"
    NOT_COVERED = "not_covered"
    PARTLY_COVERED = "partly_covered"
    SOURCES_DISAGREE = "sources_disagree"
    CHANGED_MEANWHILE = "changed_meanwhile"


@dataclass(frozen=True)
class Held:
    """One source's statement: from a moment on, until before another one (None: until further notice)."""

    id: UUID
    area_key: str
    control: Control
    controller_id: UUID | None
    source_organisation_id: UUID
    valid_from: datetime
    valid_to: datetime | None

    @property
    def holder(self) -> tuple[Control, UUID | None]:
        return self.control, self.controller_id

    def touches(self, since: datetime, until: datetime) -> bool:
        return self.valid_from <= until and (self.valid_to is None or self.valid_to > since)


@dataclass(frozen=True)
class Resolved:
    """``unknown`` None: ``control`` and ``controller_id`` say who. ``based_on``: the statements that were looked at."""

    unknown: Unresolved | None
    control: Control | None = None
    controller_id: UUID | None = None
    based_on: tuple[UUID, ...] = ()


def area_keys(units: Sequence[str]) -> list[str]:
    """Of the incident's administrative units, the smallest first."""
    return [fold_area(tuple(units[:count])) for count in range(len(units), 0, -1)]


def resolve_control(
    units: Sequence[str], since: datetime | None, until: datetime | None, stated: Iterable[Held]
) -> Resolved:
    """``units``: from the country downwards. ``since`` and ``until``: between when and when it happened, inclusive."""
    if since is None or until is None:
        return Resolved(Unresolved.NO_TIME)
    if not units:
        return Resolved(Unresolved.NO_PLACE)
    touching = [each for each in stated if each.touches(since, until)]
    for key in area_keys(units):
        here = sorted((each for each in touching if each.area_key == key), key=lambda each: (each.valid_from, each.id))
        if here:
            return _agreed(here, since, until)
    return Resolved(Unresolved.NOT_COVERED)


def _agreed(here: Sequence[Held], since: datetime, until: datetime) -> Resolved:
    based_on = tuple(each.id for each in here)
    holders = {each.holder for each in here}
    if len(holders) > 1:
        by_source: dict[UUID, set[tuple[Control, UUID | None]]] = {}
        for each in here:
            by_source.setdefault(each.source_organisation_id, set()).add(each.holder)
        agree = all(said == holders for said in by_source.values())
        return Resolved(Unresolved.CHANGED_MEANWHILE if agree else Unresolved.SOURCES_DISAGREE, based_on=based_on)
    if not _covered(here, since, until):
        return Resolved(Unresolved.PARTLY_COVERED, based_on=based_on)
    return Resolved(None, here[0].control, here[0].controller_id, based_on)


def _covered(here: Sequence[Held], since: datetime, until: datetime) -> bool:
    """``here`` in the order of beginnings."""
    reached = since
    for each in here:
        if each.valid_from > reached:
            return False
        if each.valid_to is None or each.valid_to > until:
            return True
        reached = max(reached, each.valid_to)
    return False
