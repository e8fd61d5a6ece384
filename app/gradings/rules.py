"""The words of a grading and of a legal classification, and what they need. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from app.gradings.errors import (
    AdjudicationIncomplete,
    NothingToWithdraw,
    SourcesMissing,
    UnknownTerm,
    WithdrawalStatesSomething,
)
from app.gradings.vocabularies import PROVISIONS, STANDARDS, Vocabulary

MAXIMUM_BASES = 200
"""Verdicts that one grading names: what an entry holds with room to spare."""


class Grade(StrEnum):
    """How far an incident is established."""

    CONFIRMED = "confirmed"
    CORROBORATED = "corroborated"
    SINGLE_SOURCE = "single_source"
    CONTESTED = "contested"
    DISCOUNTED = "discounted"
    UNDER_VERIFICATION = "under_verification"


class Qualifier(StrEnum):
    """Who says that a provision applies: somebody, the organisation's own lawyers, a court or body that decided it."""

    ALLEGED = "alleged"
    ASSESSED = "assessed"
    ADJUDICATED = "adjudicated"


SOURCES_NEEDED: Mapping[Grade, int] = MappingProxyType(
    {Grade.CONFIRMED: 2, Grade.CORROBORATED: 2, Grade.SINGLE_SOURCE: 1}
)
"""Independent sources that a grade claims, at the least; the database holds the same."""


@dataclass(frozen=True)
class Decision:
    """What adjudicated: the court or body, how its decision is cited, and when it was given."""

    body: str
    reference: str
    decided_on: date


@dataclass(frozen=True)
class StatedGrading:
    """``grade`` None: withdraws the one that it supersedes. ``evidence_ids`` None: everything that can be rested on."""

    grade: Grade | None
    rationale: str
    supersedes: UUID | None
    evidence_ids: tuple[UUID, ...] | None = None
    other_sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class StatedStandard:
    """``standard`` None: withdraws the one that it supersedes."""

    standard: str | None
    rationale: str
    supersedes: UUID | None


@dataclass(frozen=True)
class StatedClassification:
    """``qualifier`` None: withdraws the one that it supersedes. Without ``supersedes`` it stands beside the others."""

    qualifier: Qualifier | None
    provisions: tuple[str, ...]
    rationale: str
    supersedes: UUID | None
    decision: Decision | None = None


def require_sources(grade: Grade | None, *, origins: int, others: int) -> None:
    """``origins``: independent ones of the footage, at the least. Raises SourcesMissing."""
    needed = 0 if grade is None else SOURCES_NEEDED.get(grade, 0)
    if origins + others < needed:
        raise SourcesMissing(
            f"'{grade}' needs {needed} independent sources at the least: the signed-off items that it rests on and "
            f"that show the incident have {origins}, and {others} besides are named.",
            extra={"origins_at_least": origins, "other_sources": others, "needed": needed},
        )


def require_nothing_stated(grade: Grade | None, evidence_ids: Collection[UUID] | None, others: Collection[str]) -> None:
    """A withdrawal rests on nothing. Raises WithdrawalStatesSomething."""
    if grade is None and (evidence_ids or others):
        raise WithdrawalStatesSomething("Without a grade there is nothing that would rest on evidence or sources.")


def require_standing(supersedes: UUID | None, *, is_withdrawal: bool, is_withdrawn: bool) -> None:
    """A withdrawal is of something that stands. Raises NothingToWithdraw."""
    if is_withdrawal and (supersedes is None or is_withdrawn):
        raise NothingToWithdraw("Name what is withdrawn in 'supersedes': one that states something.")


def require_standard(standard: str | None) -> None:
    """Raises UnknownTerm."""
    if standard is not None:
        _require_known(STANDARDS, (standard,))


def require_classification(stated: StatedClassification) -> None:
    """Raises UnknownTerm, AdjudicationIncomplete, WithdrawalStatesSomething."""
    _require_known(PROVISIONS, stated.provisions)
    if stated.qualifier is None and (stated.provisions or stated.decision is not None):
        raise WithdrawalStatesSomething("Without a qualifier there are no provisions and no decision.")
    if stated.qualifier is not None and not stated.provisions:
        raise AdjudicationIncomplete("Name the provisions: GET /v1/vocabularies/provisions lists them.")
    if (stated.qualifier is Qualifier.ADJUDICATED) is not (stated.decision is not None):
        raise AdjudicationIncomplete(
            "'adjudicated' names the body, its decision's reference and its date; nothing else does."
        )


def _require_known(vocabulary: Vocabulary, codes: Collection[str]) -> None:
    unknown = [code for code in codes if code not in vocabulary.by_code]
    if unknown:
        raise UnknownTerm(f"Not in {vocabulary.version}: {unknown[0]}.", extra={"unknown": unknown})
