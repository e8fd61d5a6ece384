"""The shots of an uploaded video, over HTTP: in pages, in the ledger's digest, and fixed in the database."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests import media_samples as samples
from tests.media.people import METADATA, Hub
from tests.support.api import Api
from tests.support.work import Work, work_of


@pytest.fixture
def hub(api: Api) -> Hub:
    return Hub(api)


@pytest.fixture
def work(api: Api) -> Iterator[Work]:
    with work_of(api) as made:
        yield made


def receive(hub: Hub, content: bytes, case_id: str | None = None) -> str:
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("file", content))]
    answer = hub.collector.post(f"/v1/cases/{case_id or hub.case_id}/evidence", files=form)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def listed(hub: Hub, evidence_id: str, kind: str, query: str = "") -> dict[str, Any]:
    answer = hub.verifier.get(f"/v1/evidence/{evidence_id}/{kind}{query}")
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


@pytest.mark.thorough
def test_video_after_its_jobs_has_its_shots_in_pages_in_the_ledgers_digest_and_fixed(
    api: Api, hub: Hub, work: Work
) -> None:
    body = samples.compilation(((samples.VIDEO, 22.5, 23.5), (samples.VIDEO, 25.0, 26.0)))
    evidence_id = receive(hub, body)
    assert listed(hub, evidence_id, "shots")["items"] == []
    work.finish()

    first = listed(hub, evidence_id, "shots", "?limit=1")
    second = listed(hub, evidence_id, "shots", f"?limit=1&cursor={first['next_cursor']}")
    shots = [*first["items"], *second["items"]]

    assert second["next_cursor"] is None
    assert [(shot["version"], shot["number"]) for shot in shots] == [("shots/1", 0), ("shots/1", 1)]
    assert shots[0]["from_ms"] == 0
    assert 1000 <= shots[0]["to_ms"] == shots[1]["from_ms"] <= 1100
    assert 1900 <= shots[1]["to_ms"] <= 2000

    prints = listed(hub, evidence_id, "fingerprints", "?limit=100")["items"]
    sets = [row for row in prints if row["version"] == "orb/1"]
    assert [row["time_ms"] for row in sets if row["view"] == "identity"] == [shot["shown_ms"] for shot in shots]
    assert all(row["points"] > 100 for row in sets)
    lines = [
        f"{row['version']} {row['view']} {row['time_ms']} {row['value'] or row['points_sha256']}\n" for row in prints
    ]
    lines += [f"{s['version']} {s['number']} {s['from_ms']} {s['to_ms']} {s['shown_ms']}\n" for s in shots]
    entries = hub.auditor.get(f"/v1/evidence/{evidence_id}/custody").json()["items"]
    (data,) = [entry["data"] for entry in entries if entry["type"] == "evidence.fingerprinted"]
    assert data["fingerprints_sha256"] == hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    assert (data["fingerprints"], data["algorithms"]) == (len(lines), ["orb/1", "pdq/1", "shots/1"])

    for change in ("UPDATE shots SET to_ms = to_ms + 1", "DELETE FROM shots", "TRUNCATE shots"):
        with pytest.raises(DBAPIError), api.app.state.services.sessions() as session:
            session.execute(text(change))


def test_item_that_waits_when_another_case_holds_its_bytes_then_nothing_tells_it(hub: Hub, work: Work) -> None:
    body = samples.compilation(((samples.VIDEO, 22.5, 23.5), (samples.VIDEO, 25.0, 26.0)))
    elsewhere = receive(hub, body)
    work.finish()
    assert listed(hub, elsewhere, "shots")["items"]
    case_id = hub.api.case(hub.coordinator, collector=(hub.collector,), verifier=(hub.verifier,))
    evidence_id = receive(hub, body, case_id)

    for kind in ("shots", "fingerprints"):
        assert listed(hub, evidence_id, kind)["items"] == []
    item = hub.verifier.get(f"/v1/evidence/{evidence_id}").json()
    assert (item["claims"], item["decoding"]) == (None, None)


@pytest.mark.thorough
def test_photograph_after_its_jobs_has_no_shots(hub: Hub, work: Work) -> None:
    evidence_id = receive(hub, samples.recompressed(samples.PHOTOGRAPHS[0]))
    work.finish()

    assert listed(hub, evidence_id, "shots")["items"] == []
