"""Reading content, originals and unblurred renderings: who may, and the entry that comes before the first byte."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.blobs.store import BlobMissing, BlobStore, BlobUnreadable
from app.cases.service import Grant
from app.kernel.database import window_is_over
from app.kernel.primitives import Sha256Hex, sha256_hex
from app.media.derivatives import newest_renderings
from app.media.errors import (
    NOT_LABELLED,
    ContentUnavailable,
    LabelsMissing,
    NoContent,
    NoPreview,
    NoRendering,
    PreviewNotReady,
)
from app.media.events import EvidenceDownloaded, EvidenceViewed
from app.media.exposure import count_viewing, require_may_look
from app.media.frames import PackedFrame, index_of
from app.media.items import entry_object, find_evidence
from app.media.models import Blob, Derivative, Evidence, EvidenceView
from app.media.reading import find_derivative, has_own_results
from app.media.rules import State
from app.unit_of_work import UnitOfWork

ORIGINAL = "original"
CONTENT_KINDS = frozenset({"thumbnail", "strip", "frames"})
"""Renderings at or above the unblurred step: looking at them is reading content."""
WITHOUT_BYTES = "A lead has no bytes until its file is received."
UNDECODED = "This file could not be decoded: no preview of it, unless decoding it again goes better."
Act = Literal["viewed", "downloaded"]
PURPOSES = (
    "verification",
    "review",
    "sign_off",
    "legal_analysis",
    "incident_documentation",
    "integrity_check",
    "disclosure",
)


def find_original(session: Session, actor: Actor, evidence_id: UUID) -> tuple[Evidence, Blob, Grant]:
    """An item whose original the actor may read now: every read of content begins here or in :func:`find_frames`.

    Raises NotFound, Forbidden, NoContent for a lead, LabelsMissing.
    """
    evidence, grant = find_evidence(session, actor, evidence_id, Operation.READ_ORIGINAL)
    blob = None if evidence.blob_sha256 is None else session.get(Blob, evidence.blob_sha256)
    if blob is None:
        raise NoContent(WITHOUT_BYTES)
    _require_labels(evidence, grant)
    return evidence, blob, grant


def require_viewable(session: Session, actor: Actor, evidence_id: UUID, *, purpose: str, window_s: int) -> None:
    """That a player which asks for the original now would get it. Raises as find_original, ExposureCapReached."""
    evidence, _, grant = find_original(session, actor, evidence_id)
    logged: dict[str, Any] = {"act": "viewed", "rendering": ORIGINAL, "purpose": purpose, "window_s": window_s}
    if not is_logged(session, grant, evidence_id, **logged):
        require_may_look(session, grant, evidence)


def find_rendering(session: Session, actor: Actor, evidence_id: UUID, kind: str) -> tuple[Derivative, Grant]:
    """An unblurred rendering that the actor may look at, as its content.

    Raises NotFound, Forbidden, NoContent for a lead, LabelsMissing, PreviewNotReady while it is made, NoRendering when
    there is none.
    """
    evidence, blob, grant = find_original(session, actor, evidence_id)
    _require_settled(evidence)
    found = find_derivative(session, blob.sha256, kind)
    if found is None:
        raise NoRendering(f"There is no '{kind}' of this file.")
    return found, grant


def find_step(
    session: Session, actor: Actor, evidence_id: UUID, kind: Literal["thumbnail", "strip"], operation: Operation
) -> tuple[Derivative, Grant]:
    """The small picture or strip of which a step is made, for whoever may do ``operation`` with the item.

    Raises NotFound, Forbidden, NoContent for a lead, LabelsMissing for content, PreviewNotReady while it is made,
    NoPreview and NoRendering when there is none.
    """
    evidence, grant = find_evidence(session, actor, evidence_id, operation)
    if evidence.blob_sha256 is None:
        raise NoContent(WITHOUT_BYTES)
    if operation is Operation.READ_ORIGINAL:
        _require_labels(evidence, grant)
    _require_settled(evidence)
    found = find_derivative(session, evidence.blob_sha256, kind)
    if found is None and kind == "strip":
        raise NoRendering("There is no strip of this file: only what moves has one.")
    if found is None:
        raise NoPreview(UNDECODED)
    return found, grant


def _require_labels(evidence: Evidence, grant: Grant) -> None:
    """Labels come before viewing; who brought the item has seen it. Raises LabelsMissing.

    The database asks the same of every viewing that is written (``exhibit_labels_missing``).
    """
    if evidence.labels is None and grant.account_id not in (evidence.registered_by, evidence.received_by):
        raise LabelsMissing(NOT_LABELLED)


def find_frames(
    session: Session, actor: Actor, evidence_id: UUID, operation: Operation
) -> tuple[Evidence, Derivative | None, Grant]:
    """An item's working pictures, for whoever may do ``operation`` with it; None when there are none.

    Raises NotFound, Forbidden, NoContent for a lead, LabelsMissing for content, PreviewNotReady while they are made,
    NoPreview in quarantine.
    """
    evidence, grant = find_evidence(session, actor, evidence_id, operation)
    if evidence.blob_sha256 is None:
        raise NoContent(WITHOUT_BYTES)
    if operation is Operation.READ_ORIGINAL:
        _require_labels(evidence, grant)
    _require_settled(evidence)
    return evidence, find_derivative(session, evidence.blob_sha256, "frames"), grant


def list_frames(session: Session, actor: Actor, evidence_id: UUID) -> tuple[Evidence, list[PackedFrame]]:
    """What is known of an item's frames without looking at one; nothing as long as they are not made.

    Raises NotFound, Forbidden, NoContent for a lead.
    """
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    if evidence.blob_sha256 is None:
        raise NoContent(WITHOUT_BYTES)
    if not has_own_results(evidence):
        return evidence, []
    pack = find_derivative(session, evidence.blob_sha256, "frames")
    return evidence, [] if pack is None else index_of(pack.details)


def read_frame(blobs: BlobStore, pack_sha256: Sha256Hex, frame: PackedFrame) -> bytes:
    """One frame's JPEG, after its digest was compared: nothing else is ever decoded. Raises ContentUnavailable."""
    end = frame.offset_bytes + frame.size_bytes
    try:
        jpeg = b"".join(blobs.read_range(pack_sha256, frame.offset_bytes, end))
    except (BlobMissing, BlobUnreadable) as error:
        raise ContentUnavailable() from error
    if sha256_hex(jpeg) != frame.sha256:
        raise ContentUnavailable("The storage gives other bytes than were stored for this frame.")
    return jpeg


def list_renderings(session: Session, actor: Actor, evidence_id: UUID) -> Sequence[Derivative]:
    """What was made from the item's file, the newest of each kind. Raises NotFound, Forbidden, NoContent."""
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    if evidence.blob_sha256 is None:
        raise NoContent(WITHOUT_BYTES)
    if not has_own_results(evidence):
        return []
    return newest_renderings(session, evidence.blob_sha256)


def _require_settled(evidence: Evidence) -> None:
    """Raises NoPreview, PreviewNotReady."""
    if has_own_results(evidence):
        return
    if evidence.state == State.QUARANTINED:
        raise NoPreview("This item is quarantined: there is no preview of it, and there will be none.")
    raise PreviewNotReady("The preview is made after the file is preserved. Ask again in a moment.")


def is_logged(
    session: Session, grant: Grant, evidence_id: UUID, *, act: Act, rendering: str, purpose: str, window_s: int
) -> bool:
    """Whether this reading belongs to one that was logged within the window, by the database's clock."""
    logged = select(EvidenceView.logged_at).where(
        EvidenceView.evidence_id == evidence_id,
        EvidenceView.account_id == grant.account_id,
        EvidenceView.act == act,
        EvidenceView.rendering == rendering,
        EvidenceView.purpose == purpose,
        ~window_is_over(EvidenceView.logged_at, window_s),
    )
    return session.scalar(logged) is not None


def log_reading(
    uow: UnitOfWork,
    actor: Actor,
    evidence_id: UUID,
    *,
    act: Act,
    rendering: str,
    size_bytes: int,
    purpose: str,
    window_s: int,
    request_id: UUID | None = None,
) -> None:
    """One entry per actor, item, rendering and purpose within the window; of requests at once, one writes it.

    It counts as exposure, and is refused at the cap of the case's policy; what belongs to a viewing that was let in is
    not. Raises LabelsMissing, ExposureCapReached.
    """
    evidence, _, grant = find_original(uow.session, actor, evidence_id)
    now = func.clock_timestamp()
    row = insert(EvidenceView).values(
        evidence_id=evidence_id,
        account_id=grant.account_id,
        act=act,
        rendering=rendering,
        purpose=purpose,
        logged_at=now,
    )
    is_first = uow.session.scalar(
        row.on_conflict_do_update(
            constraint="pk_evidence_views",
            set_={"logged_at": now},
            where=window_is_over(EvidenceView.logged_at, window_s),
        ).returning(EvidenceView.evidence_id)
    )
    if is_first is None:
        return
    count_viewing(uow.session, grant, evidence, is_original=rendering == ORIGINAL)
    event = EvidenceViewed if act == "viewed" else EvidenceDownloaded
    uow.record(
        event(
            stream=evidence_id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            purpose=purpose,
            rendering=rendering,
            bytes=size_bytes,
            request_id=request_id,
        )
    )


def get_preview(session: Session, actor: Actor, evidence_id: UUID) -> Derivative:
    """The safe preview. Raises NoContent for a lead, PreviewNotReady while it is made, NoPreview when none can be."""
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_PREVIEW)
    if evidence.blob_sha256 is None:
        raise NoContent(WITHOUT_BYTES)
    _require_settled(evidence)
    preview = find_derivative(session, evidence.blob_sha256, "preview")
    if preview is None:
        raise NoPreview(UNDECODED)
    return preview
