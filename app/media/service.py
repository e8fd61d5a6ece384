"""Changes of evidence items: leads, receiving, preservation, labels, corrections."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.access.actors import Actor, system_stream
from app.access.rules import Operation
from app.blobs.store import ReadBack, ReadBackOutcome, StoredBlob
from app.cases.events import EvidenceRegistered
from app.cases.service import Grant, authorise
from app.kernel.errors import WrongState
from app.kernel.primitives import Sha256Hex, new_id, utc_now
from app.ledger import log
from app.ledger.event import EntryActor
from app.ledger.positions import Position, standing_at
from app.media.acquisition import CORRECTABLE, TIMES, Acquisition, from_stored, require_plausible_times, to_stored
from app.media.assessment import latest_assessment, require_safe_to_collect
from app.media.errors import NoGround, UncorrectableField
from app.media.events import (
    EvidenceCollected,
    EvidenceCorrected,
    EvidenceLabelled,
    EvidencePreserved,
    EvidenceQuarantined,
    LeadDeclined,
    LeadRegistered,
)
from app.media.items import entry_object, lock_evidence, move
from app.media.models import Blob, Evidence, EvidenceCorrection
from app.media.rules import DeclineReason, FingerprintStatus, State, Transition
from app.media.sniff import sniff
from app.media.turns import PRESERVING, turn_of
from app.unit_of_work import UnitOfWork

STORE = "local"
PRESERVE = "preserve"
FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class ReceivedFile:
    """A file that is durable in the blob store, as the server measured it."""

    blob: StoredBlob
    head: bytes
    """Its first bytes, as many as :data:`app.media.sniff.HEAD_BYTES`."""
    name: str | None
    media_type_claimed: str | None


def system_actor(session: Session) -> EntryActor:
    """The installation itself, as the actor of what a job does."""
    return EntryActor(system_stream(session), "system", None)


def register_lead(uow: UnitOfWork, actor: Actor, case_id: UUID, *, address: str | None, claim: str | None) -> Evidence:
    """An address or claim without bytes. Raises NoGround."""
    grant = authorise(uow.session, actor, case_id, Operation.RECEIVE_EVIDENCE)
    if address is None and claim is None:
        raise NoGround("State 'lead_address', 'lead_claim' or both.")
    evidence = _new_item(grant, State.LEAD, lead_address=address, lead_claim=claim)
    _register(uow, grant, evidence)
    uow.record(
        LeadRegistered(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            address=address,
            claim=claim,
        )
    )
    return evidence


def decline_lead(
    uow: UnitOfWork,
    actor: Actor,
    evidence_id: UUID,
    *,
    version: int,
    reason_code: DeclineReason,
    reason: str | None = None,
) -> Evidence:
    """A lead that is not taken. Raises WrongState."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.DECLINE_LEAD, version=version)
    move(evidence, Transition.DECLINE)
    evidence.reason_code = reason_code
    assessment = latest_assessment(uow.session, evidence_id)
    uow.record(
        LeadDeclined(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            assessment=None if assessment is None else assessment.id,
            reason_code=reason_code,
            reason=reason,
        )
    )
    return evidence


def receive_evidence(
    uow: UnitOfWork,
    actor: Actor,
    case_id: UUID,
    *,
    file: ReceivedFile,
    acquisition: Acquisition,
    labels: Mapping[str, Any] | None = None,
    idempotency_sha256: Sha256Hex | None = None,
) -> Evidence:
    """A new item on bytes that are durable already. Raises AcquiredInFuture, ClaimedIntervalReversed."""
    grant = authorise(uow.session, actor, case_id, Operation.RECEIVE_EVIDENCE)
    blob = _keep_blob(uow.session, file)
    evidence = _new_item(grant, State.COLLECTED)
    _fill(evidence, grant, blob, file, acquisition)
    _register(uow, grant, evidence)
    _record_collected(uow, grant, evidence, blob, idempotency_sha256)
    if labels is not None:
        _label(uow, grant, evidence, labels)
    return evidence


def receive_for_lead(
    uow: UnitOfWork,
    actor: Actor,
    evidence_id: UUID,
    *,
    version: int,
    file: ReceivedFile,
    acquisition: Acquisition,
    labels: Mapping[str, Any] | None = None,
    idempotency_sha256: Sha256Hex | None = None,
) -> Evidence:
    """The bytes of a lead. Raises WrongState and CollectingUnsafe besides what :func:`receive_evidence` raises."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.RECEIVE_EVIDENCE, version=version)
    move(evidence, Transition.RECEIVE)
    require_safe_to_collect(uow.session, evidence_id)
    blob = _keep_blob(uow.session, file)
    _fill(evidence, grant, blob, file, acquisition)
    uow.session.flush()
    _record_collected(uow, grant, evidence, blob, idempotency_sha256)
    if labels is not None:
        _label(uow, grant, evidence, labels)
    return evidence


def _new_item(grant: Grant, state: State, **fields: Any) -> Evidence:
    return Evidence(
        id=new_id(),
        case_id=grant.case_id,
        state=state,
        version=1,
        round=0,
        registered_by=grant.account_id,
        registered_at=utc_now(),
        **fields,
    )


def _register(uow: UnitOfWork, grant: Grant, evidence: Evidence) -> None:
    """The item's row and stream, and its registration in the case's stream."""
    uow.session.add(evidence)
    uow.session.flush()
    log.create_stream(uow.session, evidence.id, "evidence", evidence.case_id)
    uow.record(
        EvidenceRegistered(stream=evidence.case_id, actor=grant.entry_actor, object=entry_object(uow.session, evidence))
    )


def _keep_blob(session: Session, file: ReceivedFile) -> Blob:
    """The row of the bytes; of identical uploads at once, one makes it and the others find it."""
    sniffed = sniff(file.head)
    session.execute(
        insert(Blob)
        .values(
            sha256=file.blob.sha256,
            size_bytes=file.blob.size_bytes,
            media_type=None if sniffed is None else sniffed.media_type,
            extension=None if sniffed is None else sniffed.extension,
            kind=None if sniffed is None else str(sniffed.kind),
            first_received_at=utc_now(),
        )
        .on_conflict_do_nothing()
    )
    return session.scalars(select(Blob).where(Blob.sha256 == file.blob.sha256)).one()


def _fill(evidence: Evidence, grant: Grant, blob: Blob, file: ReceivedFile, acquisition: Acquisition) -> None:
    stated = asdict(acquisition)
    require_plausible_times(stated)
    for name, value in stated.items():
        setattr(evidence, name, value)
    evidence.blob_sha256 = blob.sha256
    evidence.fingerprint_status = FingerprintStatus.PENDING
    evidence.received_by = grant.account_id
    evidence.received_at = utc_now()
    evidence.file_name = file.name
    evidence.media_type_claimed = file.media_type_claimed


def _record_collected(
    uow: UnitOfWork, grant: Grant, evidence: Evidence, blob: Blob, idempotency_sha256: Sha256Hex | None
) -> None:
    assert evidence.method is not None
    assert evidence.acquired_at is not None
    assert evidence.collector is not None
    assert evidence.source is not None
    uow.record(
        EvidenceCollected(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            method=evidence.method,
            acquired_at=evidence.acquired_at,
            tool=evidence.tool,
            idempotency_sha256=idempotency_sha256,
            media_type_claimed=evidence.media_type_claimed,
            media_type_sniffed=blob.media_type,
            collector=evidence.collector,
            source=evidence.source,
            source_address=evidence.source_address,
            claimed_from=to_stored(evidence.claimed_from),
            claimed_to=to_stored(evidence.claimed_to),
            claimed_place=evidence.claimed_place,
            file_name=evidence.file_name,
            notes=evidence.notes,
        )
    )
    uow.enqueue_at(PRESERVING, PRESERVE, evidence_id=str(evidence.id))


def record_read_back(uow: UnitOfWork, evidence_id: UUID, read_back: ReadBack) -> None:
    """What reading the stored bytes again showed: ``preserved``, or ``quarantined`` when they differ. System only.

    Storage that cannot be read says nothing about the bytes, so the caller tries again and never comes here. A second
    run finds the item moved on and leaves it.
    """
    if read_back.outcome is ReadBackOutcome.NOT_VERIFIABLE:
        raise ValueError("what could not be read is recorded neither as a match nor as a mismatch")
    evidence = uow.session.scalars(select(Evidence).where(Evidence.id == evidence_id).with_for_update()).one()
    if evidence.state != State.COLLECTED:
        return
    frame: dict[str, Any] = {"stream": evidence.id, "actor": system_actor(uow.session), "store": STORE}
    outcome = str(read_back.outcome)
    if read_back.outcome is ReadBackOutcome.MATCH:
        move(evidence, Transition.PRESERVE)
        uow.record(EvidencePreserved(**frame, object=entry_object(uow.session, evidence), outcome=outcome))
        uow.enqueue_at(turn_of(uow.session, evidence), FINGERPRINT, evidence_id=str(evidence.id))
        return
    move(evidence, Transition.QUARANTINE)
    evidence.reason_code = "readback_mismatch"
    uow.record(
        EvidenceQuarantined(
            **frame,
            object=entry_object(uow.session, evidence),
            outcome=outcome,
            reason_code=evidence.reason_code,
            found_sha256=read_back.sha256,
            found_size_bytes=read_back.size_bytes,
        )
    )


def set_labels(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, labels: Mapping[str, Any]
) -> Evidence:
    """The sensitivity labels, by a coordinator. Raises WrongState for a declined lead."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.MANAGE_CASE, version=version)
    if evidence.state == State.DECLINED:
        raise WrongState("A declined lead takes no labels.", extra={"state": evidence.state})
    evidence.version += 1
    _label(uow, grant, evidence, labels)
    return evidence


def _label(uow: UnitOfWork, grant: Grant, evidence: Evidence, labels: Mapping[str, Any]) -> None:
    evidence.labels = dict(labels)
    uow.record(
        EvidenceLabelled(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            labels=evidence.labels,
        )
    )


REDATED = "redated"
"""The job that looks anew at what signed-off items were asked about earlier appearances, after a time has changed."""


def correct_field(
    uow: UnitOfWork,
    actor: Actor,
    evidence_id: UUID,
    *,
    version: int,
    field: str,
    value: str | datetime | None,
    reason: str,
) -> tuple[Evidence, EvidenceCorrection]:
    """A new reading of a frozen field; the first one stays. Raises WrongState, UncorrectableField."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.RECEIVE_EVIDENCE, version=version)
    if evidence.blob_sha256 is None:
        raise WrongState("Nothing is frozen before the file is there.", extra={"state": evidence.state})
    if field not in CORRECTABLE:
        raise UncorrectableField(f"Fields that take corrections: {', '.join(CORRECTABLE)}.")
    current = current_values(evidence, corrections_of(uow.session, evidence_id))
    if value is None and field in ("collector", "method", "acquired_at", "source"):
        raise UncorrectableField(f"'{field}' is always stated: it cannot become empty.")
    require_plausible_times({**current, field: value})
    number = uow.session.scalar(
        select(func.coalesce(func.max(EvidenceCorrection.number), 0)).where(
            EvidenceCorrection.evidence_id == evidence_id
        )
    )
    correction = EvidenceCorrection(
        id=new_id(),
        evidence_id=evidence_id,
        number=(number or 0) + 1,
        field=field,
        value=to_stored(value),
        reason=reason,
        corrected_by=grant.account_id,
        corrected_at=utc_now(),
    )
    uow.session.add(correction)
    evidence.version += 1
    if field in TIMES:
        uow.enqueue(REDATED, evidence_id=str(evidence_id))
    uow.record(
        EvidenceCorrected(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            fields=(field,),
            correction=correction.id,
            number=correction.number,
            old=to_stored(current[field]),
            new=correction.value,
            reason=reason,
        )
    )
    return evidence, correction


def corrections_of(session: Session, evidence_id: UUID, at: Position | None = None) -> list[EvidenceCorrection]:
    """In the order in which they were made."""
    query = _CORRECTIONS if at is None else _CORRECTIONS.where(standing_at(at, EvidenceCorrection.act))
    return list(session.scalars(query, {"evidence_id": evidence_id}))


_CORRECTIONS = (
    select(EvidenceCorrection)
    .where(EvidenceCorrection.evidence_id == bindparam("evidence_id"))
    .order_by(EvidenceCorrection.number)
)


def current_values(evidence: Evidence, corrections: list[EvidenceCorrection]) -> dict[str, Any]:
    """The correctable fields as they read now: the last correction of each, else what was first stated."""
    values: dict[str, Any] = {field: getattr(evidence, field) for field in CORRECTABLE}
    for correction in corrections:
        values[correction.field] = from_stored(correction.field, correction.value)
    return values
