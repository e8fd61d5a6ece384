"""What each kind of fact states, and which of it fits together. Pure; the fields are named as their columns.

``check`` of each raises FactDoesNotFit; the database refuses the same.
"""

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.facts.errors import FactDoesNotFit
from app.facts.weapons import WEAPONS
from app.facts.words import (
    Aspect,
    AttackPattern,
    AttributionLevel,
    CasualtyOutcome,
    Comparator,
    Control,
    Damage,
    DistanceMethod,
    IdentificationMethod,
    IncidentRelation,
    MilitaryObjective,
    ObjectKind,
    OrganisationKind,
    PersonGroup,
    SpecialProtection,
    StatedConfidence,
    Unit,
    WeaponCategory,
)
from app.gradings.errors import UnknownTerm
from app.gradings.vocabularies import PROVISIONS

MAXIMUM_COUNT = 10_000_000
MAXIMUM_DISTANCE_M = 20_100_000
"""Half of the way round the Earth."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Who says it, in which document, on which page, published where and when; and the item that keeps a copy."""

    organisation_id: UUID
    document: str | None = None
    page: str | None = None
    address: str | None = None
    published_on: date | None = None
    evidence_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What a fact states. Its organisations are those that it names besides its source's."""

    def columns(self) -> dict[str, Any]:
        """Column → value."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def organisations(self) -> dict[str, UUID]:
        """Column → organisation."""
        found = {name: getattr(self, name) for name in ORGANISATION_COLUMNS if hasattr(self, name)}
        return {name: value for name, value in found.items() if value is not None}

    def check(self) -> None:
        """Raises FactDoesNotFit, UnknownTerm."""


ORGANISATION_COLUMNS = ("identified_by_id", "attributed_by_id", "party_id", "controller_id")


@dataclass(frozen=True, kw_only=True)
class CasualtyCount(Stated):
    """How many people of a group, as one source bounds it. ``maximum`` None: open."""

    outcome: CasualtyOutcome
    person_group: PersonGroup
    comparator: Comparator
    minimum: int
    maximum: int | None
    as_reported: str

    def check(self) -> None:
        low, high = self.minimum, self.maximum
        fits = {
            Comparator.EXACT: high == low,
            Comparator.AT_LEAST: high is None,
            Comparator.MORE_THAN: high is None,
            Comparator.ABOUT: high is not None and low <= high,
            Comparator.UP_TO: high is not None and low <= high,
        }
        if not fits[self.comparator]:
            raise FactDoesNotFit(COMPARATOR_RULE, extra={"field": "stated.maximum"})


COMPARATOR_RULE = (
    "'exact' has the same 'minimum' and 'maximum'; 'at_least' and 'more_than' have no 'maximum', and as 'minimum' the "
    "number that was printed; 'about' and 'up_to' have both, in order."
)


@dataclass(frozen=True, kw_only=True)
class AffectedObject(Stated):
    """What was hit, or a part of it."""

    object_kind: ObjectKind
    name: str | None
    part: str | None
    damage: Damage | None
    """None: the source does not say."""
    special_protection: SpecialProtection
    protected_by: tuple[str, ...]
    """Codes of the vocabulary of provisions."""
    protection_basis: str | None

    def check(self) -> None:
        if self.special_protection is SpecialProtection.PROTECTED and not (self.protected_by or self.protection_basis):
            raise FactDoesNotFit(
                "Special protection has a basis: codes in 'protected_by', or words in 'protection_basis'.",
                extra={"field": "stated.protection_basis"},
            )
        unknown = [code for code in self.protected_by if code not in PROVISIONS.by_code]
        if unknown:
            raise UnknownTerm(f"Not in {PROVISIONS.version}: {unknown[0]}.", extra={"unknown": unknown})


@dataclass(frozen=True, kw_only=True)
class WeaponIdentification(Stated):
    """Which weapon it was, by whose word: as that reported it, and by the name that it is known by."""

    category: WeaponCategory
    reported: str
    normalised: str | None
    normalisation_note: str | None
    identified_by_id: UUID
    method: IdentificationMethod
    confidence: StatedConfidence

    def check(self) -> None:
        if self.normalised is None:
            return
        if self.normalised != self.reported and self.normalisation_note is None:
            raise FactDoesNotFit(
                "Say in 'normalisation_note' why another name than the reported one is meant.",
                extra={"field": "stated.normalisation_note"},
            )
        known = WEAPONS.find(self.normalised)
        if known is not None and known.category is not self.category:
            raise FactDoesNotFit(
                f"In {WEAPONS.version} '{known.name}' is a '{known.category}'.", extra={"field": "stated.category"}
            )


@dataclass(frozen=True, kw_only=True)
class Attribution(Stated):
    """Who did it, by whose word. ``detail``: the unit or person, where the level is below the party."""

    party_id: UUID
    level: AttributionLevel
    detail: str | None
    attributed_by_id: UUID
    confidence: StatedConfidence
    grounds: str

    def check(self) -> None:
        if (self.level is AttributionLevel.PARTY) is not (self.detail is None):
            raise FactDoesNotFit(
                "'detail' names the force, unit or person of every level below 'party', and of none else.",
                extra={"field": "stated.detail"},
            )


@dataclass(frozen=True, kw_only=True)
class Circumstance(Stated):
    """One aspect, and the fields of that aspect alone."""

    aspect: Aspect
    objective: MilitaryObjective | None = None
    pattern: AttackPattern | None = None
    distance_m: int | None = None
    uncertainty_m: int | None = None
    """The true distance is nearer to the stated one than this."""
    distance_method: DistanceMethod | None = None
    basis: str

    def check(self) -> None:
        given = {name for name in _ASPECT_FIELDS if getattr(self, name) is not None}
        needed = _FIELDS_OF[self.aspect]
        if given != needed:
            raise FactDoesNotFit(
                f"'{self.aspect}' has {', '.join(sorted(needed))}, and nothing of another aspect.",
                extra={"field": f"stated.{min(given ^ needed)}"},
            )


_FIELDS_OF = {
    Aspect.MILITARY_OBJECTIVE: {"objective"},
    Aspect.ATTACK_PATTERN: {"pattern"},
    Aspect.FRONT_DISTANCE: {"distance_m", "uncertainty_m", "distance_method"},
}
_ASPECT_FIELDS = ("objective", "pattern", "distance_m", "uncertainty_m", "distance_method")


@dataclass(frozen=True, kw_only=True)
class RelatedIncident(Stated):
    """What the incident has to do with another one of its case."""

    relation: IncidentRelation
    other_incident_id: UUID
    basis: str


@dataclass(frozen=True, kw_only=True)
class Organisation(Stated):
    """Who publishes, identifies, is named as a party or holds an area. ``aliases``: its names in other scripts."""

    name: str
    short_name: str | None
    organisation_kind: OrganisationKind
    address: str | None
    aliases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TerritoryControl(Stated):
    """Who held an area from a moment on, until before another (None: until further notice), as one source says."""

    area: tuple[str, ...]
    """Administrative units from the country downwards, as incidents name them."""
    control: Control
    controller_id: UUID | None
    valid_from: datetime
    valid_to: datetime | None
    basis: str | None

    def check(self) -> None:
        if not self.area:
            raise FactDoesNotFit("Name the area from the country downwards.", extra={"field": "stated.area"})
        if (self.control is Control.CONTROLLED) is not (self.controller_id is not None):
            raise FactDoesNotFit(
                "'controlled' has a 'controller_id', 'contested' has none.", extra={"field": "stated.controller_id"}
            )
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise FactDoesNotFit("'valid_to' is after 'valid_from'.", extra={"field": "stated.valid_to"})


@dataclass(frozen=True, kw_only=True)
class ExternalStatistic(Stated):
    """Another organisation's figure as printed: kept beside what is computed here, and never merged with it."""

    figure: str
    counts: str
    unit: Unit
    period_from: date
    period_to: date
    area: tuple[str, ...]

    def check(self) -> None:
        if self.period_to < self.period_from:
            raise FactDoesNotFit("'period_to' is before 'period_from'.", extra={"field": "stated.period_to"})


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of a fact. ``stated`` None: it withdraws what it supersedes."""

    stated: Stated | None
    source: Source | None
    supersedes: UUID | None = None
    reason: str | None = None
    """Why it supersedes."""
    external_reference: str | None = None
    """What another system calls the fact: unique in the case for its kind, and of a fact's first version."""

    def check(self, *, has_source: bool) -> None:
        """Raises FactDoesNotFit, UnknownTerm."""
        is_first = self.supersedes is None
        if is_first is not (self.reason is None):
            raise FactDoesNotFit("What supersedes has a 'reason', and nothing else has.", extra={"field": "reason"})
        if self.stated is None and (is_first or self.source is not None):
            raise FactDoesNotFit(
                "A withdrawal names in 'supersedes' what it withdraws, and has no source.", extra={"field": "stated"}
            )
        if self.stated is not None and has_source is not (self.source is not None):
            raise FactDoesNotFit("A fact has a source.", extra={"field": "source"})
        if self.external_reference is not None and not is_first:
            raise FactDoesNotFit(
                "The external reference is that of the fact's first version.", extra={"field": "external_reference"}
            )
        if self.stated is not None:
            self.stated.check()
