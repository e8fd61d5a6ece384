"""Searching by a file that is not kept: what is found, by whom, and that nothing of it stays."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from app.api.similar import _wait_of
from app.fingerprints.similar_files import QueryFiles
from app.fingerprints.similar_job import CHORES
from app.kernel.primitives import new_id
from app.media.jail.decoder import DecoderDied
from app.worker import GaveUp, Runner, WorkerLimits
from tests import media_samples as samples
from tests.fingerprints.test_similar_hashes import MISSING, Hub, open_hub, receive, small
from tests.support.api import Person
from tests.support.databases import TestServer
from tests.support.work import Work, work_of

PATH = "/v1/similar"


@pytest.fixture(scope="module")
def opened(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, Work]]:
    with open_hub(postgres, tmp_path_factory.mktemp("hub") / "data") as hub, work_of(hub.api) as work:
        yield hub, work


@pytest.fixture
def hub(opened: tuple[Hub, Work]) -> Iterator[Hub]:
    """Without a search that waits, before and after."""
    hub, work = opened
    yield hub
    work.finish()
    with hub.api.app.state.services.sessions.begin() as session:
        session.execute(text("DELETE FROM similar_searches"))
    assert left(hub) == []


@pytest.fixture
def work(opened: tuple[Hub, Work]) -> Work:
    return opened[1]


def left(hub: Hub) -> list[Path]:
    """The files that are searched with."""
    return sorted((hub.api.settings.data / "similar").glob("*"))


def recompressed(number: int) -> bytes:
    picture = samples.upright(samples.PHOTOGRAPHS[number]).copy()
    picture.thumbnail((320, 320))
    return samples.encoded(picture, quality=50)


def ask(person: Person, content: bytes, *, prefer: str | None = None, **metadata: Any) -> httpx.Response:
    form = [("metadata", (None, json.dumps(metadata))), ("file", ("a.jpg", content))]
    return person.post(PATH, files=form, headers={} if prefer is None else {"Prefer": prefer})


def answered(person: Person, work: Work, content: bytes, **metadata: Any) -> dict[str, Any]:
    """The answer, after the jobs ran."""
    asked = ask(person, content, **metadata)
    assert asked.status_code == 202, asked.text
    work.finish()
    answer = person.get(asked.headers["Location"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def items(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["evidence_id"], one["tier"]) for one in answer["found"]]


def counts(hub: Hub) -> dict[str, int]:
    tables = ("ledger_entries", "blobs", "evidence", "fingerprints", "local_features", "decodings", "derivatives")
    with hub.api.app.state.services.sessions() as session:
        return {table: session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables}


@pytest.mark.thorough
def test_file_when_it_shows_what_an_item_shows_then_the_item_is_found_and_explained(hub: Hub, work: Work) -> None:
    answer = answered(hub.first, work, recompressed(0))

    assert items(answer) == [(hub.common[0], "same_picture")]
    assert (answer["status"], answer["outcome"], answer["reason"]) == ("done", "decoded", None)
    ground = answer["found"][0]["grounds"][0]
    assert ground["version"] == "pdq/1"
    assert 0 <= ground["distance_bits"] <= 31
    assert answer["found"][0]["case_id"] == hub.cases[0]


@pytest.mark.thorough
def test_file_when_searched_with_then_nothing_of_it_is_kept_or_recorded(hub: Hub, work: Work) -> None:
    before = counts(hub)
    asked = ask(hub.first, recompressed(0))
    (waiting,) = left(hub)
    assert waiting.stat().st_mode & 0o777 == 0o600
    assert waiting.parent.stat().st_mode & 0o777 == 0o700

    work.finish()

    assert left(hub) == []
    assert counts(hub) == before
    with hub.api.app.state.services.sessions() as session:
        (row,) = session.execute(text("SELECT * FROM similar_searches")).mappings().all()
    assert row["sha256"] is None
    assert row["expires_at"] - row["finished_at"] == timedelta(minutes=15)
    assert asked.json()["id"] == str(row["id"])


@pytest.mark.thorough
def test_file_when_an_item_has_the_same_bytes_then_it_is_exact_and_named_once(hub: Hub, work: Work) -> None:
    answer = answered(hub.both, work, small(0))
    assert items(answer) == [(hub.common[0], "exact"), (hub.common[1], "exact")]
    assert answer["found"][0]["grounds"][0]["algorithm"] == "sha256"


@pytest.mark.thorough
def test_file_when_it_cannot_be_decoded_then_says_why_and_finds_copies_all_the_same(hub: Hub, work: Work) -> None:
    undecodable = samples.text_named_jpg()
    answer = answered(hub.first, work, undecodable)
    assert (answer["status"], answer["outcome"], items(answer)) == ("done", "undecodable", [])
    assert "none of the image and video formats" in answer["reason"]

    copy = receive(hub.first, hub.cases[0], undecodable)
    assert items(answered(hub.first, work, undecodable)) == [(copy, "exact")]


@pytest.mark.thorough
def test_file_when_a_part_of_it_is_missing_then_what_came_is_searched_with(hub: Hub, work: Work) -> None:
    answer = answered(hub.first, work, small(0)[:-2000])
    assert answer["outcome"] == "partial"
    assert hub.common[0] in dict(items(answer))


@pytest.mark.thorough
def test_search_when_a_worker_is_quick_then_is_answered_in_the_same_call(hub: Hub, work: Work) -> None:
    def run() -> None:
        while work.run_one() is None:
            time.sleep(0.01)

    worker = threading.Thread(target=run)
    worker.start()
    answer = ask(hub.first, recompressed(0), prefer="wait=20")
    worker.join()
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert items(answer.json()) == [(hub.common[0], "same_picture")]
    assert hub.first.get(answer.headers["Location"]).json() == answer.json()


def test_search_when_it_is_not_over_then_says_where_to_ask_and_when(hub: Hub) -> None:
    asked = ask(hub.first, recompressed(0), prefer="respond-async")
    assert asked.status_code == 202
    assert asked.headers["Preference-Applied"] == "wait=0"
    assert asked.headers["Retry-After"] == "1"
    assert (asked.json()["status"], asked.json()["found"], asked.json()["outcome"]) == ("pending", [], None)
    assert asked.headers["Location"] == f"{PATH}/{asked.json()['id']}"


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [
        (None, 5),
        ("wait=3", 3),
        ("WAIT = 3", 3),
        ("respond-async", 0),
        ("respond-async, wait=7", 7),
        ("handling=lenient;x=y, wait=2", 2),
        ('wait="4"', 4),
        ("wait=3, wait=9", 3),
        ("wait=600", 30),
        ("wait=99999999999999", 30),
        ("wait=-1", 5),
        ("wait=x", 5),
        ("wait=٣", 5),
        (",,;=", 5),
    ],
)
def test_preference_when_it_is_understood_then_says_how_long_to_wait(prefer: str | None, wait_s: float) -> None:
    assert _wait_of(prefer, 5.0) == wait_s


@pytest.mark.thorough
def test_search_when_narrowed_then_finds_no_more_than_was_asked_for(hub: Hub, work: Work) -> None:
    strict = {"pdq": 0, "phash": 0, "dhash": 0}
    assert items(answered(hub.first, work, samples.encoded(samples.upright(samples.PHOTOGRAPHS[2])))) == []
    assert items(answered(hub.first, work, small(0), tier="exact")) == [(hub.common[0], "exact")]
    assert items(answered(hub.first, work, recompressed(0), tier="exact")) == []
    both = answered(hub.both, work, recompressed(0), limit=1)
    assert (len(both["found"]), both["has_more"]) == (1, True)
    one_case = answered(hub.both, work, recompressed(0), case_ids=[hub.cases[1]])
    assert [(one["evidence_id"], one["case_id"]) for one in one_case["found"]] == [(hub.common[1], hub.cases[1])]
    for one in answered(hub.first, work, recompressed(0), thresholds=strict)["found"]:
        assert all(ground.get("distance_bits") in (None, 0) for ground in one["grounds"])


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_item_in_a_foreign_case_when_it_would_be_found_then_is_neither_shown_nor_counted(hub: Hub, work: Work) -> None:
    foreign = answered(hub.first, work, small(1))
    unknown = answered(hub.first, work, small(2))
    own = ("id", "created_at", "expires_at")
    assert {**foreign, **dict.fromkeys(own)} == {**unknown, **dict.fromkeys(own)}
    assert items(answered(hub.second, work, small(1))) == [(hub.secret, "exact")]


def test_search_when_it_names_a_case_that_is_not_the_askers_then_is_not_found_and_no_byte_is_stored(hub: Hub) -> None:
    for case_id in (hub.cases[1], MISSING):
        refused = ask(hub.first, small(1), case_ids=[hub.cases[0], case_id])
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        assert left(hub) == []


@pytest.mark.thorough
def test_answer_when_somebody_else_asks_for_it_then_looks_like_one_that_never_was(hub: Hub, work: Work) -> None:
    search = answered(hub.first, work, recompressed(0))["id"]
    for person in (hub.second, hub.both, hub.api.admin):
        for method in ("GET", "DELETE"):
            refused = [person.http.request(method, f"{PATH}/{which}").json() for which in (search, MISSING)]
            assert {**refused[0], "request_id": ""} == {**refused[1], "request_id": ""}
            assert refused[0]["code"] == "no_such_search"


@pytest.mark.thorough
def test_answer_when_the_asker_has_lost_a_case_or_uses_a_narrower_token_then_its_items_are_gone(
    hub: Hub, work: Work
) -> None:
    search = answered(hub.both, work, recompressed(0))
    assert {one["evidence_id"] for one in search["found"]} == set(hub.common)
    narrow = hub.both.post("/v1/tokens", json={"name": "t", "scopes": ["read"], "case_ids": [hub.cases[0]]}).json()
    seen = hub.api.client(narrow["token"]).get(f"{PATH}/{search['id']}").json()
    assert [one["evidence_id"] for one in seen["found"]] == [hub.common[0]]

    member = f"/v1/cases/{hub.cases[1]}/members/{hub.both.id}/verifier"
    assert hub.second.delete(member).status_code == 200
    seen = hub.both.get(f"{PATH}/{search['id']}").json()
    assert [one["evidence_id"] for one in seen["found"]] == [hub.common[0]]
    assert hub.second.put(member).status_code == 200


# --- what stays -------------------------------------------------------------------------------------------------------


def sweep(hub: Hub, work: Work) -> dict[str, Any]:
    return dict(CHORES[0].run(hub.api.app.state.services.sessions, work.resources))


def grow_old(hub: Hub) -> None:
    for path in left(hub):
        os.utime(path, (0, 0))


def test_search_when_expired_then_its_answer_is_forgotten(hub: Hub, work: Work) -> None:
    search = answered(hub.first, work, recompressed(0))["id"]
    assert sweep(hub, work) == {}
    with hub.api.app.state.services.sessions.begin() as session:
        session.execute(text("UPDATE similar_searches SET expires_at = now()"))
    gone = hub.first.get(f"{PATH}/{search}")
    assert (gone.status_code, gone.json()["code"]) == (404, "no_such_search")
    assert sweep(hub, work) == {"searches": 1, "files": 0}


def test_search_when_the_asker_ends_it_then_file_and_answer_are_gone_and_the_job_does_nothing(
    hub: Hub, work: Work
) -> None:
    asked = ask(hub.first, recompressed(0))
    assert hub.first.delete(asked.headers["Location"]).status_code == 204
    assert left(hub) == []
    assert work.finish() == ["search_similar"]
    assert hub.first.get(asked.headers["Location"]).status_code == 404


def test_file_when_its_search_waits_then_is_not_swept_however_old(hub: Hub, work: Work) -> None:
    asked = ask(hub.first, recompressed(0))
    grow_old(hub)
    assert sweep(hub, work) == {}
    work.finish()
    assert items(hub.first.get(asked.headers["Location"]).json()) == [(hub.common[0], "same_picture")]


def test_file_when_whoever_wrote_it_died_then_is_swept_and_not_while_it_is_written(hub: Hub, work: Work) -> None:
    files = work.resources.query_files
    incoming = files.incoming(new_id())
    incoming.begin().write(b"half of it")
    assert sweep(hub, work) == {}, "it is fresh"
    grow_old(hub)
    assert sweep(hub, work) == {}, "it is written by a living process"
    incoming.close()
    assert sweep(hub, work) == {"searches": 0, "files": 1}
    assert left(hub) == []


def test_upload_when_the_sender_hangs_up_then_nothing_is_left(hub: Hub) -> None:
    address = urlsplit(hub.api.base_url)
    part = b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{}\r\n--b\r\n'
    part += b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {hub.first.token}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as sender:
        sender.sendall(head.encode() + part + b"x" * 3_000_000)
        until = time.monotonic() + 10
        while not left(hub) and time.monotonic() < until:
            time.sleep(0.01)
        assert left(hub)
    until = time.monotonic() + 10
    while left(hub) and time.monotonic() < until:
        time.sleep(0.01)
    assert left(hub) == []


def test_search_when_its_worker_dies_then_another_one_takes_it_up(hub: Hub, work: Work) -> None:
    asked = ask(hub.first, recompressed(0))
    runner = Runner(hub.api.app.state.services.sessions, _Dying(work.resources.query_files), WorkerLimits())
    job = work._jobs["search_similar"]
    with pytest.raises(DecoderDied):
        runner.run(job, None, 0, {"search_id": asked.json()["id"]})
    assert len(left(hub)) == 1

    work.finish()

    assert items(hub.first.get(asked.headers["Location"]).json()) == [(hub.common[0], "same_picture")]


def test_search_when_every_try_fails_then_says_so_and_the_file_is_swept(hub: Hub, work: Work) -> None:
    asked = ask(hub.first, recompressed(0))
    runner = Runner(hub.api.app.state.services.sessions, _Dying(work.resources.query_files), WorkerLimits())
    with pytest.raises(GaveUp):
        runner.run(work._jobs["search_similar"], None, 3, {"search_id": asked.json()["id"]})
    answer = hub.first.get(asked.headers["Location"]).json()
    assert (answer["status"], answer["reason"], answer["found"]) == ("failed", "DecoderDied", [])
    grow_old(hub)
    assert sweep(hub, work) == {"searches": 0, "files": 1}


def test_search_when_its_file_is_gone_then_fails_and_says_so(hub: Hub, work: Work) -> None:
    asked = ask(hub.first, recompressed(0))
    for path in left(hub):
        path.unlink()
    work.finish()
    answer = hub.first.get(asked.headers["Location"]).json()
    assert (answer["status"], answer["reason"]) == ("failed", "file_lost")


class _Dying:
    """A worker whose decoder dies of every file."""

    def __init__(self, query_files: QueryFiles) -> None:
        self.query_files = query_files
        self.decoder = self

    def decode(self, *_: object) -> None:
        raise DecoderDied


# --- turns and limits -------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_search_when_files_wait_for_the_decoder_then_comes_before_them_and_after_reading_back(
    hub: Hub, work: Work
) -> None:
    for number in (2, 3):
        receive(hub.second, hub.cases[1], small(number))
    assert [work.run_one(), work.run_one()] == ["preserve", "preserve"]
    receive(hub.second, hub.cases[1], samples.text_named_jpg())
    ask(hub.first, recompressed(0))
    assert [work.run_one() for _ in range(3)] == ["preserve", "search_similar", "fingerprint"]


@pytest.mark.thorough
def test_searches_of_one_person_when_many_wait_then_later_ones_have_a_later_turn_and_a_fifth_is_refused(
    hub: Hub, work: Work
) -> None:
    for _ in range(4):
        assert ask(hub.first, recompressed(0)).status_code == 202
    refused = ask(hub.first, recompressed(0))
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_searches")
    assert int(refused.headers["Retry-After"]) > 0
    assert len(left(hub)) == 4
    assert ask(hub.second, recompressed(0)).status_code == 202
    with hub.api.app.state.services.sessions() as session:
        query = "SELECT priority FROM procrastinate_jobs WHERE task_name = 'search_similar' ORDER BY id"
        assert list(session.scalars(text(query))) == [1, 1, 0, 0, 1]
    work.finish()
    assert ask(hub.first, recompressed(0)).status_code == 202


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"thresholds": {"pdq": 65}}, "invalid_metadata"),
        ({"thresholds": {"pdq": True}}, "invalid_metadata"),
        ({"thresholds": {"phash": 17}}, "invalid_metadata"),
        ({"thresholds": {"colorhash": 3}}, "invalid_metadata"),
        ({"limit": 201}, "invalid_metadata"),
        ({"tier": "perhaps"}, "invalid_metadata"),
        ({"case_ids": []}, "invalid_metadata"),
        ({"account_id": MISSING}, "invalid_metadata"),
    ],
)
def test_metadata_when_it_does_not_fit_then_says_why(hub: Hub, metadata: dict[str, Any], code: str) -> None:
    refused = ask(hub.first, small(0), **metadata)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


def test_file_when_it_is_empty_then_is_refused_and_nothing_is_left(hub: Hub) -> None:
    refused = ask(hub.first, b"")
    assert (refused.status_code, refused.json()["code"]) == (422, "file_empty")
    assert left(hub) == []
