"""Acts for the ledger's tests: events of its own, and a log with something in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.primitives import new_id, utc_now
from app.ledger import integrator, log
from app.ledger.checkpoint import VerifierKey
from app.ledger.event import EntryActor, EntryObject, Event, sealed
from app.ledger.keys import FileSigner
from app.ledger.log import Receipt

NOON = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER_SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))


@dataclass(frozen=True, kw_only=True)
class Viewed(Event):
    TYPE: ClassVar[str] = "evidence.viewed"

    rendering: str = "preview"
    byte_count: int = 4096
    viewer_name: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class ExportCreated(Event):
    TYPE: ClassVar[str] = "export.created"


def make_view(stream: UUID, **fields: object) -> Viewed:
    defaults: dict[str, object] = {
        "actor": EntryActor(new_id(), "user", "verifier"),
        "object": EntryObject("evidence", stream),
        "viewer_name": "Ada Ødegård",
    }
    return Viewed(stream=stream, **{**defaults, **fields})  # type: ignore[arg-type]  # A test names what differs.


def make_export(streams: Iterable[UUID]) -> list[Event]:
    """What one export logs: ``export.created`` in each of its streams."""
    export = new_id()
    actor = EntryActor(new_id(), "user", "coordinator")
    return [ExportCreated(stream=stream, actor=actor, object=EntryObject("export", export)) for stream in streams]


def open_log(sessions: sessionmaker[Session], streams_count: int = 1) -> list[UUID]:
    """A log with its identity and some streams that have no entry yet."""
    streams = [new_id() for _ in range(streams_count)]
    with sessions.begin() as session:
        log.initialise(session)
        for stream in streams:
            log.create_stream(session, stream, "evidence", None)
    return streams


def append(sessions: sessionmaker[Session], events: Sequence[Event]) -> list[Receipt]:
    """One transaction of the application that does nothing but log."""
    with sessions.begin() as session:
        return log.append(session, events, recorded=utc_now())


def verifier_key(sessions: sessionmaker[Session]) -> VerifierKey:
    with sessions() as session:
        return VerifierKey(log.installation(session).origin, SIGNER.public_key)


def integrate_all(engine: Engine, *, limit: int = integrator.BATCH_ENTRIES) -> list[int]:
    """Drain the queue; the sizes that were signed."""
    sizes = []
    with engine.connect() as connection:
        while (checkpoint := integrator.integrate_batch(connection, SIGNER, limit=limit)) is not None:
            sizes.append(checkpoint.size)
    return sizes


def scalar(engine: Engine, statement: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(statement)).scalar_one()
