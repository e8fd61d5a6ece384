"""The entries' bytes: written once, by hand compared with docs/ledger.md; a difference is another format."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.facts.events import CaseFactRecorded, IncidentFactRecorded, IncidentFactSuperseded
from app.ledger.event import EntryActor, EntryObject, Event, first_link, seal_event

ID = "00000000-0000-0000-0000-00000000000"
COMMON: dict[str, Any] = {"stream": UUID(int=1), "actor": EntryActor(UUID(int=2), "user", "researcher")}
INCIDENT: dict[str, Any] = {**COMMON, "object": EntryObject("incident", UUID(int=1), 3)}
RECORDED = IncidentFactRecorded(
    **INCIDENT,
    kind="casualty_count",
    id=UUID(int=3),
    fact=UUID(int=3),
    version=1,
    number=1,
    stated={"outcome": "injured", "person_group": "civilian", "comparator": "more_than", "minimum": 100},
    source_organisation=UUID(int=4),
    source_published_on="2024-11-18",
    source={"document": "Statement", "page": "4"},
    as_reported="More than 100 injured",
    external_reference="row 7",
)
WITHDRAWN = IncidentFactSuperseded(
    **INCIDENT,
    kind="casualty_count",
    id=UUID(int=5),
    fact=UUID(int=3),
    version=2,
    number=2,
    supersedes=UUID(int=3),
    reason_code="withdrawn",
    reason="Counted elsewhere.",
)
ORGANISATION = CaseFactRecorded(
    **COMMON,
    object=EntryObject("case", UUID(int=1)),
    kind="organisation",
    id=UUID(int=6),
    fact=UUID(int=6),
    version=1,
    number=1,
    stated={"organisation_kind": "ngo"},
    name="Watch",
    aliases=("Варта",),
)


@pytest.mark.parametrize(
    ("event", "data", "fields", "commitment"),
    [
        (
            RECORDED,
            (
                f'{{"fact":"{ID}3","id":"{ID}3","kind":"casualty_count","number":1,"source_organisation":"{ID}4",'
                '"source_published_on":"2024-11-18","stated":{"comparator":"more_than","minimum":100,'
                '"outcome":"injured","person_group":"civilian"},"version":1}'
            ),
            ["as_reported", "external_reference", "source"],
            "0398729d676e34b24aa69fdda74c3cfc755acf2f4643d547ba49aa8e28875e3b",
        ),
        (
            WITHDRAWN,
            (
                f'{{"fact":"{ID}3","id":"{ID}5","kind":"casualty_count","number":2,"reason_code":"withdrawn",'
                f'"supersedes":"{ID}3","version":2}}'
            ),
            ["reason"],
            "da59df35422b61bd44f0d873c1d6ad966dc6676637442d6de834bc5ee52dd461",
        ),
        (
            ORGANISATION,
            (
                f'{{"fact":"{ID}6","id":"{ID}6","kind":"organisation","number":1,'
                '"stated":{"organisation_kind":"ngo"},"version":1}'
            ),
            ["aliases", "name"],
            "72d579be5c3b511b71a188e947dce44a000442f4dd03a15c87c3f1caa9d92f81",
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
