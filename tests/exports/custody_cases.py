"""A case with items and an incident, made by the services, and its custody files, for the tests of exports."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor
from app.access.rules import Role
from app.cases.events import IncidentRegistered
from app.exports import custody_service
from app.exports.custody_formats import custody_format
from app.exports.custody_service import CustodyExport
from app.exports.custody_streams import Scope
from app.incidents.events import EvidenceLinkedToIncident, IncidentCreated, IncidentEvidenceLinked
from app.kernel.database import open_engine, session_factory
from app.kernel.primitives import new_id
from app.ledger import integrator, log
from app.ledger.checkpoint import VerifierKey
from app.ledger.event import EntryActor, EntryObject
from app.ledger.keys import publish_verifier_key
from app.unit_of_work import UnitOfWork, unit_of_work
from tests.factories import commit_in, make_case, make_item, make_log, make_person
from tests.ledger.acts import SIGNER
from tests.support.databases import TestDatabase


@dataclass(frozen=True)
class Hub:
    """A case with its people, two items of which one is linked to an incident, and a third item."""

    sessions: sessionmaker[Session]
    vkey: VerifierKey
    case_id: UUID
    coordinator: Actor
    verifier: Actor
    items: tuple[UUID, ...]
    incident: UUID

    def take(
        self,
        scope: Scope = "case",
        object_id: UUID | None = None,
        *,
        is_disclosed: bool = False,
        inline_leaves_up_to: int = 1000,
        actor: Actor | None = None,
    ) -> CustodyExport:
        """An export of the whole case, or of the named object."""
        with unit_of_work(self.sessions) as uow:
            taken = custody_service.take_custody_file(
                uow,
                actor or self.coordinator,
                scope,
                object_id or self.case_id,
                file_format="jsonl",
                is_disclosed=is_disclosed,
                purpose="audit",
                reason="asked for by the court",
            )
            receipts = uow.commit()
        return custody_service.await_checkpoint(
            self.sessions, taken, receipts, timeout_s=20, inline_leaves_up_to=inline_leaves_up_to
        )

    def file(self, scope: Scope = "case", object_id: UUID | None = None, *, is_disclosed: bool = False) -> bytes:
        return written(self.take(scope, object_id, is_disclosed=is_disclosed), self.sessions)


def written(export: CustodyExport, sessions: sessionmaker[Session], file_format: str = "jsonl") -> bytes:
    return b"".join(custody_format(file_format).write(export, sessions))


@contextmanager
def integrating(database: TestDatabase) -> Iterator[None]:
    """The integrator at work in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=integrator.run, args=(database.integrator_url, SIGNER, 0.02, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=10)


def publish_key(sessions: sessionmaker[Session], data: Path) -> VerifierKey:
    """The log's public key where the API looks for it."""
    directory = data / "published"
    directory.mkdir(parents=True, exist_ok=True)
    with sessions() as session:
        return publish_verifier_key(directory, VerifierKey(log.installation(session).origin, SIGNER.public_key))


def make_linked_incident(sessions: sessionmaker[Session], case_id: UUID, item: UUID) -> UUID:
    """The entries that an incident and its link leave, without the rows of the incident."""
    incident = new_id()
    actor = EntryActor(new_id(), "user", "verifier")

    def record(uow: UnitOfWork) -> None:
        log.create_stream(uow.session, incident, "incident", case_id)
        of_incident = EntryObject("incident", incident, 1)
        link: dict[str, Any] = {"link": new_id(), "depicts": True, "counted": True, "actor": actor}
        uow.record(IncidentCreated(stream=incident, actor=actor, object=of_incident, kind="shelling", title="Märkte"))
        uow.record(IncidentRegistered(stream=case_id, actor=actor, object=of_incident))
        uow.record(IncidentEvidenceLinked(stream=incident, object=of_incident, evidence=item, **link))
        uow.record(
            EvidenceLinkedToIncident(stream=item, object=EntryObject("evidence", item), incident=incident, **link)
        )

    commit_in(sessions, record)
    return incident


def make_hub(sessions: sessionmaker[Session], contents: Sequence[bytes | None] = (None, None, None)) -> Hub:
    """``contents``: the items' bytes, of which a store may hold a file; None: bytes that nobody has."""
    make_log(sessions)
    coordinator, verifier = make_person(sessions, "Anna"), make_person(sessions, "Olena")
    case_id = make_case(sessions, coordinator, [(verifier, Role.VERIFIER)])
    items = tuple(
        make_item(sessions, verifier, case_id, content=content, size_bytes=len(content or bytes(1000)))
        for content in contents
    )
    incident = make_linked_incident(sessions, case_id, items[0])
    with sessions() as session:
        vkey = VerifierKey(log.installation(session).origin, SIGNER.public_key)
    return Hub(sessions, vkey, case_id, coordinator, verifier, items, incident)


@contextmanager
def open_hub(database: TestDatabase, contents: Sequence[bytes | None] = (None, None, None)) -> Iterator[Hub]:
    engine = open_engine(database.app_url, pool_size=8)
    with integrating(database):
        yield make_hub(session_factory(engine), contents)
    engine.dispose()
