"""Receiving evidence over HTTP: what goes in comes out, and what is refused leaves nothing."""

import hashlib
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from app.blobs.store import StoredBlob
from app.media.orphans import remove_if_orphan
from tests.media.people import Hub
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase

ASSETS = Path(__file__).parent.parent / "assets"
METADATA = {
    "collector": "Olena Example",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "Public channel",
    "source_address": "https://example.org/channel/4711",
    "claimed_place": "Kharkiv, north",
}
DOGS = (ASSETS / "park-dogs.jpg").read_bytes()
BOUNDARY = "an-honest-boundary"


def upload(
    person: Person, case_id: str, content: bytes = DOGS, *, name: str = "park.jpg", key: str | None = None, **facts: Any
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return person.post(f"/v1/cases/{case_id}/evidence", files=form(content, name, **facts), headers=headers)


def form(content: bytes, name: str = "park.jpg", **facts: Any) -> list[tuple[str, Any]]:
    metadata = json.dumps({**METADATA, **facts})
    return [("metadata", (None, metadata, "application/json")), ("file", (name, content, "image/jpeg"))]


def body(*parts: tuple[str, bytes], end: bytes = b"--") -> bytes:
    """A form by hand; a part is its Content-Disposition's parameters and its content."""
    mark = BOUNDARY.encode()
    heads = [(f"Content-Disposition: form-data; {where}\r\n\r\n".encode(), content) for where, content in parts]
    return b"".join(b"--" + mark + b"\r\n" + head + content + b"\r\n" for head, content in heads) + b"--" + mark + end


def post_raw(
    person: Person, case_id: str, content: bytes, content_type: str = f"multipart/form-data; boundary={BOUNDARY}"
) -> httpx.Response:
    return person.post(f"/v1/cases/{case_id}/evidence", content=content, headers={"Content-Type": content_type})


META = ('name="metadata"', json.dumps(METADATA).encode())
FILE = ('name="file"; filename="a.jpg"', DOGS)


@pytest.fixture
def collector(hub: Hub) -> Person:
    return hub.collector


@pytest.fixture
def case_id(hub: Hub) -> str:
    return hub.case_id


def rows(api: Api, table: str) -> int:
    with api.app.state.services.sessions() as session:
        return int(session.scalar(text(f"SELECT count(*) FROM {table}")))


def left_overs(api: Api) -> list[str]:
    incoming = api.settings.data / "blobs" / "incoming"
    return [path.name for path in incoming.iterdir() if path.suffix != ".lock"]


def blobs(api: Api) -> list[str]:
    return sorted(path.name for path in (api.settings.data / "blobs").glob("??/??/*"))


def test_upload_of_a_photograph_is_stored_hashed_and_ledgered(api: Api, collector: Person, case_id: str) -> None:
    answer = upload(collector, case_id)

    assert answer.status_code == 201, answer.text
    item = answer.json()
    assert item["sha256"] == hashlib.sha256(DOGS).hexdigest()
    assert item["size_bytes"] == len(DOGS)
    assert (item["media_type"], item["kind"], item["state"]) == ("image/jpeg", "image", "collected")
    assert (item["file_name"], item["media_type_claimed"]) == ("park.jpg", "image/jpeg")
    assert item["acquired_at"] == "2026-07-14T09:30:00Z"
    assert item["duplicates"] == []
    assert [receipt["type"] for receipt in item["receipts"]] == ["evidence.registered", "evidence.collected"]
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == f"/v1/evidence/{item['id']}"
    assert blobs(api) == [item["sha256"]]
    assert rows(api, "procrastinate_jobs WHERE task_name = 'preserve'") == 1
    assert left_overs(api) == []


def test_upload_of_the_same_bytes_again_is_a_second_item_and_names_the_first(
    api: Api, collector: Person, case_id: str
) -> None:
    first = upload(collector, case_id).json()
    second = upload(collector, case_id, name="again.jpg").json()

    assert [duplicate["id"] for duplicate in second["duplicates"]] == [first["id"]]
    assert second["id"] != first["id"]
    assert rows(api, "blobs") == 1


def test_upload_with_the_same_key_is_done_once(api: Api, collector: Person, case_id: str) -> None:
    first = upload(collector, case_id, key="one")
    again = upload(collector, case_id, key="one")
    other = upload(collector, case_id, DOGS + b"x", key="one")

    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (rows(api, "evidence"), blobs(api)) == (1, [first.json()["sha256"]])


def test_upload_when_refused_for_bytes_that_another_item_has_then_they_stay(
    api: Api, collector: Person, case_id: str
) -> None:
    first = upload(collector, case_id, key="one").json()

    assert upload(collector, case_id, name="other.jpg", key="one").status_code == 422
    assert blobs(api) == [first["sha256"]]


def test_orphan_when_somebody_registered_the_bytes_since_then_it_is_not_removed(
    api: Api, collector: Person, case_id: str
) -> None:
    item = upload(collector, case_id).json()
    store, sessions = api.app.state.services.blobs, api.app.state.services.sessions

    with sessions() as session:
        is_removed = remove_if_orphan(session, store, StoredBlob(item["sha256"], item["size_bytes"], True))

    assert (is_removed, blobs(api)) == (False, [item["sha256"]])


@pytest.mark.thorough
def test_32_identical_uploads_at_once_make_32_items_on_one_blob(api: Api, collector: Person, case_id: str) -> None:
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda number: upload(collector, case_id, name=f"{number}.jpg"), range(32)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 32
    assert (rows(api, "blobs"), len(blobs(api)), left_overs(api)) == (1, 1, [])
    assert rows(api, "ledger_entries WHERE type = 'evidence.collected'") == 32


def test_upload_with_labels_keeps_them(collector: Person, case_id: str) -> None:
    item = upload(collector, case_id, labels={"graphic_level": "severe", "child": True}).json()

    assert item["labels"] == {
        "graphic_level": "severe",
        "child": True,
        "sexual_violence": False,
        "distressing_audio": False,
        "languages": [],
    }
    assert item["receipts"][-1]["type"] == "evidence.labelled"


def test_upload_of_text_named_jpg_is_kept_as_what_it_is(collector: Person, case_id: str) -> None:
    item = upload(collector, case_id, b"#EXTM3U\nfile:///etc/passwd\n", name="photo.jpg").json()

    assert (item["media_type"], item["kind"], item["state"]) == (None, None, "collected")


BAD_FORMS: dict[str, tuple[bytes, int, str]] = {
    "empty_body": (b"", 400, "upload_incomplete"),
    "no_boundary_in_body": (b"hello", 400, "malformed_form"),
    "empty_file": (body(META, ('name="file"; filename="a.jpg"', b"")), 422, "file_empty"),
    "file_first": (body(FILE, META), 422, "wrong_parts"),
    "metadata_alone": (body(META), 422, "wrong_parts"),
    "two_files": (body(META, FILE, FILE), 422, "wrong_parts"),
    "extra_part": (body(META, ('name="extra"', b"1"), FILE), 422, "wrong_parts"),
    "cut_off_in_file": (body(META, FILE)[:-5000], 400, "upload_incomplete"),
    "no_last_boundary": (body(META, FILE, end=b""), 400, "upload_incomplete"),
    "broken_json": (body(('name="metadata"', b'{"collector"'), FILE), 422, "invalid_metadata"),
    "metadata_too_large": (body(('name="metadata"', b" " * 64_001), FILE), 413, "metadata_too_large"),
    "nul_in_name": (body(META, ('name="file"; filename="a\0.jpg"', DOGS)), 422, "bad_file_name"),
    "name_not_utf_8": (
        body(META, FILE).replace(b'filename="a.jpg"', b'filename="\xff.jpg"'),
        422,
        "bad_file_name",
    ),
}


@pytest.mark.parametrize("case", BAD_FORMS)
def test_upload_of_a_bad_form_is_refused_and_leaves_nothing(
    api: Api, collector: Person, case_id: str, case: str
) -> None:
    content, status, code = BAD_FORMS[case]

    answer = post_raw(collector, case_id, content)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert (rows(api, "evidence"), blobs(api), left_overs(api)) == (0, [], [])


BAD_METADATA: dict[str, dict[str, Any]] = {
    "unknown_field": {"state": "signed_off"},
    "nul_in_text": {"notes": "a\0b"},
    "time_without_zone": {"acquired_at": "2026-07-14T09:30:00"},
    "wrong_type": {"collector": 7},
    "missing": {"collector": None},
    "bad_label": {"labels": {"graphic_level": "awful"}},
    "bad_digest": {"expected_sha256": "abc"},
    "method_in_prose": {"method": "handed over by Petro Kovalenko"},
    "tool_with_an_address": {"tool": "phone of petro@example.org"},
}


@pytest.mark.parametrize("case", BAD_METADATA)
def test_upload_with_bad_metadata_names_the_field(api: Api, collector: Person, case_id: str, case: str) -> None:
    answer = upload(collector, case_id, **BAD_METADATA[case])

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_metadata")
    assert answer.json()["errors"][0]["field"].split(".")[0] == next(iter(BAD_METADATA[case]))
    assert (rows(api, "evidence"), blobs(api)) == (0, [])


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"expected_sha256": "0" * 64}, "digest_mismatch"),
        ({"acquired_at": "2999-01-01T00:00:00Z"}, "acquired_in_future"),
        ({"claimed_from": "2026-07-02T00:00:00Z", "claimed_to": "2026-07-01T00:00:00Z"}, "claimed_interval_reversed"),
    ],
)
def test_upload_with_facts_that_cannot_be_is_refused(
    api: Api, collector: Person, case_id: str, facts: dict[str, Any], code: str
) -> None:
    answer = upload(collector, case_id, **facts)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (rows(api, "evidence"), blobs(api)) == (0, [])


def test_upload_with_the_right_digest_is_taken(collector: Person, case_id: str) -> None:
    assert upload(collector, case_id, expected_sha256=hashlib.sha256(DOGS).hexdigest()).status_code == 201


@pytest.mark.parametrize(
    ("content_type", "status", "code"),
    [("multipart/form-data", 400, "malformed_form"), ("image/jpeg", 415, "unsupported_media_type")],
)
def test_upload_of_another_content_type_is_refused(
    collector: Person, case_id: str, content_type: str, status: int, code: str
) -> None:
    answer = post_raw(collector, case_id, body(META, FILE), content_type)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_upload_into_a_foreign_case_is_not_found_and_unread(api: Api, hub: Hub) -> None:
    answer = upload(hub.stranger, hub.case_id)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (blobs(api), left_overs(api)) == ([], [])


def test_upload_with_an_expired_or_unknown_token_is_refused(api: Api, case_id: str) -> None:
    answer = api.client("exh_unknown").post(f"/v1/cases/{case_id}/evidence", files=form(DOGS))

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_upload_of_3_gb_declared_and_1_kb_sent_leaves_nothing(database: TestDatabase, tmp_path: Path) -> None:
    with running_api(database, tmp_path / "data", receive_timeout_s=0.5) as api:
        collector = api.person("Olena Collector")
        case_id = api.case(api.person("Coordinator"), collector=(collector,))
        stalled = send_part(api, collector, case_id, declared_bytes=3 * 10**9, sent=body(META, FILE)[:1000])

        assert stalled.startswith(b"HTTP/1.1 408")
        assert b"upload_timed_out" in stalled
        assert (rows(api, "evidence"), blobs(api), left_overs(api)) == (0, [], [])


def test_upload_above_the_limit_is_refused_at_once(database: TestDatabase, tmp_path: Path) -> None:
    with running_api(database, tmp_path / "data", upload_max_bytes=100_000) as api:
        collector = api.person("Olena Collector")
        case_id = api.case(api.person("Coordinator"), collector=(collector,))
        declared = send_part(api, collector, case_id, declared_bytes=3 * 10**9, sent=b"")
        chunked = collector.post(
            f"/v1/cases/{case_id}/evidence",
            content=iter([body(META, FILE)]),
            headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        )

        assert declared.startswith(b"HTTP/1.1 413")
        assert (chunked.status_code, chunked.json()["code"]) == (413, "file_too_large")
        assert (rows(api, "evidence"), blobs(api), left_overs(api)) == (0, [], [])


def test_upload_when_the_reserve_is_reached_is_refused(database: TestDatabase, tmp_path: Path) -> None:
    with running_api(database, tmp_path / "data", free_space_reserve_bytes=2**60) as api:
        collector = api.person("Olena Collector")
        case_id = api.case(api.person("Coordinator"), collector=(collector,))

        answer = upload(collector, case_id)

        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert blobs(api) == []


def test_lead_and_its_file_later_are_one_item(api: Api, collector: Person, case_id: str) -> None:
    lead = collector.post(f"/v1/cases/{case_id}/evidence", json={"lead_address": "https://example.org/post/17"})
    item_url = lead.headers["Location"]
    without = collector.post(f"{item_url}/content", files=form(DOGS))
    stale = collector.post(f"{item_url}/content", files=form(DOGS), headers={"If-Match": '"7"'})
    taken = collector.post(f"{item_url}/content", files=form(DOGS), headers={"If-Match": '"1"'})
    again = collector.post(f"{item_url}/content", files=form(DOGS), headers={"If-Match": '"2"'})

    assert (lead.status_code, lead.json()["state"]) == (201, "lead")
    assert (without.status_code, stale.status_code) == (428, 412)
    assert (taken.status_code, taken.json()["state"], taken.json()["id"]) == (200, "collected", lead.json()["id"])
    assert taken.json()["lead_address"] == "https://example.org/post/17"
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")


@pytest.mark.parametrize("lead", [{}, {"lead_address": ""}, {"lead_claim": "a\0b"}, {"state": "lead"}])
def test_lead_without_ground_or_with_unknown_fields_is_refused(
    api: Api, collector: Person, case_id: str, lead: dict[str, str]
) -> None:
    answer = collector.post(f"/v1/cases/{case_id}/evidence", json=lead)

    assert answer.status_code == 422
    assert answer.json()["code"] in {"no_ground", "invalid_metadata"}
    assert rows(api, "evidence") == 0


def send_part(api: Api, person: Person, case_id: str, *, declared_bytes: int, sent: bytes) -> bytes:
    """Declare a long body, send only this much, and wait for the answer."""
    address = urlsplit(api.base_url)
    head = (
        f"POST /v1/cases/{case_id}/evidence HTTP/1.1\r\nHost: exhibit\r\nAuthorization: Bearer {person.token}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {declared_bytes}\r\n\r\n"
    )
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as connection:
        connection.sendall(head.encode() + sent)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


@pytest.mark.parametrize("claimed", ["handed over by Petro", "image", "image/jpeg from Petro", f"image/{'x' * 100}"])
def test_upload_when_the_claimed_media_type_is_free_text_then_it_is_not_kept(
    api: Api, collector: Person, case_id: str, claimed: str
) -> None:
    parts = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", DOGS, claimed))]

    answer = collector.post(f"/v1/cases/{case_id}/evidence", files=parts)

    assert (answer.status_code, answer.json()["media_type_claimed"]) == (201, None)
    assert rows(api, "ledger_bodies WHERE convert_from(body, 'UTF8') LIKE '%Petro%'") == 0
