"""What facts leave in the incident's stream, and in the case's for those that are the case's.

One pair of types for every kind: ``kind`` says which, ``stated`` holds its words, numbers, times and ids, and each text
is sealed by itself. A withdrawal is a superseding entry without ``stated`` that has the ``reason_code`` ``withdrawn``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from app.ledger.event import Event, sealed


@dataclass(frozen=True, kw_only=True)
class _FactStated(Event):
    kind: str
    id: UUID
    fact: UUID
    """The id of its first version."""
    version: int
    number: int
    supersedes: UUID | None = None
    stated: Mapping[str, Any] | None = None
    source_organisation: UUID | None = None
    source_evidence: UUID | None = None
    source_published_on: str | None = None
    """``YYYY-MM-DD``."""
    source: Mapping[str, str] | None = sealed(default=None)
    """Document, page and address."""
    external_reference: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class _OfIncident(_FactStated):
    as_reported: str | None = sealed(default=None)
    name: str | None = sealed(default=None)
    part: str | None = sealed(default=None)
    protection_basis: str | None = sealed(default=None)
    reported: str | None = sealed(default=None)
    normalised: str | None = sealed(default=None)
    normalisation_note: str | None = sealed(default=None)
    detail: str | None = sealed(default=None)
    grounds: str | None = sealed(default=None)
    basis: str | None = sealed(default=None)
    pseudonym: str | None = sealed(default=None)
    text: str | None = sealed(default=None)
    taken_by: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class IncidentFactRecorded(_OfIncident):
    TYPE: ClassVar[str] = "incident.fact_recorded"


@dataclass(frozen=True, kw_only=True)
class IncidentFactSuperseded(_OfIncident):
    TYPE: ClassVar[str] = "incident.fact_superseded"


@dataclass(frozen=True, kw_only=True)
class _OfCase(_FactStated):
    name: str | None = sealed(default=None)
    short_name: str | None = sealed(default=None)
    address: str | None = sealed(default=None)
    aliases: tuple[str, ...] | None = sealed(default=None)
    area: tuple[str, ...] | None = sealed(default=None)
    basis: str | None = sealed(default=None)
    figure: str | None = sealed(default=None)
    counts: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class CaseFactRecorded(_OfCase):
    TYPE: ClassVar[str] = "case.fact_recorded"


@dataclass(frozen=True, kw_only=True)
class CaseFactSuperseded(_OfCase):
    TYPE: ClassVar[str] = "case.fact_superseded"
