"""The job ``fingerprint``: decode in the jail, hash, make a preview, store it. ``match`` then settles the item."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.blobs.store import BlobMissing, BlobStorageFailed, BlobStore, BlobUnreadable, StoredBlob
from app.fingerprints.algorithms.algorithm import Pixels
from app.fingerprints.hasher import Hasher
from app.fingerprints.match_job import MATCH, PARTIAL, UNSETTLED, settle_as_failed
from app.fingerprints.matching import Print
from app.fingerprints.models import Fingerprint
from app.jobs import Job
from app.kernel.primitives import Sha256Hex, canonical_json, new_id, sha256_hex, utc_now
from app.media import previews
from app.media.jail.decoder import JailUnavailable
from app.media.jail.result import DecodeOutcome, DecodeResult
from app.media.jobs import MediaResources
from app.media.models import Decoding, Derivative, Evidence
from app.media.orphans import hold_stored
from app.media.reading import latest_decoding
from app.media.rules import FingerprintStatus, State
from app.media.service import FINGERPRINT
from app.unit_of_work import UnitOfWork

ROWS_AT_ONCE = 5_000
NOT_NOW = (JailUnavailable, BlobMissing, BlobUnreadable, BlobStorageFailed)
"""What says nothing about the file. A blob that was read back and is missing now: the storage is not there."""
PARAMETERS_SHA256 = sha256_hex(canonical_json(previews.PARAMETERS))


@dataclass(frozen=True)
class Plan:
    evidence_id: UUID
    sha256: Sha256Hex
    is_decoded: bool
    """Another item on the same bytes was fingerprinted before: its results are used."""


@dataclass(frozen=True)
class StoredPreview:
    """A preview's file, and where it is: it is kept from being swept while its row is written."""

    file: StoredBlob
    blobs: BlobStore


@dataclass(frozen=True)
class Decoded:
    """What decoding a blob gave."""

    decoder: str
    outcome: str
    reason: str | None
    claims: Mapping[str, Any]
    prints: list[Print]
    preview: StoredPreview | None


@dataclass(frozen=True)
class Result:
    evidence_id: UUID
    sha256: Sha256Hex
    decoded: Decoded | None


def plan(session: Session, *, evidence_id: str) -> Plan | None:
    """Also for an item that was given up: an operator may have the job tried again."""
    evidence = session.get(Evidence, UUID(evidence_id))
    if evidence is None or evidence.blob_sha256 is None or evidence.fingerprint_status not in UNSETTLED:
        return None
    is_decoded = latest_decoding(session, evidence.blob_sha256) is not None
    return Plan(evidence.id, Sha256Hex(evidence.blob_sha256), is_decoded)


def work(plan: Plan, resources: MediaResources) -> Result:
    """Raises NOT_NOW, and DecoderDied, which counts: the file may be what kills its decoder."""
    if plan.is_decoded:
        return Result(plan.evidence_id, plan.sha256, None)
    hasher = Hasher()
    fd = resources.blobs.open(plan.sha256)
    try:
        result = resources.decoder.decode(fd, hasher.take_frame)
    finally:
        os.close(fd)
    if result.picture is not None:
        hasher.take_picture(result.picture)
    preview = None if hasher.shown is None else _store_preview(resources.blobs, hasher.shown)
    versions = resources.decoder.versions()
    decoder = " ".join(f"{name}/{version}" for name, version in sorted(versions.items()))
    decoded = Decoded(decoder, _outcome_of(result), result.reason, dict(result.claims), hasher.prints, preview)
    return Result(plan.evidence_id, plan.sha256, decoded)


def _outcome_of(result: DecodeResult) -> str:
    return PARTIAL if result.outcome is DecodeOutcome.DECODED and result.is_partial else str(result.outcome)


def _store_preview(blobs: BlobStore, rgb: Pixels) -> StoredPreview:
    with blobs.begin() as writer:
        writer.write(previews.render_preview(rgb))
        return StoredPreview(writer.commit(), blobs)


def store(uow: UnitOfWork, result: Result) -> None:
    """Idempotent by the keys of what belongs to the blob; a second ``match`` finds the item settled."""
    if result.decoded is not None:
        _store_decoded(uow.session, result.sha256, result.decoded)
    uow.enqueue(MATCH, evidence_id=str(result.evidence_id))


def _store_decoded(session: Session, sha256: Sha256Hex, decoded: Decoded) -> None:
    """What the first worker to commit found stays, all of it: two decodings are not mixed. Raises BlobMissing."""
    stored = session.scalar(
        insert(Decoding)
        .values(
            blob_sha256=sha256,
            decoder=decoded.decoder,
            outcome=decoded.outcome,
            reason=decoded.reason,
            claims=decoded.claims,
            decoded_at=utc_now(),
        )
        .on_conflict_do_nothing()
        .returning(Decoding.blob_sha256)
    )
    if stored is None:
        return
    rows = [
        {
            "blob_sha256": sha256,
            "algorithm": one.version.partition("/")[0],
            "version": one.version,
            "time_ms": one.time_ms,
            "view": one.view,
            "value": one.value,
            "quality": one.quality,
        }
        for one in decoded.prints
    ]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        session.execute(insert(Fingerprint).on_conflict_do_nothing(), rows[start : start + ROWS_AT_ONCE])
    if decoded.preview is not None:
        hold_stored(session, decoded.preview.blobs, decoded.preview.file.sha256)
        _store_derivative(session, sha256, decoded.preview.file)


def _store_derivative(session: Session, sha256: Sha256Hex, preview: StoredBlob) -> None:
    session.execute(
        insert(Derivative)
        .values(
            id=new_id(),
            blob_sha256=sha256,
            kind="preview",
            tool=previews.TOOL,
            tool_version=previews.TOOL_VERSION,
            parameters=previews.PARAMETERS,
            parameters_sha256=PARAMETERS_SHA256,
            sha256=preview.sha256,
            size_bytes=preview.size_bytes,
            media_type=previews.MEDIA_TYPE,
            made_at=utc_now(),
        )
        .on_conflict_do_nothing(constraint="uq_derivatives_once")
    )


def give_up(uow: UnitOfWork, arguments: Mapping[str, Any], error: str) -> None:
    """After the last attempt: ``failed``, with the reason; exact copies are found all the same."""
    settle_as_failed(uow, UUID(arguments["evidence_id"]), error)


def waiting(session: Session) -> list[Mapping[str, str]]:
    query = select(Evidence.id).where(
        Evidence.fingerprint_status == FingerprintStatus.PENDING,
        Evidence.state.not_in((State.COLLECTED, State.QUARANTINED)),
        ~select(Decoding).where(Decoding.blob_sha256 == Evidence.blob_sha256).exists(),
    )
    return [{"evidence_id": str(found)} for found in session.scalars(query.order_by(Evidence.registered_at))]


JOBS: tuple[Job, ...] = (Job(FINGERPRINT, plan, work, store, give_up, NOT_NOW, waiting),)
