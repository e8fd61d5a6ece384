"""Time stamps by a real authority over HTTP (``openssl ts -reply``), checked by ``openssl ts -verify`` on what the API
serves: rounds, two authorities of which one is down, lost and wrong answers, and ``exhibit serve`` with all of it.
"""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.authorities import read_authorities
from app.anchors.outgoing import Outgoing
from app.anchors.stamping import stamp_heads
from app.anchors.timestamps import RESPONSE_TYPE
from app.kernel.errors import Misconfigured
from tests.anchors.conftest import grow, integrating, outgoing, owning, stream
from tests.ledger.acts import integrate_all
from tests.support.databases import TestDatabase
from tests.support.product import start_product
from tests.support.time_authority import TimeAuthority, make_authority, openssl
from tests.support.web_server import Reply, WebServer, web_server

pytestmark = pytest.mark.interop
__all__ = ["grow", "integrating", "outgoing", "owning", "stream"]

Grow = Callable[[int], int]
Serve = Callable[[Callable[[bytes], Reply]], WebServer]
HOUR_S = 3600.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return make_authority(tmp_path_factory.mktemp("tsa") / "hub", name="Hub")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return make_authority(tmp_path_factory.mktemp("tsa") / "court", name="Court")


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(web_server(lambda path, body: answer(body)))


def write_authorities(directory: Path, **served: tuple[WebServer, TimeAuthority]) -> Path:
    file = directory / "authorities.toml"
    file.write_text(
        "".join(
            f'[[authority]]\nname = "{name}"\nurl = "{server.base_url}/tsr"\nroots = "{made.root}"\n\n'
            for name, (server, made) in served.items()
        )
    )
    return file


def rows(sessions: sessionmaker[Session]) -> list[tuple[int, str, str, str | None, int]]:
    with sessions() as session:
        found = session.execute(
            text("SELECT size, authority, state, reason, attempts FROM anchors ORDER BY requested_at, size, authority")
        )
        return [tuple(row) for row in found]


def entries(sessions: sessionmaker[Session]) -> list[dict[str, Any]]:
    """The bodies of all ``system.head_anchored``."""
    with sessions() as session:
        bodies = session.scalars(
            text(
                "SELECT b.body FROM ledger_entries e JOIN ledger_bodies b USING (commitment) "
                "WHERE e.type = 'system.head_anchored' ORDER BY e.id"
            )
        )
        return [json.loads(bytes(body)) for body in bodies]


def again_now(owning: Engine) -> None:
    with owning.begin() as connection:
        connection.execute(text("UPDATE anchors SET next_attempt_at = now() WHERE state = 'pending'"))


def an_hour_later(owning: Engine) -> None:
    """Every request was made an hour earlier; the trigger that keeps them as they are is the owner's to lift."""
    with owning.begin() as connection:
        connection.execute(text("ALTER TABLE anchors DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE anchors SET requested_at = requested_at - interval '1 hour'"))
        connection.execute(text("ALTER TABLE anchors ENABLE TRIGGER USER"))


def test_round_when_two_authorities_answer_then_both_stamps_are_verified_and_logged(
    sessions: sessionmaker[Session],
    outgoing: Outgoing,
    grow: Grow,
    serve: Serve,
    authority: TimeAuthority,
    second: TimeAuthority,
    tmp_path: Path,
) -> None:
    served = {"hub": (serve(authority.answer), authority), "court": (serve(second.answer), second)}
    authorities = read_authorities(write_authorities(tmp_path, **served))
    size = grow(5)

    assert stamp_heads(sessions, authorities, outgoing, HOUR_S) == 2
    assert stamp_heads(sessions, authorities, outgoing, HOUR_S) == 0

    assert rows(sessions) == [(size, "court", "confirmed", None, 1), (size, "hub", "confirmed", None, 1)]
    logged = entries(sessions)
    with sessions() as session:
        for entry in logged:
            data, acted_on = entry["data"], entry["object"]
            assert isinstance(data, dict)
            assert isinstance(acted_on, dict)
            row = session.execute(
                text("SELECT response, note FROM anchors a JOIN ledger_checkpoints c USING (size) WHERE a.id = :id"),
                {"id": acted_on["id"]},
            ).one()
            assert acted_on["sha256"] == hashlib.sha256(row.response).hexdigest()
            assert data["checkpoint_sha256"] == hashlib.sha256(row.note.encode()).hexdigest()
            assert data["tree_size"] == size
    assert [entry["data"]["authority"] for entry in logged] == ["court", "hub"]


def test_rounds_when_only_their_own_entries_are_new_then_there_is_no_endless_loop(
    sessions: sessionmaker[Session],
    outgoing: Outgoing,
    grow: Grow,
    serve: Serve,
    authority: TimeAuthority,
    tmp_path: Path,
    owning: Engine,
    integrating: Engine,
) -> None:
    server = serve(authority.answer)
    authorities = read_authorities(write_authorities(tmp_path, hub=(server, authority)))
    grow(5)
    stamp_heads(sessions, authorities, outgoing, HOUR_S)
    for _ in range(3):  # The anchor's own entry makes a new head each time, if it counted.
        integrate_all(integrating)
        an_hour_later(owning)
        stamp_heads(sessions, authorities, outgoing, HOUR_S)
    assert len(server.requests) == 1

    grow(1)
    stamp_heads(sessions, authorities, outgoing, HOUR_S)
    assert [row[0] for row in rows(sessions)] == [5, 7]


def test_round_when_the_period_is_not_over_then_waits_whatever_is_new(
    sessions: sessionmaker[Session],
    outgoing: Outgoing,
    grow: Grow,
    serve: Serve,
    authority: TimeAuthority,
    tmp_path: Path,
    owning: Engine,
) -> None:
    authorities = read_authorities(write_authorities(tmp_path, hub=(serve(authority.answer), authority)))
    grow(5)
    stamp_heads(sessions, authorities, outgoing, HOUR_S)
    grow(5)
    assert stamp_heads(sessions, authorities, outgoing, HOUR_S) == 0
    an_hour_later(owning)
    assert stamp_heads(sessions, authorities, outgoing, HOUR_S) == 1


def test_authority_when_down_for_a_while_then_its_stamp_is_pending_and_confirmed_afterwards(
    sessions: sessionmaker[Session],
    outgoing: Outgoing,
    grow: Grow,
    serve: Serve,
    authority: TimeAuthority,
    second: TimeAuthority,
    tmp_path: Path,
    owning: Engine,
) -> None:
    is_up = [False]
    weak = serve(lambda body: second.answer(body) if is_up[0] else Reply(503))
    served = {"hub": (serve(authority.answer), authority), "court": (weak, second)}
    authorities = read_authorities(write_authorities(tmp_path, **served))
    size = grow(5)

    stamp_heads(sessions, authorities, outgoing, HOUR_S)
    assert rows(sessions) == [(size, "court", "pending", "http_503", 1), (size, "hub", "confirmed", None, 1)]
    assert stamp_heads(sessions, authorities, outgoing, HOUR_S) == 0, "it is left alone for a while"
    is_up[0] = True
    again_now(owning)
    stamp_heads(sessions, authorities, outgoing, HOUR_S)

    assert rows(sessions) == [(size, "court", "confirmed", None, 2), (size, "hub", "confirmed", None, 1)]
    assert weak.requests[0] == weak.requests[1], "the same query, with its nonce"


def test_authority_when_down_until_the_next_round_then_that_one_takes_its_place(
    sessions: sessionmaker[Session],
    outgoing: Outgoing,
    grow: Grow,
    serve: Serve,
    authority: TimeAuthority,
    second: TimeAuthority,
    tmp_path: Path,
    owning: Engine,
) -> None:
    down = serve(lambda body: Reply(503))
    wrong = serve(lambda body: Reply(200, b"\x30\x03\x02\x01\x02", RESPONSE_TYPE))
    served = {"down": (down, authority), "wrong": (wrong, second)}
    authorities = read_authorities(write_authorities(tmp_path, **served))
    grow(5)
    stamp_heads(sessions, authorities, outgoing, HOUR_S)
    an_hour_later(owning)
    grow(5)
    stamp_heads(sessions, authorities, outgoing, HOUR_S)

    assert [row[:4] for row in rows(sessions)] == [
        (5, "down", "failed", "http_503"),
        (5, "wrong", "refused", "unreadable"),
        (10, "down", "pending", "http_503"),
        (10, "wrong", "pending", "unreadable"),
    ]


def other_imprint(authority: TimeAuthority, request: bytes) -> Reply:
    directory = authority.directory
    (directory / "other").write_bytes(b"other bytes")
    arguments = ("-data", str(directory / "other"), "-sha256", "-cert", "-out", "/dev/stdout")
    return authority.answer(openssl("ts", "-query", *arguments))


FAULTS: dict[str, tuple[Callable[[TimeAuthority, bytes], Reply], str]] = {
    "not granted": (lambda authority, request: authority.answer(b"nonsense"), "status_2"),
    "of something else": (other_imprint, "other_nonce"),
    "an answer cut off": (lambda authority, request: replace(authority.answer(request), cut=True), "connection"),
    "a page": (lambda authority, request: Reply(200, b"<html>", "text/html"), "other_media_type"),
    "a page that says it is one": (lambda authority, request: Reply(200, b"<html>", RESPONSE_TYPE), "unreadable"),
    "redirecting": (lambda authority, request: Reply(301, headers={"Location": "/x"}), "redirect"),
    "huge": (lambda authority, request: Reply(200, b"x" * 300_000, RESPONSE_TYPE), "answer_too_large"),
    "slow": (lambda authority, request: replace(authority.answer(request), trickle_s=0.01), "timeout"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_authority_when_its_answer_is_no_stamp_of_this_then_stays_pending_until_a_good_one_comes(
    name: str,
    sessions: sessionmaker[Session],
    grow: Grow,
    serve: Serve,
    authority: TimeAuthority,
    tmp_path: Path,
    owning: Engine,
) -> None:
    fault, reason = FAULTS[name]
    faults = iter([fault])

    def answer(request: bytes) -> Reply:
        return next(faults, lambda made, asked: made.answer(asked))(authority, request)

    authorities = read_authorities(write_authorities(tmp_path, hub=(serve(answer), authority)))
    client = Outgoing(1.0)
    size = grow(5)

    stamp_heads(sessions, authorities, client, HOUR_S)
    assert rows(sessions) == [(size, "hub", "pending", reason, 1)]
    assert entries(sessions) == []
    again_now(owning)
    stamp_heads(sessions, authorities, client, HOUR_S)

    assert rows(sessions) == [(size, "hub", "confirmed", None, 2)]


def test_authority_when_it_is_not_the_pinned_one_then_is_never_confirmed(
    sessions: sessionmaker[Session],
    outgoing: Outgoing,
    grow: Grow,
    serve: Serve,
    authority: TimeAuthority,
    second: TimeAuthority,
    tmp_path: Path,
) -> None:
    authorities = read_authorities(write_authorities(tmp_path, hub=(serve(second.answer), authority)))
    size = grow(5)

    stamp_heads(sessions, authorities, outgoing, HOUR_S)

    assert rows(sessions) == [(size, "hub", "pending", "not_trusted", 1)]
    with sessions() as session:
        assert session.scalar(text("SELECT response FROM anchors")), "what it said is kept all the same"


def test_stamp_when_our_commit_fails_then_neither_it_nor_its_entry_is_there_and_the_next_pass_brings_both(
    sessions: sessionmaker[Session],
    outgoing: Outgoing,
    grow: Grow,
    serve: Serve,
    authority: TimeAuthority,
    tmp_path: Path,
    engine: Engine,
) -> None:
    authorities = read_authorities(write_authorities(tmp_path, hub=(serve(authority.answer), authority)))
    size = grow(5)
    commits = iter([False, True])  # The round's own, then the answer's.

    def fail(connection: object) -> None:
        if next(commits, False):
            raise OperationalError("COMMIT", {}, Exception("the database went away"))

    event.listen(engine, "commit", fail)
    with pytest.raises(OperationalError):
        stamp_heads(sessions, authorities, outgoing, HOUR_S)
    event.remove(engine, "commit", fail)
    assert rows(sessions) == [(size, "hub", "pending", None, 0)]
    assert entries(sessions) == []

    stamp_heads(sessions, authorities, outgoing, HOUR_S)

    assert rows(sessions) == [(size, "hub", "confirmed", None, 1)]
    assert len(entries(sessions)) == 1


FORGERIES = {
    "confirmed without an entry": "UPDATE anchors SET state = 'confirmed', stamped_at = now(), response = 'x', "
    "response_sha256 = sha256('x')",
    "another response's digest": "UPDATE anchors SET response = 'x', response_sha256 = sha256('y')",
    "another size": "UPDATE anchors SET size = 4",
    "another request": "UPDATE anchors SET request = 'x'",
    "confirmed from the start": "INSERT INTO anchors (id, log_id, size, authority, request, response, response_sha256, "
    "state, stamped_at, attempts, requested_at) VALUES (gen_random_uuid(), 1, 9, 'x', 'x', 'x', sha256('x'), "
    "'confirmed', now(), 1, now())",
    "deleted": "DELETE FROM anchors",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_anchor_when_changed_by_hand_then_the_database_refuses(
    name: str, sessions: sessionmaker[Session], grow: Grow, serve: Serve, authority: TimeAuthority, tmp_path: Path,
    outgoing: Outgoing, owning: Engine,
) -> None:  # fmt: skip
    authorities = read_authorities(write_authorities(tmp_path, hub=(serve(lambda body: Reply(503)), authority)))
    grow(5)
    stamp_heads(sessions, authorities, outgoing, HOUR_S)

    with pytest.raises((IntegrityError, DBAPIError)), owning.begin() as connection:
        connection.execute(text(FORGERIES[name]))


def test_anchor_when_settled_then_no_later_answer_changes_it(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serve: Serve, authority: TimeAuthority,
    tmp_path: Path, owning: Engine,
) -> None:  # fmt: skip
    authorities = read_authorities(write_authorities(tmp_path, hub=(serve(authority.answer), authority)))
    grow(5)
    stamp_heads(sessions, authorities, outgoing, HOUR_S)

    with pytest.raises(DBAPIError, match="settled"), owning.begin() as connection:
        connection.execute(text("UPDATE anchors SET attempts = 7"))


BAD_FILES = {
    "no TOML": "authority",
    "nothing in it": "",
    "another table": '[[authorities]]\nname = "a"\n',
    "unknown field": '[[authority]]\nname = "a"\nurl = "http://a/"\nroots = "root.pem"\npolicy = "x"\n',
    "no roots": '[[authority]]\nname = "a"\nurl = "http://a/"\n',
    "roots that are none": '[[authority]]\nname = "a"\nurl = "http://a/"\nroots = "authorities.toml"\n',
    "roots that are not there": '[[authority]]\nname = "a"\nurl = "http://a/"\nroots = "none.pem"\n',
    "name in capitals": '[[authority]]\nname = "A"\nurl = "http://a/"\nroots = "root.pem"\n',
    "address with a password": '[[authority]]\nname = "a"\nurl = "http://u:p@a/"\nroots = "root.pem"\n',
    "one name twice": '[[authority]]\nname = "a"\nurl = "http://a/"\nroots = "root.pem"\n' * 2,
    "a number": '[[authority]]\nname = 1\nurl = "http://a/"\nroots = "root.pem"\n',
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_authorities_file_when_wrong_then_is_named_as_misconfigured(
    name: str, authority: TimeAuthority, tmp_path: Path
) -> None:
    (tmp_path / "root.pem").write_bytes(authority.root.read_bytes())
    file = tmp_path / "authorities.toml"
    file.write_text(BAD_FILES[name])

    with pytest.raises(Misconfigured, match="EXHIBIT_TSA_FILE"):
        read_authorities(file)


def test_product_when_two_authorities_are_set_then_anybody_verifies_its_heads_with_openssl(
    database: TestDatabase, serve: Serve, authority: TimeAuthority, second: TimeAuthority, tmp_path: Path
) -> None:
    """``exhibit serve`` as an operator runs it; one authority comes up only later; ``ledger anchor-now``."""
    is_up = [False]
    made = {"hub": authority, "court": second}
    served = {
        "hub": (serve(authority.answer), authority),
        "court": (serve(lambda body: second.answer(body) if is_up[0] else Reply(503)), second),
    }
    file = write_authorities(tmp_path, **served)
    product = start_product(tmp_path / "data", database, EXHIBIT_TSA_FILE=str(file))
    try:
        with httpx.Client(base_url=product.base_url, timeout=30) as client:
            first = wait_for(
                lambda: {a["authority"]: a for a in anchors(client)},
                lambda a: "hub" in a and a["hub"]["state"] == "confirmed",
            )
            assert first["court"]["state"] == "pending"
            assert "court: pending" in client.get("/readyz").json()["components"]["time_stamps"]["detail"]
            is_up[0] = True
            settled = wait_for(lambda: anchors(client), lambda a: all(each["state"] == "confirmed" for each in a))
            for anchor in settled:
                verify_by_openssl(client, anchor, made[anchor["authority"]], tmp_path)

            change(client, product.admin_token)
            asked = subprocess.run(
                [sys.executable, "-m", "app.cli", "ledger", "anchor-now"],
                env=product.environment, capture_output=True, text=True, timeout=90, check=False,
            )  # fmt: skip
            assert asked.returncode == 0, asked.stdout + asked.stderr
            assert {line.split()[1:3][0] for line in asked.stdout.splitlines()} == {"hub", "court"}
            newest = anchors(client)[:2]
            assert newest[0]["size"] > settled[0]["size"]
            verify_by_openssl(client, newest[0], made[newest[0]["authority"]], tmp_path)
    finally:
        product.stop()


def anchors(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/v1/ledger/anchors").json()["items"]
    return found


def wait_for(read: Callable[[], Any], is_so: Callable[[Any], bool], within_s: float = 60.0) -> Any:
    deadline = time.monotonic() + within_s
    while not is_so(found := read()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def change(client: httpx.Client, token: str) -> None:
    """An act, provable when this returns."""
    made = client.post(
        "/v1/users?wait=checkpoint",
        json={"name": "Olena", "email": "olena@hub.example"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert made.status_code == 201, made.text


def verify_by_openssl(client: httpx.Client, anchor: dict[str, Any], authority: TimeAuthority, directory: Path) -> None:
    """By hand, as docs/custody.md says."""
    path = f"/v1/ledger/anchors/{anchor['size']}"
    for name, source in (
        ("checkpoint", f"{path}/checkpoint"),
        ("stamp.tsq", f"{path}/{anchor['authority']}/request"),
        ("stamp.tsr", f"{path}/{anchor['authority']}/response"),
    ):
        (directory / name).write_bytes(client.get(source).raise_for_status().content)
    assert hashlib.sha256((directory / "stamp.tsr").read_bytes()).hexdigest() == anchor["response_sha256"]
    given = ("-in", str(directory / "stamp.tsr"), "-CAfile", str(authority.root))
    for against in (("-data", str(directory / "checkpoint")), ("-queryfile", str(directory / "stamp.tsq"))):
        assert b"Verification: OK" in openssl("ts", "-verify", *against, *given)
    (directory / "checkpoint").write_bytes(b"another\n")
    with pytest.raises(subprocess.CalledProcessError):
        openssl("ts", "-verify", "-data", str(directory / "checkpoint"), *given)
