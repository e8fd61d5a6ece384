"""Redacted copies: nothing is left below a box, nor beside the pixels; over HTTP and in the database."""

import hashlib
import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.media.orphans import sweep_orphans
from app.media.redacting import Box, Wanted, covered_areas, redact, wanted_of
from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media_samples import PHOTOGRAPHS, excerpt, resized
from tests.support.databases import TestDatabase
from tests.support.work import Work, work_of

SECRET = "ZindlequorrOwner"


@pytest.fixture
def work(hub: Hub) -> Iterator[Work]:
    with work_of(hub.api) as opened:
        yield opened


def turned_photograph() -> bytes:
    """1200 × 800 as displayed, a red field at (900, 200)-(1000, 300); stored lying on its side, with EXIF, XMP and a
    thumbnail of the whole in it."""
    shown = Image.new("RGB", (1200, 800), (40, 90, 60))
    shown.paste((250, 10, 10), (900, 200, 1000, 300))
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, SECRET
    content = io.BytesIO()
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{SECRET}</x:xmpmeta>'.encode()
    shown.transpose(Image.Transpose.ROTATE_90).save(content, "JPEG", quality=92, exif=exif, xmp=xmp)
    return content.getvalue()


def ask(hub: Hub, item: dict[str, Any], *boxes: tuple[int, int, int, int], **facts: Any) -> Any:
    named = [dict(zip(("left", "top", "width", "height"), box, strict=True)) for box in boxes]
    return hub.verifier.post(f"/v1/evidence/{item['id']}/redactions", json={"boxes": named, **facts})


def copy_of(hub: Hub, path: str) -> tuple[dict[str, Any], bytes]:
    made = hub.verifier.get(path).json()
    assert made["state"] == "done", made
    looked = hub.verifier.get(f"{path}/content?purpose=disclosure")
    assert looked.status_code == 200, looked.text
    assert looked.headers["Content-Type"] == "image/png"
    return made, looked.content


def chunks(png: bytes) -> list[bytes]:
    """The types of a PNG's chunks (W3C PNG, 5.3), their checksums compared, with nothing behind the last."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, found = 8, []
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + data) == struct.unpack_from(">I", png, at + 8 + length)[0]
        found.append(kind)
        at += length + 12
    return found


def test_copy_when_made_of_a_turned_photograph_then_its_box_is_black_where_it_is_seen_and_nothing_else_is_in_it(
    hub: Hub, receive: Receive, work: Work
) -> None:
    original = turned_photograph()
    item = receive(original)
    work.finish()
    asked = ask(hub, item, (900, 200, 100, 100), reason="A face")
    assert asked.status_code == 202, asked.text
    assert [receipt["type"] for receipt in asked.json()["receipts"]] == ["evidence.redacted"]
    early = hub.verifier.get(f"{asked.headers['Location']}/content?purpose=disclosure")
    assert (early.status_code, early.json()["code"]) == (409, "redaction_not_ready")
    assert work.finish() == ["redact"]

    made, png = copy_of(hub, asked.headers["Location"])
    assert hashlib.sha256(png).hexdigest() == made["sha256"]
    assert (made["width"], made["height"], made["of_width"], made["of_height"]) == (1024, 683, 1200, 800)
    assert made["input_sha256"] == hashlib.sha256(original).hexdigest()
    assert set(chunks(png)) == {b"IHDR", b"IDAT", b"IEND"}
    assert SECRET.encode() in original
    assert SECRET.encode() not in png
    with Image.open(io.BytesIO(png)) as image:
        assert not image.info
        assert not image.getexif()
        seen = np.asarray(image.convert("RGB"))
    left, top, right, bottom = (round(each * 1024 / 1200) for each in (900, 200, 1000, 300))
    assert not seen[top:bottom, left:right].any(), "every pixel below the box is black"
    outside = seen.copy()
    outside[top - 2 : bottom + 2, left - 2 : right + 2] = (40, 90, 60)
    assert int(outside[..., 0].max()) < 100, "nothing of the red field is left around it"
    assert int(outside[..., 1].min()) > 60, "and what is not covered is there"
    assert hub.entries(item["id"], "evidence.derived") == 4
    assert hub.entries(item["id"], "evidence.viewed") == 1
    sessions = hub.api.app.state.services.sessions
    assert not sweep_orphans(sessions, work.resources.blobs, grace_s=-60, kept_s=0).orphans


def test_copy_when_pixels_below_its_boxes_differ_then_its_bytes_do_not() -> None:
    """What is covered cannot be told from the file: two pictures that differ there alone give the same bytes."""
    rows = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    others = rows.copy()
    wanted = Wanted(1200, 900, (Box(405, 303, 111, 222), Box(0, 0, 1, 1)))
    for left, top, right, bottom in covered_areas(wanted, 120, 90):
        others[top:bottom, left:right] = 255 - others[top:bottom, left:right]
    assert not np.array_equal(rows, others)
    assert redact(rows, wanted).png == redact(others, wanted).png
    assert redact(rows, Wanted(1200, 900, ())).png != redact(others, Wanted(1200, 900, ())).png


@given(
    size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    scale=st.integers(1, 10),
    seed=st.integers(0, 2**32),
)
def test_areas_when_carried_over_then_each_box_lies_in_its_own(size: tuple[int, int], scale: int, seed: int) -> None:
    width, height = size
    small = max(1, width // scale), max(1, height // scale)
    chosen = random.Random(seed)
    left, top = chosen.randrange(width), chosen.randrange(height)
    box = Box(left, top, chosen.randint(1, width - left), chosen.randint(1, height - top))
    assert box.lies_in(width, height)
    wanted = Wanted(width, height, (box,))
    assert wanted_of(wanted.parameters()) == wanted
    ((x0, y0, x1, y1),) = covered_areas(wanted, *small)
    assert 0 <= x0 < x1 <= small[0]
    assert 0 <= y0 < y1 <= small[1]
    assert x0 * width <= box.left * small[0]
    assert x1 * width >= min((box.left + box.width) * small[0], small[0] * width)
    assert y0 * height <= box.top * small[1]
    assert y1 * height >= (box.top + box.height) * small[1]


@pytest.mark.thorough
def test_recording_when_redacted_then_a_frame_is_named_and_covered_in_its_own_pixels(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item = receive(excerpt(0, 3, size=(160, 90)))
    work.finish()
    whole = ask(hub, item, (0, 0, 10, 10))
    assert (whole.status_code, whole.json()["code"]) == (409, "not_redactable")
    frames = hub.verifier.get(f"/v1/evidence/{item['id']}/frames").json()["items"]
    none = ask(hub, item, (0, 0, 10, 10), frame=len(frames))
    assert (none.status_code, none.json()["code"]) == (404, "no_frame")
    asked = ask(hub, item, (10, 20, 30, 40), frame=len(frames) - 1)
    assert asked.status_code == 202, asked.text
    work.finish()
    made, png = copy_of(hub, asked.headers["Location"])
    assert made["frame_time_ms"] == frames[-1]["time_ms"]
    with Image.open(io.BytesIO(png)) as image:
        seen = np.asarray(image.convert("RGB"))
    assert seen.shape[:2] == (made["of_height"], made["of_width"])
    assert not seen[20:60, 10:40].any()
    assert seen.any()


@pytest.mark.thorough
def test_redaction_when_asked_for_badly_or_by_others_then_is_refused_with_a_reason(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item, unlabelled = receive(resized(PHOTOGRAPHS[0], 0.2)), receive(resized(PHOTOGRAPHS[1], 0.2), labels=None)
    early = ask(hub, item, (0, 0, 1, 1))
    assert (early.status_code, early.json()["code"]) == (409, "not_redactable")
    work.finish()
    refused = ask(hub, unlabelled, (0, 0, 1, 1))
    assert (refused.status_code, refused.json()["code"]) == (409, "labels_missing")
    claims = hub.verifier.get(f"/v1/evidence/{item['id']}").json()["claims"]
    wide = ask(hub, item, (0, 0, 1, 1), (claims["width"] - 1, 0, 2, 1))
    assert (wide.status_code, wide.json()["code"], wide.json()["box"]) == (422, "box_outside_picture", 1)
    assert ask(hub, item, (0, 0, 0, 1)).status_code == 422
    address = f"/v1/evidence/{item['id']}/redactions"
    for person, status in ((hub.collector, 403), (hub.auditor, 403), (hub.stranger, 404)):
        assert person.post(address, json={"boxes": []}).status_code == status
    made = ask(hub, item)
    assert made.status_code == 202
    work.finish()
    assert hub.auditor.get(made.headers["Location"]).status_code == 200
    looked = hub.auditor.get(f"{made.headers['Location']}/content?purpose=disclosure")
    assert looked.status_code == 403
    assert hub.stranger.get(made.headers["Location"]).status_code == 404
    listed = hub.auditor.get(address).json()["items"]
    assert [each["id"] for each in listed] == [made.json()["id"]]
    under_another = f"/v1/evidence/{unlabelled['id']}/redactions/{made.json()['id']}"
    for path in (under_another, f"{under_another}/content?purpose=disclosure"):
        assert (hub.collector.get(path).status_code, hub.collector.get(path).json()["code"]) == (404, "not_found")


@pytest.mark.thorough
def test_copy_when_its_file_gives_no_picture_any_more_then_it_fails_and_says_so(
    hub: Hub, receive: Receive, work: Work, database: TestDatabase
) -> None:
    item = receive(resized(PHOTOGRAPHS[0], 0.2))
    work.finish()
    asked = ask(hub, item, (0, 0, 1, 1))
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("ALTER TABLE redactions DISABLE TRIGGER USER")
        connection.execute("UPDATE redactions SET parameters = jsonb_set(parameters, '{of}', '[7, 7]')")
        connection.execute("ALTER TABLE redactions ENABLE TRIGGER USER")
    with pytest.raises(Exception, match="no picture of that size"):
        work.finish()
    assert hub.verifier.get(asked.headers["Location"]).json()["state"] == "pending", "until its last attempt"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE redactions SET parameters = '{}'", "exhibit_redaction_made_once"),
        ("UPDATE redactions SET state = 'pending'", "exhibit_redaction_made_once"),
        ("UPDATE redactions SET sha256 = sha256('x')", "exhibit_redaction_made_once"),
        ("DELETE FROM redactions", ""),
    ],
)
def test_copy_when_changed_by_raw_sql_then_the_database_refuses(
    hub: Hub, receive: Receive, work: Work, database: TestDatabase, statement: str, constraint: str
) -> None:
    item = receive(resized(PHOTOGRAPHS[0], 0.2))
    work.finish()
    ask(hub, item, (0, 0, 1, 1))
    work.finish()
    with psycopg.connect(database.owner_url) as connection:
        with pytest.raises(psycopg.errors.IntegrityError) as refused:
            connection.execute(statement)
        assert constraint in (refused.value.diag.constraint_name or "")
        connection.rollback()
