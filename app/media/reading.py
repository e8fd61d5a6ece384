"""Queries about evidence items: lists, one item with all that is known of it, exact duplicates."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, bindparam, case, or_, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import Grant, authorise, may, visible_cases
from app.kernel.database import is_one_of
from app.kernel.errors import Forbidden
from app.kernel.primitives import utc_now
from app.ledger.positions import Position, standing_at
from app.media.closing import is_closed, is_open, may_touch_closed
from app.media.items import find_evidence
from app.media.models import Blob, Decoding, Derivative, Evidence, EvidenceCorrection, EvidenceVersion
from app.media.progress import Progress, progress_of
from app.media.rules import OPERATIONS, OUTCOME_RANKS, FingerprintStatus, State, Transition, events_from
from app.media.service import corrections_of, current_values
from app.media.versions import as_it_stood, evidence_at

DUPLICATES_SHOWN = 100
UNLABELLED = "unlabelled"
MAX_DECODINGS = 2**31 - 1

_RANK = case(OUTCOME_RANKS, value=Decoding.outcome, else_=0)

# Asked by most readings of items and lists: made anew they would take longer than their answers.
_AMONG: BindParameter[UUID] = bindparam("ids", expanding=True)
_ITEMS_OF = select(Evidence, Blob).outerjoin(Blob, Blob.sha256 == Evidence.blob_sha256).where(Evidence.id.in_(_AMONG))
_CORRECTED_FIELDS = (
    select(EvidenceCorrection.evidence_id, EvidenceCorrection.field)
    .distinct()
    .where(EvidenceCorrection.evidence_id.in_(_AMONG))
    .order_by(EvidenceCorrection.field)
)
_DECODINGS = (
    select(Decoding)
    .where(Decoding.blob_sha256 == bindparam("sha256"), Decoding.number <= bindparam("last"))
    .order_by(_RANK.desc(), Decoding.number.desc())
)
_BEST_DECODING = _DECODINGS.limit(1)
_LATEST_DECODING = (
    select(Decoding).where(Decoding.blob_sha256 == bindparam("sha256")).order_by(Decoding.number.desc()).limit(1)
)


@dataclass(frozen=True, kw_only=True)
class EvidenceFilter:
    """What a list is narrowed to; None, or nothing: not narrowed by it."""

    states: Sequence[str] = ()
    kinds: Sequence[str] = ()
    fingerprint_statuses: Sequence[str] = ()
    labels: Sequence[str] = ()
    """Flags that are set, ``graphic_<level>``, or ``unlabelled``: one of them."""
    sha256: str | None = None
    registered_after: datetime | None = None
    registered_before: datetime | None = None
    withdrawn: bool = False
    """Only those that a withdrawn consent closes, to those who carry it out; else only those that none closes."""


@dataclass(frozen=True)
class ItemDetails:
    """One item and everything known of it without its content."""

    evidence: Evidence
    blob: Blob | None
    corrections: list[EvidenceCorrection]
    current: dict[str, Any]
    """The correctable fields as they read now."""
    claims: dict[str, Any] | None
    """What the file says of itself; None until this item was fingerprinted, and of what a withdrawn consent closed."""
    decoding: Decoding | None
    """By which this item was fingerprinted last; None until it was."""
    kept: Decoding | None
    """Where that one got less far than an earlier one: that one, whose results stay in force."""
    progress: Progress | None
    """How far its decoding has come; None when it is not being decoded."""
    possible_events: list[Transition]
    """Those that the state allows and the caller's roles and token permit; a person's guards are not looked at."""
    at: Position | None = None
    """As of which all of this stood, and nothing was possible but what was done; None: now."""


def list_evidence(
    session: Session,
    actor: Actor,
    case_id: UUID,
    *,
    narrowed: EvidenceFilter,
    after: tuple[datetime, UUID] | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[tuple[Evidence, Blob | None]]:
    """The items of a case, in the order of their registration."""
    grant = authorise(session, actor, case_id, Operation.READ_METADATA)
    if narrowed.withdrawn and not may_touch_closed(grant.roles, Operation.READ_WITHDRAWN):
        raise Forbidden("Withdrawn items are listed to the case's coordinators and custodians.")
    held = Evidence if at is None else EvidenceVersion
    conditions = [Evidence.case_id == case_id, *_conditions(narrowed, held)]
    conditions.append(~is_open() if narrowed.withdrawn else is_open())
    if after is not None:
        conditions.append(tuple_(Evidence.registered_at, Evidence.id) > after)
    order = (Evidence.registered_at, Evidence.id)
    if at is None:
        query = select(Evidence, Blob).outerjoin(Blob, Blob.sha256 == Evidence.blob_sha256)
        return session.execute(query.where(*conditions).order_by(*order).limit(limit)).all()
    dated = select(Evidence, Blob, EvidenceVersion).join(EvidenceVersion, EvidenceVersion.id == Evidence.id)
    dated = dated.outerjoin(Blob, Blob.sha256 == EvidenceVersion.blob_sha256).where(*conditions)
    dated = dated.where(standing_at(at, EvidenceVersion.act, EvidenceVersion.until_act))
    rows = session.execute(dated.order_by(*order).limit(limit))
    return [(as_it_stood(evidence, version), blob) for evidence, blob, version in rows]


def items_of(session: Session, evidence_ids: Sequence[UUID]) -> list[tuple[Evidence, Blob | None]]:
    """These items, in this order (no permission check: for who found the ids)."""
    rows = {evidence.id: (evidence, blob) for evidence, blob in session.execute(_ITEMS_OF, {"ids": list(evidence_ids)})}
    return [rows[evidence_id] for evidence_id in evidence_ids]


def corrected_fields(
    session: Session, evidence_ids: Collection[UUID], at: Position | None = None
) -> dict[UUID, list[str]]:
    """The fields of these items that were corrected, in one query; items without any are left out."""
    query = _CORRECTED_FIELDS if at is None else _CORRECTED_FIELDS.where(standing_at(at, EvidenceCorrection.act))
    found: dict[UUID, list[str]] = {}
    for evidence_id, field in session.execute(query, {"ids": list(evidence_ids)}):
        found.setdefault(evidence_id, []).append(field)
    return found


def _conditions(narrowed: EvidenceFilter, held: type[Evidence] | type[EvidenceVersion]) -> list[ColumnElement[bool]]:
    """``held``: the columns that say how the items stand, or stood."""
    conditions: list[ColumnElement[bool]] = []
    if narrowed.states:
        conditions.append(held.state.in_(narrowed.states))
    if narrowed.kinds:
        conditions.append(Blob.kind.in_(narrowed.kinds))
    if narrowed.fingerprint_statuses:
        conditions.append(held.fingerprint_status.in_(narrowed.fingerprint_statuses))
    if narrowed.sha256 is not None:
        conditions.append(held.blob_sha256 == narrowed.sha256)
    if narrowed.registered_after is not None:
        conditions.append(Evidence.registered_at > narrowed.registered_after)
    if narrowed.registered_before is not None:
        conditions.append(Evidence.registered_at < narrowed.registered_before)
    if narrowed.labels:
        conditions.append(or_(*(_has_label(label, held) for label in narrowed.labels)))
    return conditions


def _has_label(label: str, held: type[Evidence] | type[EvidenceVersion]) -> ColumnElement[bool]:
    if label == UNLABELLED:
        return held.labels.is_(None)
    if label.startswith("graphic_"):
        return held.labels.contains({"graphic_level": label.removeprefix("graphic_")})
    return held.labels.contains({label: True})


def get_evidence(session: Session, actor: Actor, evidence_id: UUID, *, at: Position | None = None) -> ItemDetails:
    """One item, to whom it is open now, as it stands or stood. Raises NotFound, Forbidden."""
    evidence, grant = find_evidence(session, actor, evidence_id, Operation.READ_WITHDRAWN)
    if at is not None:
        return _details_at(session, evidence, at)
    return _details(session, actor, evidence, grant)


def item_details(session: Session, actor: Actor, evidence: Evidence) -> ItemDetails:
    """The same of an item at hand, for routes that just changed it. Raises NotFound, Forbidden."""
    return _details(session, actor, evidence, authorise(session, actor, evidence.case_id, Operation.READ_METADATA))


def _details(session: Session, actor: Actor, evidence: Evidence, grant: Grant) -> ItemDetails:
    blob = None if evidence.blob_sha256 is None else session.get(Blob, evidence.blob_sha256)
    corrections = corrections_of(session, evidence.id)
    decoding, best = _decodings(session, evidence)
    return ItemDetails(
        evidence,
        blob,
        corrections,
        current_values(evidence, corrections),
        _open_claims(evidence, best),
        decoding,
        None if best is decoding else best,
        progress_of(session, evidence),
        _events_for(actor, grant, evidence),
    )


def _open_claims(evidence: Evidence, decoding: Decoding | None) -> dict[str, Any] | None:
    is_open_now = not is_closed(evidence.closed_at, utc_now())
    return decoding.claims if decoding is not None and is_open_now else None


def _details_at(session: Session, evidence: Evidence, at: Position) -> ItemDetails:
    stood = evidence_at(session, evidence, at)
    corrections = corrections_of(session, evidence.id, at)
    # Given up before it had results of its own: which ones its bytes had by then, no act of this item says.
    decoding, best = _decodings(session, stood) if stood.settled_decoding else (None, None)
    return ItemDetails(
        stood,
        None if stood.blob_sha256 is None else session.get(Blob, stood.blob_sha256),
        corrections,
        current_values(stood, corrections),
        _open_claims(evidence, best),
        decoding,
        None if best is decoding else best,
        None,
        [],
        at,
    )


def _events_for(actor: Actor, grant: Grant, evidence: Evidence) -> list[Transition]:
    events = [event for event in events_from(State(evidence.state), evidence.blind) if event in OPERATIONS]
    return [event for event in events if may(actor, grant, OPERATIONS[event])]


def _decodings(session: Session, evidence: Evidence) -> tuple[Decoding | None, Decoding | None]:
    """By which the item was fingerprinted last, and which of all until then got furthest."""
    if evidence.blob_sha256 is None or not has_own_results(evidence):
        return None, None
    # An item that was given up before it had results shows what its bytes gave all the same.
    last = evidence.settled_decoding or MAX_DECODINGS
    found = session.scalars(_DECODINGS, {"sha256": evidence.blob_sha256, "last": last}).all()
    latest = max(found, key=lambda decoding: decoding.number, default=None)
    return latest, found[0] if found else None


def has_own_results(evidence: Evidence) -> bool:
    """Whether what decoding its bytes gave may be shown with the item. Not while it waits for its first fingerprints:
    what another item on the same bytes left behind would tell that somebody else holds them."""
    return evidence.fingerprint_status != FingerprintStatus.PENDING or evidence.settled_decoding > 0


def latest_decoding(session: Session, sha256: str) -> Decoding | None:
    return session.scalar(_LATEST_DECODING, {"sha256": sha256})


def best_decoding(session: Session, sha256: str, *, up_to: int | None = None) -> Decoding | None:
    """The latest of those decodings that got furthest; ``up_to``: of those with this number or a lower one."""
    last = MAX_DECODINGS if up_to is None else up_to
    return session.scalar(_BEST_DECODING, {"sha256": sha256, "last": last})


def claimed_lengths_ms(session: Session, sha256s: Collection[str]) -> dict[str, int]:
    """What files claim of their length, by the decodings that got furthest; those that claim none are left out."""
    if not sha256s:
        return {}
    best = (
        select(Decoding.blob_sha256, Decoding.claims["duration_ms"])
        .where(is_one_of(Decoding.blob_sha256, sha256s))
        .ext(distinct_on(Decoding.blob_sha256))
        .order_by(Decoding.blob_sha256, _RANK.desc(), Decoding.number.desc())
    )
    return {sha256: length for sha256, length in session.execute(best) if isinstance(length, int)}


def find_derivative(session: Session, sha256: str, kind: str) -> Derivative | None:
    """The newest of its kind."""
    query = select(Derivative).where(Derivative.blob_sha256 == sha256, Derivative.kind == kind)
    return session.scalar(query.order_by(Derivative.made_at.desc(), Derivative.id).limit(1))


def exact_duplicates(session: Session, actor: Actor, evidence: Evidence) -> Sequence[Evidence]:
    """Other items on the same bytes in cases that the actor may see, the oldest first, at most 100."""
    if evidence.blob_sha256 is None:
        return []
    query = (
        select(Evidence)
        .where(
            Evidence.blob_sha256 == evidence.blob_sha256,
            Evidence.id != evidence.id,
            Evidence.case_id.in_(visible_cases(actor)),
            is_open(),
        )
        .order_by(Evidence.registered_at, Evidence.id)
        .limit(DUPLICATES_SHOWN)
    )
    return session.scalars(query).all()
