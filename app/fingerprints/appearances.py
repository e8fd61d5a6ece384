"""The earliest known appearance of pictures: by when they existed, and by what this is known.

When this system received them is measured; when they were acquired, what date is claimed, and what a file says of
itself are claims of people and of files. So each answer names its basis, and the earliest of each basis is told.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.media.acquisition import from_stored
from app.media.claim_reading import claimed_moments
from app.media.models import Decoding, Evidence, EvidenceCorrection
from app.media.rules import FingerprintStatus

EARLIEST_BELIEVED = datetime(1990, 1, 1, tzinfo=UTC)
"""Before it no camera wrote the time into a file: such a time is a clock that was not set, or a zero."""
WESTERNMOST = timedelta(hours=12)
"""The latest that a time without a zone may mean: UTC-12."""
STATED_TIMES = ("acquired_at", "claimed_from", "claimed_to")


class Basis(StrEnum):
    REGISTERED = "registered"
    """When this system received the item, or, before it has bytes, registered it: measured."""
    ACQUIRED = "acquired"
    """When the collector acquired it, as they state."""
    CLAIMED = "claimed"
    """The beginning of the time at which it is claimed to have been recorded."""
    FILE = "file"
    """A time that the file says of itself."""


@dataclass(frozen=True, slots=True)
class Appearance:
    evidence_id: UUID
    at: datetime
    """The pictures existed then, if the basis is true. Of a time without a zone: the latest that it may mean."""
    basis: Basis
    claim: str | None = None
    """Of a file's: which one, such as ``exif taken_at``."""
    stated: str | None = None
    """Of a file's: in ISO 8601, without an offset where it has none."""
    ends: datetime | None = None
    """Of a claimed interval: its end, if one is stated."""

    @property
    def certainly_by(self) -> datetime:
        """The latest moment that this may mean: by then the pictures existed, if the basis is true."""
        return self.at if self.ends is None else max(self.at, self.ends)


@dataclass(frozen=True, slots=True)
class Earliest:
    """The earliest by each basis, the earliest of all first."""

    by_basis: tuple[Appearance, ...]

    @property
    def first(self) -> Appearance | None:
        return self.by_basis[0] if self.by_basis else None

    def is_before(self, other: "Earliest") -> bool:
        return self.first is not None and (other.first is None or self.first.at < other.first.at)


def earliest_of(session: Session, evidence_ids: Collection[UUID]) -> Earliest:
    """In three questions, however many items there are (no permission check)."""
    found: dict[Basis, Appearance] = {}
    for one in _appearances(session, list(evidence_ids)):
        known = found.get(one.basis)
        if known is None or (one.at, one.evidence_id) < (known.at, known.evidence_id):
            found[one.basis] = one
    order = list(Basis)
    return Earliest(tuple(sorted(found.values(), key=lambda one: (one.at, order.index(one.basis)))))


def first_certain_of(session: Session, evidence_ids: Collection[UUID]) -> dict[UUID, Appearance]:
    """Of each item the appearance that is certain soonest, in three questions for all of them (no permission check)."""
    order = list(Basis)
    found: dict[UUID, Appearance] = {}
    for one in _appearances(session, list(evidence_ids)):
        known = found.get(one.evidence_id)
        if known is None or (one.certainly_by, order.index(one.basis)) < (
            known.certainly_by,
            order.index(known.basis),
        ):
            found[one.evidence_id] = one
    return found


def _appearances(session: Session, evidence_ids: list[UUID]) -> Iterator[Appearance]:
    received_at = func.coalesce(Evidence.received_at, Evidence.registered_at).label("received_at")
    columns = (Evidence.id, received_at, Evidence.acquired_at, Evidence.claimed_from, Evidence.claimed_to)
    rows = session.execute(select(*columns).where(_among(Evidence.id, evidence_ids))).all()
    corrected = _corrections(session, evidence_ids)
    for row in rows:
        yield Appearance(row.id, row.received_at, Basis.REGISTERED)
        acquired_at = corrected.get((row.id, "acquired_at"), row.acquired_at)
        if acquired_at is not None:
            yield Appearance(row.id, acquired_at, Basis.ACQUIRED)
        claimed_from = corrected.get((row.id, "claimed_from"), row.claimed_from)
        if claimed_from is not None:
            claimed_to = corrected.get((row.id, "claimed_to"), row.claimed_to)
            yield Appearance(row.id, claimed_from, Basis.CLAIMED, ends=claimed_to)
    received = {row.id: row.received_at for row in rows}
    for evidence_id, claims in _claims(session, evidence_ids):
        yield from _of_file(evidence_id, received[evidence_id], claims)


def _corrections(session: Session, evidence_ids: list[UUID]) -> dict[tuple[UUID, str], Any]:
    """What the stated times read now, where they were corrected; the last correction counts."""
    query = select(EvidenceCorrection.evidence_id, EvidenceCorrection.field, EvidenceCorrection.value)
    query = query.where(
        _among(EvidenceCorrection.evidence_id, evidence_ids), EvidenceCorrection.field.in_(STATED_TIMES)
    )
    rows = session.execute(query.order_by(EvidenceCorrection.number))
    return {(row.evidence_id, row.field): from_stored(row.field, row.value) for row in rows}


def _claims(session: Session, evidence_ids: list[UUID]) -> Iterator[tuple[UUID, Mapping[str, Any]]]:
    """What the files of these items say of themselves, by every decoding. Not before an item was decoded itself: what
    another one on the same bytes left behind would tell that somebody else holds them."""
    is_settled = or_(Evidence.fingerprint_status != FingerprintStatus.PENDING, Evidence.settled_decoding > 0)
    query = select(Evidence.id, Decoding.claims).join(Decoding, Decoding.blob_sha256 == Evidence.blob_sha256)
    query = query.where(and_(_among(Evidence.id, evidence_ids), is_settled))
    for row in session.execute(query):
        yield row.id, row.claims


def _among(column: InstrumentedAttribute[UUID], evidence_ids: list[UUID]) -> ColumnElement[bool]:
    """One value for the database, however many ids there are."""
    return column == any_(literal(evidence_ids, ARRAY(Uuid)))


def _of_file(evidence_id: UUID, received_at: datetime, claims: Mapping[str, Any]) -> Iterator[Appearance]:
    for claim in claimed_moments(claims):
        assert claim.moment is not None
        moment = datetime.fromisoformat(claim.moment)
        if not EARLIEST_BELIEVED.year <= moment.year <= received_at.year + 1:
            continue  # Among them years that no other zone's calendar has.
        at = moment.replace(tzinfo=UTC) + WESTERNMOST if moment.tzinfo is None else moment.astimezone(UTC)
        if EARLIEST_BELIEVED <= at <= received_at:
            yield Appearance(evidence_id, at, Basis.FILE, f"{claim.source} {claim.name}", claim.moment)
