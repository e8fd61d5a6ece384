"""``exhibit ledger verify --url``: against the API itself, and against servers that mean harm."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.cli import main
from app.ledger import fetching
from tests.ledger.acts import append, integrate_all, make_view, open_log, verifier_key
from tests.ledger.published_log import VKEY, files_of, make_leaves
from tests.support.api import Api
from tests.support.web_server import ENDLESS_HEADERS, dribbling

Answer = tuple[int, dict[str, str], bytes]
HONEST = files_of(make_leaves(300))


@contextmanager
def serving(answer: Callable[[str], Answer]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, content = answer(self.path.removeprefix("/log/"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/log"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def honest(path: str) -> Answer:
    return (200, {}, HONEST[path]) if path in HONEST else (404, {}, b"")


def verify(url: str, *arguments: str, key: str = VKEY.encode()) -> int:
    return main(["ledger", "verify", "--url", url, "--key", key, *arguments])


@pytest.mark.thorough
def test_verify_url_of_the_api_itself_finds_the_log_sound_and_remembers_it(
    api: Api,
    sessions: sessionmaker[Session],
    integrating: Engine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (stream,) = open_log(sessions)
    key, state = verifier_key(sessions).encode(), str(tmp_path / "state")
    for _ in range(2):
        append(sessions, [make_view(stream) for _ in range(200)])
        size = integrate_all(integrating, limit=150)[-1]
        capsys.readouterr()
        assert verify(api.base_url, "--state", state, "--json", key=key) == 0
        shown = capsys.readouterr().out  # The API, in this process, logs there, too.
        report = json.loads(shown[shown.index("{\n") :])
        assert (report["size"], report["leaves"], report["faults"]) == (size, size, [])
    assert verify(api.base_url, "--state", state, "--all", key=key) == 0
    assert verify(api.base_url, key=VKEY.encode()) == 1
    told = capsys.readouterr().out
    assert "not signed by a trusted key" in told
    assert "/v1/ledger/keys" in told, "the innocent cause: a rotation"
    assert "--key twice" in told
    assert "/logs/<n>" in told


def test_verify_url_without_a_key_or_without_a_log_cannot_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "verify", "--url", "http://127.0.0.1:1"]) == 2
    assert verify("ftp://127.0.0.1/") == 2
    assert verify("http://user@127.0.0.1/") == 2
    assert verify("http://127.0.0.1:port/") == 2
    assert verify("http://127.0.0.1/", key="nonsense") == 2
    with serving(lambda _path: (404, {}, b"")) as url:
        assert verify(url) == 2
    assert capsys.readouterr().err.count("cannot check") == 6


REFUSED: dict[str, Answer] = {
    "redirect": (302, {"Location": "http://127.0.0.1:1/"}, b""),
    "forbidden": (403, {}, b""),
    "too long": (200, {}, b"x" * (fetching.LIMIT_BYTES + 1)),
    "packed": (200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 1000)),
    "fails": (503, {}, b""),
    "cut off": (200, {"Content-Length": "100000000"}, b"x"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_verify_url_of_a_server_that_does_not_answer_as_a_log_cannot_check(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetching, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.5)
    with serving(lambda path: REFUSED[name] if path == "tile/0/000" else honest(path)) as url:
        assert verify(url) == 2
    assert "/tile/0/000" in capsys.readouterr().err


@pytest.mark.parametrize("name", ENDLESS_HEADERS)
def test_verify_url_of_a_server_whose_answers_never_begin_cannot_check_and_ends(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    monkeypatch.setattr(fetching, "RESOURCE_WITHIN_S", 0.5)
    with dribbling(*ENDLESS_HEADERS[name]) as url:
        assert verify(url) == 2
    assert "not whole after 0.5 s" in capsys.readouterr().err


def test_verify_url_when_a_server_fails_for_a_moment_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FIRST_WAIT_S", 0.001)
    asked: list[str] = []

    def answer(path: str) -> Answer:
        asked.append(path)
        return (500, {}, b"") if asked.count(path) < 3 else honest(path)

    with serving(answer) as url:
        assert verify(url) == 0
    assert {asked.count(path) for path in HONEST} == {3}


def test_verify_url_with_progress_asked_for_shows_it_and_faults_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    forged = HONEST | {"tile/0/000": b"\x07" * 8192}
    with serving(lambda path: (200, {}, forged[path])) as url:
        assert verify(url, "--progress") == 1
    shown = capsys.readouterr()
    assert "leaves: 256" in shown.err
    assert shown.out.startswith("node: leaf 0, /tile/0/000: hash 0 is not that of the leaves below it\n")
