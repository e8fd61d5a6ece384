"""The two jobs that make a package: one builds the payload and logs its seal, the next writes and stores the file.

Both stage the payload anew from what is frozen, so a job that dies leaves nothing but its row: before the seal is
committed the first one runs again, after it the second one does, and a file that was stored and not yet known of is
written again with the same bytes under the same digest. A payload that differs from the one that was sealed (something
was erased in between) is never stored.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import system_stream
from app.anchors.configuration import configured_authorities, read_policy
from app.anchors.models import Anchor
from app.anchors.publication import await_quorum, with_cosignatures
from app.blobs.store import BlobMissing, BlobStore, BlobUnreadable
from app.exports.bag import Payload, Seal
from app.exports.dossier import Dossier, Frozen, Medium, closing_commitment, find_dossier, seal_commitment
from app.exports.errors import CheckpointPending
from app.exports.events import ExportSealed
from app.exports.export_service import BUILD_EXPORT, FINISH_EXPORT
from app.exports.models import Export, ExportMedia
from app.exports.removal import REMOVE_PACKAGE
from app.exports.staging import Digests, digests_beside
from app.jobs import Job
from app.kernel.database import read_session, session_factory
from app.kernel.primitives import Sha256Hex, sha256_hex, utc_now
from app.kernel.settings import Settings
from app.ledger import reading
from app.ledger.event import EntryActor, EntryObject
from app.ledger.reading import SignedCheckpoint
from app.ledger.witness_request import AddCheckpoint
from app.unit_of_work import UnitOfWork

TOLD_EVERY_S = 1.0
NOT_SIGNED = "The ledger's integrator did not sign it in time."


class MediumChanged(Exception):
    """An original in the store is not the one that was received, or is not there: the package is not made."""


class PayloadChanged(Exception):
    """The payload is not the sealed one any more."""


class ExportResources(Protocol):
    """What the worker hands to these jobs."""

    @property
    def settings(self) -> Settings: ...

    @property
    def blobs(self) -> BlobStore: ...

    @property
    def packages(self) -> BlobStore: ...


@dataclass(frozen=True)
class Plan:
    """``awaited``: the commitment of the entry that a signed tree must hold before anything is done."""

    dossier: Dossier
    awaited: str
    manifest_sha256: str | None = None
    seal_body: bytes = b""


@dataclass(frozen=True)
class Built:
    export_id: UUID
    frozen: Frozen
    manifest_sha256: str
    bag_info_sha256: str
    media: Sequence[Medium]


@dataclass(frozen=True)
class Finished:
    export_id: UUID
    seal_checkpoint: str
    package_sha256: Sha256Hex
    size_bytes: int
    kept_days: int


# --- the payload and its seal -----------------------------------------------------------------------------------------


def plan_building(session: Session, *, export_id: str) -> Plan | None:
    export = session.get(Export, UUID(export_id))
    if export is None or export.state != "building":
        return None
    return Plan(find_dossier(session, _sessions_of(session), export), closing_commitment(session, export))


def build(plan: Plan, resources: ExportResources) -> Built:
    """Stage the payload once and hash it. Raises CheckpointPending, MediumChanged, BlobUnreadable."""
    dossier, settings = plan.dossier, resources.settings
    checkpoint = _signed(dossier, plan.awaited, settings)
    dossier = replace(_at_hand(dossier, resources), frozen=_freeze(dossier.sessions, checkpoint, settings))
    read: list[Medium] = []
    tell = _Telling(dossier, 0)

    def read_medium(medium: Medium) -> Digests:
        digests = _hash(resources.blobs, medium, tell, beside)
        read.append(replace(medium, digests=digests))
        return digests

    with ThreadPoolExecutor(1) as beside, Payload(dossier, _staging(settings), read_medium) as payload:
        sealed = payload.manifest_sha256(), sha256_hex(payload.bag_info())
    return Built(dossier.id, dossier.inputs, *sealed, read)


def store_built(uow: UnitOfWork, built: Built) -> None:
    """Idempotent by the export's state."""
    export = _lock(uow.session, built.export_id, "building")
    if export is None:
        return
    export.state, export.frozen, export.manifest_sha256 = "sealed", built.frozen.document(), built.manifest_sha256
    for medium in built.media:
        assert medium.digests is not None
        digests = {"sha512": bytes.fromhex(medium.digests.sha512), "crc32": medium.digests.crc32}
        row = update(ExportMedia).where(ExportMedia.export_id == export.id, ExportMedia.sha256 == medium.sha256)
        uow.session.execute(row.values(**digests))
    uow.record(
        ExportSealed(
            stream=export.case_id,
            actor=EntryActor(system_stream(uow.session), "system", None),
            object=EntryObject("export", export.id),
            manifest_sha256=built.manifest_sha256,
            bag_info_sha256=built.bag_info_sha256,
            tree_size=built.frozen.tree_size,
        )
    )
    uow.enqueue(FINISH_EXPORT, export_id=str(export.id))


def _freeze(sessions: sessionmaker[Session], checkpoint: SignedCheckpoint, settings: Settings) -> Frozen:
    with read_session(sessions) as session:
        vkey = reading.key_of(session, checkpoint).encode()
        newest = (
            select(Anchor)
            .where(Anchor.state == "confirmed", Anchor.log_id == checkpoint.log_id, Anchor.size <= checkpoint.size)
            .order_by(Anchor.size.desc(), Anchor.authority)
        )
        anchors = session.scalars(newest.limit(16)).all()
        stamps = tuple(str(each.id) for each in anchors if each.size == anchors[0].size)
        stamped = None
        if anchors and anchors[0].size != checkpoint.size:
            stamped = reading.checkpoint_of(session, anchors[0].size, log_id=checkpoint.log_id)
        anchored = None if stamped is None else with_cosignatures(session, stamped).note
    policy = f"log {vkey}\nquorum none\n"
    if settings.witness_policy is not None:
        policy = settings.witness_policy.read_text(encoding="utf-8")
    return Frozen(
        checkpoint.note,
        checkpoint.size,
        checkpoint.size <= settings.inline_leaves_up_to,
        vkey,
        policy,
        _roots(settings),
        stamps,
        anchored,
    )


def _roots(settings: Settings) -> str | None:
    """The roots of all authorities, in PEM; None without any."""
    found = [root.public_bytes(Encoding.PEM) for each in configured_authorities(settings) for root in each.roots]
    return b"".join(dict.fromkeys(found)).decode("ascii") if found else None


def _hash(blobs: BlobStore, medium: Medium, tell: Callable[[bytes], object], beside: Executor) -> Digests:
    """Raises MediumChanged; BlobUnreadable says nothing about the bytes."""
    try:
        digests = digests_beside(blobs.read_range(Sha256Hex(medium.sha256)), tell, beside)
    except BlobMissing as error:
        raise MediumChanged("an original is not in the store") from error
    if (digests.sha256, digests.size_bytes) != (medium.sha256, medium.size_bytes):
        raise MediumChanged("an original in the store has other bytes than were received")
    return digests


# --- the file ---------------------------------------------------------------------------------------------------------


def plan_finishing(session: Session, *, export_id: str) -> Plan | None:
    export = session.get(Export, UUID(export_id))
    if export is None or export.state != "sealed":
        return None
    sealed = seal_commitment(session, export.id)
    entry = reading.find_entry(session, sealed)
    assert entry is not None
    return Plan(find_dossier(session, _sessions_of(session), export), sealed, export.manifest_sha256, entry.body)


def finish(plan: Plan, resources: ExportResources) -> Finished:
    """Write the file into the packages' store. Raises CheckpointPending, PayloadChanged, BlobUnreadable."""
    dossier = _at_hand(plan.dossier, resources)
    checkpoint = _signed(dossier, plan.awaited, resources.settings)
    with Payload(dossier, _staging(resources.settings), _known) as payload:
        if payload.manifest_sha256() != plan.manifest_sha256:
            raise PayloadChanged("the payload is not the sealed one any more")
        tell = _Telling(dossier, sum(each.size_bytes for each in (*dossier.media, *dossier.copies)))
        with resources.packages.begin() as writer:
            for chunk in payload.write(_seal(dossier, plan, checkpoint), resources.blobs):
                writer.write(chunk)
                tell(chunk)
            stored = writer.commit()
    kept_days = resources.settings.packages_kept_days
    return Finished(dossier.id, checkpoint.note, stored.sha256, stored.size_bytes, kept_days)


def store_finished(uow: UnitOfWork, finished: Finished) -> None:
    """Idempotent by the export's state. What was erased meanwhile is not given out: its file is removed."""
    export = _lock(uow.session, finished.export_id, "sealed")
    if export is None:
        uow.enqueue(REMOVE_PACKAGE, sha256=finished.package_sha256)  # Does nothing to one that is ready.
        return
    export.state, export.ready_at = "ready", utc_now()
    export.expires_at = export.ready_at + timedelta(days=finished.kept_days) if finished.kept_days else None
    export.seal_checkpoint = finished.seal_checkpoint
    export.package_sha256, export.size_bytes = finished.package_sha256, finished.size_bytes
    export.done_bytes = export.total_bytes


def _known(medium: Medium) -> Digests:
    assert medium.digests is not None
    return medium.digests


def _seal(dossier: Dossier, plan: Plan, checkpoint: SignedCheckpoint) -> Seal:
    with read_session(dossier.sessions) as session:
        _, index = reading.signed_place(session, plan.awaited, checkpoint.size)
        proof = reading.proofs_at(session, checkpoint, [index])[0]
        old, new = dossier.inputs.tree_size, checkpoint.size
        hashes = tuple(reading.consistency_proof(session, old, new, log_id=checkpoint.log_id))
    grown = AddCheckpoint(old, hashes, checkpoint.note)
    return Seal(plan.seal_body, proof.encode().encode(), grown.encode().encode())


# --- both -------------------------------------------------------------------------------------------------------------


def give_up(uow: UnitOfWork, arguments: Mapping[str, Any], error: str) -> None:
    """After the last attempt: the export ends as failed. Its entries stay."""
    export = uow.session.scalar(
        select(Export)
        .where(Export.id == UUID(arguments["export_id"]), Export.state.in_(("building", "sealed")))
        .with_for_update()
    )
    if export is not None:
        export.state, export.error = "failed", error


def waiting(state: str) -> Callable[[Session], list[Mapping[str, str]]]:
    """What by its own state waits for a job."""

    def find(session: Session) -> list[Mapping[str, str]]:
        return [{"export_id": str(each)} for each in session.scalars(select(Export.id).filter_by(state=state))]

    return find


def _sessions_of(session: Session) -> sessionmaker[Session]:
    """For ``work``, which reads the ledger in portions, each in a short transaction: none is open while bytes move."""
    return session_factory(session.get_bind().engine)


def _signed(dossier: Dossier, commitment: str, settings: Settings) -> SignedCheckpoint:
    """The smallest signed tree that holds an entry, with the cosignatures of a quorum if that comes in time."""
    found = reading.wait_for_checkpoint(dossier.sessions, [commitment], settings.checkpoint_wait_s)
    if found is None:
        raise CheckpointPending(NOT_SIGNED)
    return await_quorum(dossier.sessions, found, read_policy(settings), settings.witness_wait_s)


def _staging(settings: Settings) -> Path:
    return settings.data / "staging"


def _at_hand(dossier: Dossier, resources: ExportResources) -> Dossier:
    """With what its parts may read besides the database, and a place for what they make on the way."""
    scratch = _staging(resources.settings)
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    return replace(dossier, blobs=resources.blobs, scratch=scratch)


def _lock(session: Session, export_id: UUID, state: str) -> Export | None:
    return session.scalar(select(Export).filter_by(id=export_id, state=state).with_for_update())


class _Telling:
    """Counts bytes that went by, and writes how many into the export's row now and then."""

    def __init__(self, dossier: Dossier, begin: int) -> None:
        self._sessions, self._id = dossier.sessions, dossier.id
        self._done, self._told_at = begin, time.monotonic()

    def __call__(self, chunk: bytes) -> None:
        self._done += len(chunk)
        now = time.monotonic()
        if now - self._told_at >= TOLD_EVERY_S:
            self._told_at = now
            with self._sessions.begin() as session:
                session.execute(update(Export).where(Export.id == self._id).values(done_bytes=self._done))


NOT_NOW = (CheckpointPending, BlobUnreadable)
JOBS: tuple[Job, ...] = (
    Job(BUILD_EXPORT, plan_building, build, store_built, give_up, NOT_NOW, waiting("building")),
    Job(FINISH_EXPORT, plan_finishing, finish, store_finished, give_up, NOT_NOW, waiting("sealed")),
)
