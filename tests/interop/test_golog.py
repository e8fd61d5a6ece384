"""Another's code against a live server: Go's ``sumdb/note`` and ``sumdb/tlog`` read the whole log over HTTP.

``golog`` is a page or two around them (tests/interop/golog). It must pass on what the product serves, and fail on every
kind of answer that was changed on the way.
"""

import argparse
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from app.kernel.settings import Settings
from app.ledger_operations import rotate_key
from tests.contracts.world import LABELS, form
from tests.support.api import running_api
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database
from tests.support.golang import build_go
from tests.support.journey import api_of, close
from tests.support.product import start_product
from tests.support.signing import integrating_with_files
from tests.vectors.golden_log import DIRECTORY

WAIT = {"wait": "checkpoint"}
INCIDENTS = 140
"""Two entries each: the log outgrows its first tile."""


@dataclass(frozen=True)
class Published:
    """A running product whose log has more than one tile, and what a depositor and an auditor kept of it."""

    base_url: str
    vkey: str
    golog: Path
    old: Path
    receipt: Path
    size: int

    def check(self, *options: str, url: str | None = None, key: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(self.golog), "-url", url or self.base_url, "-key", key or self.vkey, *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def log(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    directory = tmp_path_factory.mktemp("golog")
    golog = build_go("golog", directory)
    database = create_database(postgres)
    product = start_product(directory / "exhibit-data", database)
    api = api_of(product)
    try:
        olena, petro = api.person("Olena"), api.person("Petro")
        case_id = api.case(olena, collector=(petro,))
        first = petro.post(f"/v1/cases/{case_id}/evidence", files=form(labels=LABELS), params=WAIT)
        assert first.status_code == 201, first.text
        old, receipt = directory / "old-checkpoint", directory / "receipt.txt"
        old.write_bytes(api.client().get("/checkpoint").content)
        for entry in first.json()["receipts"]:
            if entry["type"] == "evidence.collected":
                receipt.write_bytes(petro.get(f"/v1/ledger/entries/{entry['commitment']}/receipt").content)

        def make(number: int) -> int:
            body = {"code": f"I-{number}", "title": "Strike", "kind": "air_strike"}
            made = olena.post(f"/v1/cases/{case_id}/incidents", json=body, params=WAIT)
            assert made.status_code == 201, made.text
            return max(int(each["tree_size"]) for each in made.json()["receipts"])

        with ThreadPoolExecutor(8) as pool:
            size = max(pool.map(make, range(INCIDENTS)))
        vkey = api.client().get("/v1/ledger/key").json()["vkey"]
        yield Published(product.base_url, vkey, golog, old, receipt, size)
    finally:
        close(api)
        product.stop()
        with postgres.administration() as owner:
            drop_database(owner, database.name)


def test_go_proves_the_whole_log_its_growth_and_a_receipt_from_what_the_server_publishes(log: Published) -> None:
    checked = log.check("-old", str(log.old), str(log.receipt))

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert log.size > 256
    told = checked.stdout.splitlines()
    assert [line.partition(":")[0] for line in told] == [
        *("ok checkpoint", "ok tiles", "ok entries", "ok consistency", "ok consistency", "ok receipt", "ok")
    ]
    assert (
        "ok tiles: 3" in checked.stdout or "ok tiles: 4" in checked.stdout
    )  # Level 0: a full one, a partial; level 1.


def test_go_finds_the_same_log_under_its_own_prefix(log: Published) -> None:
    checked = log.check("-old", str(log.old), str(log.receipt), url=f"{log.base_url}/logs/1")

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_go_when_another_key_is_pinned_refuses_the_log(log: Published) -> None:
    other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    refused = log.check(key=other)

    assert refused.returncode == 1
    assert "signature" in refused.stderr


def test_go_proves_the_golden_log_from_static_files(log: Published) -> None:
    with serving(DIRECTORY) as url:
        vkey = (DIRECTORY / "log.vkey").read_text().strip()
        checked = log.check("-old", str(DIRECTORY / "checkpoint-7"), url=url, key=vkey)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "260 give the signed root" in checked.stdout


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_go_gives_the_verdicts_that_our_vectors_hold(tmp_path: Path, kind: str) -> None:
    made = subprocess.run([str(build_go("merklevectors", tmp_path)), kind], capture_output=True, text=True, check=True)

    assert made.stdout == (DIRECTORY.parent / "merkle" / f"{kind}.json").read_text()


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """A log's files, as any web server would serve them; the one consistency proof stands in for the API's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_proof = self.path == "/v1/ledger/consistency?old=7&new=260&log=1"
            path = directory / ("consistency-7-260" if is_proof else self.path[1:])
            self.send_response(200 if path.is_file() else 404)
            self.end_headers()
            if path.is_file():
                self.wfile.write(path.read_bytes())

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            return

    with _running(Handler) as url:
        yield url


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def tampering(target: str, is_changed: Callable[[str], bool], place: int) -> Iterator[str]:
    """A proxy that flips one bit of byte ``place`` of the answers that ``is_changed`` names by their path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = httpx.get(target + self.path, headers={"Accept-Encoding": "identity"})
            body = bytearray(answer.content)
            if is_changed(self.path):
                body[place] ^= 1
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            return

    with _running(Handler) as url:
        yield url


def test_go_through_a_proxy_that_changes_nothing_proves_the_log(log: Published) -> None:
    with tampering(log.base_url, lambda path: False, 0) as url:
        assert log.check("-old", str(log.old), str(log.receipt), url=url).returncode == 0


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/checkpoint", 5),  # The origin,
        ("/checkpoint", -10),  # the signature.
        ("/tile/0/000", 0),
        ("/tile/0/000", 8191),
        ("/tile/0/001.p/", 0),
        ("/tile/1/000.p/1", 31),
        ("/tile/entries/000", 1),  # A length,
        ("/tile/entries/000", 100),  # a leaf.
        ("/tile/entries/001.p/", -1),
        ("/v1/ledger/consistency", 5),  # The old size,
        ("/v1/ledger/consistency", 20),  # a hash of the proof,
        ("/v1/ledger/consistency", -10),  # the signature.
    ],
)
def test_go_when_one_bit_of_an_answer_is_changed_finds_it(log: Published, path: str, place: int) -> None:
    with tampering(log.base_url, lambda asked: asked.startswith(path), place) as url:
        found = log.check("-old", str(log.old), str(log.receipt), url=url)

    assert found.returncode == 1, found.stdout
    assert found.stderr.startswith("BAD ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"seq":1', b'"seq":2'),
        (b"\nindex ", b"\nindex 1"),
        (b'"size":', b'"size":1'),
    ],
)
def test_go_when_a_receipt_was_changed_refuses_it(log: Published, tmp_path: Path, old: bytes, new: bytes) -> None:
    forged = tmp_path / "receipt.txt"
    forged.write_bytes(log.receipt.read_bytes().replace(old, new, 1))
    assert forged.read_bytes() != log.receipt.read_bytes()

    assert log.check(str(forged)).returncode == 1


def test_go_when_the_old_checkpoint_is_of_another_tree_finds_the_fork(log: Published, tmp_path: Path) -> None:
    """Not one that the log signed: such a one it would have to have signed. The signature is what fails."""
    forged = tmp_path / "checkpoint"
    lines = log.old.read_bytes().split(b"\n")
    lines[2] = b"A" + lines[2][1:] if lines[2][:1] != b"A" else b"B" + lines[2][1:]
    forged.write_bytes(b"\n".join(lines))

    assert log.check("-old", str(forged)).returncode == 1


def test_go_when_the_log_s_key_was_replaced_needs_both_keys_for_what_was_kept_before(
    database: TestDatabase, tmp_path: Path
) -> None:
    golog = build_go("golog", tmp_path)
    settings = Settings(
        data=tmp_path, app_database_url=database.app_url, integrator_database_url=database.integrator_url
    )
    with running_api(database, tmp_path) as api, integrating_with_files(database, tmp_path):
        anna = api.person("Anna")
        file = f"/v1/cases/{api.case(anna)}/custody/file"  # It is given once its own entry is signed.
        assert anna.get(file, params={"purpose": "audit"}).status_code == 200
        old = tmp_path / "old-checkpoint"
        old.write_bytes(api.client().get("/checkpoint").content)
        for finish in (False, True):
            rotate_key(settings, argparse.Namespace(finish=finish))
            assert anna.get(file, params={"purpose": "audit"}).status_code == 200
        vkeys = [each["vkey"] for each in api.client().get("/v1/ledger/keys").json()["keys"]]

        def check(*keys: str) -> subprocess.CompletedProcess[str]:
            named = [word for key in keys for word in ("-key", key)]
            command = [str(golog), "-url", f"{api.base_url}/logs/1", *named, "-old", str(old)]
            return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

        both = check(*vkeys)
        assert both.returncode == 0, both.stdout + both.stderr
        assert check(vkeys[1]).returncode == 1, "the old checkpoint bears the old key's signature alone"
        assert check(vkeys[0]).returncode == 1, "what is served bears the new one's alone"
        assert check().returncode == 1
