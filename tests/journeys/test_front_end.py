"""The front end: a browser's application on another origin that signs in, lists, previews, plays and gets refusals.

Over HTTP only, on a product with all its processes. What a browser would enforce (CORS) is checked as it checks it.
"""

import base64
import hashlib
import io
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.kernel.primitives import utc_now
from tests.media_samples import ASSETS, PHONE_VIDEO, with_exif
from tests.support.api import PASSWORD, Api, Person, email_of, open_client
from tests.support.journey import NO_LABELS, all_pages, ok, received, refused, settled, upload

ORIGIN = "https://corps.hub.example"
OTHER_ORIGIN = "http://localhost:5173"
URL_LIFE_S = 6
SETTINGS = {"EXHIBIT_CORS_ORIGINS": json.dumps([ORIGIN, OTHER_ORIGIN]), "EXHIBIT_SIGNED_URL_TTL_S": str(URL_LIFE_S)}

PHOTOGRAPH = with_exif(ASSETS / "park-dogs.jpg")
SECRET_IN_EXIF = b"SN-12345"
PURPOSE = {"purpose": "verification"}


@dataclass(frozen=True)
class Desk:
    """A signed-in verifier, the coordinator of her case, and a photograph and a phone's video in it."""

    api: Api
    case_id: str
    coordinator: Person
    verifier: Person
    photograph: str
    video: str

    def entries(self, item_id: str, kind: str) -> list[dict[str, Any]]:
        custody = all_pages(self.coordinator, f"/v1/evidence/{item_id}/custody")
        return [entry for entry in custody if entry["type"] == kind]


@pytest.fixture(scope="module")
def desk(hub: Api) -> Desk:
    verifier, coordinator = hub.signed_in("Olena"), hub.person("Kateryna")
    case_id = hub.case(coordinator, verifier=(verifier,))
    photograph = received(verifier, case_id, PHOTOGRAPH, "IMG_1.jpg", labels=NO_LABELS)
    video = received(verifier, case_id, PHONE_VIDEO.read_bytes(), "VID_1.mp4")
    for item in settled(verifier, photograph, video):
        assert item["fingerprint_status"] == "done"
    return Desk(hub, case_id, coordinator, verifier, photograph, video)


@pytest.fixture
def anonymous(hub: Api) -> Iterator[httpx.Client]:
    with open_client(hub.base_url, timeout_s=60) as client:
        yield client


# --- another origin ---------------------------------------------------------------------------------------------------


def preflight(client: httpx.Client, origin: str, method: str, *headers: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return client.options(
        "/v1/evidence/x", headers={**asked, "Access-Control-Request-Headers": ", ".join(headers).lower()}
    )


def listed(answer: httpx.Response, name: str) -> set[str]:
    return {value.strip().lower() for value in answer.headers.get(name, "").split(",")}


def test_browser_when_its_origin_is_allowed_then_it_may_send_and_read_all_that_the_api_needs(
    desk: Desk, anonymous: httpx.Client
) -> None:
    needed = ("Authorization", "Content-Type", "If-Match", "Idempotency-Key", "Range")
    for origin in (ORIGIN, OTHER_ORIGIN):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = preflight(anonymous, origin, method, *needed)
            assert answer.status_code == 200, answer.text
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert method.lower() in listed(answer, "Access-Control-Allow-Methods")
            assert {name.lower() for name in needed} <= listed(answer, "Access-Control-Allow-Headers")

    item = desk.verifier.get(f"/v1/evidence/{desk.photograph}", headers={"Origin": ORIGIN})
    exposed = listed(item, "Access-Control-Expose-Headers")
    read = {"etag", "location", "link", "retry-after", "content-range", "content-disposition", "x-request-id"}
    assert read | {"idempotency-replayed", "repr-digest"} <= exposed
    # Who is refused reads why.
    problem = anonymous.get("/v1/me", headers={"Origin": ORIGIN})
    refused(problem, 401, "unauthenticated")
    assert problem.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "origin" in listed(problem, "Vary")


def test_browser_when_its_origin_is_another_then_it_is_refused(desk: Desk, anonymous: httpx.Client) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(anonymous, "https://evil.example", "GET").headers
    answer = desk.verifier.get("/v1/me", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


# --- signing in -------------------------------------------------------------------------------------------------------


def test_session_when_password_is_right_then_it_works_until_signed_out(hub: Api, anonymous: httpx.Client) -> None:
    hub.signed_in("Nadia")
    wrong = {"email": email_of("Nadia"), "password": "not her password"}
    refused(anonymous.post("/v1/sessions", json=wrong), 401, "bad_credentials")
    unknown = {"email": "nobody@hub.example", "password": PASSWORD}
    refused(anonymous.post("/v1/sessions", json=unknown), 401, "bad_credentials")

    answer = anonymous.post("/v1/sessions", json={"email": email_of("Nadia"), "password": PASSWORD})
    session = ok(answer, 201)
    assert answer.headers["Cache-Control"] == "no-store"
    assert datetime.fromisoformat(session["expires_at"]) > utc_now()
    bearer = {"Authorization": f"Bearer {session['token']}"}
    assert ok(anonymous.get("/v1/me", headers=bearer))["account"]["name"] == "Nadia"
    ok(anonymous.delete("/v1/sessions/current", headers=bearer))
    refused(anonymous.get("/v1/me", headers=bearer), 401, "unauthenticated")


# --- who may do what ------------------------------------------------------------------------------------------------


def test_case_when_opened_then_the_front_end_knows_what_to_offer_and_finds_people_by_their_address(
    desk: Desk, hub: Api
) -> None:
    mine = {case["case_id"]: case["roles"] for case in ok(desk.coordinator.get("/v1/me"))["cases"]}
    assert mine[desk.case_id] == ["coordinator"]
    assert ok(desk.verifier.get("/v1/me"))["cases"] == [{"case_id": desk.case_id, "roles": ["verifier"]}]

    ruth = hub.person("Ruth Newcomer")
    lookup = f"/v1/cases/{desk.case_id}/members/lookup"
    refused(desk.verifier.post(lookup, json={"email": email_of("Ruth Newcomer")}), 403, "forbidden")
    refused(desk.coordinator.post(lookup, json={"email": "ruth@hub.example"}), 422, "unknown_account")
    found = ok(desk.coordinator.post(lookup, json={"email": email_of("Ruth Newcomer")}))
    ok(desk.coordinator.put(f"/v1/cases/{desk.case_id}/members/{found['account_id']}/researcher"))
    assert ok(ruth.get("/v1/me"))["cases"] == [{"case_id": desk.case_id, "roles": ["researcher"]}]


# --- lists and races --------------------------------------------------------------------------------------------------


def test_list_when_paged_to_the_end_then_each_item_comes_once_and_filters_narrow_it(desk: Desk) -> None:
    path = f"/v1/cases/{desk.case_id}/evidence"
    leads = [ok(desk.verifier.post(path, json={"lead_claim": f"Claim {number}"}), 201)["id"] for number in range(7)]

    everything = [item["id"] for item in all_pages(desk.verifier, path, limit=2)]
    assert everything == [desk.photograph, desk.video, *leads]
    assert [item["id"] for item in all_pages(desk.verifier, path, limit=3, state="lead")] == leads
    assert [item["id"] for item in all_pages(desk.verifier, path, kind="video")] == [desk.video]
    assert [item["id"] for item in all_pages(desk.verifier, path, label="graphic_none")] == [
        desk.photograph,
        desk.video,
    ]
    assert all_pages(desk.verifier, path, state="lead", kind="video") == []

    first = desk.verifier.get(path, params={"limit": 4})
    following = re.fullmatch(r'<(\S+)>; rel="next"', first.headers["Link"])
    assert following is not None
    assert [item["id"] for item in ok(desk.verifier.get(following[1]))["items"]] == everything[4:8]
    for cursor in (first.json()["next_cursor"][:-3], "x", "e30"):
        refused(desk.verifier.get(path, params={"cursor": cursor}), 422, "bad_cursor")
    refused(desk.verifier.get(path, params={"limit": 0}), 422, "invalid_request")
    refused(desk.verifier.get(path, params={"state": "lost"}), 422, "invalid_request")


def test_change_when_eight_send_the_same_version_at_once_then_one_is_made_and_the_others_read_again(desk: Desk) -> None:
    path = f"/v1/evidence/{desk.photograph}"
    etag = desk.coordinator.get(path).headers["ETag"]

    def label(level: str) -> httpx.Response:
        return desk.coordinator.put(f"{path}/labels", json={"graphic_level": level}, headers={"If-Match": etag})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(label, ["mild", "severe"] * 4))

    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 7]
    (made,) = (answer for answer in answers if answer.status_code == 200)
    now = desk.coordinator.get(path)
    assert now.headers["ETag"] == made.headers["ETag"] != etag
    assert now.json()["labels"] == made.json()["labels"]
    assert ok(desk.coordinator.change(f"{path}/labels", version_of=path, method="PUT", json=NO_LABELS))


# --- pictures ---------------------------------------------------------------------------------------------------------


def detail(picture: Image.Image) -> float:
    """How much a picture changes from one pixel to the next: the mean square of its Laplacian."""
    grey = np.asarray(picture.convert("L"), dtype=np.float64)
    inner = grey[1:-1, 1:-1]
    edges = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(np.mean(edges**2))


@pytest.mark.parametrize("which", ["photograph", "video"])
def test_preview_when_shown_then_it_is_small_grey_blurred_and_without_metadata(desk: Desk, which: str) -> None:
    answer = desk.verifier.get(f"/v1/evidence/{getattr(desk, which)}/preview")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    with Image.open(io.BytesIO(answer.content)) as preview:
        preview.load()
        assert preview.mode == "L"
        assert max(preview.size) <= 320
        assert dict(preview.getexif()) == {}
        assert set(preview.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        if which == "photograph":
            with Image.open(io.BytesIO(PHOTOGRAPH)) as original:
                assert detail(preview) < detail(original.resize(preview.size)) / 500
    assert SECRET_IN_EXIF in PHOTOGRAPH
    assert not [mark for mark in (SECRET_IN_EXIF, b"Exif", b"GPS", b"http://ns.adobe.com") if mark in answer.content]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert desk.entries(getattr(desk, which), "evidence.viewed") == []


def signed_url(desk: Desk, person: Person | None = None) -> dict[str, str]:
    made: dict[str, str] = ok((person or desk.verifier).post(f"/v1/evidence/{desk.video}/content-url", json=PURPOSE))
    return made


def check_safe(answer: httpx.Response) -> None:
    """No browser shows these bytes as a page of ours, and no cache keeps them."""
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_original_when_played_by_ranges_then_the_bytes_are_those_received_and_the_view_is_one_entry(
    desk: Desk, anonymous: httpx.Client
) -> None:
    original = PHONE_VIDEO.read_bytes()
    size, step = len(original), 100_000
    url = signed_url(desk)["url"]

    def part(start: int) -> httpx.Response:
        return anonymous.get(url, headers={"Range": f"bytes={start}-{start + step - 1}"})

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(part, range(0, size, step)))

    assert {answer.status_code for answer in parts} == {206}
    assert b"".join(answer.content for answer in parts) == original
    assert parts[1].headers["Content-Range"] == f"bytes {step}-{2 * step - 1}/{size}"
    digest = base64.b64encode(hashlib.sha256(original).digest()).decode("ascii")
    for answer in (parts[0], anonymous.get(url, headers={"Range": "bytes=-10"}), anonymous.get(url)):
        check_safe(answer)
        assert answer.headers["Content-Type"] == "video/mp4"
        assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
        assert answer.headers["Accept-Ranges"] == "bytes"
    assert anonymous.get(url, headers={"Range": "bytes=-10"}).content == original[-10:]
    beyond = anonymous.get(url, headers={"Range": f"bytes={size}-"})
    refused(beyond, 416, "range_not_satisfiable")
    assert beyond.headers["Content-Range"] == f"bytes */{size}"
    (viewed,) = desk.entries(desk.video, "evidence.viewed")
    assert viewed["data"]["purpose"] == PURPOSE["purpose"]


def test_original_when_downloaded_then_its_head_says_what_comes_and_each_purpose_is_one_entry(desk: Desk) -> None:
    path = f"/v1/evidence/{desk.photograph}/content"
    refused(desk.verifier.get(path), 422, "purpose_needed")
    head = desk.verifier.http.head(path)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(PHOTOGRAPH)), b"")
    assert desk.entries(desk.photograph, "evidence.downloaded") == []

    for purpose in ("verification", "review", "verification"):
        answer = desk.verifier.get(path, params={"purpose": purpose})
        assert (answer.status_code, answer.content) == (200, PHOTOGRAPH)
        check_safe(answer)
        assert {name: answer.headers[name] for name in ("ETag", "Repr-Digest")} == {
            name: head.headers[name] for name in ("ETag", "Repr-Digest")
        }
    stale = desk.verifier.get(path, params=PURPOSE, headers={"Range": "bytes=0-9", "If-Range": '"another file"'})
    assert (stale.status_code, stale.content) == (200, PHOTOGRAPH)
    logged = desk.entries(desk.photograph, "evidence.downloaded")
    assert sorted(entry["data"]["purpose"] for entry in logged) == ["review", "verification"]


def test_signed_url_when_changed_moved_signed_out_or_over_then_it_is_refused(
    desk: Desk, anonymous: httpx.Client
) -> None:
    leaving = desk.api.signed_in("Leaving")
    granted = desk.coordinator.put(f"/v1/cases/{desk.case_id}/members/{leaving.id}/verifier")
    assert granted.status_code == 200
    of_leaving = signed_url(desk, leaving)["url"]
    made = signed_url(desk)
    url, ticket = made["url"], made["url"].partition("ticket=")[2]
    assert datetime.fromisoformat(made["expires_at"]).timestamp() <= time.time() + URL_LIFE_S

    payload, _, mac = ticket.partition(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    longer = base64.urlsafe_b64encode(json.dumps({**claims, "x": claims["x"] + 3600}).encode()).decode().rstrip("=")
    swapped = mac[:-2] + ("A" if mac[-2] != "A" else "B") + mac[-1]
    for forged in (f"{longer}.{mac}", f"{payload}.{swapped}", f"{payload}.", payload, "ü"):
        bad = anonymous.get(f"/v1/evidence/{desk.video}/signed-content", params={"ticket": forged})
        refused(bad, 403, "content_address_invalid")
    moved = url.replace(desk.video, desk.photograph)
    refused(anonymous.get(moved), 403, "content_address_invalid")

    assert anonymous.get(of_leaving, headers={"Range": "bytes=0-0"}).status_code == 206
    ok(leaving.delete("/v1/sessions/current"))
    refused(anonymous.get(of_leaving), 403, "content_address_invalid")

    time.sleep(max(0.0, claims["x"] - time.time()) + 0.1)
    refused(anonymous.get(url), 403, "content_address_invalid")


# --- the contract -----------------------------------------------------------------------------------------------------


def test_docs_when_opened_without_internet_then_everything_comes_from_this_server(anonymous: httpx.Client) -> None:
    page = anonymous.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href)\s*=\s*"([^"]+)"', page.text) + re.findall(r"url: '([^']+)'", page.text)
    loaded = [address for address in addresses if not address.startswith("data:")]
    assert {Path(address).suffix for address in loaded} == {".js", ".css", ".json"}
    for address in loaded:
        assert address.startswith("/")
        assert anonymous.get(address).status_code == 200, address
    assert not re.search(r"https?://", page.text)

    document = ok(anonymous.get("/openapi.json"))
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {"receiveEvidence", "createContentUrl", "moveEvidence"} <= {each["operationId"] for each in operations}
    assert not [each for each in operations if not each["summary"] or not each["description"] or not each["x-access"]]


def test_refusal_when_anything_is_wrong_then_it_is_a_problem_with_a_stable_code(
    desk: Desk, anonymous: httpx.Client
) -> None:
    verifier, case = desk.verifier, f"/v1/cases/{desk.case_id}"
    item, lead = f"/v1/evidence/{desk.photograph}", {"lead_claim": "x"}
    absent = "00000000-0000-4000-8000-000000000000"
    json_type = {"Content-Type": "application/json"}
    labels = {"graphic_level": "none"}
    answers = [
        (anonymous.get("/v1/nothing"), 404, "not_found"),
        (anonymous.get("/docs/assets/nothing.js"), 404, "not_found"),
        (anonymous.delete("/v1/me"), 405, "method_not_allowed"),
        (anonymous.get(item), 401, "unauthenticated"),
        (anonymous.get(item, headers={"Authorization": "Bearer exh_made-up"}), 401, "unauthenticated"),
        (anonymous.get(item, headers={"Authorization": "Basic eDp5"}), 401, "unauthenticated"),
        (verifier.get(f"/v1/evidence/{absent}"), 404, "not_found"),
        (desk.api.person("Outsider").get(item), 404, "not_found"),
        (desk.api.admin.get(item), 404, "not_found"),
        (verifier.get("/v1/evidence/7"), 422, "invalid_request"),
        (verifier.get("/v1/users"), 403, "forbidden"),
        (verifier.post(f"{case}/evidence", content=b"{", headers=json_type), 422, "invalid_metadata"),
        (verifier.post(f"{case}/incidents", content=b"{", headers=json_type), 422, "invalid_request"),
        (verifier.post(f"{case}/incidents", content=b"\xff", headers=json_type), 422, "invalid_request"),
        (verifier.post(f"{case}/evidence", json={**lead, "state": "x"}), 422, "invalid_metadata"),
        (verifier.post(f"{case}/evidence", json={"lead_claim": "a\0b"}), 422, "invalid_metadata"),
        (verifier.post(f"{case}/evidence", json=lead, headers={"Idempotency-Key": "a b"}), 422, "invalid_request"),
        (verifier.post(f"{case}/evidence", content=b"x", headers={"Content-Type": "text/plain"}), 415, None),
        (desk.coordinator.put(f"{item}/labels", json=labels), 428, "precondition_required"),
        (desk.coordinator.put(f"{item}/labels", json=labels, headers={"If-Match": '"1"'}), 412, "version_mismatch"),
        (desk.coordinator.put(f"{item}/labels", json=labels, headers={"If-Match": "*"}), 422, "invalid"),
        (upload(verifier, desk.case_id, b"", "empty.jpg"), 422, "file_empty"),
        (upload(verifier, desk.case_id, b"x", "x.jpg", expected_sha256="0" * 64), 422, "digest_mismatch"),
    ]
    for answer, status, code in answers:
        refused(answer, status, code or "unsupported_media_type")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Traceback" not in answer.text
