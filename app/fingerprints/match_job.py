"""The job ``match``: compare a fingerprinted item with its case, then settle it and store its matches in one commit.

Comparing holds no lock. Whatever settled in the case meanwhile is noticed under the case's lock, before anything is
stored, and compared in another round; each round looks at the newcomers alone. So of two items that arrive at once, one
settles first and the other one finds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, select, type_coerce
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Session

from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.crossing import enqueue_across
from app.fingerprints.decodings import in_force
from app.fingerprints.events import EvidenceFingerprinted
from app.fingerprints.finding import (
    Compared,
    Comparison,
    HasBlobs,
    compare,
    is_complete,
    lock_matching,
    plan_comparison,
)
from app.fingerprints.keeping import store_matches
from app.fingerprints.models import Fingerprint, LocalFeatureSet, RuleInForce, VideoShot
from app.jobs import Job
from app.kernel.primitives import sha256_hex
from app.media.derivatives import record_derived
from app.media.items import LOCKED, entry_object
from app.media.jail.result import DecodeOutcome
from app.media.models import Decoding, Evidence
from app.media.reading import best_decoding, latest_decoding
from app.media.rules import PARTIAL, FingerprintStatus
from app.media.service import system_actor
from app.unit_of_work import UnitOfWork

MATCH = "match"
SOME_MISSING = "some of it is damaged or missing"
UNSETTLED = (FingerprintStatus.PENDING, FingerprintStatus.FAILED)
"""What a job may settle: one that was given up may be tried again by an operator."""


@dataclass(frozen=True)
class PrintsDigest:
    """What the entry says of all hashes, local features and shots of a blob: their versions, number, and digest."""

    versions: tuple[str, ...]
    count: int
    sha256: str


@dataclass(frozen=True)
class Plan:
    evidence_id: UUID
    decoding: int
    """The number of the blob's latest decoding; ``digest`` and ``comparison`` are of what was in force with it."""
    digest: PrintsDigest
    comparison: Comparison


@dataclass(frozen=True)
class Result:
    evidence_id: UUID
    decoding: int
    digest: PrintsDigest
    compared: Compared


def _plan(session: Session, catalog: Catalog, evidence_id: str, earlier: Result | None) -> Plan | None:
    """``earlier`` is what was compared in the rounds before."""
    evidence = session.get(Evidence, UUID(evidence_id))
    if evidence is None or evidence.blob_sha256 is None:
        return None
    latest = latest_decoding(session, evidence.blob_sha256)
    if latest is None or latest.number <= evidence.settled_decoding:
        return None
    if earlier is not None and earlier.decoding != latest.number:
        earlier = None  # It was compared by other fingerprints.
    digest = _digest_of_prints(session, evidence.blob_sha256) if earlier is None else earlier.digest
    compared = None if earlier is None else earlier.compared
    comparison = plan_comparison(session, evidence, compared, catalog, decoding=latest.number)
    return Plan(evidence.id, latest.number, digest, comparison)


def work(plan: Plan, resources: HasBlobs) -> Result:
    return Result(plan.evidence_id, plan.decoding, plan.digest, compare(plan.comparison, resources.blobs))


def _store(uow: UnitOfWork, catalog: Catalog, result: Result) -> Result | None:
    """Idempotent, by the decoding that the item was settled by. Gives the result back when the case has newcomers to
    compare with first, or the blob was decoded again meanwhile."""
    evidence = _lock(uow.session, result.evidence_id)
    if evidence is None or evidence.blob_sha256 is None or evidence.settled_decoding >= result.decoding:
        return None
    decoding = latest_decoding(uow.session, evidence.blob_sha256)
    assert decoding is not None
    if decoding.number != result.decoding or not is_complete(uow.session, evidence, result.compared, catalog):
        return result
    best = best_decoding(uow.session, evidence.blob_sha256, up_to=decoding.number)
    assert best is not None
    evidence.settled_decoding = decoding.number
    evidence.fingerprint_status = FingerprintStatus.DONE if result.digest.count else FingerprintStatus.UNDECODABLE
    evidence.fingerprint_reason = _reason_of(decoding, best)
    evidence.version += 1
    uow.session.flush()
    _record_fingerprinted(uow, evidence, decoding, best, result.digest)
    record_derived(uow, evidence)
    store_matches(uow, evidence, result.compared)
    enqueue_across(uow, evidence.id)
    return None


def settle_as_failed(uow: UnitOfWork, evidence_id: UUID, error: str) -> None:
    """The item was given up: it says so with the reason, and its exact copies are found all the same. One that was
    fingerprinted before keeps what it had, and says both."""
    evidence = _lock(uow.session, evidence_id)
    if evidence is None or evidence.fingerprint_status != FingerprintStatus.PENDING:
        return
    if evidence.settled_decoding > 0:
        _give_up_again(uow, evidence, error)
        return
    evidence.fingerprint_status = FingerprintStatus.FAILED
    evidence.fingerprint_reason = error
    _record_given_up(uow, evidence, error, PrintsDigest((), 0, sha256_hex(b"")))
    store_matches(uow, evidence, None)
    enqueue_across(uow, evidence.id)


def _give_up_again(uow: UnitOfWork, evidence: Evidence, error: str) -> None:
    assert evidence.blob_sha256 is not None
    best = best_decoding(uow.session, evidence.blob_sha256, up_to=evidence.settled_decoding)
    assert best is not None
    digest = _digest_of_prints(uow.session, evidence.blob_sha256)
    evidence.fingerprint_status = FingerprintStatus.DONE if digest.count else FingerprintStatus.UNDECODABLE
    evidence.fingerprint_reason = _keeping(f"{FingerprintStatus.FAILED}: {error}", best)
    _record_given_up(uow, evidence, error, digest, kept_outcome=best.outcome)


def _record_given_up(
    uow: UnitOfWork, evidence: Evidence, error: str, digest: PrintsDigest, kept_outcome: str | None = None
) -> None:
    """That the item is settled without another decoding; ``digest`` is of what it has all the same."""
    evidence.version += 1
    uow.session.flush()
    uow.record(
        EvidenceFingerprinted(
            stream=evidence.id,
            actor=system_actor(uow.session),
            object=entry_object(uow.session, evidence),
            status=str(evidence.fingerprint_status),
            outcome=FingerprintStatus.FAILED,
            kept_outcome=kept_outcome,
            decoder="",
            algorithms=digest.versions,
            fingerprints=digest.count,
            fingerprints_sha256=digest.sha256,
            reason_code=error,
        )
    )


def give_up(uow: UnitOfWork, arguments: Mapping[str, Any], error: str) -> None:
    settle_as_failed(uow, UUID(arguments["evidence_id"]), error)


def waiting(session: Session) -> list[Mapping[str, str]]:
    return _due(session, Evidence.fingerprint_status == FingerprintStatus.PENDING)


def waiting_in_bulk(session: Session) -> list[Mapping[str, str]]:
    """What was settled before, and whose bytes were decoded again for another item or by a recompute."""
    return _due(session, Evidence.fingerprint_status != FingerprintStatus.PENDING, Evidence.settled_decoding > 0)


def _due(session: Session, *conditions: ColumnElement[bool]) -> list[Mapping[str, str]]:
    newer = select(Decoding).where(
        Decoding.blob_sha256 == Evidence.blob_sha256, Decoding.number > Evidence.settled_decoding
    )
    query = select(Evidence.id).where(*conditions, newer.exists())
    return [{"evidence_id": str(found)} for found in session.scalars(query.order_by(Evidence.registered_at))]


def _lock(session: Session, evidence_id: UUID) -> Evidence | None:
    """The item under its case's and its own lock. The case comes before the item."""
    case_id = session.scalar(select(Evidence.case_id).where(Evidence.id == evidence_id))
    if case_id is None:
        return None
    lock_matching(session, case_id)
    return session.scalars(LOCKED, {"evidence_id": evidence_id}).one()


def _reason_of(decoding: Decoding, best: Decoding) -> str | None:
    """Why not all was fingerprinted, as ``outcome: words``; None when it was. Entries hold the outcome alone.

    ``best``: the decoding that got furthest; when that is an earlier one, what it gave stays in force.
    """
    reason = _own_reason_of(decoding)
    return reason if reason is None or best.number == decoding.number else _keeping(reason, best)


def _keeping(reason: str, best: Decoding) -> str:
    return f"{reason}. What an earlier decoding gave ({best.outcome}) stays in force."


def _own_reason_of(decoding: Decoding) -> str | None:
    if decoding.outcome == DecodeOutcome.DECODED:
        return None
    if decoding.outcome == PARTIAL:
        return f"{PARTIAL}: {decoding.reason or SOME_MISSING}"
    return f"{decoding.outcome}: {decoding.reason}" if decoding.reason else decoding.outcome


def _digest_of_prints(session: Session, sha256: str) -> PrintsDigest:
    rows, points, shots = (session.execute(query, {"sha256": sha256}).all() for query in _DIGESTED)
    lines = sorted(" ".join(map(str, row)) + "\n" for row in (*rows, *points, *shots))
    versions = tuple(sorted({row.version for row in (*rows, *points, *shots)}))
    return PrintsDigest(versions, len(lines), sha256_hex("".join(lines).encode("ascii")))


# Made once: to put them together takes longer than to ask them.
_DIGESTED = (
    select(Fingerprint.version, Fingerprint.view, Fingerprint.time_ms, func.encode(Fingerprint.value, "hex"))
    .join(RuleInForce, in_force())
    .where(Fingerprint.blob_sha256 == bindparam("sha256")),
    select(
        LocalFeatureSet.version,
        LocalFeatureSet.view,
        LocalFeatureSet.time_ms,
        func.encode(type_coerce(LocalFeatureSet.points_sha256, BYTEA), "hex"),
    )
    .join(RuleInForce, in_force(LocalFeatureSet))
    .where(LocalFeatureSet.blob_sha256 == bindparam("sha256")),
    select(VideoShot.version, VideoShot.number, VideoShot.from_ms, VideoShot.to_ms, VideoShot.shown_ms)
    .join(RuleInForce, in_force(VideoShot))
    .where(VideoShot.blob_sha256 == bindparam("sha256")),
)


def _record_fingerprinted(
    uow: UnitOfWork, evidence: Evidence, decoding: Decoding, best: Decoding, digest: PrintsDigest
) -> None:
    uow.record(
        EvidenceFingerprinted(
            stream=evidence.id,
            actor=system_actor(uow.session),
            object=entry_object(uow.session, evidence),
            status=str(evidence.fingerprint_status),
            outcome=decoding.outcome,
            kept_outcome=None if best.number == decoding.number else best.outcome,
            decoder=decoding.decoder,
            algorithms=digest.versions,
            fingerprints=digest.count,
            fingerprints_sha256=digest.sha256,
        )
    )


def match_jobs(catalog: Catalog = CATALOG) -> tuple[Job, ...]:
    """The job by the rules of this catalog."""

    def plan(session: Session, *, evidence_id: str, earlier: Result | None = None) -> Plan | None:
        return _plan(session, catalog, evidence_id, earlier)

    def store(uow: UnitOfWork, result: Result) -> Result | None:
        return _store(uow, catalog, result)

    return (Job(MATCH, plan, work, store, give_up, (), waiting, waiting_in_bulk),)


JOBS = match_jobs()
