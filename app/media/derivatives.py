"""Files made from a blob's pixels: their bytes in the store, their rows, and the entry that each item gets of each."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from app.blobs.store import BlobStore, StoredBlob
from app.kernel.primitives import new_id, utc_now
from app.ledger.event import EntryObject
from app.ledger.sealed_fields import objects_of
from app.media import previews
from app.media.events import EvidenceDerived
from app.media.models import Blob, Derivative, Evidence
from app.media.orphans import hold_stored
from app.media.previews import Kind, Rendering
from app.media.service import system_actor
from app.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class StoredRendering:
    """A rendering whose file is durable; the store is at hand to keep it from being swept until its row is written."""

    rendering: Rendering
    file: StoredBlob
    blobs: BlobStore


def store_files(blobs: BlobStore, renderings: Sequence[Rendering]) -> list[StoredRendering]:
    """Raises BlobStorageFailed."""
    stored = []
    for rendering in renderings:
        with blobs.begin() as writer:
            for part in rendering.parts:
                writer.write(part)
            stored.append(StoredRendering(rendering, writer.commit(), blobs))
    return stored


def keep_renderings(session: Session, sha256: str, stored: Sequence[StoredRendering]) -> None:
    """Their rows; what was made by the same rule before stays. Raises BlobMissing when a file was swept meanwhile."""
    for each in sorted(stored, key=lambda one: one.file.sha256):  # Everybody takes these locks in one order.
        hold_stored(session, each.blobs, each.file.sha256)
        kind = each.rendering.kind
        session.execute(
            insert(Derivative)
            .values(
                id=new_id(),
                blob_sha256=sha256,
                kind=kind,
                tool=previews.TOOL,
                tool_version=previews.TOOL_VERSION,
                parameters=dict(previews.PARAMETERS[kind]),
                parameters_sha256=previews.PARAMETERS_SHA256[kind],
                sha256=each.file.sha256,
                size_bytes=each.file.size_bytes,
                media_type=previews.MEDIA_TYPES[kind],
                details=dict(each.rendering.details),
                made_at=utc_now(),
            )
            .on_conflict_do_nothing(constraint="uq_derivatives_once")
        )


def newest_renderings(session: Session, sha256: str) -> list[Derivative]:
    """The newest of each kind, in the order of their kinds (no permission check)."""
    query = select(Derivative).where(Derivative.blob_sha256 == sha256).ext(distinct_on(Derivative.kind))
    return list(session.scalars(query.order_by(Derivative.kind, Derivative.made_at.desc(), Derivative.id)))


def outdated_renderings() -> ColumnElement[bool]:
    """The condition on blobs of which a rendering was made by an earlier rule, or by none though there were pixels."""

    def made(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return select(Derivative.id).where(Derivative.blob_sha256 == Blob.sha256, *conditions).exists()

    def is_lacking(kind: Kind) -> ColumnElement[bool]:
        return ~made(Derivative.kind == kind, Derivative.parameters_sha256 == previews.PARAMETERS_SHA256[kind])

    # Not all that has pixels has a strip.
    stale_strip = and_(made(Derivative.kind == "strip"), is_lacking("strip"))
    return and_(made(), or_(is_lacking("preview"), is_lacking("thumbnail"), is_lacking("frames"), stale_strip))


def record_derived(uow: UnitOfWork, evidence: Evidence) -> None:
    """An entry in the item's stream for each rendering in force that has none there yet. May run twice."""
    assert evidence.blob_sha256 is not None
    told = objects_of(uow.session, evidence.id, EvidenceDerived.TYPE)
    for derivative in newest_renderings(uow.session, evidence.blob_sha256):
        if derivative.id in told:
            continue
        uow.record(
            EvidenceDerived(
                stream=evidence.id,
                actor=system_actor(uow.session),
                object=EntryObject("derivative", derivative.id, None, derivative.sha256, derivative.size_bytes),
                kind=derivative.kind,
                tool=derivative.tool,
                version=derivative.tool_version,
                parameters_sha256=derivative.parameters_sha256,
                input_sha256=evidence.blob_sha256,
            )
        )
