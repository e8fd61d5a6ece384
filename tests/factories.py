"""Plain functions that make what a test begins with, by the services themselves: every row has its entry."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor
from app.access.rules import OrganisationRole, Role, Scope
from app.access.service import create_account
from app.blobs.store import ReadBack, ReadBackOutcome, StoredBlob
from app.cases.service import create_case, grant_role
from app.fingerprints import jobs as fingerprint_jobs
from app.fingerprints import match_job
from app.fingerprints.decodings import Decoded
from app.fingerprints.jobs import Result as FingerprintResult
from app.kernel.primitives import Sha256Hex, new_id, sha256_hex, utc_now
from app.ledger import log
from app.media.acquisition import Acquisition
from app.media.service import ReceivedFile, receive_evidence, record_read_back
from app.unit_of_work import UnitOfWork, unit_of_work
from app.worker import Runner, WorkerLimits

Result = TypeVar("Result")

NO_LABELS: dict[str, object] = {
    "graphic_level": "none",
    "child": False,
    "sexual_violence": False,
    "distressing_audio": False,
}


def commit_in(sessions: sessionmaker[Session], work: Callable[[UnitOfWork], Result]) -> Result:
    """The result of one piece of work, committed in a unit of work of its own."""
    with unit_of_work(sessions) as uow:
        result = work(uow)
        uow.commit()
    return result


def make_log(sessions: sessionmaker[Session]) -> None:
    """The log's identity, as the first start makes it."""
    with sessions() as session:
        log.initialise(session)
        session.commit()


def make_person(
    sessions: sessionmaker[Session], name: str, *, organisation_roles: frozenset[OrganisationRole] = frozenset()
) -> Actor:
    """An account, and the actor that it is when signed in."""
    maker = Actor(
        new_id(), new_id(), "session", frozenset({OrganisationRole.ADMINISTRATOR}), frozenset(Scope), None, None
    )
    account = commit_in(
        sessions,
        lambda uow: create_account(
            uow,
            maker,
            name=name,
            email=f"{name.lower()}@hub.example",
            is_administrator=OrganisationRole.ADMINISTRATOR in organisation_roles,
            is_auditor=OrganisationRole.AUDITOR in organisation_roles,
        ),
    )
    return Actor(account.id, new_id(), "session", organisation_roles, frozenset(Scope), None, None)


def make_case(sessions: sessionmaker[Session], coordinator: Actor, members: Iterable[tuple[Actor, Role]] = ()) -> UUID:
    """A case with this coordinator and these members; its id."""
    administrator = make_person(
        sessions, f"administrator-{new_id().hex}", organisation_roles=frozenset({OrganisationRole.ADMINISTRATOR})
    )
    case = commit_in(
        sessions,
        lambda uow: create_case(
            uow, administrator, title="Strikes, July", description=None, coordinator_id=coordinator.account_id
        ),
    )
    for member, role in members:
        add_role(sessions, coordinator, case.id, member, role)
    return case.id


def add_role(sessions: sessionmaker[Session], coordinator: Actor, case_id: UUID, member: Actor, role: Role) -> None:
    commit_in(sessions, lambda uow: grant_role(uow, coordinator, case_id, account_id=member.account_id, role=role))


def make_item(
    sessions: sessionmaker[Session],
    collector: Actor,
    case_id: UUID,
    *,
    labels: dict[str, object] | None = NO_LABELS,
    is_preserved: bool = True,
    is_compared: bool = True,
    content: bytes | None = None,
    size_bytes: int = 1000,
) -> UUID:
    """An item on bytes that no store holds, ``preserved`` and found undecodable unless said otherwise; its id.

    ``labels``: None for one that nobody has labelled, whose content is closed to all but who brought it.
    ``content``: what the bytes' digest is made of; None: of no other item's.
    """
    sha256 = sha256_hex(new_id().bytes if content is None else content)
    file = ReceivedFile(StoredBlob(sha256, size_bytes, True), b"\xff\xd8\xff\xe0", "a.jpg", "image/jpeg")
    acquisition = Acquisition(collector="Olena", method="download", acquired_at=utc_now(), source="a channel")
    item = commit_in(
        sessions,
        lambda uow: receive_evidence(uow, collector, case_id, file=file, acquisition=acquisition, labels=labels),
    )
    if is_preserved:
        read_back = ReadBack(ReadBackOutcome.MATCH, sha256, size_bytes, None)
        commit_in(sessions, lambda uow: record_read_back(uow, item.id, read_back))
    if is_preserved and is_compared:
        make_compared(sessions, item.id, sha256)
    return item.id


def make_compared(
    sessions: sessionmaker[Session], item: UUID, sha256: Sha256Hex, *, claims: dict[str, Any] | None = None
) -> None:
    """End the item's fingerprinting as the jobs do for bytes that cannot be decoded; ``claims``: what they said."""
    decoded = Decoded("none/1", "undecodable", "nothing but a head", claims or {}, [])
    commit_in(sessions, lambda uow: fingerprint_jobs.store(uow, FingerprintResult(item, sha256, decoded)))
    (match,) = match_job.JOBS
    nothing_stored: Any = SimpleNamespace(blobs=None)  # There is nothing to compare, so no working picture is read.
    Runner(sessions, nothing_stored, WorkerLimits()).run(match, None, 0, {"evidence_id": str(item)})
