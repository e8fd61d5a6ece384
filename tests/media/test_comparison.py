"""Comparisons over HTTP: real matches drawn, blurred by default, unblurred with purpose and entries in both streams."""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from PIL import Image

from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media.test_renderings import viewed
from tests.media_samples import PHOTOGRAPHS, excerpt, mirrored, resized
from tests.support.databases import TestDatabase
from tests.support.work import Work, work_of


@pytest.fixture
def work(hub: Hub) -> Iterator[Work]:
    with work_of(hub.api) as opened:
        yield opened


def match_of(hub: Hub, item: dict[str, Any]) -> dict[str, Any]:
    (found,) = hub.verifier.get(f"/v1/evidence/{item['id']}/matches").json()["items"]
    return dict(found)


def address(match: dict[str, Any], purpose: str | None = None) -> str:
    asked = "" if purpose is None else f"?rendering=comparison&purpose={purpose}"
    return f"/v1/matches/{match['id']}/comparison.png{asked}"


def sheet(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.width) == ("PNG", 1280)
        return image.convert("RGB")


def is_colourful(image: Image.Image) -> bool:
    """Whether pictures in it have colours: letters and lines cover less than a twentieth of a sheet."""
    rgb = np.asarray(image).astype(int)
    return bool(((rgb.max(axis=2) - rgb.min(axis=2)) > 40).mean() > 0.05)


@pytest.mark.thorough
def test_comparison_when_a_copy_is_mirrored_then_it_is_blurred_or_with_a_purpose_an_entry_in_both_streams(
    hub: Hub, receive: Receive, work: Work
) -> None:
    first, second = receive(resized(PHOTOGRAPHS[0], 0.4)), receive(mirrored(PHOTOGRAPHS[0]))
    work.finish()
    match = match_of(hub, second)

    blurred = hub.other_collector.get(address(match))
    assert blurred.status_code == 200
    assert blurred.headers["Cache-Control"] == "private, max-age=300"
    assert not is_colourful(sheet(blurred.content))
    assert [hub.entries(each["id"], "evidence.viewed") for each in (first, second)] == [0, 0]

    answers = [hub.verifier.get(address(match, "verification")) for _ in range(2)]

    for answer in answers:
        assert answer.status_code == 200
        assert answer.content == answers[0].content
        assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    shown = sheet(answers[0].content)
    assert is_colourful(shown)
    ours, theirs = (np.asarray(shown.crop((left, 140, left + 560, 440))).astype(int) for left in (50, 670))
    assert np.abs(ours - theirs).mean() < np.abs(ours[:, ::-1] - theirs).mean() / 2
    for each in (first, second):
        assert viewed(hub, each) == [("comparison", len(answers[0].content))]
    assert hub.verifier.get(address(match, "review")).status_code == 200
    assert [hub.entries(each["id"], "evidence.viewed") for each in (first, second)] == [2, 2]


@pytest.mark.thorough
def test_comparison_when_asked_for_then_only_who_may_read_both_originals_sees_it_unblurred(
    hub: Hub, receive: Receive, work: Work
) -> None:
    first = receive(resized(PHOTOGRAPHS[1], 0.4))
    facts = {"collector": "Petro", "method": "download", "acquired_at": "2026-07-14T09:30:00Z", "source": "x"}
    second = receive(resized(PHOTOGRAPHS[1], 0.4), **facts)
    work.finish()
    match = match_of(hub, first)
    assert match["tier"] == "exact"

    people = (hub.collector, hub.other_collector, hub.auditor, hub.stranger, hub.api.admin)
    assert [person.get(address(match, "review")).status_code for person in people] == [200, 403, 403, 404, 404]
    assert [person.get(address(match)).status_code for person in people] == [200, 200, 403, 404, 404]
    without = hub.verifier.get(f"/v1/matches/{match['id']}/comparison.png?rendering=comparison")
    assert (without.status_code, without.json()["code"]) == (422, "purpose_needed")
    assert [hub.entries(each["id"], "evidence.viewed") for each in (first, second)] == [1, 1]


@pytest.mark.thorough
def test_comparison_when_a_recording_holds_an_excerpt_then_times_and_frames_are_drawn(
    hub: Hub, receive: Receive, work: Work
) -> None:
    receive(excerpt(0, 16, size=(192, 108)))
    item = receive(excerpt(4, 8, size=(160, 90)))
    work.finish()
    match = match_of(hub, item)
    assert match["segments"]

    answer = hub.verifier.get(address(match, "verification"))

    assert answer.status_code == 200
    shown = np.asarray(sheet(answer.content)).astype(int)
    line = (np.abs(shown[120:560, 114:544] - (0, 114, 178)).max(axis=2) < 12).sum()
    assert line > 500
    assert is_colourful(Image.fromarray(shown[640:].astype(np.uint8)))
    assert hub.verifier.get(address(match)).status_code == 200


def test_comparison_when_an_item_has_no_working_pictures_then_it_is_refused_by_name_and_nothing_is_logged(
    hub: Hub, receive: Receive, work: Work, database: TestDatabase
) -> None:
    item = receive(b"This is not a photograph.")
    receive(b"This is not a photograph.")
    work.finish()
    match = match_of(hub, item)

    for asked in (address(match), address(match, "review")):
        answer = hub.verifier.get(asked)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_frame")
    assert hub.entries(item["id"], "evidence.viewed") == 0


@pytest.mark.thorough
def test_comparison_when_a_ground_names_points_then_they_are_drawn_on_the_stored_pictures(
    hub: Hub, receive: Receive, work: Work, database: TestDatabase
) -> None:
    """The ground as a row holds it: what is not known of it is absent, and other releases may have said more."""
    receive(resized(PHOTOGRAPHS[0], 0.4))
    item = receive(resized(PHOTOGRAPHS[0], 0.5))
    work.finish()
    match = match_of(hub, item)
    before = hub.verifier.get(address(match)).content
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(
            """UPDATE blob_matches SET grounds = '[{"algorithm": "orb", "version": "orb/1", "inliers": 15, "later": 1,
            "outline": [[100, 100], [900, 100], [900, 900], [100, 900]], "points": [[500, 500, 500, 500]]}]'"""
        )

    after = hub.verifier.get(address(match))

    assert after.status_code == 200
    rgb = np.asarray(sheet(after.content)).astype(int)
    assert (np.abs(rgb[112:, 660:1240] - (68, 1, 84)).max(axis=2) < 12).sum() > 20
    assert after.content != before
