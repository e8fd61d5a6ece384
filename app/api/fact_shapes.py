"""The JSON shapes of what facts state, the same for stating and reading, and how they become the domain's values."""

from datetime import date
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from app.api.grading_shapes import SourceText, TermCode
from app.api.http import Moment, Readable, Shape
from app.api.incident_shapes import LongText, ShortText
from app.facts import stated
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
from app.kernel.database import ERASED

PrintedText = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$"), Readable]
OrganisationId = Annotated[UUID, Field(description="An organisation's `fact_id`.")]
Metres = Annotated[int, Field(ge=0, le=stated.MAXIMUM_DISTANCE_M, description="Metres.")]
People = Annotated[int, Field(ge=0, le=stated.MAXIMUM_COUNT)]


def _web_address(text: str) -> str:
    if not text.startswith(("https://", "http://")) and text != ERASED:
        raise ValueError("an address begins with https:// or http://")
    return text


Address = Annotated[
    str,
    StringConstraints(min_length=8, max_length=2000, pattern=r"^[^\s\x00]+$"),
    AfterValidator(_web_address),
]


class StatedShape(Shape):
    """``DOMAIN``: the dataclass with the same fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    DOMAIN: ClassVar[type[stated.Stated]]

    def domain(self, source: "FactSourceShape | None") -> stated.Stated:
        """The value that the service takes."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return self.DOMAIN(**{name: _hashable(value) for name, value in self.completed(values, source).items()})

    def completed(self, values: dict[str, Any], source: "FactSourceShape | None") -> dict[str, Any]:
        """With what is left out because the source says it."""
        return values


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class FactSourceShape(Shape):
    """Who says it, where it stands, and the evidence item that keeps a copy of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    organisation_id: OrganisationId
    document: SourceText | None = Field(None, examples=["Statement of 18 November 2024"])
    page: SourceText | None = Field(None, description="Page, paragraph or time in it.")
    address: Address | None = None
    published_on: date | None = None
    evidence_id: UUID | None = Field(None, description="An item of the same case: the archived copy.")


class CasualtyStated(StatedShape):
    """How many people of a group, as one source bounds it."""

    DOMAIN = stated.CasualtyCount

    outcome: CasualtyOutcome
    person_group: PersonGroup = Field(
        description="Groups overlap (a child is a civilian too): counts of two groups are never added."
    )
    comparator: Comparator = Field(
        description="`exact`: minimum and maximum are the same. `at_least`, `more_than`: the minimum is the number "
        "printed, the maximum is null. `about`, `up_to`: both are given."
    )
    minimum: People
    maximum: People | None = Field(None, description="Null: open.")
    as_reported: PrintedText = Field(description="The source's own words, in its language.")


class ObjectStated(StatedShape):
    """What was hit, or a part of it: state parts that were damaged differently one by one."""

    DOMAIN = stated.AffectedObject

    object_kind: ObjectKind
    name: ShortText | None = None
    part: ShortText | None = None
    damage: Damage | None = Field(None, description="Null: the source does not say.")
    special_protection: SpecialProtection = SpecialProtection.UNKNOWN
    protected_by: list[TermCode] = Field(
        default_factory=list, max_length=20, description="Codes of `GET /v1/vocabularies/provisions`."
    )
    protection_basis: LongText | None = None


class WeaponStated(StatedShape):
    """Which weapon it was, by whose word."""

    DOMAIN = stated.WeaponIdentification

    category: WeaponCategory
    reported: ShortText = Field(description="The designation exactly as printed.", examples=["Kh-10112"])
    normalised: ShortText | None = Field(
        None,
        description="The name that is meant; in the spelling of `GET /v1/vocabularies/weapons` where it is there.",
        examples=["Kh-101"],
    )
    normalisation_note: LongText | None = Field(None, description="Why another name than the printed one is meant.")
    identified_by_id: OrganisationId | None = Field(None, description="Left out: the source's organisation.")
    method: IdentificationMethod = IdentificationMethod.NOT_STATED
    confidence: StatedConfidence = StatedConfidence.NOT_STATED

    def completed(self, values: dict[str, Any], source: FactSourceShape | None) -> dict[str, Any]:
        return _said_by(values, "identified_by_id", source)


class WeaponShown(WeaponStated):
    vocabulary: str = Field(description="The vocabulary of weapons when it was stated.", examples=["weapons/1"])


class AttributionStated(StatedShape):
    """Who did it, by whose word."""

    DOMAIN = stated.Attribution

    party_id: OrganisationId
    level: AttributionLevel
    detail: ShortText | None = Field(None, description="The force, unit or person, of every level below `party`.")
    attributed_by_id: OrganisationId | None = Field(None, description="Left out: the source's organisation.")
    confidence: StatedConfidence = StatedConfidence.NOT_STATED
    grounds: LongText

    def completed(self, values: dict[str, Any], source: FactSourceShape | None) -> dict[str, Any]:
        return _said_by(values, "attributed_by_id", source)


class CircumstanceStated(StatedShape):
    """One aspect, and the fields of that aspect alone."""

    DOMAIN = stated.Circumstance

    aspect: Aspect
    objective: MilitaryObjective | None = Field(None, description="Of `military_objective`.")
    pattern: AttackPattern | None = Field(None, description="Of `attack_pattern`.")
    distance_m: Metres | None = Field(None, description="Of `front_distance`: from the place to the front, in metres.")
    uncertainty_m: Metres | None = Field(None, description="The true distance differs by this at the most.")
    distance_method: DistanceMethod | None = Field(None, description="How the distance was found.")
    basis: LongText


class RelatedStated(StatedShape):
    """What the incident has to do with another one of its case."""

    DOMAIN = stated.RelatedIncident

    relation: IncidentRelation = Field(
        description="`part_of`: the other one is its parent, of which it has one at the most, and never in a circle."
    )
    other_incident_id: UUID
    basis: LongText


class OrganisationStated(StatedShape):
    """Who publishes, identifies, is named as a party or holds an area."""

    DOMAIN = stated.Organisation

    name: ShortText
    short_name: ShortText | None = None
    organisation_kind: OrganisationKind
    address: Address | None = Field(None, description="Where it publishes.")
    aliases: list[ShortText] = Field(
        default_factory=list, max_length=30, description="Other names and names in other scripts."
    )


class TerritoryStated(StatedShape):
    """Who held an area, from a moment on until before another."""

    DOMAIN = stated.TerritoryControl

    area: list[ShortText] = Field(
        max_length=8, description="Administrative units from the country downwards, as incidents name them."
    )
    control: Control
    controller_id: OrganisationId | None = Field(None, description="Of `controlled`; `contested` has none.")
    valid_from: Moment
    valid_to: Moment | None = Field(None, description="Exclusive; null: until further notice.")
    basis: LongText | None = None


class StatisticStated(StatedShape):
    """Another organisation's figure, kept as printed and merged with none of ours."""

    DOMAIN = stated.ExternalStatistic

    figure: ShortText = Field(description="As printed.", examples=["89 %"])
    counts: PrintedText = Field(description="What it counts, in the source's words.")
    unit: Unit
    period_from: date
    period_to: date = Field(description="Inclusive.")
    area: list[ShortText] = Field(default_factory=list, max_length=8)


def _said_by(values: dict[str, Any], column: str, source: FactSourceShape | None) -> dict[str, Any]:
    if values[column] is not None or source is None:
        return values
    return {**values, column: source.organisation_id}
