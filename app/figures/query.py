"""A question for figures, and its canonical form: what an answer carries, and by what it can be asked again. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.facts.filters import Box, Near
from app.figures.proof import FORM
from app.figures.words import METHOD_BITS, By, Measure
from app.kernel.primitives import canonical_json, format_time, sha256_hex

MAXIMUM_LEVEL = 10
MAXIMUM_CASES = 50


@dataclass(frozen=True)
class Filters:
    """By what incidents are chosen: all that are given must hold, of each one of its words. Empty: anything."""

    incident: frozenset[UUID] = frozenset()
    kind: frozenset[str] = frozenset()
    weapon: str | None = None
    """A designation: found as normalised and as reported, in any spelling that folds to it."""
    object_kind: frozenset[str] = frozenset()
    protected_object: frozenset[str] = frozenset()
    protected_person: frozenset[str] = frozenset()
    attack_pattern: frozenset[str] = frozenset()
    control: frozenset[str] = frozenset()
    """Ids of organisations, ``contested``, ``unknown``."""
    grading: frozenset[str] = frozenset()
    provision: frozenset[str] = frozenset()
    qualifier: frozenset[str] = frozenset()
    method: frozenset[str] = frozenset()
    """Of verified items, and of incidents that have one."""
    label: frozenset[str] = frozenset()
    """The same."""
    verdict: frozenset[str] = frozenset()
    """``verified``: incidents that have a verified item."""
    occurred_from: datetime | None = None
    occurred_before: datetime | None = None
    """It surely happened within: its whole interval lies between the two."""
    area: tuple[str, ...] = ()
    """Administrative units from the country downwards."""
    near: Near | None = None
    box: Box | None = None

    @property
    def is_of_incidents(self) -> bool:
        """Whether items count by their incidents alone, and not those that are in none."""
        return bool(self.document().keys() - {"method", "label", "verdict"})

    def document(self) -> dict[str, Any]:
        """What is given, canonically: words in order, times in UTC, places in millionths of a degree."""
        found: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, frozenset):
                written: Any = sorted(str(each) for each in value)
            elif isinstance(value, datetime):
                written = format_time(value)
            elif isinstance(value, Near | Box):
                written = value.document()
            else:
                written = list(value) if isinstance(value, tuple) else value
            if written:
                found[name] = written
        return found


@dataclass(frozen=True)
class FigureQuery:
    measure: Measure
    cases: tuple[UUID, ...]
    by: By | None = None
    level: int = 1
    """Of places: 1 is the country."""
    filters: Filters = field(default_factory=Filters)

    def document(self) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "form": FORM,
            "measure": str(self.measure),
            "cases": sorted(str(case) for case in set(self.cases)),
            "filters": self.filters.document(),
        }
        if self.by is not None:
            asked["by"] = str(self.by)
        if self.by is By.PLACE:
            asked["level"] = self.level
        return asked

    def canonical(self) -> bytes:
        """RFC 8785."""
        return canonical_json(self.document())

    @property
    def sha256(self) -> str:
        return sha256_hex(self.canonical())


def can_be_by(measure: Measure, by: By | None) -> bool:
    """Items alone have a media type; and an incident is one."""
    if by is By.MEDIA_TYPE:
        return measure is Measure.ITEMS
    return by is not By.INCIDENT or measure is not Measure.INCIDENTS


def read_query(document: Mapping[str, Any]) -> FigureQuery:
    """The question that this is the canonical form of. Raises ValueError, TypeError, KeyError."""
    if document["form"] != FORM:
        raise ValueError("another form")
    named = document.get("by")
    by = None if named is None else By(named)
    measure = Measure(document["measure"])
    if not can_be_by(measure, by):
        raise ValueError("nobody can ask this")
    level = _whole(document.get("level", 1))
    cases = tuple(UUID(_text(case)) for case in document["cases"])
    if not 1 <= level <= MAXIMUM_LEVEL or not 1 <= len(cases) <= MAXIMUM_CASES:
        raise ValueError("nobody can ask this")
    return FigureQuery(measure, cases, by, level, _read_filters(document["filters"]))


def _read_filters(document: Mapping[str, Any]) -> Filters:
    found: dict[str, Any] = {}
    for name, written in document.items():
        default = Filters.__dataclass_fields__[name].default
        if isinstance(default, frozenset):
            found[name] = frozenset(UUID(_text(word)) if name == "incident" else _text(word) for word in written)
        elif name in ("occurred_from", "occurred_before"):
            found[name] = datetime.fromisoformat(_text(written))
        elif name == "area":
            found[name] = tuple(_text(unit) for unit in written)
        elif name in ("near", "box"):
            found[name] = _read_place(name, [_whole(number) for number in written])
        else:
            found[name] = _text(written)
    if not set(METHOD_BITS).issuperset(found.get("method", ())):
        raise ValueError("no such method")
    return Filters(**found)


def _read_place(name: str, numbers: list[int]) -> Near | Box:
    place = Near(*numbers) if name == "near" else Box(*numbers)
    if any(abs(number) > 2**31 - 1 for number in numbers):
        raise ValueError("no such place")
    return place


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise TypeError("not a text")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("not a whole number")
    return value
