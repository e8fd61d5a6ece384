"""The bodies that state facts, with examples, and the shape in which every fact is shown."""

from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from app.api.fact_shapes import (
    AttributionStated,
    CasualtyStated,
    CircumstanceStated,
    FactSourceShape,
    ObjectStated,
    OrganisationStated,
    RelatedStated,
    StatedShape,
    StatisticStated,
    TerritoryStated,
    WeaponShown,
    WeaponStated,
)
from app.api.http import Changed, Erased, Input
from app.api.incident_shapes import LongText, ShortText
from app.facts import models
from app.facts.kinds import Kind
from app.facts.stated import Source, Statement

What = TypeVar("What", bound=StatedShape)
_ORGANISATION = "0b7c1f0e-9f43-4e0f-8a5b-5c2b116f1f6c"
_SOURCE: JsonDict = {
    "organisation_id": _ORGANISATION,
    "document": "Statement of 18 November 2024",
    "page": "paragraph 4",
    "address": "https://example.org/statement",
    "published_on": "2024-11-18",
}


class FactCreate(Input, Generic[What]):
    """One statement: beside others, or with ``supersedes`` in the place of one."""

    model_config = ConfigDict(strict=False)

    stated: What | None = Field(description="Null withdraws what it supersedes.")
    supersedes: UUID | None = Field(
        None, description="The `id` of the version that this takes the place of; null: it stands beside the others."
    )
    reason: LongText | None = Field(None, description="Why it supersedes; of nothing else.")
    external_reference: ShortText | None = Field(
        None, description="What another system calls the fact: once in the case for this kind."
    )

    def statement(self) -> Statement:
        source = getattr(self, "source", None)
        return Statement(
            stated=None if self.stated is None else self.stated.domain(source),
            source=None if source is None else Source(**{name: getattr(source, name) for name in _SOURCE_FIELDS}),
            supersedes=self.supersedes,
            reason=self.reason,
            external_reference=self.external_reference,
        )


_SOURCE_FIELDS = tuple(FactSourceShape.model_fields)


class SourcedCreate(FactCreate[What], Generic[What]):
    source: FactSourceShape | None = Field(None, description="Who says it; of everything but a withdrawal.")


def _example(stated: JsonDict, source: JsonDict | None = _SOURCE) -> ConfigDict:
    shown: JsonDict = {"stated": stated} if source is None else {"stated": stated, "source": source}
    return ConfigDict(strict=False, json_schema_extra={"examples": [shown]})


class CasualtyCreate(SourcedCreate[CasualtyStated]):
    model_config = _example(
        {
            "outcome": "injured",
            "person_group": "civilian",
            "comparator": "more_than",
            "minimum": 100,
            "maximum": None,
            "as_reported": "More than 100 injured",
        }
    )


class ObjectCreate(SourcedCreate[ObjectStated]):
    model_config = _example(
        {
            "object_kind": "hospital",
            "name": "Children's hospital",
            "part": "Toxicology building",
            "damage": "destroyed",
            "special_protection": "protected",
            "protected_by": ["additional_protocol_1:12"],
        }
    )


class WeaponCreate(SourcedCreate[WeaponStated]):
    model_config = _example(
        {
            "category": "cruise_missile",
            "reported": "Kh-10112",
            "normalised": "Kh-101",
            "normalisation_note": "The number of footnote 12 ran into the name.",
            "method": "remnant_analysis",
            "confidence": "high",
        }
    )


class AttributionCreate(SourcedCreate[AttributionStated]):
    model_config = _example(
        {
            "party_id": _ORGANISATION,
            "level": "party",
            "confidence": "high",
            "grounds": "Only one party to the conflict has this missile.",
        }
    )


class CircumstanceCreate(SourcedCreate[CircumstanceStated]):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {
                    "stated": {
                        "aspect": "military_objective",
                        "objective": "none_found",
                        "basis": "No military object within 500 m in the imagery of the week.",
                    },
                    "source": _SOURCE,
                },
                {
                    "stated": {
                        "aspect": "front_distance",
                        "distance_m": 310_000,
                        "uncertainty_m": 10_000,
                        "distance_method": "map_of_control",
                        "basis": "To the nearest point of the line of 8 July.",
                    },
                    "source": _SOURCE,
                },
            ]
        },
    )


class RelatedCreate(SourcedCreate[RelatedStated]):
    model_config = _example(
        {
            "relation": "same_target",
            "other_incident_id": "6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11",
            "basis": "The same building was hit in March 2022.",
        }
    )


class OrganisationCreate(FactCreate[OrganisationStated]):
    model_config = _example(
        {
            "name": "Security Service of Ukraine",
            "short_name": "SBU",
            "organisation_kind": "prosecution_or_police",
            "address": "https://ssu.gov.ua",
            "aliases": ["Служба безпеки України", "СБУ"],
        },
        None,
    )


class TerritoryCreate(SourcedCreate[TerritoryStated]):
    model_config = _example(
        {
            "area": ["Ukraine", "Kyiv"],
            "control": "controlled",
            "controller_id": _ORGANISATION,
            "valid_from": "2022-04-02T00:00:00Z",
            "valid_to": None,
        }
    )


class StatisticCreate(SourcedCreate[StatisticStated]):
    model_config = _example(
        {
            "figure": "89 %",
            "counts": "Civilian casualties in government-controlled territory",
            "unit": "percent",
            "period_from": "2024-01-01",
            "period_to": "2024-10-31",
            "area": ["Ukraine"],
        }
    )


class FactShape(Changed, Generic[What]):
    """A version of a fact. The newest one of a ``fact_id`` stands, unless it withdraws."""

    id: UUID
    case_id: UUID
    incident_id: UUID | None = Field(description="Null: the fact is the case's.")
    number: int = Field(description="Counts the versions of the facts of this kind, of the incident or case, from 1.")
    fact_id: UUID = Field(description="The id of the fact's first version.")
    version: int = Field(description="Counts the fact's own versions, from 1.")
    supersedes: UUID | None
    reason: str | None
    stated: What | None = Field(description="Null: the version before was withdrawn.")
    source: FactSourceShape | None
    external_reference: str | None
    author_id: UUID
    recorded_at: datetime
    erased: list[str] = Erased


class CasualtyFactShape(FactShape[CasualtyStated]):
    """A version of a fact of this kind."""


class ObjectFactShape(FactShape[ObjectStated]):
    """A version of a fact of this kind."""


class WeaponFactShape(FactShape[WeaponShown]):
    """A version of a fact of this kind."""


class AttributionFactShape(FactShape[AttributionStated]):
    """A version of a fact of this kind."""


class CircumstanceFactShape(FactShape[CircumstanceStated]):
    """A version of a fact of this kind."""


class RelatedFactShape(FactShape[RelatedStated]):
    """A version of a fact of this kind."""


class OrganisationFactShape(FactShape[OrganisationStated]):
    """A version of a fact of this kind."""


class TerritoryFactShape(FactShape[TerritoryStated]):
    """A version of a fact of this kind."""


class StatisticFactShape(FactShape[StatisticStated]):
    """A version of a fact of this kind."""


def fact_shape(kind: Kind[models.Fact], shape: type[FactShape[What]], row: models.Fact) -> FactShape[What]:
    source = None
    if kind.has_source and not row.withdrawn:
        source = FactSourceShape.model_validate({name: getattr(row, f"source_{name}") for name in _SOURCE_FIELDS})
    return shape(
        id=row.id,
        case_id=row.case_id,
        incident_id=getattr(row, "incident_id", None),
        number=row.number,
        fact_id=row.fact_id,
        version=row.version,
        supersedes=row.supersedes,
        reason=row.reason,
        stated=None if row.withdrawn else row,
        source=source,
        external_reference=row.external_reference,
        author_id=row.author_id,
        recorded_at=row.recorded_at,
        erased=sorted({_named(kind, column) for column in row.erased}),
    )


def _named(kind: Kind[models.Fact], column: str) -> str:
    """As the API names what is in a column."""
    if column.startswith("source_"):
        return "source"
    stated = [name for name, columns in kind.sealed.items() if column in columns]
    return f"stated.{stated[0]}" if stated else column
