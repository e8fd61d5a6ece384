"""Packages with redacted copies in place of originals: what they hold, what they refuse, what the verifier sees."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.exports.verifier.verify import parse_key, verify
from tests.exports.bags import opened
from tests.exports.custody_cases import integrating, publish_key
from tests.exports.http_hub import HttpHub
from tests.support.api import running_api
from tests.support.databases import TestDatabase
from tests.support.work import Work, work_of


@pytest.fixture
def hub(database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[HttpHub]:
    with running_api(database, tmp_path / "data", checkpoint_wait_s=20) as api, integrating(database):
        yield HttpHub(api, sessions, publish_key(sessions, tmp_path / "data").encode())


@pytest.fixture
def work(hub: HttpHub) -> Iterator[Work]:
    with work_of(hub.api) as made:
        yield made


def redact(hub: HttpHub, *boxes: dict[str, int]) -> dict[str, Any]:
    asked = hub.olena.post(f"/v1/evidence/{hub.item}/redactions", json={"boxes": list(boxes)})
    assert asked.status_code == 202, asked.text
    made: dict[str, Any] = asked.json()
    return made


@pytest.mark.thorough
def test_package_when_asked_for_with_copies_then_holds_the_newest_ones_alone_and_verifies(
    hub: HttpHub, work: Work
) -> None:
    work.finish()
    without = hub.ask(hub.anna, media="redacted")
    assert (without.status_code, without.json()["code"]) == (409, "redactions_missing")
    assert without.json()["evidence_ids"] == [hub.item]
    assert hub.entries("export.created") == 0
    redact(hub)
    work.finish()
    newest = redact(hub, {"left": 10, "top": 10, "width": 30, "height": 30})
    pending = hub.ask(hub.anna, media="redacted")
    assert (pending.status_code, pending.json()["code"]) == (409, "redactions_missing"), "never an older copy"
    work.finish()
    path = f"/v1/evidence/{hub.item}/redactions/{newest['id']}"
    copy = hub.olena.get(path).json()["sha256"]

    asked = hub.ask(hub.anna, scope="case", ids=[hub.case_id], media="redacted")
    assert asked.status_code == 202, asked.text
    work.finish()
    export = hub.anna.get(asked.headers["Location"]).json()
    assert (export["state"], export["media"]) == ("ready", "redacted")
    content = hub.anna.get(f"{asked.headers['Location']}/content").content

    report = verify(io.BytesIO(content), [parse_key(hub.vkey)])
    assert report.findings == []
    assert report.facts["redacted"] == 1
    files = opened(content, parse_key(hub.vkey)).files
    shown = hub.olena.get(f"{path}/content?purpose=disclosure").content
    assert files[f"data/derivatives/{copy}.png"] == shown
    assert not [each for each in files if each.startswith("data/media/")]
    original = hashlib.sha256(hub.photograph).hexdigest()
    assert json.loads(files["data/export.json"])["derivatives"] == [
        {"path": f"data/derivatives/{copy}.png", "sha256": copy, "size": len(shown), "input_sha256": original}
    ]
    assert hub.photograph[:2000] not in content
    assert hub.petro.get(f"{asked.headers['Location']}/content").status_code == 403, "it shows what content shows"
    assert hub.ask(hub.petro, media="redacted").status_code == 403


def test_package_when_its_item_is_quarantined_since_then_is_not_given_out(
    hub: HttpHub, work: Work, database: TestDatabase
) -> None:
    work.finish()
    export_id = hub.made(hub.anna, media=True)
    bare = hub.made(hub.anna)
    assert hub.anna.get(f"/v1/exports/{export_id}/content").status_code == 200
    quarantine(database, hub.item)
    refused = hub.anna.get(f"/v1/exports/{export_id}/content")
    assert (refused.status_code, refused.json()["code"]) == (409, "media_quarantined"), refused.text
    assert refused.json()["evidence_ids"] == [hub.item]
    assert hub.anna.get(f"/v1/exports/{bare}/content").status_code == 200


def quarantine(database: TestDatabase, item: str) -> None:
    """As an integrity check that finds other bytes leaves it."""
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("ALTER TABLE evidence DISABLE TRIGGER USER")
        connection.execute("UPDATE evidence SET state = 'quarantined' WHERE id = %s", [item])
        connection.execute("ALTER TABLE evidence ENABLE TRIGGER USER")
