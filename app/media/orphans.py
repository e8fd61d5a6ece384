"""Files that a refused upload left in the blob store.

An upload's file is durable before its row is written, so a refusal in between leaves a file that nobody knows of. Who
writes rows for a file holds its lock from before the look at the file until the commit; who removes it holds the same
lock. So a file never goes away under somebody else who is just registering the same bytes: they find it gone, are told
to send it again, and nothing was acknowledged. A process that dies in between leaves its file behind.
"""

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.blobs.store import BlobStore, StoredBlob
from app.kernel.primitives import Sha256Hex
from app.media.models import Blob, Derivative

_LOCK = text("SELECT pg_advisory_xact_lock(:space, hashtext(:sha256))")
_SPACE = 0x424C4F42


def hold_stored(session: Session, blobs: BlobStore, sha256: Sha256Hex) -> None:
    """Keeps a stored file from being removed until the transaction ends. Raises BlobMissing when it was before."""
    session.execute(_LOCK, {"space": _SPACE, "sha256": sha256})
    blobs.size_bytes(sha256)


def remove_if_orphan(session: Session, blobs: BlobStore, blob: StoredBlob) -> bool:
    """Removes the file of a refused upload, unless it was there before or somebody has registered it since."""
    if not blob.is_new:
        return False
    session.execute(_LOCK, {"space": _SPACE, "sha256": blob.sha256})
    is_kept = select(Blob.sha256).where(Blob.sha256 == blob.sha256)
    is_derived = select(Derivative.sha256).where(Derivative.sha256 == blob.sha256)
    if session.scalar(is_kept.union_all(is_derived).limit(1)) is not None:
        return False
    blobs.remove(blob.sha256)
    return True
