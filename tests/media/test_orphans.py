"""Files without a row: set aside when they are old, never under an upload's feet, and never many at once."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.blobs.local import LocalBlobStore
from app.kernel.primitives import Sha256Hex, sha256_hex
from app.media import orphans
from app.media.orphans import hold_stored, sweep_orphans
from tests.media.people import Hub
from tests.support.api import Api, Person
from tests.support.journey import api_of, close, ok, received, upload, wait_until
from tests.support.product import Product

DAY_S = 86400.0
LONG_S = 30 * DAY_S


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[LocalBlobStore]:
    store = LocalBlobStore(tmp_path / "data" / "blobs")
    yield store
    store.close()


def stored(blobs: LocalBlobStore, content: bytes) -> Sha256Hex:
    with blobs.begin() as writer:
        writer.write(content)
        return writer.commit().sha256


def file_of(root: Path, sha256: str) -> Path:
    return root / sha256[:2] / sha256[2:4] / sha256


def make_older(path: Path, age_s: float) -> None:
    moment = time.time() - age_s
    os.utime(path, (moment, moment))


def test_sweep_when_a_file_without_a_row_is_old_then_it_is_set_aside_and_in_the_end_removed(
    sessions: sessionmaker[Session], blobs: LocalBlobStore, tmp_path: Path
) -> None:
    root = tmp_path / "data" / "blobs"
    orphan = stored(blobs, b"nobody was told")
    assert sweep_orphans(sessions, blobs, grace_s=DAY_S, kept_s=LONG_S).orphans == 0, "it may be about to be registered"

    make_older(file_of(root, orphan), DAY_S + 60)
    assert sweep_orphans(sessions, blobs, grace_s=DAY_S, kept_s=LONG_S).set_aside == [orphan]
    assert (root / "aside" / orphan).read_bytes() == b"nobody was told"
    assert not file_of(root, orphan).exists()

    make_older(root / "aside" / orphan, LONG_S + 60)
    assert sweep_orphans(sessions, blobs, grace_s=DAY_S, kept_s=LONG_S).dropped == [orphan]
    assert not (root / "aside" / orphan).exists()


def test_sweep_when_the_same_bytes_were_brought_again_then_the_file_is_as_good_as_new(
    sessions: sessionmaker[Session], blobs: LocalBlobStore, tmp_path: Path
) -> None:
    orphan = stored(blobs, b"twice")
    make_older(file_of(tmp_path / "data" / "blobs", orphan), DAY_S + 60)

    assert stored(blobs, b"twice") == orphan

    assert sweep_orphans(sessions, blobs, grace_s=DAY_S, kept_s=LONG_S).orphans == 0


def test_sweep_when_files_have_rows_then_originals_and_previews_stay(api: Api) -> None:
    hub = Hub(api)
    item = ok(upload(hub.collector, hub.case_id, b"kept", "a.jpg"), 201)
    blobs = api.app.state.services.blobs
    preview = stored(blobs, b"a preview")
    with api.app.state.services.sessions.begin() as session:
        session.execute(
            text(
                "INSERT INTO derivatives (id, blob_sha256, kind, tool, tool_version, parameters, parameters_sha256,"
                " sha256, size_bytes, media_type, made_at)"
                " VALUES (gen_random_uuid(), decode(:of, 'hex'), 'preview', 't', '1', '{}', decode(:of, 'hex'),"
                " decode(:file, 'hex'), 9, 'image/jpeg', now())"
            ),
            {"of": item["sha256"], "file": preview},
        )
    for sha256 in (item["sha256"], preview):
        make_older(file_of(api.settings.data / "blobs", sha256), LONG_S)

    swept = sweep_orphans(api.app.state.services.sessions, blobs, grace_s=DAY_S, kept_s=LONG_S)

    assert (swept.files, swept.orphans) == (2, 0)


def test_sweep_when_most_files_have_no_row_then_nothing_is_touched(
    sessions: sessionmaker[Session], blobs: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database of another installation, or one restored from an old backup."""
    monkeypatch.setattr(orphans, "FEW_ORPHANS", 3)
    kept = [stored(blobs, b"acknowledged by another database, %d" % number) for number in range(4)]

    swept = sweep_orphans(sessions, blobs, grace_s=-1, kept_s=LONG_S)

    assert (swept.is_refused, swept.orphans, swept.set_aside) == (True, 4, [])
    assert [blobs.size_bytes(sha256) > 0 for sha256 in kept] == [True] * 4


def test_sweep_while_somebody_registers_the_file_then_it_waits_and_leaves_it(api: Api) -> None:
    hub = Hub(api)
    services = api.app.state.services
    content = b"about to be registered"
    sha256 = stored(services.blobs, content)
    with services.sessions() as registering, ThreadPoolExecutor(1) as thread:
        hold_stored(registering, services.blobs, sha256)
        sweeping = thread.submit(sweep_orphans, services.sessions, services.blobs, grace_s=-1, kept_s=LONG_S)
        with pytest.raises(TimeoutError):
            sweeping.result(timeout=0.5)
        registering.execute(
            text(
                "INSERT INTO blobs (sha256, size_bytes, first_received_at) VALUES (decode(:sha256, 'hex'), 22, now())"
            ),
            {"sha256": sha256},
        )
        registering.commit()
        swept = sweeping.result(timeout=10)

    assert (swept.orphans, swept.set_aside) == (1, [])
    assert services.blobs.size_bytes(sha256) == len(content)
    assert ok(upload(hub.collector, hub.case_id, content, "a"), 201)["sha256"] == sha256


@pytest.mark.thorough
def test_uploads_while_sweeps_without_any_grace_run_then_what_was_acknowledged_has_its_file(api: Api) -> None:
    hub = Hub(api)
    services = api.app.state.services
    is_over = threading.Event()

    taken: list[str] = []

    def sweep_without_pause() -> None:
        while not is_over.is_set():
            taken.extend(sweep_orphans(services.sessions, services.blobs, grace_s=-1, kept_s=LONG_S).set_aside)

    def send(number: int) -> tuple[bytes, int, str]:
        content = b"file %d " % number * 1000
        for tries in range(1, 100):
            answer = upload(hub.collector, hub.case_id, content, "a.bin", key=f"key-{number}")
            if answer.status_code == 201:
                return content, tries, answer.json()["sha256"]
            assert (answer.status_code, answer.json()["code"]) == (503, "storage_failed")
        raise AssertionError("it was never taken")

    with ThreadPoolExecutor(6) as pool:
        sweeping = [pool.submit(sweep_without_pause) for _ in range(2)]
        try:
            acknowledged, deadline = list(pool.map(send, range(40))), time.monotonic() + 60
            while not taken and time.monotonic() < deadline:  # Until the two have met at least once.
                acknowledged += pool.map(send, range(len(acknowledged), len(acknowledged) + 20))
        finally:
            is_over.set()
        for one in sweeping:
            one.result()

    assert taken, "the two never met"
    assert len(taken) >= sum(tries - 1 for _, tries, _ in acknowledged)
    for content, _, sha256 in acknowledged:
        assert b"".join(services.blobs.read_range(sha256)) == content
        assert hashlib.sha256(content).hexdigest() == sha256


@pytest.mark.thorough
def test_process_killed_between_file_and_row_then_the_file_is_swept_and_may_be_sent_again(
    server: Product, sessions: sessionmaker[Session]
) -> None:
    api = api_of(server)
    root = server.data_dir / "blobs"
    content = b"stored, and then its process died"
    sha256 = sha256_hex(content)
    olena = api.person("Olena")
    case_id = api.case(olena, collector=(olena,))
    with sessions() as holder, ThreadPoolExecutor(1) as thread:
        # Whoever registers this file waits for its lock: the upload stands exactly between the file and its row.
        holder.execute(
            text("SELECT pg_advisory_xact_lock(:space, hashtext(:sha256))"), {"space": 0x424C4F42, "sha256": sha256}
        )
        sending = thread.submit(_send, olena, case_id, content)
        wait_until(lambda: _waits(sessions), "the upload waits for the lock")
        assert file_of(root, sha256).exists()
        for name, pid in server.children().items():
            if name.startswith("api"):
                os.kill(pid, signal.SIGKILL)
        assert sending.result(timeout=30) is None, "nothing was acknowledged"
        holder.rollback()
    make_older(file_of(root, sha256), 2 * DAY_S)
    os.kill(server.children()["worker-1"], signal.SIGKILL)

    wait_until(lambda: not file_of(root, sha256).exists(), "the next worker sweeps as it starts")
    assert (root / "aside" / sha256).read_bytes() == content
    olena = Person(olena.id, olena.name, olena.token, api.client(olena.token))
    wait_until(lambda: _is_up(olena), "the API is back")
    received(olena, case_id, content, "a.bin")
    assert file_of(root, sha256).read_bytes() == content
    close(api)


def _send(person: Person, case_id: str, content: bytes) -> httpx.Response | None:
    try:
        return upload(person, case_id, content, "a.bin")
    except httpx.TransportError:
        return None


def _is_up(person: Person) -> bool:
    try:
        return person.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _waits(sessions: sessionmaker[Session]) -> bool:
    with sessions() as session:
        query = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
        return bool(session.scalar(text(query)))
