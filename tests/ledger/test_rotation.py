"""Keys: a rotation with its overlap, its history and its entries; a key behind a program."""

import argparse
import shlex
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from app.integrator_process import command_signer
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from app.ledger import audit, integrator, log, reading
from app.ledger.checkpoint import (
    NoteInvalid,
    Signer,
    VerifierKey,
    open_checkpoint,
    parse_checkpoint,
    parse_vkey,
    sign_checkpoint,
)
from app.ledger.keys import CommandSigner, KeyDirectory, SigningFailed, load_or_create_signer, published_directory
from app.ledger.record import RECORD_NAME, SignedRecord
from app.ledger_operations import rotate_key
from tests.ledger.acts import SIGNER, append, make_view, open_log, scalar, verifier_key
from tests.support.databases import TestDatabase

Sessions = sessionmaker[Session]


@pytest.fixture
def settings(database: TestDatabase, tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, app_database_url=database.app_url, integrator_database_url=database.integrator_url)


def _rotate(settings: Settings, *, finish: bool = False) -> int:
    return rotate_key(settings, argparse.Namespace(finish=finish))


@contextmanager
def _integrating(settings: Settings) -> Iterator[None]:
    """The integrator as its process runs it, on keys in files."""
    stop = threading.Event()
    keys = KeyDirectory(settings.data / "ledger", published_directory(settings.data), command_signer(settings))
    record = SignedRecord(settings.data / "ledger" / RECORD_NAME)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(integrator.run, settings.integrator_database_url or "", keys, 0.02, stop, record=record)
        try:
            yield
        finally:
            stop.set()
        running.result()


def _signed(sessions: Sessions, stream: UUID) -> reading.SignedCheckpoint:
    (receipt,) = append(sessions, [make_view(stream)])
    checkpoint = reading.wait_for_checkpoint(sessions, [receipt.commitment], 20)
    assert checkpoint is not None
    return checkpoint


def _signed_next(sessions: Sessions, stream: UUID) -> reading.SignedCheckpoint:
    """The next that is begun: one may be in the making, by the keys of a moment ago."""
    _signed(sessions, stream)
    return _signed(sessions, stream)


def _is_by(checkpoint: reading.SignedCheckpoint, key: VerifierKey) -> bool:
    try:
        open_checkpoint(checkpoint.note, key)
    except NoteInvalid:
        return False
    return True


def _forge_with(owning: Engine, signer: Signer, checkpoint: reading.SignedCheckpoint) -> None:
    """The same tree, signed by a key that was retired before: as whoever has found it could, inside the database."""
    text_of = parse_checkpoint(checkpoint.note.partition("\n\n")[0] + "\n")
    with owning.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("UPDATE ledger_checkpoints SET note = :note WHERE size = :size"),
            {"note": sign_checkpoint(text_of, signer), "size": checkpoint.size},
        )


def test_rotation_when_begun_and_finished_has_an_overlap_a_history_and_its_entries(
    settings: Settings, sessions: Sessions, engine: Engine, owning: Engine
) -> None:
    (stream,) = open_log(sessions)
    former_signer = load_or_create_signer(settings.data / "ledger" / "log.key")
    with sessions() as session:
        installation = log.installation(session)
    former = VerifierKey(installation.origin, former_signer.public_key)
    with _integrating(settings):
        before = _signed(sessions, stream)
        assert _rotate(settings) == _rotate(settings) == 0  # Repeated, it makes neither another key nor another entry.
        following = VerifierKey(
            former.name, load_or_create_signer(settings.data / "ledger" / "log.next.key").public_key
        )
        during = _signed_next(sessions, stream)
        assert _rotate(settings, finish=True) == 0
        after = _signed_next(sessions, stream)

    by = [[_is_by(each, key) for key in (former, following)] for each in (before, during, after)]
    assert by == [[True, False], [True, True], [False, True]]
    with sessions() as session:
        periods = reading.key_periods(session)
        acts = [entry.value() for entry in reading.entries_of(session, installation.system_stream)]
    assert [each.vkey for each in periods] == [former, following]
    assert before.size < periods[1].first_size <= during.size
    assert during.size <= (periods[0].last_size or 0) < after.size
    assert periods[1].last_size is None
    told = [(act["type"], act["data"]["stage"], act["data"]["key_id"]) for act in acts]
    assert told == [("system.key_rotated", stage, following.key_id.hex()) for stage in ("began", "finished")]
    assert sorted(path.name for path in (settings.data / "ledger").iterdir()) == ["log.key", "log.signed", "log.vkey"]
    published = {
        path.name: parse_vkey(path.read_text().strip()) for path in published_directory(settings.data).iterdir()
    }
    names = {f"{key.key_id.hex()}.vkey": key for key in (former, following)}
    assert published == {**names, "log.vkey": following}
    with engine.connect() as connection:
        assert audit.verify_log(connection, [former, following]).faults == []
    _forge_with(owning, former_signer, after)
    with engine.connect() as connection:
        faults = audit.verify_log(connection, [former, following]).faults
    assert {(fault.kind, fault.log_index) for fault in faults} == {("key", after.size - 1)}
    assert f"the key {former.key_id.hex()}, which signed trees of 1 to" in faults[0].detail


def test_rotation_when_no_checkpoint_bears_both_keys_is_not_finished(settings: Settings, sessions: Sessions) -> None:
    open_log(sessions)
    with pytest.raises(Misconfigured, match=r"log\.key is missing"):
        _rotate(settings)
    load_or_create_signer(settings.data / "ledger" / "log.key")
    with pytest.raises(Misconfigured, match="No rotation is under way"):
        _rotate(settings, finish=True)
    _rotate(settings)

    with pytest.raises(Misconfigured, match="No checkpoint bears both keys"):
        _rotate(settings, finish=True)


def test_key_when_retired_signs_nothing_more(sessions: Sessions, integrating: Engine, owning: Engine) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    with integrating.connect() as connection:
        integrator.integrate_batch(connection, SIGNER)
    with owning.begin() as connection:
        connection.execute(text("UPDATE ledger_keys SET last_size = 1"))
    append(sessions, [make_view(stream)])

    with pytest.raises(Misconfigured, match="was retired"), integrating.connect() as connection:
        integrator.integrate_batch(connection, SIGNER)
    for change in ("last_size = 2", "last_size = NULL", "first_size = 2", "public_key = sha256('x')"):
        with pytest.raises(IntegrityError, match="only the last size"), owning.begin() as connection:
            connection.execute(text(f"UPDATE ledger_keys SET {change}"))
    with pytest.raises(IntegrityError, match="only ever added to"), owning.begin() as connection:
        connection.execute(text("DELETE FROM ledger_keys"))


SIGN_BY_PEM = """
import sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
with open(sys.argv[1], "rb") as file:
    key = load_pem_private_key(file.read(), None)
sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read()))
"""


@pytest.fixture
def signing_program(tmp_path: Path) -> tuple[str, str]:
    """A command that signs with a key of its own, and its public key in hexadecimal. With openssl: tests/interop."""
    key, pem = Ed25519PrivateKey.generate(), tmp_path / "hsm.pem"
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "sign.py").write_text(SIGN_BY_PEM)
    public_key = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return shlex.join([sys.executable, str(tmp_path / "sign.py"), str(pem)]), public_key.hex()


def test_integrator_when_the_key_is_behind_a_program_signs_by_it_and_has_no_key_of_its_own(
    settings: Settings, sessions: Sessions, signing_program: tuple[str, str]
) -> None:
    (stream,) = open_log(sessions)
    command, public_key = signing_program
    (settings.data / "ledger").mkdir()
    behind = settings.model_copy(update={"signer_command": command, "signer_public_key": public_key})
    with _integrating(behind):
        checkpoint = _signed(sessions, stream)

    with sessions() as session:
        key = VerifierKey(log.installation(session).origin, bytes.fromhex(public_key))
    assert open_checkpoint(checkpoint.note, key).size == 1
    assert not (settings.data / "ledger" / "log.key").exists()
    with pytest.raises(Misconfigured, match="EXHIBIT_SIGNER_COMMAND"):
        _rotate(behind)


@pytest.mark.parametrize("command", ["false", "printf %064d 0", "no-such-program", "head -c 64", 'sh "unclosed'])
def test_sign_when_the_program_gives_no_good_signature_signs_nothing_and_tries_again(
    database: TestDatabase, sessions: Sessions, engine: Engine, command: str
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    broken = CommandSigner(command, SIGNER.public_key)
    with pytest.raises(SigningFailed):
        broken.sign(b"message" * 20)
    stop = threading.Event()
    with structlog.testing.capture_logs() as logged, ThreadPoolExecutor(1) as pool:
        running = pool.submit(integrator.run, database.integrator_url, broken, 0.02, stop)
        while [line["event"] for line in logged].count("integrator_could_not_sign") < 2:
            assert not running.done()
            stop.wait(0.02)
        stop.set()
        running.result()

    assert scalar(engine, "SELECT count(*) FROM ledger_leaves") == 0
    with engine.connect() as connection:
        assert audit.verify_log(connection, verifier_key(sessions)).faults == []


def test_command_signer_when_only_one_setting_is_given_is_refused(settings: Settings) -> None:
    with pytest.raises(Misconfigured, match="Set both"):
        command_signer(settings.model_copy(update={"signer_command": "sign"}))
