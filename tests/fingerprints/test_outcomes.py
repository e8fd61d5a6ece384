"""Every way in which decoding can end, from files to what the API shows: the file is kept, and its custody is whole."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from app.media.jail.decoder import Decoder
from app.media.jail.limits import DecodeLimits
from tests import media_samples as samples
from tests.media.people import METADATA, Hub
from tests.media_jail.test_hostile import children_of
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api
from tests.support.work import Work

MIB = 1024 * 1024
LIMITS = DecodeLimits(memory_bytes=500 * MIB, video_cpu_s=1)


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


FILES: dict[str, tuple[Any, str, str]] = {
    # outcome: the file, the item's fingerprint_status, and what its reason says
    "decoded": (PHOTOGRAPHS[0].read_bytes, "done", ""),
    "partial": (lambda: cut(samples.excerpt(8, 10, container="matroska")), "done", "cut off"),
    "undecodable": (samples.text_named_jpg, "undecodable", "none of the image and video formats"),
    "limit_time": (
        lambda: samples.repeated(samples.PHONE_VIDEO, 10),
        "done",
        "1 s of processor time, the most for a",
    ),
    "limit_memory": (lambda: samples.png_bomb(11_000), "undecodable", "500 MiB of memory"),
    "limit_pixels": (samples.webp_of_gigabytes, "undecodable", "pixels; at most 128000000"),
}


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(LIMITS) as found:
        yield found


@pytest.fixture
def hub(api: Api) -> Hub:
    return Hub(api)


def received(hub: Hub, content: bytes) -> str:
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", content))]
    answer = hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", files=form)
    assert answer.status_code == 201, answer.text
    item: str = answer.json()["id"]
    return item


def assert_kept(hub: Hub, item: str, content: bytes) -> None:
    answer = hub.verifier.get(f"/v1/evidence/{item}/content?purpose=verification")
    assert (answer.status_code, answer.content) == (200, content)
    assert hub.verifier.get(f"/v1/evidence/{item}").json()["state"] == "preserved"
    with hub.api.app.state.services.sessions() as session:
        query = text("SELECT type FROM ledger_entries WHERE stream_id = :stream AND type NOT IN ('evidence.derived')")
        types = session.scalars(query, {"stream": item}).all()
    assert [one for one in types if one not in ("evidence.claims_sealed", "evidence.claimed")] == [
        "evidence.collected",
        "evidence.labelled",
        "evidence.preserved",
        "evidence.fingerprinted",
        "evidence.downloaded",
    ]


@pytest.mark.thorough
def test_each_outcome_when_a_file_ends_so_then_the_item_says_it_in_words_and_the_file_is_kept(
    hub: Hub, decoder: Decoder
) -> None:
    contents = {outcome: make() for outcome, (make, _, _) in FILES.items()}
    items = {outcome: received(hub, content) for outcome, content in contents.items()}
    Work(hub.api, decoder).finish()

    for outcome, (_, status, words) in FILES.items():
        shown = hub.verifier.get(f"/v1/evidence/{items[outcome]}").json()
        assert (outcome, shown["decoding"]["outcome"], shown["fingerprint_status"]) == (outcome, outcome, status)
        assert words in (shown["fingerprint_reason"] or ""), outcome
        assert (shown["fingerprint_reason"] is None) == (outcome == "decoded")
        assert_kept(hub, items[outcome], contents[outcome])


@contextmanager
def breaking_the_rules(decoder: Decoder) -> Iterator[None]:
    """Ends the next decoding child as the kernel does when it makes a forbidden call."""
    zygote = decoder._zygote
    assert zygote is not None

    def strike() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if found := children_of(zygote._process.pid):
                os.kill(found[0], signal.SIGSYS)
                return
            time.sleep(0.001)

    thread = threading.Thread(target=strike)
    thread.start()
    yield
    thread.join()


def test_policy_violation_when_it_ends_so_then_it_is_told_kept_and_not_tried_again_by_itself(
    hub: Hub, decoder: Decoder
) -> None:
    content = samples.PHONE_VIDEO.read_bytes()
    item = received(hub, content)
    work = Work(hub.api, decoder)
    work.run_one()
    with breaking_the_rules(decoder):
        work.run_one()
    assert work.finish() == ["match", "match_across"]

    shown = hub.verifier.get(f"/v1/evidence/{item}").json()
    assert shown["decoding"]["outcome"] == "policy_violation"
    assert "what no decoder needs" in shown["decoding"]["reason"]
    assert_kept(hub, item, content)
