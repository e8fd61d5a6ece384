"""Facts of incidents and of cases: one table a kind. None of these rows is ever changed.

A fact is a line of versions: each supersedes the one before, and the newest one stands unless it withdraws. What a row
states is null in a withdrawal. ``case_id`` stands in each, so that the database itself holds organisations, incidents
and references to one case.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.facts.stated import MAXIMUM_COUNT, MAXIMUM_DISTANCE_M
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
from app.kernel.database import Acted, Base, Erasable, UtcTime, one_of


class Fact(Acted, Erasable):
    """What every row of a fact has. ``number`` counts the kind's rows in its scope, from 1."""

    __tablename__: Any
    SCOPE = "incident_id"
    """The column that names the stream of its entries."""

    id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-3)
    number: Mapped[int] = mapped_column(sort_order=-1)
    version: Mapped[int] = mapped_column(sort_order=-1)
    """Counts the fact's own, from 1."""
    fact_id: Mapped[UUID] = mapped_column(sort_order=-1)
    """The id of its first version: what others name."""
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it supersedes."""
    withdrawn: Mapped[bool]
    external_reference: Mapped[str | None] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(UtcTime)

    @declared_attr
    def case_id(cls) -> Mapped[UUID]:
        return mapped_column(ForeignKey("cases.id"), sort_order=-2)

    @declared_attr
    def supersedes(cls) -> Mapped[UUID | None]:
        return mapped_column(ForeignKey(f"{cls.__tablename__}.id"), sort_order=-1)

    @declared_attr
    def author_id(cls) -> Mapped[UUID]:
        return mapped_column(ForeignKey("accounts.id"))


class OfIncident(Fact):
    incident_id: Mapped[UUID] = mapped_column(sort_order=-2)


class Sourced:
    """Who says it, where; the names are those of ``app.facts.stated.Source``."""

    source_organisation_id: Mapped[UUID | None]
    source_document: Mapped[str | None] = mapped_column(Text)
    source_page: Mapped[str | None] = mapped_column(Text)
    source_address: Mapped[str | None] = mapped_column(Text)
    source_published_on: Mapped[date | None] = mapped_column(Date)

    @declared_attr
    def source_evidence_id(cls) -> Mapped[UUID | None]:
        return mapped_column(ForeignKey("evidence.id"))


def _arguments(
    table: str,
    scope: str,
    *more: Any,
    needs: tuple[str, ...],
    may: tuple[str, ...] = (),
    organisations: tuple[str, ...] = (),
) -> tuple[Any, ...]:
    """Constraints of every kind. ``needs``: the columns that are null in a withdrawal and in nothing else; ``may``:
    other columns of what is stated."""
    if "source_organisation_id" in needs:
        may = (*may, "source_document", "source_page", "source_address", "source_published_on", "source_evidence_id")
    made: list[Any] = [
        UniqueConstraint(scope, "number", name=f"uq_{table}_number"),
        UniqueConstraint("supersedes", name=f"uq_{table}_supersedes"),
        UniqueConstraint("case_id", "external_reference", name=f"uq_{table}_external_reference"),
        CheckConstraint(
            "(version = 1) = (supersedes IS NULL) AND (version = 1) = (fact_id = id)", name="first_version"
        ),
        CheckConstraint("(supersedes IS NULL) = (reason IS NULL)", name="supersedes_with_reason"),
        CheckConstraint("NOT withdrawn OR supersedes IS NOT NULL", name="withdraws_something"),
        CheckConstraint("external_reference IS NULL OR version = 1", name="reference_of_first"),
        *(CheckConstraint(f"withdrawn = ({column} IS NULL)", name=f"states_{column}") for column in needs),
        CheckConstraint(f"NOT withdrawn OR num_nonnulls({', '.join(may)}) = 0", name="withdrawal_states_nothing"),
    ]
    if scope == "incident_id":
        made.append(_in_case(table, "incident_id", "incidents"))
        is_known = text("source_evidence_id IS NOT NULL")
        made.append(Index(f"ix_{table}_source_evidence_id", "source_evidence_id", postgresql_where=is_known))
    made += [_in_case(table, column, "organisations") for column in organisations]
    return (*made, *more)


def _in_case(table: str, column: str, other: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint([column, "case_id"], [f"{other}.id", f"{other}.case_id"], name=f"fk_{table}_{column}")


class CasualtyCount(OfIncident, Sourced, Base):
    """One source's count. One stands at a time for an outcome, a group and an organisation."""

    __tablename__ = "casualty_counts"
    __table_args__ = _arguments(
        "casualty_counts",
        "incident_id",
        one_of("outcome", tuple(CasualtyOutcome)),
        one_of("person_group", tuple(PersonGroup)),
        one_of("comparator", tuple(Comparator)),
        CheckConstraint(
            f"minimum BETWEEN 0 AND {MAXIMUM_COUNT} AND maximum BETWEEN minimum AND {MAXIMUM_COUNT}"
            " AND (comparator IN ('at_least', 'more_than')) = (maximum IS NULL)"
            " AND (comparator <> 'exact' OR maximum = minimum)",
            name="comparator_and_bounds",
        ),
        CheckConstraint("as_reported <> ''", name="as_reported_given"),
        needs=("outcome", "person_group", "comparator", "minimum", "as_reported", "source_organisation_id"),
        may=("maximum",),
        organisations=("source_organisation_id",),
    )

    outcome: Mapped[str | None] = mapped_column(Text)
    person_group: Mapped[str | None] = mapped_column(Text)
    comparator: Mapped[str | None] = mapped_column(Text)
    minimum: Mapped[int | None]
    maximum: Mapped[int | None]
    as_reported: Mapped[str | None] = mapped_column(Text)


class AffectedObject(OfIncident, Sourced, Base):
    __tablename__ = "affected_objects"
    __table_args__ = _arguments(
        "affected_objects",
        "incident_id",
        one_of("object_kind", tuple(ObjectKind)),
        one_of("damage", tuple(Damage)),
        one_of("special_protection", tuple(SpecialProtection)),
        CheckConstraint(
            "special_protection <> 'protected' OR cardinality(protected_by) > 0 OR protection_basis IS NOT NULL",
            name="protection_has_a_basis",
        ),
        needs=("object_kind", "special_protection", "protected_by", "source_organisation_id"),
        may=("name", "part", "damage", "protection_basis"),
        organisations=("source_organisation_id",),
    )

    object_kind: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    part: Mapped[str | None] = mapped_column(Text)
    damage: Mapped[str | None] = mapped_column(Text)
    special_protection: Mapped[str | None] = mapped_column(Text)
    protected_by: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    protection_basis: Mapped[str | None] = mapped_column(Text)


class WeaponIdentification(OfIncident, Sourced, Base):
    """``reported_key`` and ``normalised_key``: by which it is found; ``app.facts.folding``."""

    __tablename__ = "weapon_identifications"
    __table_args__ = _arguments(
        "weapon_identifications",
        "incident_id",
        one_of("category", tuple(WeaponCategory)),
        one_of("method", tuple(IdentificationMethod)),
        one_of("confidence", tuple(StatedConfidence)),
        CheckConstraint(
            "reported <> '' AND (reported IS NULL) = (reported_key IS NULL)"
            " AND (normalised IS NULL) = (normalised_key IS NULL) AND (normalised IS NULL OR reported IS NOT NULL)",
            name="keys_of_names",
        ),
        Index("ix_weapon_identifications_reported_key", "case_id", "reported_key"),
        Index("ix_weapon_identifications_normalised_key", "case_id", "normalised_key"),
        needs=(
            *("category", "reported", "identified_by_id", "method", "confidence", "vocabulary"),
            "source_organisation_id",
        ),
        may=("normalised", "normalisation_note"),
        organisations=("source_organisation_id", "identified_by_id"),
    )

    category: Mapped[str | None] = mapped_column(Text)
    reported: Mapped[str | None] = mapped_column(Text)
    reported_key: Mapped[str | None] = mapped_column(Text)
    normalised: Mapped[str | None] = mapped_column(Text)
    normalised_key: Mapped[str | None] = mapped_column(Text)
    normalisation_note: Mapped[str | None] = mapped_column(Text)
    identified_by_id: Mapped[UUID | None]
    method: Mapped[str | None] = mapped_column(Text)
    confidence: Mapped[str | None] = mapped_column(Text)
    vocabulary: Mapped[str | None] = mapped_column(Text)
    """The vocabulary of weapons when it was stated."""


class Attribution(OfIncident, Sourced, Base):
    __tablename__ = "attributions"
    __table_args__ = _arguments(
        "attributions",
        "incident_id",
        one_of("level", tuple(AttributionLevel)),
        one_of("confidence", tuple(StatedConfidence)),
        CheckConstraint("(level <> 'party') = (detail IS NOT NULL)", name="detail_below_party"),
        needs=("party_id", "level", "attributed_by_id", "confidence", "grounds", "source_organisation_id"),
        may=("detail",),
        organisations=("source_organisation_id", "party_id", "attributed_by_id"),
    )

    party_id: Mapped[UUID | None]
    level: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    attributed_by_id: Mapped[UUID | None]
    confidence: Mapped[str | None] = mapped_column(Text)
    grounds: Mapped[str | None] = mapped_column(Text)


class Circumstance(OfIncident, Sourced, Base):
    """One aspect of the incident: a military objective, a pattern, or how far the front was."""

    __tablename__ = "circumstances"
    __table_args__ = _arguments(
        "circumstances",
        "incident_id",
        one_of("aspect", tuple(Aspect)),
        one_of("objective", tuple(MilitaryObjective)),
        one_of("pattern", tuple(AttackPattern)),
        one_of("distance_method", tuple(DistanceMethod)),
        CheckConstraint(
            "(aspect IS NOT DISTINCT FROM 'military_objective') = (objective IS NOT NULL)"
            " AND (aspect IS NOT DISTINCT FROM 'attack_pattern') = (pattern IS NOT NULL)"
            " AND (aspect IS NOT DISTINCT FROM 'front_distance') = (distance_m IS NOT NULL)"
            " AND (distance_m IS NULL) = (uncertainty_m IS NULL)"
            " AND (distance_m IS NULL) = (distance_method IS NULL)",
            name="fields_of_aspect",
        ),
        CheckConstraint(
            f"distance_m BETWEEN 0 AND {MAXIMUM_DISTANCE_M} AND uncertainty_m BETWEEN 0 AND {MAXIMUM_DISTANCE_M}",
            name="distance_on_earth",
        ),
        needs=("aspect", "basis", "source_organisation_id"),
        may=("objective", "pattern", "distance_m"),
        organisations=("source_organisation_id",),
    )

    aspect: Mapped[str | None] = mapped_column(Text)
    objective: Mapped[str | None] = mapped_column(Text)
    pattern: Mapped[str | None] = mapped_column(Text)
    distance_m: Mapped[int | None]
    uncertainty_m: Mapped[int | None]
    distance_method: Mapped[str | None] = mapped_column(Text)
    basis: Mapped[str | None] = mapped_column(Text)


class RelatedIncident(OfIncident, Sourced, Base):
    __tablename__ = "related_incidents"
    __table_args__ = _arguments(
        "related_incidents",
        "incident_id",
        one_of("relation", tuple(IncidentRelation)),
        CheckConstraint("other_incident_id <> incident_id", name="other_than_itself"),
        _in_case("related_incidents", "other_incident_id", "incidents"),
        Index("ix_related_incidents_other_incident_id", "other_incident_id"),
        needs=("relation", "other_incident_id", "basis", "source_organisation_id"),
        organisations=("source_organisation_id",),
    )

    relation: Mapped[str | None] = mapped_column(Text)
    other_incident_id: Mapped[UUID | None]
    basis: Mapped[str | None] = mapped_column(Text)


class Organisation(Fact, Base):
    """Others name its ``fact_id``."""

    SCOPE = "case_id"
    __tablename__ = "organisations"
    __table_args__ = _arguments(
        "organisations",
        "case_id",
        one_of("organisation_kind", tuple(OrganisationKind)),
        CheckConstraint("name <> ''", name="name_given"),
        UniqueConstraint("id", "case_id", name="uq_organisations_id_case_id"),
        needs=("name", "name_key", "organisation_kind", "aliases"),
        may=("short_name", "address"),
    )

    name: Mapped[str | None] = mapped_column(Text)
    name_key: Mapped[str | None] = mapped_column(Text)
    short_name: Mapped[str | None] = mapped_column(Text)
    organisation_kind: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    aliases: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


class TerritoryControl(Fact, Sourced, Base):
    """``area_key``: the folded units, by which an incident's place is found in it."""

    SCOPE = "case_id"
    __tablename__ = "territory_controls"
    __table_args__ = _arguments(
        "territory_controls",
        "case_id",
        one_of("control", tuple(Control)),
        CheckConstraint(
            "(control IS NOT DISTINCT FROM 'controlled') = (controller_id IS NOT NULL)", name="controller_named"
        ),
        CheckConstraint("valid_from < valid_to", name="interval_in_order"),
        Index("ix_territory_controls_area_key", "case_id", "area_key"),
        needs=("area", "area_key", "control", "valid_from", "source_organisation_id"),
        may=("controller_id", "valid_to", "basis"),
        organisations=("source_organisation_id", "controller_id"),
    )

    area: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    area_key: Mapped[str | None] = mapped_column(Text)
    control: Mapped[str | None] = mapped_column(Text)
    controller_id: Mapped[UUID | None]
    valid_from: Mapped[datetime | None] = mapped_column(UtcTime)
    valid_to: Mapped[datetime | None] = mapped_column(UtcTime)
    basis: Mapped[str | None] = mapped_column(Text)


class ExternalStatistic(Fact, Sourced, Base):
    SCOPE = "case_id"
    __tablename__ = "external_statistics"
    __table_args__ = _arguments(
        "external_statistics",
        "case_id",
        one_of("unit", tuple(Unit)),
        CheckConstraint("period_from <= period_to", name="period_in_order"),
        CheckConstraint("figure <> '' AND counts <> ''", name="figure_given"),
        needs=("figure", "counts", "unit", "period_from", "period_to", "area", "source_organisation_id"),
        organisations=("source_organisation_id",),
    )

    figure: Mapped[str | None] = mapped_column(Text)
    counts: Mapped[str | None] = mapped_column(Text)
    unit: Mapped[str | None] = mapped_column(Text)
    period_from: Mapped[date | None] = mapped_column(Date)
    period_to: Mapped[date | None] = mapped_column(Date)
    area: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
