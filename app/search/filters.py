"""What a list of incidents, or of items, is narrowed to. Filters hold together; of a filter's words one. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.facts.filters import Box, Near
from app.facts.folding import fold_designation
from app.facts.weapons import WEAPONS
from app.search.marks import Group, marked

Words = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """What touches it: what ends then or later, and begins then or earlier. None: without that bound."""

    from_: datetime | None = None
    before: datetime | None = None

    @property
    def is_given(self) -> bool:
        return self.from_ is not None or self.before is not None


@dataclass(frozen=True, kw_only=True)
class ItemFilters:
    """Of an evidence item."""

    state: Words = ()
    kind: Words = ()
    fingerprint_status: Words = ()
    label: Words = ()
    """A flag that is set, ``graphic_<level>``, or ``unlabelled``."""
    verdict: Words = ()
    """The outcome that stands or waits; none of a blind round that is pending."""
    sha256: str | None = None
    registered_after: datetime | None = None
    registered_before: datetime | None = None
    claimed: Interval = Interval()
    similar_to: UUID | None = None
    similar_search: UUID | None = None
    incident: UUID | None = None
    """Linked to it."""

    def marks(self) -> list[Group]:
        return marked(
            {name: getattr(self, name) for name in ("state", "kind", "fingerprint_status", "label", "verdict")}
        )

    @property
    def is_given(self) -> bool:
        return self != ItemFilters()


@dataclass(frozen=True, kw_only=True)
class IncidentFilters:
    """Of an incident."""

    kind: Words = ()
    code: str | None = None
    weapon: Words = ()
    """Designations: as reported or as normalised, in any spelling that folds to it, or that the vocabulary knows."""
    object_kind: Words = ()
    protected_object: Words = ()
    protected_person: Words = ()
    """A group of people of whom somebody counts one at least."""
    attack_pattern: Words = ()
    grading: Words = ()
    provision: Words = ()
    occurred: Interval = Interval()
    near: Near | None = None
    box: Box | None = None

    def marks(self) -> list[Group]:
        named = (
            "kind",
            "object_kind",
            "protected_object",
            "protected_person",
            "attack_pattern",
            "grading",
            "provision",
        )
        keys = sorted({key for weapon in self.weapon for key in _keys_of(weapon)})
        return marked({**{name: getattr(self, name) for name in named}, "weapon": keys})

    @property
    def is_given(self) -> bool:
        return self != IncidentFilters()


def _keys_of(designation: str) -> set[str]:
    known = WEAPONS.find(designation)
    return {fold_designation(designation)} | (set() if known is None else {fold_designation(known.name)})
