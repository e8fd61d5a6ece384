"""The JSON shapes of gradings, standards of proof and classifications, and how they become the domain's values."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from app.api.http import Changed, Erased, Input, Readable, Shape, WrittenText
from app.gradings.models import Classification, Grading, StandardOfProof
from app.gradings.present import Present
from app.gradings.rules import (
    MAXIMUM_BASES,
    Decision,
    Grade,
    Qualifier,
    StatedClassification,
    StatedGrading,
    StatedStandard,
)
from app.verification.models import Verdict
from app.verification.rules import Outcome

LongText = WrittenText
SourceText = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$"), Readable]
TermCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+(:[a-z0-9_()]+)?$", max_length=80)]
_NEWEST = "The id of the newest one that you read, also of a withdrawal; null: there is none yet."


class GradingCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {
                    "grade": "corroborated",
                    "rationale": "Two recordings from different streets show the same impact.",
                    "supersedes": None,
                }
            ]
        },
    )

    grade: Grade | None = Field(description="Null withdraws the one that it supersedes: then none stands.")
    rationale: LongText
    supersedes: UUID | None = Field(description=_NEWEST)
    evidence_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAXIMUM_BASES)] | None = Field(
        None, description="What it rests on: linked, signed-off items. Left out: all of them."
    )
    other_sources: list[SourceText] = Field(
        default_factory=list,
        max_length=20,
        description="Independent sources beyond the evidence, a line each, such as a report or a statement. They are "
        "counted apart from the origins of the footage, and sealed.",
    )

    def stated(self) -> StatedGrading:
        return StatedGrading(
            self.grade,
            self.rationale,
            self.supersedes,
            None if self.evidence_ids is None else tuple(self.evidence_ids),
            tuple(self.other_sources),
        )


class StandardCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {
                    "standard": "reasonable_grounds_to_believe",
                    "rationale": "Reliable and consistent footage, and nothing that contradicts it.",
                    "supersedes": None,
                }
            ]
        },
    )

    standard: TermCode | None = Field(
        description="A code of `GET /v1/vocabularies/standards_of_proof`. Null withdraws the one that it supersedes."
    )
    rationale: LongText
    supersedes: UUID | None = Field(description=_NEWEST)

    def stated(self) -> StatedStandard:
        return StatedStandard(self.standard, self.rationale, self.supersedes)


class DecisionShape(Shape):
    model_config = ConfigDict(extra="forbid", frozen=True)

    body: SourceText = Field(description="The court or body that decided.")
    reference: SourceText = Field(description="How its decision is cited.")
    decided_on: date


class ClassificationCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {
                    "qualifier": "assessed",
                    "provisions": [
                        "rome_statute:8(2)(b)(ix)",
                        "grave_violations_against_children:attacks_on_schools_or_hospitals",
                    ],
                    "rationale": "A hospital in use, marked, with no military objective near it.",
                }
            ]
        },
    )

    qualifier: Qualifier | None = Field(
        description="By whose word: somebody alleges it, the organisation's lawyers assess it so, a court or body "
        "decided it. Null withdraws the one that it supersedes."
    )
    provisions: list[TermCode] = Field(
        default_factory=list, max_length=50, description="Codes of `GET /v1/vocabularies/provisions`."
    )
    rationale: LongText
    decision: DecisionShape | None = Field(None, description="Of what is `adjudicated`, and of nothing else.")
    supersedes: UUID | None = Field(
        None, description="The one that this takes the place of; null: it stands beside the others."
    )

    def stated(self) -> StatedClassification:
        decision = self.decision
        return StatedClassification(
            self.qualifier,
            tuple(dict.fromkeys(self.provisions)),
            self.rationale,
            self.supersedes,
            None if decision is None else Decision(decision.body, decision.reference, decision.decided_on),
        )


class BasisShape(Shape):
    """An item's verdict on which a grading rests, in the version that stood then."""

    evidence_id: UUID
    verdict_id: UUID
    verdict_version: int
    outcome: Outcome


class GradingShape(Changed):
    id: UUID
    incident_id: UUID
    number: int = Field(description="Counts the incident's gradings, from 1. The last one stands.")
    grade: Grade | None = Field(description="Null: the one before was withdrawn.")
    rationale: str
    rests_on: list[BasisShape]
    rests_on_closed: int = Field(
        description="On how many more it rests of which nothing is shown any more, because consent was withdrawn. The "
        "grading does not fall with them: somebody decides that."
    )
    origins_at_least: int = Field(
        description="Independent origins of those items of `rests_on` that show the incident and whose verdict is "
        "`verified` or `partially_verified`, when it was stated; copies of one recording are one."
    )
    origins_at_most: int = Field(description="The same if every match that was open then is of other footage.")
    other_sources: list[str]
    other_source_count: int
    policy_version: int
    supersedes: UUID | None
    author_id: UUID
    recorded_at: datetime
    erased: list[str] = Erased


class StandardShape(Changed):
    id: UUID
    incident_id: UUID
    number: int = Field(description="Counts the incident's, from 1. The last one stands.")
    standard: str | None = Field(description="Null: the one before was withdrawn.")
    vocabulary: str = Field(examples=["standards_of_proof/1"])
    rationale: str
    grading_id: UUID | None = Field(description="The grading that stood when it was stated.")
    supersedes: UUID | None
    author_id: UUID
    recorded_at: datetime
    erased: list[str] = Erased


class ClassificationShape(Changed):
    id: UUID
    incident_id: UUID
    number: int = Field(description="Counts the incident's, from 1.")
    qualifier: Qualifier | None = Field(description="Null: the one that it supersedes was withdrawn.")
    provisions: list[str]
    vocabulary: str = Field(examples=["provisions/1"])
    rationale: str
    decision: DecisionShape | None
    grading_id: UUID | None = Field(description="The grading that stood when it was stated.")
    supersedes: UUID | None
    author_id: UUID
    recorded_at: datetime
    erased: list[str] = Erased


class PresentGrading(Shape):
    id: UUID
    grade: Grade


class PresentStandard(Shape):
    id: UUID
    standard: str


class PresentClassification(Shape):
    id: UUID
    qualifier: Qualifier
    provisions: list[str]


class PresentShape(Shape):
    """What is stated of an incident now; the lists behind it tell what was stated before, by whom and why."""

    grading: PresentGrading | None = None
    standard_of_proof: PresentStandard | None = None
    classifications: list[PresentClassification] = Field(
        default_factory=list, description="Those that no other took the place of."
    )


def present_shape(present: Present) -> PresentShape:
    grading, standard = present.grading, present.standard
    return PresentShape(
        grading=None if grading is None else PresentGrading(id=grading.id, grade=Grade(grading.grade or "")),
        standard_of_proof=None
        if standard is None
        else PresentStandard(id=standard.id, standard=standard.standard or ""),
        classifications=[
            PresentClassification(id=each.id, qualifier=Qualifier(each.qualifier or ""), provisions=each.provisions)
            for each in present.classifications
        ],
    )


def grading_shape(row: Grading, verdicts: Mapping[UUID, Verdict]) -> GradingShape:
    bases = [verdicts[verdict_id] for verdict_id in row.verdict_ids if verdict_id in verdicts]
    return GradingShape(
        id=row.id,
        incident_id=row.incident_id,
        number=row.number,
        grade=None if row.grade is None else Grade(row.grade),
        rationale=row.rationale,
        rests_on=[
            BasisShape(
                evidence_id=verdict.evidence_id,
                verdict_id=verdict.id,
                verdict_version=verdict.version,
                outcome=Outcome(verdict.outcome),
            )
            for verdict in bases
        ],
        rests_on_closed=len(row.verdict_ids) - len(bases),
        origins_at_least=row.origins_at_least,
        origins_at_most=row.origins_at_most,
        other_sources=row.other_sources,
        other_source_count=row.other_source_count,
        policy_version=row.policy_version,
        supersedes=row.supersedes,
        author_id=row.author_id,
        recorded_at=row.recorded_at,
        erased=row.erased,
    )


def standard_shape(row: StandardOfProof) -> StandardShape:
    return StandardShape.model_validate(row)


def classification_shape(row: Classification) -> ClassificationShape:
    decision = None
    if row.decided_on is not None:
        decision = DecisionShape(body=row.body or "", reference=row.decision_reference or "", decided_on=row.decided_on)
    return ClassificationShape(
        id=row.id,
        incident_id=row.incident_id,
        number=row.number,
        qualifier=None if row.qualifier is None else Qualifier(row.qualifier),
        provisions=row.provisions,
        vocabulary=row.vocabulary,
        rationale=row.rationale,
        decision=decision,
        grading_id=row.grading_id,
        supersedes=row.supersedes,
        author_id=row.author_id,
        recorded_at=row.recorded_at,
        erased=sorted({_DECISION_FIELDS.get(column, column) for column in row.erased}),
    )


_DECISION_FIELDS = {"body": "decision.body", "decision_reference": "decision.reference"}
