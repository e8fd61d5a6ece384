"""The exact bytes that asking for another decoding and what came of it, and comparisons, leave in the ledger."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.fingerprints.events import (
    DecodingRequested,
    EvidenceCompared,
    EvidenceFingerprinted,
    EvidenceMatched,
    EvidenceMatchLost,
    NoticeAcknowledged,
)
from app.ledger.event import EntryActor, EntryObject, Event, first_link, seal_event
from tests.ledger.acts import NOON

STREAM = UUID("6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d")
COMMON: dict[str, Any] = {
    "stream": STREAM,
    "actor": EntryActor(UUID("0a8f1f2e-7d44-4b11-8a53-3e1f0c9d7b21"), "user", "coordinator"),
    "object": EntryObject("evidence", STREAM, 4, "ab" * 32, 1000),
}
GOLDEN = (
    '{"actor":{"id":"0a8f1f2e-7d44-4b11-8a53-3e1f0c9d7b21","kind":"user","role":"coordinator"},'
    '"data":%s,'
    '"label":"7110a050795eece27aeab975e669be911a55ff81ebeb2341393ba8384ff2eed1",'
    '"log":"log.example.org/2026","next":"%s",'
    '"object":{"id":"6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d","kind":"evidence","sha256":"' + "ab" * 32 + '",'
    '"size":1000,"version":4},'
    '"occurred":"2026-01-31T12:00:00.250Z","prev":"","salt":"%s",'
    '"sealed":%s,"seq":1,'
    '"stream":"6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d",'
    '"time":"2026-01-31T12:00:00.250Z","type":"%s","v":"custody-entry/v1"}'
)


def body_of(event: Event) -> str:
    drawn = iter(f"{number:02x}" * 32 for number in range(1, 10))
    entry = seal_event(event, first_link(STREAM), log="log.example.org/2026", recorded=NOON, draw=lambda: next(drawn))
    return entry.body.decode()


def test_decoding_requested_when_a_person_says_why_then_these_bytes() -> None:
    event = DecodingRequested(
        **COMMON, outcome="limit_time", decoder="av/18.1.0 limits/0123456789ab", reason="60 s now"
    )
    disclosure = b'{"name":"reason","salt":"' + b"01" * 32 + b'","value":"60 s now"}'
    data = '{"decoder":"av/18.1.0 limits/0123456789ab","outcome":"limit_time"}'
    sealed = f'{{"reason":"{hashlib.sha256(disclosure).hexdigest()}"}}'
    assert body_of(event) == GOLDEN % (data, "02" * 32, "03" * 32, sealed, "evidence.decoding_requested")


def test_fingerprinted_when_the_decoding_got_less_far_than_an_earlier_one_then_these_bytes() -> None:
    event = EvidenceFingerprinted(
        **COMMON,
        status="done",
        outcome="undecodable",
        kept_outcome="decoded",
        decoder="av/18.1.0",
        algorithms=("pdq/1",),
        fingerprints=8,
        fingerprints_sha256="cd" * 32,
    )
    data = (
        '{"algorithms":["pdq/1"],"decoder":"av/18.1.0","fingerprints":8,"fingerprints_sha256":"' + "cd" * 32 + '",'
        '"kept_outcome":"decoded","outcome":"undecodable","status":"done"}'
    )
    assert body_of(event) == GOLDEN % (data, "01" * 32, "02" * 32, "{}", "evidence.fingerprinted")


OTHER = UUID("2c7d5b10-93f4-4d0a-8f0e-6a5b4c3d2e1f")
MATCHED: dict[str, Any] = {
    "match": UUID("9e1c4d2a-0b3f-4a6d-8c5e-7f8091a2b3c4"),
    "evidence": OTHER,
    "query": OTHER,
    "tier": "same_picture",
}


def test_matched_when_points_agree_within_a_case_then_these_bytes() -> None:
    event = EvidenceMatched(
        **COMMON,
        **MATCHED,
        algorithm="orb/1",
        inliers=40,
        threshold_inliers=12,
        transformation="mirror",
        spans=((0, 2000, 61_000, 63_000),),
    )
    data = (
        '{"algorithm":"orb/1","evidence":"2c7d5b10-93f4-4d0a-8f0e-6a5b4c3d2e1f","inliers":40,'
        '"match":"9e1c4d2a-0b3f-4a6d-8c5e-7f8091a2b3c4","query":"2c7d5b10-93f4-4d0a-8f0e-6a5b4c3d2e1f",'
        '"spans":[[0,2000,61000,63000]],"threshold_inliers":12,"tier":"same_picture","transformation":"mirror"}'
    )
    assert body_of(event) == GOLDEN % (data, "01" * 32, "02" * 32, "{}", "evidence.matched")


def test_match_lost_then_these_bytes() -> None:
    named = {name: MATCHED[name] for name in ("match", "evidence", "tier")}
    event = EvidenceMatchLost(**COMMON, **named, because="rule", number=2, supersedes=1)
    data = (
        '{"because":"rule","evidence":"2c7d5b10-93f4-4d0a-8f0e-6a5b4c3d2e1f",'
        '"match":"9e1c4d2a-0b3f-4a6d-8c5e-7f8091a2b3c4","number":2,"supersedes":1,"tier":"same_picture"}'
    )
    assert body_of(event) == GOLDEN % (data, "01" * 32, "02" * 32, "{}", "evidence.match_lost")


def test_compared_with_other_cases_then_these_bytes_say_nothing_of_what_was_found() -> None:
    event = EvidenceCompared(**COMMON, rule="match/4 views/1 pdq/1<=31")
    data = '{"rule":"match/4 views/1 pdq/1<=31"}'
    assert body_of(event) == GOLDEN % (data, "01" * 32, "02" * 32, "{}", "evidence.compared")


def test_notice_acknowledged_then_these_bytes() -> None:
    event = NoticeAcknowledged(**COMMON, tier="exact", found_at=datetime(2026, 7, 14, 9, 31, tzinfo=UTC))
    data = '{"found_at":"2026-07-14T09:31:00.000Z","tier":"exact"}'
    assert body_of(event) == GOLDEN % (data, "01" * 32, "02" * 32, "{}", "system.notice_acknowledged")
