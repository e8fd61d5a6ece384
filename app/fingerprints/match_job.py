"""The job ``match``: compare a fingerprinted item with its case, then settle it and store its matches in one commit.

Comparing holds no lock. Whatever settled in the case meanwhile is noticed under the case's lock, before anything is
stored, and compared in another round; each round looks at the newcomers alone. So of two items that arrive at once, one
settles first and the other one finds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.fingerprints.events import EvidenceFingerprinted
from app.fingerprints.finding import (
    Compared,
    Comparison,
    compare,
    is_complete,
    lock_matching,
    plan_comparison,
    store_matches,
)
from app.fingerprints.models import Fingerprint
from app.jobs import Job
from app.kernel.primitives import sha256_hex
from app.ledger.event import EntryObject
from app.media.events import EvidenceDerived
from app.media.items import entry_object
from app.media.jail.result import DecodeOutcome
from app.media.models import Decoding, Evidence
from app.media.reading import find_preview, latest_decoding
from app.media.rules import FingerprintStatus
from app.media.service import system_actor
from app.unit_of_work import UnitOfWork

MATCH = "match"
PARTIAL = "partial"
SOME_MISSING = "some of it is damaged or missing"
UNSETTLED = (FingerprintStatus.PENDING, FingerprintStatus.FAILED)
"""What a job may settle: one that was given up may be tried again by an operator."""


@dataclass(frozen=True)
class PrintsDigest:
    """What the entry says of all hashes of a blob: their algorithm versions, their number, and their digest."""

    versions: tuple[str, ...]
    count: int
    sha256: str


@dataclass(frozen=True)
class Plan:
    evidence_id: UUID
    digest: PrintsDigest
    comparison: Comparison


@dataclass(frozen=True)
class Result:
    evidence_id: UUID
    digest: PrintsDigest
    compared: Compared


def plan(session: Session, *, evidence_id: str, earlier: Result | None = None) -> Plan | None:
    """``earlier`` is what was compared in the rounds before."""
    evidence = session.get(Evidence, UUID(evidence_id))
    if evidence is None or evidence.blob_sha256 is None or evidence.fingerprint_status not in UNSETTLED:
        return None
    if latest_decoding(session, evidence.blob_sha256) is None:
        return None
    digest = _digest_of_prints(session, evidence.blob_sha256) if earlier is None else earlier.digest
    comparison = plan_comparison(session, evidence, None if earlier is None else earlier.compared)
    return Plan(evidence.id, digest, comparison)


def work(plan: Plan, _: object) -> Result:
    return Result(plan.evidence_id, plan.digest, compare(plan.comparison))


def store(uow: UnitOfWork, result: Result) -> Result | None:
    """Idempotent, by the item's status. Gives the result back when the case has newcomers to compare with first."""
    evidence = _lock(uow.session, result.evidence_id, UNSETTLED)
    if evidence is None:
        return None
    if not is_complete(uow.session, evidence, result.compared):
        return result
    assert evidence.blob_sha256 is not None
    decoding = latest_decoding(uow.session, evidence.blob_sha256)
    assert decoding is not None
    evidence.fingerprint_status = FingerprintStatus.DONE if result.digest.count else FingerprintStatus.UNDECODABLE
    evidence.fingerprint_reason = _reason_of(decoding)
    evidence.version += 1
    uow.session.flush()
    _record_fingerprinted(uow, evidence, decoding, result.digest)
    _record_preview(uow, evidence)
    store_matches(uow, evidence, result.compared)
    return None


def settle_as_failed(uow: UnitOfWork, evidence_id: UUID, error: str) -> None:
    """The item was given up: it says so with the reason, and its exact copies are found all the same."""
    evidence = _lock(uow.session, evidence_id, (FingerprintStatus.PENDING,))
    if evidence is None:
        return
    evidence.fingerprint_status = FingerprintStatus.FAILED
    evidence.fingerprint_reason = error
    evidence.version += 1
    uow.session.flush()
    uow.record(
        EvidenceFingerprinted(
            stream=evidence.id,
            actor=system_actor(uow.session),
            object=entry_object(uow.session, evidence),
            status=str(evidence.fingerprint_status),
            outcome=FingerprintStatus.FAILED,
            decoder="",
            algorithms=(),
            fingerprints=0,
            fingerprints_sha256=sha256_hex(b""),
            reason_code=error,
        )
    )
    store_matches(uow, evidence, None)


def give_up(uow: UnitOfWork, arguments: Mapping[str, Any], error: str) -> None:
    settle_as_failed(uow, UUID(arguments["evidence_id"]), error)


def waiting(session: Session) -> list[Mapping[str, str]]:
    query = select(Evidence.id).where(
        Evidence.fingerprint_status == FingerprintStatus.PENDING,
        select(Decoding).where(Decoding.blob_sha256 == Evidence.blob_sha256).exists(),
    )
    return [{"evidence_id": str(found)} for found in session.scalars(query.order_by(Evidence.registered_at))]


def _lock(session: Session, evidence_id: UUID, statuses: tuple[FingerprintStatus, ...]) -> Evidence | None:
    """The item under its case's and its own lock, when its status is one of these. The case comes before the item."""
    case_id = session.scalar(select(Evidence.case_id).where(Evidence.id == evidence_id))
    if case_id is None:
        return None
    lock_matching(session, case_id)
    evidence = session.scalars(
        select(Evidence).where(Evidence.id == evidence_id).with_for_update().execution_options(populate_existing=True)
    ).one()
    return evidence if evidence.fingerprint_status in statuses else None


def _reason_of(decoding: Decoding) -> str | None:
    """Why not all was fingerprinted, as ``outcome: words``; None when it was. Entries hold the outcome alone."""
    if decoding.outcome == DecodeOutcome.DECODED:
        return None
    if decoding.outcome == PARTIAL:
        return f"{PARTIAL}: {decoding.reason or SOME_MISSING}"
    return f"{decoding.outcome}: {decoding.reason}" if decoding.reason else decoding.outcome


def _digest_of_prints(session: Session, sha256: str) -> PrintsDigest:
    rows = session.execute(
        select(Fingerprint.version, Fingerprint.view, Fingerprint.time_ms, func.encode(Fingerprint.value, "hex")).where(
            Fingerprint.blob_sha256 == sha256
        )
    ).all()
    lines = sorted(f"{version} {view} {time_ms} {value}\n" for version, view, time_ms, value in rows)
    versions = tuple(sorted({version for version, *_ in rows}))
    return PrintsDigest(versions, len(rows), sha256_hex("".join(lines).encode("ascii")))


def _record_fingerprinted(uow: UnitOfWork, evidence: Evidence, decoding: Decoding, digest: PrintsDigest) -> None:
    uow.record(
        EvidenceFingerprinted(
            stream=evidence.id,
            actor=system_actor(uow.session),
            object=entry_object(uow.session, evidence),
            status=str(evidence.fingerprint_status),
            outcome=decoding.outcome,
            decoder=decoding.decoder,
            algorithms=digest.versions,
            fingerprints=digest.count,
            fingerprints_sha256=digest.sha256,
        )
    )


def _record_preview(uow: UnitOfWork, evidence: Evidence) -> None:
    assert evidence.blob_sha256 is not None
    preview = find_preview(uow.session, evidence.blob_sha256)
    if preview is None:
        return
    uow.record(
        EvidenceDerived(
            stream=evidence.id,
            actor=system_actor(uow.session),
            object=EntryObject("derivative", preview.id, None, preview.sha256, preview.size_bytes),
            kind=preview.kind,
            tool=preview.tool,
            version=preview.tool_version,
            parameters_sha256=preview.parameters_sha256,
            input_sha256=evidence.blob_sha256,
        )
    )


JOBS: tuple[Job, ...] = (Job(MATCH, plan, work, store, give_up, (), waiting),)
