"""``exhibit ledger start-new-log | accept-database | rotate-key``: what an operator decides, each with its own entry.

None of them signs: that is the integrator's alone, which notices new keys and a new log while it runs.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import Engine, text

from app.access.events import SystemInitialised
from app.bootstrap import only_instance
from app.kernel.database import open_engine, session_factory
from app.kernel.database_roles import application_url, integrator_url
from app.kernel.embedded_postgres import start_postgres
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from app.ledger import halting, log
from app.ledger.checkpoint import VerifierKey
from app.ledger.event import EntryActor, EntryObject
from app.ledger.events import KeyRotated
from app.ledger.keys import KEY_NAME, NEXT_KEY_NAME, FileSigner, create_signer, keys_directory, load_signer
from app.ledger.record import RECORD_NAME, SignedRecord
from app.unit_of_work import UnitOfWork, unit_of_work

_HAS_SIGNED = text("""
    SELECT EXISTS (
        SELECT FROM ledger_keys k JOIN ledger_checkpoints c ON c.log_id = k.log_id AND c.size >= k.first_size
        WHERE k.log_id = :log_id AND k.key_id = :key_id AND k.last_size IS NULL
    )
""")
_IS_LOGGED = text("""
    SELECT EXISTS (
        SELECT FROM ledger_entries e JOIN ledger_bodies b USING (commitment)
        CROSS JOIN LATERAL (SELECT convert_from(b.body, 'UTF8')::jsonb -> 'data' AS data) d
        WHERE e.stream_id = :stream AND e.log_id = :log_id AND e.type = :type
            AND d.data ->> 'key_id' = :key_id AND d.data ->> 'stage' = :stage
    )
""")


def start_new_log(settings: Settings, options: argparse.Namespace) -> int:
    """End the halted log for ever, and begin another one in which every stream goes on."""
    if not options.the_old_log_ends:
        raise Misconfigured(
            "This ends the present log for ever: auditors pin the new log's key, and whatever the old one signed and "
            "this database lacks stays missing. First try to recover it (docs/deployment.md, Backup and restore). When "
            "that is impossible, repeat the command with --the-old-log-ends."
        )
    with only_instance(settings.data), as_owner(settings) as engine:
        if options.halt:
            with engine.connect() as connection:
                halting.halt_by_hand(connection, options.reason)
        with unit_of_work(session_factory(engine)) as uow:
            begun, ended = log.begin_next(uow.session, options.origin)
            uow.record(
                SystemInitialised(
                    stream=begun.system_stream,
                    actor=EntryActor(begun.system_stream, "system", None),
                    object=EntryObject("system", begun.system_stream),
                    continues_log=ended.origin,
                    signed_size=ended.signed_size,
                    signed_root=ended.signed_root,
                    held_size=ended.held_size,
                    reason=options.reason,
                )
            )
            uow.commit()
    _say(f"The log {begun.origin} begins; it continues {ended.origin}, of which {ended.signed_size} leaves were signed")
    _say(f"and {ended.held_size} are here. Start Exhibit, then give auditors the key that GET /v1/ledger/key shows.")
    return 0


def accept_database(settings: Settings, options: argparse.Namespace) -> int:
    """Begin the record of signed trees anew, because the old one is lost and the database is known to be whole."""
    if not options.nothing_is_missing:
        raise Misconfigured(
            "Compare an auditor's or a witness's newest checkpoint with this database first (exhibit ledger verify). "
            "When you know that it does not come from a backup, repeat the command with --nothing-is-missing."
        )
    with _connected(integrator_url(settings)) as engine, engine.connect() as connection:
        accepted = halting.accept_database(connection, SignedRecord(keys_directory(settings.data) / RECORD_NAME))
    _say(f"Accepted: {accepted.size} leaves, root {accepted.root}.")
    return 0


def rotate_key(settings: Settings, options: argparse.Namespace) -> int:
    """Let a new key sign beside the present one; with ``--finish`` let it sign alone. Repeat it when it was cut off."""
    if settings.signer_command is not None:
        raise Misconfigured(
            "The key is behind EXHIBIT_SIGNER_COMMAND: keys in hardware are not rotated by this command."
        )
    directory = keys_directory(settings.data)
    if not (directory / KEY_NAME).exists():
        raise Misconfigured(
            f"{directory / KEY_NAME} is missing: run this where the integrator's key lies, as its user."
        )
    with _connected(application_url(settings)) as engine:
        finish = _finish_rotation if options.finish else _begin_rotation
        return finish(engine, directory)


def _begin_rotation(engine: Engine, directory: Path) -> int:
    present = load_signer(directory / KEY_NAME)
    following = create_signer(directory / NEXT_KEY_NAME)
    with unit_of_work(session_factory(engine)) as uow:
        key = _record_rotation(uow, "began", present, following)
        uow.commit()
    _say(f"From the next checkpoint on this key signs beside the present one: {key.encode()}")
    _say("Give it to all who pinned the present one, then: exhibit ledger rotate-key --finish")
    return 0


def _finish_rotation(engine: Engine, directory: Path) -> int:
    path = directory / NEXT_KEY_NAME
    if not path.exists():
        raise Misconfigured("No rotation is under way: begin one with exhibit ledger rotate-key.")
    present, following = load_signer(directory / KEY_NAME), load_signer(path)
    with unit_of_work(session_factory(engine)) as uow:
        current = log.installation(uow.session)
        key_id = VerifierKey(current.origin, following.public_key).key_id
        if not uow.session.execute(_HAS_SIGNED, {"log_id": current.log_id, "key_id": key_id}).scalar_one():
            raise Misconfigured("No checkpoint bears both keys yet: is the integrator running?")
        key = _record_rotation(uow, "finished", present, following)
        uow.commit()
    # The entry first: cut off here, both keys go on, and the command is repeated. The old private key is not kept: it
    # signs nothing more, and whoever found it could sign another history for those who pinned it.
    path.replace(directory / KEY_NAME)
    _say(f"From the next checkpoint on only this key signs: {key.encode()}")
    return 0


def _record_rotation(
    uow: UnitOfWork, stage: Literal["began", "finished"], present: FileSigner, following: FileSigner
) -> VerifierKey:
    """Stage the entry, unless an earlier run that was cut off logged it."""
    current = log.installation(uow.session)
    key = VerifierKey(current.origin, following.public_key)
    event = KeyRotated(
        stream=current.system_stream,
        actor=EntryActor(current.system_stream, "system", None),
        object=EntryObject("system", current.system_stream),
        stage=stage,
        key_id=key.key_id.hex(),
        public_key=key.public_key.hex(),
        former_key_id=VerifierKey(current.origin, present.public_key).key_id.hex(),
    )
    asked = {"stream": current.system_stream, "log_id": current.log_id, "type": event.TYPE, "stage": stage}
    if not uow.session.execute(_IS_LOGGED, {**asked, "key_id": event.key_id}).scalar_one():
        uow.record(event)
    return key


@contextmanager
def as_owner(settings: Settings) -> Iterator[Engine]:
    """The database as its owner; the embedded server is started when it is not running, and left as it was found."""
    if settings.database_url:
        with _connected(settings.database_url) as engine:
            yield engine
        return
    postgres = start_postgres(settings.data)
    try:
        with _connected(postgres.owner_url) as engine:
            yield engine
    finally:
        if not postgres.adopted:
            postgres.stop()


@contextmanager
def _connected(url: str) -> Iterator[Engine]:
    engine = open_engine(url, pool_size=2)
    try:
        yield engine
    finally:
        engine.dispose()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
