"""Who the source of an evidence item is: sealed by whoever brought the item or a coordinator, asked for by few."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.media.items import entry_object, find_evidence, lock_evidence
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork
from app.vault import service
from app.vault.models import VaultIdentity, VaultOpening
from app.vault.sealing import VaultKey
from app.vault.service import SealedSource, Subject


def subject_of_item(evidence: Evidence) -> Subject:
    return Subject(
        "evidence",
        evidence.id,
        evidence.id,
        evidence.case_id,
        lambda session: entry_object(session, evidence),
    )


def seal_source(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, identity: Mapping[str, Any], key: VaultKey
) -> tuple[Evidence, VaultIdentity]:
    """Raises NotFound, Forbidden, VersionMismatch, VaultKeyMissing."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.SEAL_IDENTITY, version=version)
    made = service.seal_identity(uow, grant, subject_of_item(evidence), identity, key)
    evidence.source_number = made.number
    evidence.version += 1
    return evidence, made


def get_source(session: Session, actor: Actor, evidence_id: UUID) -> tuple[Evidence, SealedSource]:
    """That it is sealed, and under which number. Raises NotFound, Forbidden, IdentityNotSealed."""
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_WITHDRAWN)
    return evidence, service.sealed_source(session, "evidence", evidence_id)


def request_source(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, purpose: str, reason: str, sealing: int | None = None
) -> tuple[VaultOpening, VaultIdentity]:
    """Raises NotFound, Forbidden, IdentityNotSealed, IdentityDestroyed, OpeningAlreadyRequested."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.REQUEST_OPENING, version=None)
    asked: dict[str, Any] = {"purpose": purpose, "reason": reason, "sealing": sealing}
    return service.request_opening(uow, grant, subject_of_item(evidence), **asked)


def require_requesting(session: Session, actor: Actor, evidence_id: UUID) -> None:
    """Raises NotFound, Forbidden."""
    find_evidence(session, actor, evidence_id, Operation.REQUEST_OPENING)


def find_subject(session: Session, kind: service.SubjectKind, subject_id: UUID) -> Subject:
    """The item behind an identity (no permission check)."""
    evidence = session.get(Evidence, subject_id)
    assert kind == "evidence"
    assert evidence is not None
    return subject_of_item(evidence)
