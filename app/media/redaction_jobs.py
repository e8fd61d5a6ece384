"""The job ``redact``: the picture comes out of the jail, its boxes are covered here, and nothing else is kept of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.actors import system_stream
from app.blobs.store import BlobMissing, BlobStorageFailed, BlobStore, BlobUnreadable, StoredBlob
from app.jobs import Job
from app.kernel.primitives import Sha256Hex, utc_now
from app.ledger.event import EntryActor, EntryObject
from app.media.errors import ContentUnavailable
from app.media.events import EvidenceDerived
from app.media.frames import PackedFrame, index_of, opened
from app.media.jail.decoder import JailUnavailable
from app.media.jail.result import Pixels
from app.media.jobs import MediaResources
from app.media.models import Derivative, Redaction
from app.media.orphans import hold_stored
from app.media.redacting import TOOL, TOOL_VERSION, Wanted, redact, wanted_of
from app.media.redactions import REDACT
from app.media.viewing import read_frame
from app.unit_of_work import UnitOfWork

KIND = "redacted"


class PictureLost(Exception):
    """The file gives no picture any more, or another one than the boxes were drawn on."""


@dataclass(frozen=True)
class Plan:
    """``frame``: the pack and the place of the working picture that is covered; None: the file's own picture."""

    redaction_id: UUID
    sha256: Sha256Hex
    wanted: Wanted
    frame: tuple[Sha256Hex, PackedFrame] | None


@dataclass(frozen=True)
class Made:
    redaction_id: UUID
    file: StoredBlob
    width: int
    height: int
    blobs: BlobStore


def plan(session: Session, *, redaction_id: str) -> Plan | None:
    redaction = session.get(Redaction, UUID(redaction_id))
    if redaction is None or redaction.state != "pending":
        return None
    wanted = wanted_of(redaction.parameters)
    frame = None if wanted.frame is None else _frame_of(session, redaction.blob_sha256, wanted.frame[1])
    return Plan(redaction.id, Sha256Hex(redaction.blob_sha256), wanted, frame)


def _frame_of(session: Session, blob_sha256: str, frame_sha256: str) -> tuple[Sha256Hex, PackedFrame] | None:
    """In the pack that it was chosen from, which may not be the newest any more."""
    for pack in session.scalars(select(Derivative).filter_by(blob_sha256=blob_sha256, kind="frames")):
        for frame in index_of(pack.details):
            if frame.sha256 == frame_sha256:
                return Sha256Hex(pack.sha256), frame
    return None


def work(plan: Plan, resources: MediaResources) -> Made:
    """Raises PictureLost, DecoderDied; JailUnavailable, BlobMissing, BlobUnreadable and others of NOT_NOW."""
    copy = redact(_picture(plan, resources), plan.wanted)
    with resources.blobs.begin() as writer:
        writer.write(copy.png)
        stored = writer.commit()
    return Made(plan.redaction_id, stored, copy.width, copy.height, resources.blobs)


def _picture(plan: Plan, resources: MediaResources) -> Pixels:
    wanted = plan.wanted
    if wanted.frame is not None:
        if plan.frame is None:
            raise PictureLost("the frame is in no pack of this file")
        rgb: Pixels = np.asarray(opened(read_frame(resources.blobs, *plan.frame)))
        if rgb.shape[:2] != (wanted.height, wanted.width):
            raise PictureLost("the frame has another size")
        return rgb
    fd = resources.blobs.open(plan.sha256)
    try:
        result = resources.decoder.read_claims(fd)
    finally:
        os.close(fd)
    if result.picture is None or (result.claims.get("width"), result.claims.get("height")) != (
        wanted.width,
        wanted.height,
    ):
        raise PictureLost("the file gives no picture of that size")
    return result.picture


def store(uow: UnitOfWork, made: Made) -> None:
    """Idempotent by the copy's state. Raises BlobMissing when the file was swept meanwhile."""
    query = select(Redaction).filter_by(id=made.redaction_id, state="pending")
    redaction = uow.session.scalar(query.with_for_update())
    if redaction is None:
        return
    hold_stored(uow.session, made.blobs, made.file.sha256)
    redaction.state, redaction.tool, redaction.tool_version = "done", TOOL, TOOL_VERSION
    redaction.sha256, redaction.size_bytes = made.file.sha256, made.file.size_bytes
    redaction.width, redaction.height, redaction.made_at = made.width, made.height, utc_now()
    uow.record(
        EvidenceDerived(
            stream=redaction.evidence_id,
            actor=EntryActor(system_stream(uow.session), "system", None),
            object=EntryObject("derivative", redaction.id, None, made.file.sha256, made.file.size_bytes),
            kind=KIND,
            tool=TOOL,
            version=TOOL_VERSION,
            parameters_sha256=redaction.parameters_sha256,
            input_sha256=redaction.blob_sha256,
        )
    )


def give_up(uow: UnitOfWork, arguments: Mapping[str, Any], error: str) -> None:
    query = select(Redaction).filter_by(id=UUID(arguments["redaction_id"]), state="pending")
    redaction = uow.session.scalar(query.with_for_update())
    if redaction is not None:
        redaction.state, redaction.error = "failed", error


def waiting(session: Session) -> list[Mapping[str, str]]:
    query = select(Redaction.id).filter_by(state="pending").order_by(Redaction.requested_at)
    return [{"redaction_id": str(each)} for each in session.scalars(query)]


NOT_NOW = (JailUnavailable, BlobMissing, BlobUnreadable, BlobStorageFailed, ContentUnavailable)
JOBS: tuple[Job, ...] = (Job(REDACT, plan, work, store, give_up, NOT_NOW, waiting),)
