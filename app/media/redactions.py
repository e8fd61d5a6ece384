"""Redacted copies of an item's picture: asked for with boxes, made by a job, and which of them are in force.

Of an image the file's own picture is covered; of a recording single frames, those of its working pictures, since only
pictures of at most 1024 pixels leave the confined decoder. A copy that is asked for again for the same picture
supersedes the one before: mistakes are made good by a further copy, and the old one stays known.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import Grant
from app.kernel.errors import NotFound
from app.kernel.primitives import new_id, utc_now
from app.media.errors import BoxOutsidePicture, LabelsMissing, NoContent, NoFrame, NotRedactable, RedactionNotReady
from app.media.events import EvidenceRedacted
from app.media.frames import index_of
from app.media.items import entry_object, find_evidence
from app.media.models import Blob, Evidence, Redaction
from app.media.reading import best_decoding, find_derivative, has_own_results
from app.media.redacting import Box, Wanted
from app.media.rules import State
from app.media.viewing import WITHOUT_BYTES, find_original
from app.unit_of_work import UnitOfWork

REDACT = "redact"


def request_redaction(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, boxes: Sequence[Box], frame: int | None, reason: str | None
) -> Redaction:
    """A copy to be made, its entry and its job.

    Raises NotFound, Forbidden, NoContent, LabelsMissing, NotRedactable, NoFrame, BoxOutsidePicture.
    """
    evidence, grant = find_evidence(uow.session, actor, evidence_id, Operation.REDACT)
    blob = None if evidence.blob_sha256 is None else uow.session.get(Blob, evidence.blob_sha256)
    if blob is None:
        raise NoContent(WITHOUT_BYTES)
    if evidence.labels is None:
        raise LabelsMissing("Say first what it shows: nobody covers a picture that they may not look at.")
    wanted = _wanted(uow.session, evidence, blob, boxes, frame)
    for number, box in enumerate(boxes):
        if not box.lies_in(wanted.width, wanted.height):
            raise BoxOutsidePicture(
                f"Box {number} leaves the picture, which is {wanted.width} pixels wide and {wanted.height} high.",
                extra={"box": number, "width": wanted.width, "height": wanted.height},
            )
    redaction = Redaction(
        id=new_id(),
        evidence_id=evidence.id,
        blob_sha256=blob.sha256,
        time_ms=None if wanted.frame is None else wanted.frame[0],
        parameters=wanted.parameters(),
        parameters_sha256=wanted.digest(),
        state="pending",
        requested_by=actor.account_id,
        requested_at=utc_now(),
    )
    uow.session.add(redaction)
    uow.record(
        EvidenceRedacted(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            redaction=redaction.id,
            boxes=len(boxes),
            time_ms=redaction.time_ms,
            parameters_sha256=redaction.parameters_sha256,
            reason=reason,
        )
    )
    uow.enqueue(REDACT, redaction_id=str(redaction.id))
    return redaction


def _wanted(session: Session, evidence: Evidence, blob: Blob, boxes: Sequence[Box], frame: int | None) -> Wanted:
    if evidence.state == State.QUARANTINED or not has_own_results(evidence):
        raise NotRedactable("Its file was not decoded yet, or lies in quarantine: there is no picture to be covered.")
    if frame is not None:
        pack = find_derivative(session, blob.sha256, "frames")
        frames = [] if pack is None else index_of(pack.details)
        if pack is None or frame >= len(frames):
            raise NoFrame(f"There are {len(frames)} frames of this item, numbered from 0.")
        found = frames[frame]
        # All frames of a pack are as large as its first one, but for those of files whose pages differ.
        size = pack.details["width"], pack.details["height"]
        return Wanted(*size, tuple(boxes), (found.time_ms, found.sha256))
    if blob.kind != "image":
        raise NotRedactable("A recording is covered frame by frame: name one by its number, as '/frames' has them.")
    decoding = best_decoding(session, blob.sha256)
    claims = {} if decoding is None else decoding.claims
    width, height = claims.get("width"), claims.get("height")
    if (
        not isinstance(width, int)
        or not isinstance(height, int)
        or find_derivative(session, blob.sha256, "frames") is None
    ):
        raise NotRedactable("Its file could not be decoded: there is no picture to be covered.")
    return Wanted(width, height, tuple(boxes))


def list_redactions(
    session: Session, actor: Actor, evidence_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Redaction]:
    """Of one item, the newest first. Raises NotFound, Forbidden."""
    find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    query = select(Redaction).where(Redaction.evidence_id == evidence_id)
    if before is not None:
        query = query.where(tuple_(Redaction.requested_at, Redaction.id) < before)
    return session.scalars(query.order_by(Redaction.requested_at.desc(), Redaction.id.desc()).limit(limit)).all()


def get_redaction(session: Session, actor: Actor, evidence_id: UUID, redaction_id: UUID) -> Redaction:
    """Raises NotFound, Forbidden."""
    find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    found = session.get(Redaction, redaction_id)
    if found is None or found.evidence_id != evidence_id:
        raise NotFound()
    return found


def find_copy(session: Session, actor: Actor, evidence_id: UUID, redaction_id: UUID) -> tuple[Redaction, Grant]:
    """A finished copy, for whoever may read the item's content: what is not covered shows what that shows.

    Raises NotFound, Forbidden, NoContent, LabelsMissing, RedactionNotReady.
    """
    _, _, grant = find_original(session, actor, evidence_id)
    found = session.get(Redaction, redaction_id)
    if found is None or found.evidence_id != evidence_id:
        raise NotFound()
    if found.state != "done":
        raise RedactionNotReady(
            "It could not be made; 'error' says why." if found.state == "failed" else "It is still being made."
        )
    return found, grant


@dataclass(frozen=True)
class Copies:
    """Of several items, what may go out in place of their originals."""

    found: Sequence[Redaction]
    lacking: Sequence[UUID]
    """Items with a file that have no copy, or of which the newest is not finished, nor ever will be."""


def copies_in_force(session: Session, evidence_ids: Collection[UUID]) -> Copies:
    """Of each item and picture the newest copy (no permission check)."""
    query = (
        select(Redaction)
        .where(Redaction.evidence_id.in_(evidence_ids))
        .ext(distinct_on(Redaction.evidence_id, Redaction.time_ms))
        .order_by(Redaction.evidence_id, Redaction.time_ms, Redaction.requested_at.desc(), Redaction.id.desc())
    )
    newest = session.scalars(query).all()
    by_item: Mapping[UUID, list[Redaction]] = {each: [] for each in evidence_ids}
    for copy in newest:
        by_item[copy.evidence_id].append(copy)
    lacking = sorted(
        item for item, copies in by_item.items() if not copies or any(copy.state != "done" for copy in copies)
    )
    return Copies([copy for copy in newest if copy.state == "done"], lacking)
