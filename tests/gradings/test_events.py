"""The entries' bytes: written once, by hand compared with docs/ledger.md; a difference is another format."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.gradings.events import IncidentClassified, IncidentGraded, StandardReached
from app.ledger.event import EntryActor, EntryObject, Event, first_link, seal_event

COMMON: dict[str, Any] = {
    "stream": UUID(int=1),
    "actor": EntryActor(UUID(int=2), "user", "researcher"),
    "object": EntryObject("incident", UUID(int=1), 3),
}
GRADED = IncidentGraded(
    **COMMON,
    grading_id=UUID(int=3),
    number=1,
    grade="corroborated",
    supersedes=None,
    verdicts=(UUID(int=4), UUID(int=5)),
    origins_at_least=1,
    origins_at_most=2,
    other_source_count=1,
    policy_version=1,
    rationale="As the recordings show.",
    other_sources=("The director",),
)
REACHED = StandardReached(
    **COMMON,
    standard_id=UUID(int=3),
    number=2,
    standard=None,
    vocabulary="standards_of_proof/1",
    supersedes=UUID(int=6),
    grading=UUID(int=7),
    reason_code="withdrawn",
    rationale="Stated too early.",
)
CLASSIFIED = IncidentClassified(
    **COMMON,
    classification_id=UUID(int=3),
    number=1,
    qualifier="adjudicated",
    provisions=("rome_statute:8(2)(b)(ix)",),
    vocabulary="provisions/1",
    supersedes=None,
    grading=None,
    decided_on="2016-09-27",
    rationale="As decided.",
    body="ICC",
    decision_reference="ICC-01/12-01/15-171",
)
ID = "00000000-0000-0000-0000-00000000000"


@pytest.mark.parametrize(
    ("event", "data", "fields", "commitment"),
    [
        (
            GRADED,
            (
                f'{{"grade":"corroborated","grading_id":"{ID}3","number":1,"origins_at_least":1,"origins_at_most":2,'
                f'"other_source_count":1,"policy_version":1,"verdicts":["{ID}4","{ID}5"]}}'
            ),
            ["other_sources", "rationale"],
            "531b68a955c4d7907b72edb56a4450a4b43fd7388a62f9612025cdec6542e9a5",
        ),
        (
            REACHED,
            (
                f'{{"grading":"{ID}7","number":2,"reason_code":"withdrawn","standard_id":"{ID}3","supersedes":"{ID}6",'
                '"vocabulary":"standards_of_proof/1"}'
            ),
            ["rationale"],
            "ce2ab5df4a63aa00120f817b0ece7faf39950ac177bebb7c98a12cedd4b580c0",
        ),
        (
            CLASSIFIED,
            (
                f'{{"classification_id":"{ID}3","decided_on":"2016-09-27","number":1,'
                '"provisions":["rome_statute:8(2)(b)(ix)"],"qualifier":"adjudicated","vocabulary":"provisions/1"}'
            ),
            ["body", "decision_reference", "rationale"],
            "2827a5b63b06024082c148f3230668cca762493b1096f83837aeb897898aef36",
        ),
    ],
)
def test_entry_when_made_of_known_values_then_these_bytes(
    event: Event, data: str, fields: list[str], commitment: str
) -> None:
    draws = iter(f"{number:064x}" for number in range(1, 20))
    recorded = datetime(2026, 7, 3, tzinfo=UTC)
    entry = seal_event(event, first_link(UUID(int=1)), log="log.example", recorded=recorded, draw=lambda: next(draws))
    assert f'"data":{data}' in entry.body.decode()
    assert sorted(disclosure.field for disclosure in entry.disclosures) == fields
    assert sorted(json.loads(entry.body)["sealed"]) == fields
    assert entry.commitment == commitment
