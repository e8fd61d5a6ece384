"""Files in the blob store that nobody knows of: what a refused upload left, or a process that died.

An upload's file is durable before its row is written, so a refusal in between leaves a file that nobody knows of. Who
writes rows for a file holds its lock from before the look at the file until the commit; who removes it holds the same
lock. So a file never goes away under somebody else who is just registering the same bytes: they find it gone, are told
to send it again, and nothing was acknowledged.

A process that dies in between leaves its file behind; :func:`sweep_orphans` finds it. It looks only at files that were
stored a day ago or earlier (bringing the same bytes again marks them as new), so it never meets an upload under way. It
sets them aside, for weeks, before they are removed: a file without a row can also mean that the database is the one
that forgot, as one restored from a backup has. And when it would set aside many, it does nothing but say so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.blobs.store import BlobStore, StoredBlob
from app.kernel.database import read_session
from app.kernel.primitives import Sha256Hex
from app.media.models import Blob, Derivative, Redaction

_LOCK = text("SELECT pg_advisory_xact_lock(:space, hashtext(:sha256))")
_SPACE = 0x424C4F42
_AT_ONCE = 500
FEW_ORPHANS = 100
"""So many are always believed; of more, one file in a hundred."""


def hold_stored(session: Session, blobs: BlobStore, sha256: Sha256Hex) -> None:
    """Keeps a stored file from being removed until the transaction ends. Raises BlobMissing when it was before."""
    session.execute(_LOCK, {"space": _SPACE, "sha256": sha256})
    blobs.size_bytes(sha256)


def remove_if_orphan(session: Session, blobs: BlobStore, blob: StoredBlob) -> bool:
    """Removes the file of a refused upload, unless it was there before or somebody has registered it since."""
    if not blob.is_new:
        return False
    session.execute(_LOCK, {"space": _SPACE, "sha256": blob.sha256})
    if _registered(session, [blob.sha256]):
        return False
    blobs.remove(blob.sha256)
    return True


@dataclass(frozen=True)
class Sweep:
    """What a sweep found and did."""

    files: int
    """Old enough to be looked at."""
    orphans: int
    set_aside: Sequence[Sha256Hex]
    dropped: Sequence[Sha256Hex]
    is_refused: bool
    """More orphans than dying processes leave: this is another database, or an older one. Nothing was touched."""


def sweep_orphans(sessions: sessionmaker[Session], blobs: BlobStore, *, grace_s: float, kept_s: float) -> Sweep:
    """Set aside what nobody registered within ``grace_s``, and remove what was set aside ``kept_s`` ago."""
    files, orphans = 0, list[Sha256Hex]()
    found = blobs.untouched(grace_s)
    while batch := list(islice(found, _AT_ONCE)):
        files += len(batch)
        with read_session(sessions) as session:
            orphans.extend(sorted(set(batch) - _registered(session, batch)))
    if len(orphans) > max(FEW_ORPHANS, files // 100):
        return Sweep(files, len(orphans), [], [], is_refused=True)
    set_aside = [orphan for orphan in orphans if _set_aside(sessions, blobs, orphan, grace_s)]
    return Sweep(files, len(orphans), set_aside, blobs.drop_set_aside(kept_s), is_refused=False)


def _set_aside(sessions: sessionmaker[Session], blobs: BlobStore, sha256: Sha256Hex, grace_s: float) -> bool:
    with read_session(sessions) as session:
        session.execute(_LOCK, {"space": _SPACE, "sha256": sha256})
        return not _registered(session, [sha256]) and blobs.set_aside(sha256, grace_s)


def _registered(session: Session, digests: Iterable[Sha256Hex]) -> set[str]:
    """Those of the digests under which something is kept."""
    wanted = list(digests)
    kept = select(Blob.sha256).where(Blob.sha256.in_(wanted))
    derived = select(Derivative.sha256).where(Derivative.sha256.in_(wanted))
    redacted = select(Redaction.sha256).where(Redaction.sha256.in_(wanted))
    return set(session.scalars(kept.union_all(derived, redacted)))
