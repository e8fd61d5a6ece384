"""Thumbnails and strips over HTTP: content with a purpose and an entry; how each was made, in the item's own stream."""

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from PIL import Image
from sqlalchemy import text

from app.fingerprints.recompute import enqueue_due
from app.media.orphans import sweep_orphans
from app.media.previews import PARAMETERS_SHA256
from tests.media.conftest import Receive
from tests.media.people import METADATA, Hub
from tests.media_samples import PHOTOGRAPHS, excerpt, resized
from tests.support.databases import TestDatabase
from tests.support.work import Work, work_of


@pytest.fixture
def work(hub: Hub) -> Iterator[Work]:
    with work_of(hub.api) as opened:
        yield opened


def photograph() -> bytes:
    return resized(PHOTOGRAPHS[0], 0.3)


def address(item: dict[str, Any], kind: str = "thumbnail", purpose: str = "verification") -> str:
    return f"/v1/evidence/{item['id']}/renderings/{kind}?purpose={purpose}"


def renderings(hub: Hub, item: dict[str, Any]) -> dict[str, dict[str, Any]]:
    answer = hub.verifier.get(f"/v1/evidence/{item['id']}/renderings")
    assert answer.status_code == 200, answer.text
    return {each["kind"]: each for each in answer.json()["renderings"]}


def test_thumbnail_when_looked_at_then_it_comes_with_safe_headers_and_one_entry_a_purpose(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item = receive(photograph())
    early = hub.verifier.get(address(item))
    assert (early.status_code, early.json()["code"]) == (404, "preview_not_ready")
    work.finish()

    answers = [hub.verifier.get(address(item)) for _ in range(3)]

    made = renderings(hub, item)["thumbnail"]
    for answer in answers:
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == made["sha256"]
        assert answer.headers["ETag"] == f'"{made["sha256"]}"'
        digest = base64.b64encode(bytes.fromhex(made["sha256"])).decode()
        assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert hub.entries(item["id"], "evidence.viewed") == 1
    assert hub.verifier.get(address(item, purpose="review")).status_code == 200
    assert hub.entries(item["id"], "evidence.viewed") == 2
    assert viewed(hub, item) == [("thumbnail", made["size_bytes"])] * 2
    with Image.open(io.BytesIO(answers[0].content)) as shown:
        assert shown.mode == "RGB"


def viewed(hub: Hub, item: dict[str, Any]) -> list[tuple[str, int]]:
    """Rendering and bytes of each viewing, by its entry."""
    return [(data["rendering"], data["bytes"]) for data in entries(hub, item, "evidence.viewed")]


def entries(hub: Hub, item: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The entries' data, with the object's digest."""
    with hub.api.app.state.services.sessions() as session:
        query = text(
            "SELECT convert_from(body, 'UTF8') FROM ledger_bodies JOIN ledger_entries USING (commitment) "
            "WHERE stream_id = :stream AND type = :kind ORDER BY seq"
        )
        bodies = [json.loads(body) for body in session.scalars(query, {"stream": item["id"], "kind": kind})]
    return [{**body["data"], "object": body["object"].get("sha256")} for body in bodies]


@pytest.mark.thorough
def test_thumbnail_when_asked_for_then_only_who_may_read_the_original_gets_it(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item = receive(photograph())
    work.finish()

    people = (hub.collector, hub.other_collector, hub.auditor, hub.stranger, hub.api.admin)
    assert [person.get(address(item)).status_code for person in people] == [200, 403, 403, 404, 404]
    assert hub.entries(item["id"], "evidence.viewed") == 1
    without = hub.verifier.get(f"/v1/evidence/{item['id']}/renderings/thumbnail")
    assert (without.status_code, without.json()["code"]) == (422, "purpose_needed")
    none = hub.verifier.get(address(item, "strip"))
    assert (none.status_code, none.json()["code"]) == (404, "no_rendering")
    preview = hub.verifier.get(address(item, "preview"))
    assert preview.status_code == 422
    assert hub.entries(item["id"], "evidence.viewed") == 1


@pytest.mark.thorough
def test_renderings_of_a_video_when_made_then_each_item_on_its_bytes_has_their_entries_and_no_sweep_takes_them(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item = receive(excerpt(0, 3, size=(160, 90)))
    work.finish()
    other_case = hub.api.case(hub.coordinator, verifier=(hub.verifier,))
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.mp4", excerpt(0, 3, size=(160, 90))))]
    again = hub.verifier.post(f"/v1/cases/{other_case}/evidence", files=form).json()
    assert renderings(hub, again) == {}
    work.finish()

    made = renderings(hub, item)
    assert made.keys() == {"preview", "thumbnail", "strip", "frames"}
    assert renderings(hub, again) == made
    assert {kind: each["is_content"] for kind, each in made.items()} == {
        "preview": False,
        "thumbnail": True,
        "strip": True,
        "frames": True,
    }
    for one in (item, again):
        derived = {data["kind"]: data for data in entries(hub, one, "evidence.derived")}
        for kind, rule in PARAMETERS_SHA256.items():
            each = made[kind]
            assert derived[kind]["object"] == each["sha256"]
            assert derived[kind]["input_sha256"] == each["input_sha256"] == item["sha256"]
            assert derived[kind]["parameters_sha256"] == each["parameters_sha256"] == rule
            assert (derived[kind]["tool"], derived[kind]["version"]) == (each["tool"], each["tool_version"])
        assert len(entries(hub, one, "evidence.derived")) == 4

    services = hub.api.app.state.services
    assert sweep_orphans(services.sessions, services.blobs, grace_s=0, kept_s=0).orphans == 0
    strip = hub.verifier.get(address(item, "strip"))
    details = made["strip"]["details"]
    with Image.open(io.BytesIO(strip.content)) as shown:
        assert shown.size == (details["tile_width"] * len(details["times_ms"]), details["tile_height"])
    assert details["times_ms"][0] == 0
    assert len(details["times_ms"]) >= 2


@pytest.mark.thorough
def test_renderings_when_their_rule_changes_then_recomputing_makes_them_and_each_item_has_the_entry(
    hub: Hub, receive: Receive, work: Work, database: TestDatabase
) -> None:
    item = receive(photograph())
    work.finish()
    sessions = hub.api.app.state.services.sessions
    with sessions.begin() as session:
        assert enqueue_due(session, limit=10) == []
    with psycopg.connect(database.owner_url) as owner:  # As it stands after a change of both rules.
        owner.execute("ALTER TABLE derivatives DISABLE TRIGGER derivatives_fixed")
        owner.execute("DELETE FROM derivatives WHERE kind IN ('thumbnail', 'frames')")
        owner.execute("UPDATE derivatives SET parameters_sha256 = sha256('preview/1')")
        owner.execute("ALTER TABLE derivatives ENABLE TRIGGER derivatives_fixed")
    assert renderings(hub, item).keys() == {"preview"}

    with sessions.begin() as session:
        assert enqueue_due(session, limit=10) == [item["sha256"]]
    work.finish()

    made = renderings(hub, item)
    assert {kind: each["parameters_sha256"] for kind, each in made.items()} == {
        kind: PARAMETERS_SHA256[kind] for kind in ("preview", "thumbnail", "frames")
    }
    told = [data["kind"] for data in entries(hub, item, "evidence.derived")]
    assert sorted(told) == ["frames", "frames", "preview", "preview", "thumbnail", "thumbnail"]
    with sessions.begin() as session:
        assert enqueue_due(session, limit=10) == []


def test_renderings_when_the_file_cannot_be_decoded_then_there_are_none(hub: Hub, receive: Receive, work: Work) -> None:
    item = receive(b"This is not a photograph.")
    work.finish()

    assert renderings(hub, item) == {}
    assert hub.verifier.get(address(item)).json()["code"] == "no_rendering"
    lead = hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", json={"lead_claim": "A film."}).json()
    answer = hub.verifier.get(f"/v1/evidence/{lead['id']}/renderings")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_content")
