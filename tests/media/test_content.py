"""Reading originals over HTTP: with a purpose, with an entry, in ranges, by signed address; and the previews."""

import base64
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media_samples import PHOTOGRAPHS
from tests.support.work import work_of

DOGS = PHOTOGRAPHS[0].read_bytes()


@pytest.fixture
def item(receive: Receive) -> dict[str, Any]:
    return receive(DOGS)


def url(item: dict[str, Any], purpose: str = "verification") -> str:
    return f"/v1/evidence/{item['id']}/content?purpose={purpose}"


def test_original_comes_whole_with_safe_headers_and_an_entry(hub: Hub, item: dict[str, Any]) -> None:
    answer = hub.verifier.get(url(item))

    assert (answer.status_code, answer.content) == (200, DOGS)
    digest = base64.b64encode(hashlib.sha256(DOGS).digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{item["id"]}.jpg"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Cache-Control"] == "no-store"
    assert hub.entries(item["id"], "evidence.downloaded") == 1


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=100-199", (100, 200)),
        ("bytes=-5", (len(DOGS) - 5, len(DOGS))),
        ("bytes=10-", (10, len(DOGS))),
        (f"bytes=0-{10**12}", (0, len(DOGS))),
    ],
)
def test_one_range_is_answered_with_its_bytes(
    hub: Hub, item: dict[str, Any], header: str, expected: tuple[int, int]
) -> None:
    answer = hub.verifier.get(url(item), headers={"Range": header})

    start, end = expected
    assert (answer.status_code, answer.content) == (206, DOGS[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DOGS)}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-1,5-6"},
        {"Range": "lines=1-2"},
        {"Range": "bytes=9-3"},
        {"Range": "bytes=-"},
        {"Range": "bytes=0-9", "If-Range": '"another"'},
    ],
)
def test_other_ranges_are_answered_with_the_whole(hub: Hub, item: dict[str, Any], headers: dict[str, str]) -> None:
    assert hub.verifier.get(url(item), headers=headers).status_code == 200


def test_range_past_the_end_is_refused_without_an_entry(hub: Hub, item: dict[str, Any]) -> None:
    answer = hub.verifier.get(url(item), headers={"Range": f"bytes={len(DOGS)}-"})

    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(DOGS)}"
    assert hub.entries(item["id"], "evidence.downloaded") == 0


@pytest.mark.thorough
def test_200_ranges_at_once_are_one_entry_and_another_purpose_is_another(hub: Hub, item: dict[str, Any]) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda at: hub.verifier.get(url(item), headers={"Range": f"bytes={at}-{at + 9}"}), range(0, 2000, 10)
            )
        )
    assert {answer.status_code for answer in answers} == {206}
    assert hub.entries(item["id"], "evidence.downloaded") == 1

    hub.verifier.get(url(item, "review"))
    assert hub.entries(item["id"], "evidence.downloaded") == 2


def test_reading_after_the_window_is_a_new_entry_that_begins_the_next_window(hub: Hub, item: dict[str, Any]) -> None:
    def read(window_s: int) -> int:
        provided = hub.api.app.state.services
        settings = provided.settings.model_copy(update={"view_window_s": window_s})
        hub.api.app.state.services = replace(provided, settings=settings)
        assert hub.verifier.get(url(item)).status_code == 200
        return hub.entries(item["id"], "evidence.downloaded")

    assert hub.api.settings.view_window_s == 900
    assert [read(900), read(900)] == [1, 1]
    time.sleep(1.1)
    assert read(1) == 2
    assert read(900) == 2


def test_head_tells_size_and_digest_and_writes_no_entry(hub: Hub, item: dict[str, Any]) -> None:
    answer = hub.verifier.http.head(url(item))

    assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (200, str(len(DOGS)), b"")
    assert hub.entries(item["id"], "evidence.downloaded") == 0


def test_original_without_purpose_is_refused(hub: Hub, item: dict[str, Any]) -> None:
    answer = hub.verifier.get(f"/v1/evidence/{item['id']}/content")

    by_address = hub.verifier.post(f"/v1/evidence/{item['id']}/content-url", json={})
    for refused in (answer, by_address):
        assert (refused.status_code, refused.json()["code"]) == (422, "purpose_needed")


def test_original_is_for_those_who_may(hub: Hub, item: dict[str, Any]) -> None:
    statuses = {
        person.name: person.get(url(item)).status_code
        for person in (hub.collector, hub.other_collector, hub.auditor, hub.stranger, hub.api.admin)
    }

    assert statuses == {
        "Olena Collector": 200,
        "Petro Collector": 403,
        "Case Auditor": 403,
        "Stranger": 404,
        "Administrator": 404,
    }


def test_original_of_a_lead_is_not_there_yet(hub: Hub) -> None:
    lead = hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", json={"lead_claim": "A video of the market."}).json()

    for address in (url(lead), f"/v1/evidence/{lead['id']}/preview"):
        answer = hub.verifier.get(address)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_content")


def test_original_whose_bytes_are_lost_is_unavailable_and_no_entry(hub: Hub, item: dict[str, Any]) -> None:
    (blob,) = (hub.api.settings.data / "blobs").glob(f"??/??/{item['sha256']}")
    blob.rename(blob.with_name("elsewhere"))

    answer = hub.verifier.get(url(item))

    assert (answer.status_code, answer.json()["code"]) == (503, "content_unavailable")
    assert hub.entries(item["id"], "evidence.downloaded") == 0


def signed(hub: Hub, item: dict[str, Any]) -> str:
    answer = hub.verifier.post(f"/v1/evidence/{item['id']}/content-url", json={"purpose": "verification"})
    assert answer.status_code == 200, answer.text
    address: str = answer.json()["url"]
    return address


def test_signed_address_works_without_a_token_and_is_an_entry_at_use(hub: Hub, item: dict[str, Any]) -> None:
    address = signed(hub, item)
    assert hub.entries(item["id"], "evidence.viewed") == 0

    answer = hub.api.client().get(address, headers={"Range": "bytes=0-99"})

    assert (answer.status_code, answer.content) == (206, DOGS[:100])
    assert hub.entries(item["id"], "evidence.viewed") == 1


def test_signed_address_that_was_changed_is_refused(hub: Hub, receive: Receive, item: dict[str, Any]) -> None:
    address = signed(hub, item)
    other = receive(DOGS)
    stem, _, ticket = address.partition("?ticket=")
    payload, _, mac = ticket.partition(".")
    forged = [
        f"{stem}?ticket={payload}.{'A' * len(mac)}",
        f"{stem}?ticket={payload}",
        f"{stem}?ticket=a.b",
        address.replace(item["id"], other["id"]),
    ]

    answers = [hub.api.client().get(one) for one in forged]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (403, "content_address_invalid")
    ] * len(forged)


def test_signed_address_ends_with_the_token_it_was_asked_with(hub: Hub, item: dict[str, Any]) -> None:
    address = signed(hub, item)
    hub.verifier.delete("/v1/sessions/current")

    answer = hub.api.client().get(address)

    assert (answer.status_code, answer.json()["code"]) == (403, "content_address_invalid")


def test_signed_address_ends_with_the_role(hub: Hub, item: dict[str, Any]) -> None:
    address = signed(hub, item)
    hub.coordinator.delete(f"/v1/cases/{hub.case_id}/members/{hub.verifier.id}/verifier")

    assert hub.api.client().get(address).status_code == 404


def test_preview_is_not_ready_before_the_jobs_and_grey_and_small_after(hub: Hub, item: dict[str, Any]) -> None:
    address = f"/v1/evidence/{item['id']}/preview"
    before = hub.verifier.get(address)
    with work_of(hub.api) as work:
        work.finish()
    after = hub.verifier.get(address)

    assert (before.status_code, before.json()["code"]) == (404, "preview_not_ready")
    assert (after.status_code, after.headers["Content-Type"]) == (200, "image/jpeg")
    assert after.content[:2] == b"\xff\xd8"
    assert b"Exif" not in after.content
    assert [person.get(address).status_code for person in (hub.auditor, hub.stranger)] == [403, 404]
    assert hub.entries(item["id"], "evidence.viewed") == 0


@pytest.mark.thorough
def test_preview_and_claims_when_only_another_item_on_the_bytes_was_decoded_then_they_are_not_shown(
    hub: Hub, receive: Receive
) -> None:
    receive(DOGS)
    with work_of(hub.api) as work:
        work.finish()
        own = receive(DOGS)
        preview = hub.verifier.get(f"/v1/evidence/{own['id']}/preview")
        claims_before = hub.verifier.get(f"/v1/evidence/{own['id']}").json()["claims"]
        work.finish()

    assert (own["claims"], claims_before) == (None, None)
    assert (preview.status_code, preview.json()["code"]) == (404, "preview_not_ready")
    assert hub.verifier.get(f"/v1/evidence/{own['id']}").json()["claims"]["container"] == "image/jpeg"
    assert hub.verifier.get(f"/v1/evidence/{own['id']}/preview").status_code == 200
