"""Stored packages that hold what was erased, or whose time is over: their files go. Copies elsewhere verify on.

Expiry is no entry: it is told beforehand (``expires_at``), and changes nothing that the ledger speaks of.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session, sessionmaker

from app.blobs.store import BlobStore
from app.exports.log_models import StoredLog
from app.exports.models import Export
from app.jobs import Job
from app.kernel.database import read_session
from app.kernel.primitives import Sha256Hex
from app.kernel.settings import Settings
from app.ledger.erasing import ErasableEntry, OpenField
from app.unit_of_work import UnitOfWork

REMOVE_PACKAGE = "remove_package"
MAKE_LOG = "make_log"
"""The job that writes a month's log, of ``app.auditing``: what was erased from one has it made anew."""

_WITH_FIELD = "(x.disclosed = 'all' OR CAST(:field AS text) = ANY(x.fields))"
_ERASE = """
    UPDATE exports x SET state = 'erased' FROM ledger_entries own, ledger_entries erased
    WHERE erased.commitment = :commitment AND own.stream_id = erased.stream_id AND own.log_id = erased.log_id
        AND own.seq > erased.seq AND own.type = 'export.created' AND own.object_id = x.id
        AND (x.scope = 'case' OR own.stream_id <> x.case_id)
        AND x.state IN ('awaiting_approval', 'building', 'sealed', 'ready')
"""
_ERASE_BODY = text(f"{_ERASE} RETURNING x.package_sha256")
_ERASE_FIELD = text(f"{_ERASE} AND {_WITH_FIELD} RETURNING x.package_sha256")
# Whoever is taking one may go on for a day after their last request.
_EXPIRE = text("""
    WITH over AS (
        SELECT x.id FROM exports x WHERE x.state = 'ready' AND x.expires_at <= now()
            AND NOT EXISTS (SELECT FROM releases r WHERE r.export_id = x.id)
            AND NOT EXISTS (
                SELECT FROM export_downloads d WHERE d.export_id = x.id AND d.logged_at > now() - interval '1 day')
        ORDER BY x.expires_at LIMIT 500 FOR UPDATE OF x SKIP LOCKED
    )
    UPDATE exports x SET state = 'expired' FROM over WHERE x.id = over.id RETURNING x.package_sha256
""")
# A log of a case shows entries outside its range too, where its streams stood.
_MAKE_ANEW = text("""
    WITH holding AS (
        SELECT x.id, x.file_sha256 FROM stored_logs x JOIN log_schedules s ON s.id = x.schedule_id
        WHERE x.state IN ('ready', 'building') AND EXISTS (
            SELECT FROM ledger_leaves l JOIN ledger_entries e USING (commitment)
                JOIN ledger_streams own ON own.id = e.stream_id
            WHERE l.commitment = :commitment AND l.log_id = x.log_id AND (
                own.case_id = s.case_id OR s.case_id IS NULL AND l.idx >= x.first AND l.idx < x.before))
        FOR UPDATE OF x
    )
    UPDATE stored_logs x SET state = 'building', file_sha256 = NULL, size_bytes = NULL
    FROM holding WHERE x.id = holding.id RETURNING x.id, holding.file_sha256
""")


class RemovalResources(Protocol):
    """What the worker hands to this job, and to the chore."""

    @property
    def settings(self) -> Settings: ...

    @property
    def packages(self) -> BlobStore: ...


def remove_packages_with(uow: UnitOfWork, fields: Sequence[OpenField]) -> None:
    """Of every package that opens one of these fields."""
    for each in fields:
        asked = {"commitment": bytes.fromhex(each.entry.commitment), "field": each.field}
        _remove_files(uow, uow.session.scalars(_ERASE_FIELD, asked).all())


def remove_packages_with_body(uow: UnitOfWork, entry: ErasableEntry) -> None:
    """Of every package that holds this entry; monthly logs that do are made anew without it."""
    asked = {"commitment": bytes.fromhex(entry.commitment)}
    _remove_files(uow, uow.session.scalars(_ERASE_BODY, asked).all())
    for log in uow.session.execute(_MAKE_ANEW, asked).all():
        _remove_files(uow, [log.file_sha256])
        uow.enqueue(MAKE_LOG, log_id=str(log.id))


def _remove_files(uow: UnitOfWork, digests: Sequence[bytes | None]) -> None:
    for digest in digests:
        if digest is not None:
            uow.enqueue(REMOVE_PACKAGE, sha256=bytes(digest).hex())


def plan(session: Session, *, sha256: str) -> Sha256Hex | None:
    """None for one that somebody may still take."""
    is_package = select(Export.id).where(Export.package_sha256 == sha256, Export.state == "ready")
    is_log = select(StoredLog.id).where(StoredLog.file_sha256 == sha256)
    return None if session.scalar(select(or_(is_package.exists(), is_log.exists()))) else Sha256Hex(sha256)


def work(sha256: Sha256Hex, resources: RemovalResources) -> None:
    resources.packages.remove(sha256)


def store(_: UnitOfWork, __: None) -> None:
    """Nothing is left to be said: the file is gone, however often it is removed."""


def expire_packages(uow: UnitOfWork) -> int:
    """Those whose time is over end as ``expired``, but for the released, and those that somebody took within a day: how
    many."""
    ended = uow.session.scalars(_EXPIRE).all()
    _remove_files(uow, ended)
    return len(ended)


def sweep_packages(sessions: sessionmaker[Session], resources: RemovalResources) -> Mapping[str, Any]:
    """What a job left that died between storing a file and saying so, a day later. Nobody was ever told of it."""
    removed = 0
    for digest in list(resources.packages.untouched(resources.settings.orphan_grace_s)):
        with read_session(sessions) as session:
            is_unknown = plan(session, sha256=digest) is not None
        if is_unknown:
            resources.packages.remove(digest)
            removed += 1
    return {"removed": removed} if removed else {}


JOBS: tuple[Job, ...] = (Job(REMOVE_PACKAGE, plan, work, store),)
