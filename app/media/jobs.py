"""The job ``preserve``: read a stored original back from the medium, and only then call it preserved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.blobs.store import BlobStore, ReadBack, ReadBackOutcome
from app.jobs import Job
from app.kernel.primitives import Sha256Hex
from app.media.jail.decoder import Decoder
from app.media.models import Evidence
from app.media.progress import ProgressBoard
from app.media.rules import State
from app.media.service import PRESERVE, record_read_back
from app.unit_of_work import UnitOfWork


class MediaResources(Protocol):
    """What the worker hands to jobs that touch media."""

    @property
    def blobs(self) -> BlobStore: ...

    @property
    def decoder(self) -> Decoder: ...

    @property
    def progress(self) -> ProgressBoard: ...


class StorageNotReadable(Exception):
    """The bytes could not be read back. It says nothing about them: the job is tried again."""


@dataclass(frozen=True)
class Plan:
    evidence_id: UUID
    sha256: Sha256Hex


@dataclass(frozen=True)
class Result:
    evidence_id: UUID
    read_back: ReadBack


def plan(session: Session, *, evidence_id: str) -> Plan | None:
    evidence = session.scalar(select(Evidence).where(Evidence.id == UUID(evidence_id)))
    if evidence is None or evidence.state != State.COLLECTED or evidence.blob_sha256 is None:
        return None
    return Plan(evidence.id, Sha256Hex(evidence.blob_sha256))


def work(plan: Plan, resources: MediaResources) -> Result:
    """Raises StorageNotReadable: unreadable storage is never recorded as tampering."""
    read_back = resources.blobs.reread(plan.sha256)
    if read_back.outcome is ReadBackOutcome.NOT_VERIFIABLE:
        raise StorageNotReadable(read_back.reason)
    return Result(plan.evidence_id, read_back)


def store(uow: UnitOfWork, result: Any) -> None:
    record_read_back(uow, result.evidence_id, result.read_back)


def waiting(session: Session) -> list[Mapping[str, str]]:
    query = select(Evidence.id).where(Evidence.state == State.COLLECTED, Evidence.blob_sha256.is_not(None))
    return [{"evidence_id": str(found)} for found in session.scalars(query.order_by(Evidence.registered_at))]


JOBS: tuple[Job, ...] = (Job(PRESERVE, plan, work, store, not_now=(StorageNotReadable,), waiting=waiting),)
