"""Packages over HTTP: who may have one made and take it, resumed downloads, and what each leaves in the ledger."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.exports.verifier.verify import parse_key, verify
from app.exports.verifier_page import content_policy
from app.kernel.primitives import encode_cursor
from tests.exports.bags import opened
from tests.exports.custody_cases import integrating, publish_key
from tests.exports.http_hub import HttpHub
from tests.media_samples import ASSETS
from tests.support.api import running_api
from tests.support.databases import TestDatabase
from tests.support.journey import received
from tests.support.pdf_reading import read_pdf


@pytest.fixture
def hub(database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[HttpHub]:
    with running_api(database, tmp_path / "data", checkpoint_wait_s=20) as api, integrating(database):
        yield HttpHub(api, sessions, publish_key(sessions, tmp_path / "data").encode())


def test_package_when_asked_for_then_is_built_and_verifies_with_the_photograph_in_it(hub: HttpHub) -> None:
    asked = hub.ask(hub.anna, media=True, disclosures="all")
    assert asked.status_code == 202, asked.text
    export = asked.json()
    assert (export["state"], export["disclosures"]) == ("building", "all")
    path = asked.headers["Location"]
    assert {receipt["type"] for receipt in export["receipts"]} == {"export.created"}
    pending = hub.anna.get(f"{path}/content")
    assert (pending.status_code, pending.json()["code"]) == (409, "export_not_ready")
    hub.work()
    export = hub.anna.get(path).json()
    assert export["state"] == "ready"
    assert export["progress"]["done_bytes"] == export["progress"]["total_bytes"] == 2 * len(hub.photograph)
    content = hub.anna.get(f"{path}/content").content
    assert (len(content), hashlib.sha256(content).hexdigest()) == (export["size_bytes"], export["sha256"])
    assert verify(io.BytesIO(content), [parse_key(hub.vkey)]).findings == []
    files = opened(content, parse_key(hub.vkey)).files
    assert files[f"data/media/{hashlib.sha256(hub.photograph).hexdigest()}.jpg"] == hub.photograph
    assert [each["id"] for each in hub.anna.get(f"/v1/exports?case_id={hub.case_id}").json()["items"]] == [export["id"]]


@pytest.mark.thorough
def test_download_when_broken_off_then_goes_on_and_is_one_entry_a_person(hub: HttpHub) -> None:
    export_id = hub.made(hub.anna)
    path = f"/v1/exports/{export_id}/content"
    whole = hub.anna.get(path)
    digest = base64.b64encode(hashlib.sha256(whole.content).digest()).decode()
    assert whole.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    half = len(whole.content) // 2
    rest = hub.anna.get(path, headers={"Range": f"bytes={half}-", "If-Range": whole.headers["ETag"]})
    assert (rest.status_code, whole.content[:half] + rest.content) == (206, whole.content)
    assert rest.headers["Content-Range"] == f"bytes {half}-{len(whole.content) - 1}/{len(whole.content)}"
    stale = hub.anna.get(path, headers={"Range": f"bytes={half}-", "If-Range": '"other"'})
    assert stale.status_code == 200
    assert hub.anna.get(path, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416
    assert hub.entries("export.downloaded") == 1
    assert hub.petro.get(path).status_code == 200
    assert hub.entries("export.downloaded") == 2


@pytest.mark.thorough
def test_package_when_its_asker_may_not_read_content_then_is_had_without_it_alone(hub: HttpHub) -> None:
    assert hub.ask(hub.petro, media=True).status_code == 403
    assert hub.ask(hub.olena).status_code == 403
    assert hub.ask(hub.stranger).status_code == 404
    assert hub.ask(hub.petro).status_code == 202
    with_media = hub.made(hub.anna, media=True)
    refused = hub.petro.get(f"/v1/exports/{with_media}/content")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert hub.petro.get(f"/v1/exports/{with_media}").status_code == 200
    assert hub.stranger.get(f"/v1/exports/{with_media}").status_code == 404
    assert hub.stranger.get(f"/v1/exports/{with_media}/content").status_code == 404


@pytest.mark.thorough
def test_package_when_its_asker_reads_originals_of_their_own_alone_then_is_not_had_with_others(hub: HttpHub) -> None:
    both = hub.api.person("Collects and audits")
    for role in ("collector", "auditor"):
        granted = hub.anna.put(f"/v1/cases/{hub.case_id}/members/{both.id}/{role}")
        assert granted.is_success, granted.text
    assert both.get(f"/v1/evidence/{hub.item}/content?purpose=verification").status_code in (403, 404)
    assert hub.ask(both, media=True).status_code == 403
    assert hub.ask(both).status_code == 202


@pytest.mark.thorough
def test_packages_when_listed_by_a_forged_cursor_then_it_is_refused(hub: HttpHub) -> None:
    mark = hashlib.sha256(b"/v1/exports").hexdigest()[:8]
    for parts in (("no time", hub.item), ("2026-01-01T00:00:00", hub.item), ("2026-01-01T00:00:00+00:00", "no id")):
        forged = {"case_id": hub.case_id, "cursor": f"{mark}.{encode_cursor(*parts)}"}
        refused = hub.anna.get("/v1/exports", params=forged)
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")


@pytest.mark.parametrize(
    "facts",
    [
        {"scope": "case"},
        {"scope": "evidence", "ids": []},
        {"scope": "nothing"},
        {"disclosures": ["title", "title"]},
        {"disclosures": ["No field"]},
        {"purpose": "two words"},
        {"more": 1},
    ],
)
def test_package_when_asked_for_badly_then_is_refused_with_a_reason(hub: HttpHub, facts: dict[str, Any]) -> None:
    refused = hub.ask(hub.anna, **facts)
    assert refused.status_code in (404, 422), refused.text
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert hub.entries("export.created") == 0


def test_package_when_a_field_is_misspelt_then_is_refused_with_the_names_that_there_are(hub: HttpHub) -> None:
    """It would open nothing, and whoever hands it over would not see that."""
    refused = hub.ask(hub.anna, disclosures=["title", "file_nam"])
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request"), refused.text
    assert "no entry seals file_nam;" in refused.text
    assert "file_name" in refused.text
    assert hub.entries("export.created") == 0


def test_package_when_asked_for_twice_with_one_key_then_is_made_once(hub: HttpHub) -> None:
    body = {"scope": "case", "ids": [hub.case_id], "purpose": "court"}
    first, second = (hub.anna.post("/v1/exports", json=body, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert first.json() == second.json()
    assert len(hub.anna.get(f"/v1/exports?case_id={hub.case_id}").json()["items"]) == 1


@pytest.mark.thorough
def test_value_when_erased_then_packages_that_open_it_are_gone_and_new_ones_verify_without_it(hub: HttpHub) -> None:
    opened_all, closed = hub.made(hub.anna, disclosures="all"), hub.made(hub.anna)
    path = f"/v1/exports/{opened_all}/content"
    before = hub.anna.get(path).content
    assert b"Seen from the roof" in before
    entries = hub.anna.get(f"/v1/evidence/{hub.item}/custody").json()["items"]
    (sealing,) = [each for each in entries if "notes" in each["sealed"]]
    ground = {"field": "notes", "reason_code": "persons_request", "authority": "controller"}
    assert hub.anna.post(f"/v1/ledger/entries/{sealing['commitment']}/erasures", json=ground).status_code == 201
    gone = hub.anna.get(path)
    assert (gone.status_code, gone.json()["code"]) == (410, "export_erased")
    assert hub.anna.get(f"/v1/exports/{opened_all}").json()["state"] == "erased"
    assert hub.anna.get(f"/v1/exports/{closed}/content").status_code == 200
    kept = len(list(hub.stores.packages.untouched(-60)))
    hub.work()
    assert len(list(hub.stores.packages.untouched(-60))) == kept - 1
    assert verify(io.BytesIO(before), [parse_key(hub.vkey)]).ok, "a copy that was given out verifies on"
    after = hub.anna.get(f"/v1/exports/{hub.made(hub.anna, disclosures='all')}/content").content
    assert verify(io.BytesIO(after), [parse_key(hub.vkey)]).findings == []
    assert b"Seen from the roof" not in after


@pytest.mark.thorough
def test_package_when_of_one_case_then_holds_nothing_of_another(hub: HttpHub) -> None:
    """No id, name, text or hash of the other case, in any spelling; the photograph lies in both."""
    other = hub.api.case(hub.stranger)
    secret = {"notes": "Buried under the quay", "source": "Widow of the driver"}
    item = received(hub.stranger, other, hub.photograph, "quay-side.jpg", **secret)
    unshared = (ASSETS / "temple.jpg").read_bytes()
    received(hub.stranger, other, unshared, "temple.jpg")
    content = hub.anna.get(f"/v1/exports/{hub.made(hub.anna, media=True, disclosures='all')}/content").content
    assert verify(io.BytesIO(content), [parse_key(hub.vkey)]).findings == []
    pages = hub.stranger.get(f"/v1/cases/{other}/custody?limit=200").json()["items"]
    persons = {each["actor"]["id"] for each in pages if each["actor"]["kind"] != "system"}
    hashes = {hashlib.sha256(unshared).hexdigest()}
    words = {other, item, hub.stranger.id, *persons, *hashes, *secret.values(), "quay-side"}
    files = opened(content, parse_key(hub.vkey)).files
    read = [content, read_pdf(files["data/report/report.pdf"]).everything()]
    read += [base64.b64decode(each) for each in re.findall(rb"base64,([^\"]+)\"", files["data/report/report.html"])]
    for word in words:
        forms = [word.encode(), base64.b64encode(word.encode()).rstrip(b"="), word.encode().hex().encode()]
        forms += [word.encode("utf-16-le"), word.encode("utf-16-be"), json.dumps(word)[1:-1].encode()]
        forms += [word.encode("utf-16-be").hex().upper().encode(), word[::-1].encode()]
        if all(letter in "0123456789abcdef-" for letter in word):
            forms.append(bytes.fromhex(word.replace("-", "")))
        for form in forms:
            assert not any(form in each for each in read), word
    # Of the other case's entries the leaves stand there, as random-looking as any: that is the log's size.
    assert pages[0]["commitment"].encode() in content


@pytest.mark.thorough
def test_package_when_consent_to_its_audience_is_withdrawn_then_neither_made_nor_given_out(hub: HttpHub) -> None:
    path = f"/v1/evidence/{hub.item}/consents"
    consent = {"subject": "S-3", "subject_kind": "source", "obtained": "written", "given_on": "2026-07-14"}
    scopes = ["verification", "legal_proceedings"]
    given = hub.anna.post(path, json={**consent, "scopes": scopes})
    assert given.status_code == 201, given.text
    for public in (
        hub.ask(hub.anna, media=True, audience="publication"),
        hub.ask(hub.anna, disclosures="all", audience="publication"),
    ):
        assert (public.status_code, public.json()["code"]) == (409, "disclosure_withheld")
        assert public.json()["evidence_ids"] == [hub.item]
    export_id, acts = hub.made(hub.anna, media=True), hub.made(hub.anna, audience="publication")
    assert hub.anna.get(f"/v1/exports/{export_id}/content").status_code == 200
    withdrawn = {"subject_id": given.json()["subject_id"], "withdrawn_on": "2026-09-02"}
    assert hub.anna.post(f"{path}/withdrawals", json=withdrawn).status_code == 201
    taken = hub.anna.get(f"/v1/exports/{export_id}/content")
    assert (taken.status_code, taken.json()["code"]) == (409, "disclosure_withheld")
    assert hub.ask(hub.anna, media=True).status_code == 409
    assert hub.anna.get(f"/v1/exports/{acts}/content").status_code == 200


@pytest.mark.thorough
def test_verifier_and_profile_when_asked_for_by_anybody_then_are_those_of_the_package(hub: HttpHub) -> None:
    files = opened(hub.anna.get(f"/v1/exports/{hub.made(hub.anna)}/content").content, parse_key(hub.vkey)).files
    with hub.api.client() as anybody:
        assert anybody.get("/v1/export-verifier").content == files["data/verify/verify.py"]
        page = anybody.get("/v1/export-verifier.html")
        profile = anybody.get("/v1/export-profile").json()
    assert page.content == files["data/verify/verify.html"]
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"] == content_policy(page.text)
    identifier = profile["BagIt-Profile-Info"]["BagIt-Profile-Identifier"]
    assert f"BagIt-Profile-Identifier: {identifier}\n".encode() in files["bag-info.txt"]
    assert set(profile["Payload-Files-Required"]) <= set(files)
