"""Taking in incidents and facts over HTTP: all or nothing, every bad line named, and safe to be sent again."""

import json
from typing import Any

import httpx
from sqlalchemy import text

from tests.facts.conftest import OCCURRED, World, code_of
from tests.facts.test_http import KILLED
from tests.support.api import Person
from tests.support.journey import ok

ORGANISATION = {
    "record": "organisation",
    "external_reference": "org-1",
    "stated": {"name": "Служба", "organisation_kind": "other", "aliases": ["Service of all"]},
}
INCIDENT: dict[str, Any] = {
    "record": "incident",
    "external_reference": "row-1",
    "code": "X-1",
    "title": "Strike",
    "kind": "missile_strike",
    "occurred": OCCURRED,
    "place": {"latitude": 50.45, "longitude": 30.48, "precision": "exact", "radius_m": 10},
}
COUNT: dict[str, Any] = {
    "record": "casualty_count",
    "external_reference": "row-1/killed",
    "incident": "row-1",
    "stated": KILLED,
    "source": {"organisation_id": "SERVICE of all", "document": "Report"},
}
WEAPON = {
    "record": "weapon_identification",
    "external_reference": "row-1/weapon",
    "incident": "X-1",
    "stated": {"category": "cruise_missile", "reported": "Kh-101"},
    "source": {"organisation_id": "org-1"},
}
CSV = (
    "record,external_reference,incident,stated.outcome,stated.person_group,stated.comparator,stated.minimum,"
    "stated.as_reported,source.organisation_id\r\n"
    "casualty_count,row-1/injured,I-1,injured,civilian,more_than,100,More than 100 injured,Watch for All\r\n"
)


def send(world: World, *records: dict[str, Any], dry_run: bool = False, **options: Any) -> httpx.Response:
    data = "\n".join(json.dumps(record) for record in records).encode("utf-8")
    return send_bytes(world, data, "application/jsonl", dry_run=dry_run, **options)


def send_bytes(
    world: World, data: bytes, media_type: str, *, dry_run: bool = False, person: Person | None = None
) -> httpx.Response:
    return (person or world.rita).post(
        f"{world.case}/imports",
        content=data,
        headers={"Content-Type": media_type},
        params={"dry_run": str(dry_run).lower()},
    )


def rows(world: World) -> tuple[int, ...]:
    tables = ("incidents", "casualty_counts", "weapon_identifications", "organisations", "ledger_entries")
    with world.sessions() as session:
        return tuple(session.scalars(text(f"SELECT count(*) FROM {table}")).one() for table in tables)


def test_file_when_tried_then_nothing_changes_and_when_sent_then_all_of_it_once(world: World) -> None:
    before = rows(world)
    records = (ORGANISATION, INCIDENT, COUNT, WEAPON)
    tried = ok(send(world, *records, dry_run=True))
    assert (tried["is_dry_run"], tried["is_good"], tried["added"], tried["receipts"]) == (True, True, 4, [])
    assert rows(world) == before
    made = ok(send(world, *records))
    assert (made["is_dry_run"], made["records"], made["added"], made["already_there"]) == (False, 4, 4, 0)
    types = sorted(each["type"] for each in made["receipts"])
    assert types == [
        *("case.fact_recorded", "incident.created"),
        *("incident.fact_recorded", "incident.fact_recorded", "incident.registered"),
    ]
    after = rows(world)
    assert after == (before[0] + 1, before[1] + 1, before[2] + 1, before[3] + 1, before[4] + 5)
    again = ok(send(world, *records))
    assert (again["added"], again["already_there"], again["receipts"]) == (0, 4, [])
    assert rows(world) == after
    [incident] = ok(world.rita.get(f"{world.case}/incidents", params={"code": "X-1"}))["items"]
    [count] = ok(world.rita.get(f"/v1/incidents/{incident['id']}/casualties"))["items"]
    assert (count["stated"], count["external_reference"]) == (KILLED, "row-1/killed")


def test_file_when_lines_are_bad_then_each_is_named_and_nothing_is_kept(world: World) -> None:
    before = rows(world)
    bad: list[dict[str, Any]] = [
        {**COUNT, "stated": {**KILLED, "maximum": 9}, "external_reference": "a"},
        {**COUNT, "stated": {**KILLED, "minimum": "many"}, "external_reference": "b"},
        {**COUNT, "incident": "row-9", "external_reference": "c"},
        {**COUNT, "source": {"organisation_id": "Nobody"}, "external_reference": "d"},
        {**COUNT, "external_reference": None},
        {**COUNT, "record": "rumour"},
        {**INCIDENT, "external_reference": "row-2"},
        {**COUNT, "external_reference": "row-1/again"},
        {**COUNT, "supersedes": world.incident, "external_reference": "e"},
    ]
    refused = send(world, ORGANISATION, INCIDENT, COUNT, *bad)
    assert code_of(refused) == (422, "import_refused")
    shown = refused.json()
    assert [(each["line"], each["field"]) for each in shown["problems"]] == [
        (4, "stated.maximum"),
        (5, "stated.minimum"),
        (6, "incident"),
        (7, "source.organisation_id"),
        (8, "external_reference"),
        (9, "record"),
        (10, ""),
        (11, ""),
        (12, "supersedes"),
    ]
    assert (shown["records"], shown["problems_left_out"]) == (12, 0)
    assert rows(world) == before
    tried = ok(send(world, ORGANISATION, INCIDENT, COUNT, *bad, dry_run=True))
    assert (tried["is_good"], tried["added"], tried["problems"]) == (False, 3, shown["problems"])


def test_record_when_known_and_saying_something_else_then_refused_and_when_superseded_then_known(world: World) -> None:
    ok(send(world, ORGANISATION, INCIDENT, COUNT))
    other = {**COUNT, "stated": {**KILLED, "minimum": 3, "maximum": 3}}
    for record in (other, {**INCIDENT, "title": "Another"}):
        [problem] = send(world, record).json()["problems"]
        assert "something else" in problem["reason"]
    [incident] = ok(world.rita.get(f"{world.case}/incidents", params={"code": "X-1"}))["items"]
    path = f"/v1/incidents/{incident['id']}/casualties"
    [count] = ok(world.rita.get(path))["items"]
    ok(
        world.rita.post(
            path, json=world.body(other["stated"], supersedes=count["id"], reason="One died.", source=world.service)
        ),
        201,
    )
    assert ok(send(world, COUNT))["already_there"] == 1


def test_csv_when_sent_then_taken_in_and_a_file_of_another_kind_is_not(world: World) -> None:
    made = ok(send_bytes(world, b"\xef\xbb\xbf" + CSV.encode("utf-8"), "text/csv; charset=utf-8"))
    assert made["added"] == 1
    [count] = ok(world.rita.get(f"{world.path}/casualties"))["items"]
    assert (count["stated"]["minimum"], count["stated"]["maximum"]) == (100, None)
    assert code_of(send_bytes(world, b"{}", "application/json")) == (415, "unsupported_media_type")
    assert code_of(send_bytes(world, b"x" * (4 * 1024 * 1024 + 1), "text/csv")) == (413, "file_too_large")
    assert code_of(send(world, COUNT, person=world.auditor)) == (403, "forbidden")
    assert code_of(send(world, COUNT, person=world.outsider)) == (404, "not_found")
    many = b'{"record":"x"}\n' * 600
    refused = send_bytes(world, many, "application/x-ndjson").json()
    assert (refused["records"], len(refused["problems"]), refused["problems_left_out"]) == (501, 200, 302)


def test_record_when_it_names_what_no_database_can_hold_then_its_line_is_refused(world: World) -> None:
    for named in ("a\x00b", "a\ud800b"):
        refused = send(world, {**COUNT, "incident": named})
        assert code_of(refused) == (422, "import_refused")
        assert [(each["line"], each["field"]) for each in refused.json()["problems"]] == [(1, "incident")]
