"""Frames over HTTP: listed without a pixel, blurred for whoever may see previews, unblurred with purpose and entry."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media.test_renderings import renderings, viewed
from tests.media_samples import PHOTOGRAPHS, excerpt, resized
from tests.support.work import Work, work_of


@pytest.fixture
def work(hub: Hub) -> Iterator[Work]:
    with work_of(hub.api) as opened:
        yield opened


def photograph() -> bytes:
    return resized(PHOTOGRAPHS[0], 0.3)


def address(item: dict[str, Any], n: int = 0, **query: str) -> str:
    parameters = "&".join(f"{name}={value}" for name, value in query.items())
    return f"/v1/evidence/{item['id']}/frames/{n}" + (f"?{parameters}" if parameters else "")


def content(item: dict[str, Any], n: int = 0, purpose: str = "verification") -> str:
    return address(item, n, rendering="frame", purpose=purpose)


@pytest.mark.thorough
def test_frames_of_a_video_when_listed_then_times_and_shots_are_told_page_by_page(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item = receive(excerpt(0, 14, size=(160, 90)))
    listed = f"/v1/evidence/{item['id']}/frames"
    assert hub.verifier.get(listed).json()["items"] == []
    work.finish()

    whole = hub.verifier.get(f"{listed}?limit=200").json()["items"]
    paged: list[dict[str, Any]] = []
    following: str | None = f"{listed}?limit=5"
    while following is not None:
        answer = hub.verifier.get(following).json()
        paged += answer["items"]
        cursor = answer["next_cursor"]
        following = None if cursor is None else f"{listed}?limit=5&cursor={cursor}"

    assert paged == whole
    assert [each["n"] for each in whole] == list(range(len(whole)))
    times = [each["time_ms"] for each in whole]
    assert times[0] == 0
    assert max(np.diff([*times, 14_000])) <= 2500
    shots = hub.verifier.get(f"/v1/evidence/{item['id']}/shots").json()["items"]
    assert len(shots) >= 2
    for each in whole:
        shot = shots[each["shot"]]
        assert shot["from_ms"] <= each["time_ms"] < shot["to_ms"]
    assert {shot["shown_ms"] for shot in shots} <= set(times)
    assert hub.auditor.get(listed).status_code == 200
    assert hub.stranger.get(listed).status_code == 404
    assert hub.entries(item["id"], "evidence.viewed") == 0


@pytest.mark.thorough
def test_frame_when_looked_at_with_a_purpose_then_there_is_one_entry_for_all_of_an_items_frames(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item = receive(excerpt(0, 3, size=(160, 90)))
    early = hub.verifier.get(content(item))
    assert (early.status_code, early.json()["code"]) == (404, "preview_not_ready")
    work.finish()
    listed = hub.verifier.get(f"/v1/evidence/{item['id']}/frames").json()["items"]

    for each in (*listed, listed[0]):
        answer = hub.verifier.get(content(item, each["n"]))
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == each["sha256"]
        assert len(answer.content) == each["size_bytes"]
        assert answer.headers["ETag"] == f'"{each["sha256"]}"'
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        with Image.open(io.BytesIO(answer.content)) as shown:
            assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (160, 90))

    assert viewed(hub, item) == [("frame", listed[0]["size_bytes"])]
    assert hub.verifier.get(content(item, purpose="review")).status_code == 200
    assert hub.entries(item["id"], "evidence.viewed") == 2
    without = hub.verifier.get(address(item, rendering="frame"))
    assert (without.status_code, without.json()["code"]) == (422, "purpose_needed")
    beyond = hub.verifier.get(content(item, len(listed)))
    assert (beyond.status_code, beyond.json()["code"]) == (404, "no_frame")
    assert hub.verifier.get(content(item, -1)).status_code == 422
    assert hub.entries(item["id"], "evidence.viewed") == 2


@pytest.mark.thorough
def test_frame_when_nothing_is_said_then_it_is_blurred_and_no_entry(hub: Hub, receive: Receive, work: Work) -> None:
    item = receive(photograph())
    work.finish()

    answer = hub.other_collector.get(address(item))

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, max-age=300"
    with Image.open(io.BytesIO(answer.content)) as shown, Image.open(io.BytesIO(safe_preview(hub, item))) as preview:
        assert (shown.mode, shown.size) == ("L", preview.size)
        assert np.abs(np.asarray(shown).astype(int) - np.asarray(preview)).max() <= 24
    assert hub.entries(item["id"], "evidence.viewed") == 0


def safe_preview(hub: Hub, item: dict[str, Any]) -> bytes:
    return hub.verifier.get(f"/v1/evidence/{item['id']}/preview").content


@pytest.mark.thorough
def test_frame_when_asked_for_then_only_who_may_read_the_original_sees_it_unblurred(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item = receive(photograph())
    work.finish()

    people = (hub.collector, hub.other_collector, hub.auditor, hub.stranger, hub.api.admin)
    assert [person.get(content(item)).status_code for person in people] == [200, 403, 403, 404, 404]
    assert [person.get(address(item)).status_code for person in people] == [200, 200, 403, 404, 404]
    made = hub.verifier.post("/v1/tokens", json={"name": "reader", "scopes": ["read"]}).json()
    without_scope = hub.api.client(made["token"])
    refused = without_scope.get(content(item))
    assert (refused.status_code, refused.json()["scope"]) == (403, "content")
    assert without_scope.get(address(item)).status_code == 200
    assert hub.entries(item["id"], "evidence.viewed") == 1


@pytest.mark.thorough
def test_frame_when_the_storage_holds_other_bytes_than_were_stored_then_nothing_is_decoded_or_logged(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item = receive(photograph())
    work.finish()
    (pack,) = stored(hub, renderings(hub, item)["frames"]["sha256"])
    changed = bytearray(pack.read_bytes())
    changed[200] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(changed)

    for asked in (address(item), content(item)):
        answer = hub.verifier.get(asked)
        assert (answer.status_code, answer.json()["code"]) == (503, "content_unavailable")
    assert hub.entries(item["id"], "evidence.viewed") == 0


def stored(hub: Hub, sha256: str) -> list[Path]:
    """Its file in the store."""
    return [each for each in Path(hub.api.settings.data).rglob(f"{sha256}*") if each.is_file()]


def test_frames_when_the_file_cannot_be_decoded_then_there_are_none(hub: Hub, receive: Receive, work: Work) -> None:
    item = receive(b"This is not a photograph.")
    work.finish()

    assert hub.verifier.get(f"/v1/evidence/{item['id']}/frames").json()["items"] == []
    answer = hub.verifier.get(address(item))
    assert (answer.status_code, answer.json()["code"]) == (404, "no_frame")
    lead = hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", json={"lead_claim": "A film."}).json()
    for asked in (f"/v1/evidence/{lead['id']}/frames", address(lead)):
        answer = hub.verifier.get(asked)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_content")
