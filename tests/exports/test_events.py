"""The exact bytes that an export leaves in the ledger."""

import hashlib
from typing import Any
from uuid import UUID

from app.exports.events import CaseExportCreated, ExportCreated, StreamSpan
from app.kernel.primitives import canonical_json
from app.ledger.event import EntryActor, EntryObject, Event, first_link, seal_event
from tests.ledger.acts import NOON

STREAM = UUID("6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d")
COMMON: dict[str, Any] = {
    "stream": STREAM,
    "actor": EntryActor(UUID("0a8f1f2e-7d44-4b11-8a53-3e1f0c9d7b21"), "user", "auditor"),
    "object": EntryObject("export", UUID("c1f6a0de-54c5-4c39-8f0c-2d1f4c2f7a10")),
    "purpose": "audit",
    "reason": "Court order 7",
    "scope": "case",
    "format": "jsonl",
    "disclosed": True,
}
DISCLOSURE = b'{"name":"reason","salt":"' + b"01" * 32 + b'","value":"Court order 7"}'
GOLDEN = (
    '{"actor":{"id":"0a8f1f2e-7d44-4b11-8a53-3e1f0c9d7b21","kind":"user","role":"auditor"},'
    '"data":%s,'
    '"label":"7110a050795eece27aeab975e669be911a55ff81ebeb2341393ba8384ff2eed1",'
    '"log":"log.example.org/2026","next":"' + "02" * 32 + '",'
    '"object":{"id":"c1f6a0de-54c5-4c39-8f0c-2d1f4c2f7a10","kind":"export"},'
    '"occurred":"2026-01-31T12:00:00.250Z","prev":"","salt":"' + "03" * 32 + '",'
    '"sealed":{"reason":"%s"},"seq":1,'
    '"stream":"6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d",'
    '"time":"2026-01-31T12:00:00.250Z","type":"export.created","v":"custody-entry/v1"}'
)


def body_of(event: Event) -> str:
    drawn = iter(f"{number:02x}" * 32 for number in range(1, 10))
    entry = seal_event(event, first_link(STREAM), log="log.example.org/2026", recorded=NOON, draw=lambda: next(drawn))
    assert entry.disclosures[0].line == DISCLOSURE
    return entry.body.decode()


def golden(data: str) -> str:
    return GOLDEN % (data, hashlib.sha256(DISCLOSURE).hexdigest())


def test_export_created_when_in_an_item_s_stream_then_these_bytes() -> None:
    event = ExportCreated(**COMMON, entries=7, head="ab" * 32)
    head = "ab" * 32
    data = f'{{"disclosed":true,"entries":7,"format":"jsonl","head":"{head}","purpose":"audit","scope":"case"}}'
    assert body_of(event) == golden(data)


def test_export_created_when_in_the_case_s_stream_then_these_bytes() -> None:
    event = CaseExportCreated(
        **COMMON, streams_count=2, streams_sha256="cd" * 32, media_count=0, media_sha256="ef" * 32
    )
    data = (
        '{"disclosed":true,"format":"jsonl","media_count":0,"media_sha256":"' + "ef" * 32 + '","purpose":"audit",'
        '"scope":"case","streams_count":2,"streams_sha256":"' + "cd" * 32 + '"}'
    )
    assert body_of(event) == golden(data)


def test_stream_span_when_listed_then_these_bytes() -> None:
    span = StreamSpan(STREAM, "evidence", 7, "ab" * 32)
    assert canonical_json([span.document()]) == (
        b'[{"entries":7,"head":"%s","kind":"evidence","stream":"6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d"}]' % (b"ab" * 32)
    )
