"""The job ``fingerprint``: decode in the jail, hash, make a preview, store it. ``match`` then settles the item."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.blobs.store import BlobMissing, BlobStorageFailed, BlobUnreadable
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.decodings import Decoded, store_decoding
from app.fingerprints.hasher import Hasher
from app.fingerprints.match_job import MATCH, UNSETTLED, settle_as_failed
from app.jobs import IN_BULK, Job
from app.kernel.primitives import Sha256Hex
from app.media import claims
from app.media.claims import SealedClaim
from app.media.derivatives import store_files
from app.media.frames import WorkingFrames
from app.media.jail.decoder import DecoderDied, JailUnavailable, OnProgress
from app.media.jail.result import DecodeOutcome, DecodeResult, Pixels, VideoFrame
from app.media.jobs import MediaResources
from app.media.limits import decoder_text, limits_of
from app.media.models import Decoding, Evidence
from app.media.orphans import remove_if_orphan
from app.media.previews import FrameStrip, render_all
from app.media.progress import clear_progress
from app.media.reading import best_decoding, latest_decoding
from app.media.rules import PARTIAL, FingerprintStatus, State
from app.media.sealing import seal_claims
from app.media.service import FINGERPRINT
from app.unit_of_work import UnitOfWork

NOT_NOW = (JailUnavailable, BlobMissing, BlobUnreadable, BlobStorageFailed)
"""What says nothing about the file. A blob that was read back and is missing now: the storage is not there."""


@dataclass(frozen=True)
class Plan:
    evidence_id: UUID
    sha256: Sha256Hex
    number: int
    """That the decoding will have: the blob's next one."""
    is_decoded: bool
    """There is a decoding by which the item was not settled yet (another item on the same bytes caused it): its results
    are used."""
    is_held_here: bool = True
    """Whether an item of the same case is on these bytes. Where only others are, they are decoded and stored all the
    same, that is taken back, and what is there already is used: else how soon the item is done would tell that another
    case holds them."""
    has_sealed_claims: bool = True
    """Whether the bytes claim what is sealed in each item's own stream: kept nowhere, so it is read from them again."""


@dataclass(frozen=True)
class Result:
    evidence_id: UUID
    sha256: Sha256Hex
    decoded: Decoded | None
    number: int = 1
    sealed: Sequence[SealedClaim] = ()
    """Claims for this item's stream, of bytes that were decoded before."""
    is_kept: bool = True
    """Of what was decoded: False where an earlier decoding's results are used."""


def plan(session: Session, *, evidence_id: str) -> Plan | None:
    """Also for an item that was given up: an operator may have the job tried again."""
    evidence = session.get(Evidence, UUID(evidence_id))
    if evidence is None or evidence.blob_sha256 is None or evidence.fingerprint_status not in UNSETTLED:
        return None
    latest = latest_decoding(session, evidence.blob_sha256)
    number = 0 if latest is None else latest.number
    is_decoded = number > evidence.settled_decoding
    best = best_decoding(session, evidence.blob_sha256)
    has_sealed_claims = best is None or bool(best.claims.get(claims.SEALED, True))
    is_held_here = _is_held_here(session, evidence)  # Asked of new bytes, too: all are asked the same.
    return Plan(evidence.id, Sha256Hex(evidence.blob_sha256), number + 1, is_decoded, is_held_here, has_sealed_claims)


def _is_held_here(session: Session, evidence: Evidence) -> bool:
    """Also by the item itself, which was settled before: whoever has it decoded again knows that it is."""
    others = Evidence.case_id == evidence.case_id, Evidence.blob_sha256 == evidence.blob_sha256
    query = select(Evidence.id).where(*others, Evidence.settled_decoding > 0)
    return session.scalar(query.limit(1)) is not None


def _read_sealed(sha256: Sha256Hex, resources: MediaResources) -> Sequence[SealedClaim]:
    """Of bytes that were decoded before. What kills its decoder now was told of then: this item has its results."""
    fd = resources.blobs.open(sha256)
    try:
        return claims.divide(resources.decoder.read_claims(fd).claims).sealed
    except DecoderDied:
        return ()
    finally:
        os.close(fd)


def decode(
    sha256: Sha256Hex, resources: MediaResources, catalog: Catalog, on_progress: OnProgress | None = None
) -> Decoded:
    """All that is taken from a blob by one decoding. Raises NOT_NOW, and DecoderDied, which counts: the file may be
    what kills its decoder."""
    strip, frames = FrameStrip(), WorkingFrames()
    hasher = Hasher(catalog.current, on_shot=frames.take_shot, on_further=frames.take_further)

    def take_frame(frame: VideoFrame) -> None:
        hasher.take_frame(frame)
        strip.take(frame)
        frames.take(frame)

    def take_picture(rgb: Pixels) -> None:
        frames.take(VideoFrame(0, rgb))  # Before the hasher gives them the same picture.
        hasher.take_picture(rgb)
        strip.take(VideoFrame(0, rgb))

    fd = resources.blobs.open(sha256)
    try:
        result = resources.decoder.decode(fd, take_frame, on_progress, take_picture)
    finally:
        os.close(fd)
    hasher.end_video(result.end_ms)
    claimed = claims.divide(result.claims)
    renderings = [*render_all(hasher.shown, strip.tiles), *frames.packed()]
    limits = None if result.sniffed is None else limits_of(resources.decoder.limits, result.sniffed)
    return Decoded(
        decoder=decoder_text(resources.decoder.versions(), limits),
        outcome=_outcome_of(result),
        reason=result.reason,
        claims=claimed.open,
        sealed=claimed.sealed,
        prints=hasher.prints,
        renderings=store_files(resources.blobs, renderings),
        features=hasher.features,
        rules=() if result.sniffed is None else catalog.rules_for(result.sniffed.kind),
        limits={} if limits is None else limits.as_json(),
        shots=hasher.shots,
    )


def _outcome_of(result: DecodeResult) -> str:
    return PARTIAL if result.outcome is DecodeOutcome.DECODED and result.is_partial else str(result.outcome)


def store(uow: UnitOfWork, result: Result) -> None:
    """Idempotent by the keys of what belongs to the blob; a second ``match`` finds the item settled."""
    if result.decoded is not None:
        is_stored = _store(uow.session, result, result.decoded)
        others = others_settled(uow.session, result.sha256, besides=result.evidence_id)
        if is_stored:
            enqueue_others(uow, others, result.decoded)
    seal_claims(uow, result.evidence_id, result.sealed if result.decoded is None else result.decoded.sealed)
    clear_progress(uow.session, result.evidence_id)
    uow.enqueue(MATCH, evidence_id=str(result.evidence_id))


def _store(session: Session, result: Result, decoded: Decoded) -> bool:
    """Whether it stays. What is not kept is stored all the same, and then taken back."""
    with session.begin_nested() as storing:
        is_stored = store_decoding(session, result.sha256, result.number, decoded)
        if result.is_kept:
            return is_stored
        storing.rollback()
    for each in decoded.renderings:  # Another release may make other files than those which are there.
        remove_if_orphan(session, each.blobs, each.file)
    return False


def others_settled(session: Session, sha256: Sha256Hex, *, besides: UUID | None = None) -> list[UUID]:
    """The items on these bytes that were settled before."""
    query = select(Evidence.id).where(Evidence.blob_sha256 == sha256, Evidence.settled_decoding > 0)
    found = session.scalars(query.order_by(Evidence.registered_at, Evidence.id))
    return [evidence_id for evidence_id in found if evidence_id != besides]


def enqueue_others(uow: UnitOfWork, others: Sequence[UUID], decoded: Decoded | None = None) -> None:
    """Have these items settled anew: their fingerprints are others now, and their own streams must say so, with what
    this decoding read that is sealed."""
    for evidence_id in others:
        if decoded is not None:
            seal_claims(uow, evidence_id, decoded.sealed)
        uow.enqueue_at(IN_BULK, MATCH, evidence_id=str(evidence_id))


def give_up(uow: UnitOfWork, arguments: Mapping[str, Any], error: str) -> None:
    """After the last attempt: ``failed``, with the reason; exact copies are found all the same."""
    evidence_id = UUID(arguments["evidence_id"])
    clear_progress(uow.session, evidence_id)
    settle_as_failed(uow, evidence_id, error)


def waiting(session: Session) -> list[Mapping[str, str]]:
    newer = select(Decoding).where(
        Decoding.blob_sha256 == Evidence.blob_sha256, Decoding.number > Evidence.settled_decoding
    )
    query = select(Evidence.id).where(
        Evidence.fingerprint_status == FingerprintStatus.PENDING,
        Evidence.state.not_in((State.COLLECTED, State.QUARANTINED)),
        ~newer.exists(),
    )
    return [{"evidence_id": str(found)} for found in session.scalars(query.order_by(Evidence.registered_at))]


def fingerprint_jobs(catalog: Catalog = CATALOG) -> tuple[Job, ...]:
    """The job by the rules of this catalog."""

    def work(plan: Plan, resources: MediaResources) -> Result:
        """Raises what :func:`decode` raises."""
        if plan.is_decoded and plan.is_held_here:
            sealed = _read_sealed(plan.sha256, resources) if plan.has_sealed_claims else ()
            return Result(plan.evidence_id, plan.sha256, None, plan.number, sealed)
        with resources.progress.following(plan.evidence_id) as report:
            try:
                decoded = decode(plan.sha256, resources, catalog, report)
            except DecoderDied:
                if not plan.is_decoded:
                    raise
                return Result(plan.evidence_id, plan.sha256, None, plan.number)  # As ``_read_sealed`` does.
        return Result(plan.evidence_id, plan.sha256, decoded, plan.number, is_kept=not plan.is_decoded)

    return (Job(FINGERPRINT, plan, work, store, give_up, NOT_NOW, waiting),)


JOBS = fingerprint_jobs()
