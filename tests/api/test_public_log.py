"""The public log over HTTP: what log clients and any web page may read, and nothing beyond what is signed."""

import gzip
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Engine, text

from app.kernel.database import open_engine
from app.ledger.checkpoint import parse_checkpoint
from app.ledger.tiles import parse_bundle, tiles_of
from app.ledger.witness_request import parse_add_checkpoint
from tests.ledger.acts import append, integrate_all, make_view, open_log
from tests.support.api import Api, running_api
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database

ENTRIES = 300
FOR_EVER = "public, max-age=31536000, immutable"


@contextmanager
def served_log(database: TestDatabase, data: Path) -> Iterator[Api]:
    """An API over a log of some 300 leaves and two signed trees."""
    integrating = open_engine(database.integrator_url, pool_size=2)
    with running_api(database, data, cors_origins=("https://front.example",)) as api:
        sessions = api.app.state.services.sessions
        for entries in (5, ENTRIES):
            stream = open_log(sessions)[0]
            append(sessions, [make_view(stream) for _ in range(entries)])
            integrate_all(integrating)
        yield api
    integrating.dispose()


@pytest.fixture(scope="module")
def log(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """For tests that only read: one log for all of them."""
    database = create_database(postgres)
    with served_log(database, tmp_path_factory.mktemp("public-log") / "data") as api:
        yield api
    with postgres.administration() as owner:
        drop_database(owner, database.name)


def start_another_log(owning: Engine) -> None:
    """As after a restore: the first log is halted and its keys end with it, and the second one begins."""
    with owning.begin() as owner:
        owner.execute(
            text("UPDATE ledger_keys SET last_size = (SELECT max(size) FROM ledger_checkpoints) WHERE log_id = 1")
        )
        owner.execute(
            text("INSERT INTO ledger_halts VALUES (1, 900, decode(repeat('ab', 32), 'hex'), 1, 'test', now())")
        )
        owner.execute(
            text("""
                INSERT INTO ledger_logs (id, system_stream, origin, created_at)
                SELECT 2, system_stream, origin || '/2', now() FROM ledger_logs
            """)
        )


def _size(client: httpx.Client) -> int:
    note = client.get("/checkpoint").text
    return parse_checkpoint(note.partition("\n\n")[0] + "\n").size


def test_every_tile_of_the_signed_tree_is_served_to_anybody_for_ever(log: Api) -> None:
    client = log.client()
    size = _size(client)
    for tile in tiles_of(size):
        answer = client.get(f"/tile/{tile.encode()}")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Cache-Control"] == FOR_EVER
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        found = len(parse_bundle(answer.content)) if tile.level is None else len(answer.content) / 32
        assert found == tile.width


def test_checkpoint_is_text_that_is_asked_for_again_each_time(log: Api) -> None:
    answer = log.client().get("/checkpoint", headers={"Origin": "https://front.example"})

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers.get_list("Access-Control-Allow-Origin") == ["https://front.example"]
    assert answer.text == log.client().get("/v1/ledger/checkpoint").text


@pytest.mark.parametrize(
    "path",
    [
        *(
            "0/000",
            "0/x000/000.p/5",
            "0/001.p/256",
            "00/000.p/5",
            "0/000.p/05",
            "0/%30%30%30.p/5",
            "0/000%2ep/5",
            "0/1",
        ),
        *(
            "1/000",
            "1/000.p/2",
            "2/000.p/1",
            "9/000.p/1",
            "63/x999/x999/x999/x999/x999/x999/999",
            "64/000",
            "entries/9",
        ),
        *("entries/002", "0/000.p/5/", "/0/000.p/5", "0//000.p/5", "0/000.p/5%00", "0/%ff", "x/000", "0/\x7f"),
    ],
)
def test_a_path_that_names_no_tile_in_its_one_spelling_is_not_found(log: Api, path: str) -> None:
    if path == "0/000":  # The full tile exists, at another index not.
        path = "0/002"
    place = urlsplit(log.base_url)
    with socket.create_connection((place.hostname or "", place.port or 0)) as connection:
        connection.sendall(f"GET /tile/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.split(b" ")[1] in (b"404", b"400"), answer[:200]


def test_a_missing_tile_is_a_problem_that_is_not_cached(log: Api) -> None:
    answer = log.client().get("/tile/0/900")

    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_tile")
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_bundle_is_compressed_for_those_who_accept_it(log: Api) -> None:
    client = log.client()
    plain = client.get("/tile/entries/000", headers={"Accept-Encoding": "identity"})
    with client.stream("GET", "/tile/entries/000", headers={"Accept-Encoding": "br, gzip;q=0.5"}) as packed:
        raw = b"".join(packed.iter_raw())
    refused = client.get("/tile/entries/000", headers={"Accept-Encoding": "gzip;q=0"})

    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content == refused.content
    assert len(raw) < 0.6 * len(plain.content)
    assert "Content-Encoding" not in client.get("/tile/0/000", headers={"Accept-Encoding": "gzip"}).headers


def test_consistency_and_checkpoints_are_given_for_signed_sizes_alone(log: Api) -> None:
    client = log.client()
    size = _size(client)
    old = size - ENTRIES
    proof = client.get("/v1/ledger/consistency", params={"old": old})

    file = parse_add_checkpoint(proof.text)
    assert (proof.status_code, file.old) == (200, old)
    assert file.checkpoint == client.get(f"/v1/ledger/checkpoints/{size}").text == client.get("/checkpoint").text
    assert client.get("/v1/ledger/consistency", params={"old": old, "new": size}).text == proof.text
    for query, status, code in (
        ({"old": old + 1}, 404, "size_not_signed"),
        ({"old": old, "new": size - 1}, 404, "size_not_signed"),
        ({"old": size, "new": old}, 422, "sizes_reversed"),
        ({"old": -1}, 422, "invalid_request"),
        ({"old": 2**63}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
    ):
        answer = client.get("/v1/ledger/consistency", params=query)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert client.get(f"/v1/ledger/checkpoints/{size - 1}").json()["code"] == "size_not_signed"


def test_each_log_has_its_own_addresses_and_the_first_ones_never_change(database: TestDatabase, tmp_path: Path) -> None:
    with served_log(database, tmp_path / "data") as log:
        _check_two_logs(log, database)


def _check_two_logs(log: Api, database: TestDatabase) -> None:
    client = log.client()
    before = client.get("/checkpoint").text
    assert client.get("/logs/1/checkpoint").text == before
    assert client.get("/logs/2/checkpoint").json()["code"] == "no_such_log"
    assert client.get("/v1/ledger/key").status_code == 503  # No integrator has published it.
    owning, integrating = (open_engine(url, pool_size=2) for url in (database.owner_url, database.integrator_url))
    try:
        start_another_log(owning)
        sessions = log.app.state.services.sessions
        append(sessions, [make_view(open_log(sessions)[0]) for _ in range(3)])
        integrate_all(integrating)
    finally:
        for engine in (owning, integrating):
            engine.dispose()

    first, second = client.get("/checkpoint"), client.get("/logs/2/checkpoint")
    assert first.text == before
    assert first.headers["Link"] == '</logs/2/checkpoint>; rel="successor-version"'
    assert second.text == client.get("/v1/ledger/checkpoint").text
    size = parse_checkpoint(second.text.partition("\n\n")[0] + "\n").size
    assert size < ENTRIES
    one, two = (client.get(f"{prefix}/tile/entries/000.p/{size}").content for prefix in ("", "/logs/2"))
    assert len(parse_bundle(one)) == len(parse_bundle(two)) == size
    assert one != two
    assert one == client.get(f"/logs/1/tile/entries/000.p/{size}").content
    for path in ("/logs/2/tile/0/000", "/logs/02/tile/0/000.p/1", "/logs/3/tile/0/000.p/1", "/logs/1/tile/1/000.p/2"):
        assert client.get(path).json()["code"] == "no_such_tile", path
    assert client.get("/logs/0/checkpoint").status_code == 422


def test_nothing_is_served_before_anything_is_signed(api: Api) -> None:
    client = api.client()

    assert client.get("/checkpoint").json()["code"] == "checkpoint_pending"
    assert client.get("/v1/ledger/consistency", params={"old": 0}).json()["code"] == "checkpoint_pending"
    assert client.get("/tile/0/000.p/1").json()["code"] == "no_such_tile"
