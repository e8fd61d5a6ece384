"""Incidents and links over HTTP: what is stated, who may, and the entry in each of the two streams."""

import json
from collections.abc import Callable
from typing import Any, Self
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor
from app.access.rules import Scope
from app.kernel.primitives import new_id
from tests.factories import NO_LABELS, make_item
from tests.support.api import Api, Person
from tests.support.worlds import Kept, known_world, on_copies

STATED: dict[str, Any] = {
    "code": "KY-2026-014",
    "title": "Strike on a hospital",
    "kind": "missile_strike",
    "occurred": {
        "from": "2026-07-03T05:10:00Z",
        "to": "2026-07-03T05:25:00Z",
        "zone": "Europe/Kyiv",
        "basis": "Two upload times",
    },
    "place": {
        "name": "Children's hospital",
        "latitude": 50.450033,
        "longitude": 30.482331,
        "precision": "exact",
        "radius_m": 10,
        "administrative_units": ["Ukraine", "Kyiv"],
    },
}


class World:
    """A case with a verifier, an outsider with a case of their own, and items on demand."""

    def __init__(self, api: Api, sessions: sessionmaker[Session]) -> None:
        self.api, self.sessions = api, sessions
        self.coordinator, self.olena, self.auditor = api.person("Coordinator"), api.person("Olena"), api.person("Anna")
        self.outsider = api.person("Outsider")
        self.case_id = api.case(self.coordinator, verifier=(self.olena,), auditor=(self.auditor,))

    @classmethod
    def of(cls, api: Api) -> Self:
        return cls(api, api.app.state.services.sessions)

    def item(self, person: Person | None = None, case_id: str | None = None, **options: Any) -> str:
        account = UUID((person or self.olena).id)
        actor = Actor(account, new_id(), "session", frozenset(), frozenset(Scope), None, None)
        case = UUID(case_id or self.case_id)
        return str(make_item(self.sessions, actor, case, labels=dict(NO_LABELS), **options))

    def incident(self, **stated: Any) -> httpx.Response:
        return self.olena.post(f"/v1/cases/{self.case_id}/incidents", json={**STATED, **stated})

    def link(self, incident: str, item: str, **stated: Any) -> httpx.Response:
        body = {"evidence_id": item, "depicts": True, **stated}
        return self.olena.post(f"/v1/incidents/{incident}/evidence", json=body)

    def entries(self, stream: str) -> list[dict[str, Any]]:
        query = text(
            "SELECT b.body FROM ledger_bodies b JOIN ledger_entries e USING (commitment) "
            "WHERE e.stream_id = CAST(:stream AS uuid) ORDER BY e.seq"
        )
        with self.sessions() as session:
            return [json.loads(bytes(body)) for body in session.scalars(query, {"stream": stream})]


prepared, database = on_copies("incidents", lambda api: vars(World.of(api)))


@pytest.fixture
def world(api: Api, prepared: tuple[str, Kept]) -> World:
    return known_world(World, prepared[1], api, sessions=api.app.state.services.sessions)


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_incident_when_created_then_read_back_as_stated_and_place_and_texts_are_sealed(world: World) -> None:
    made = world.incident(external_reference="Sheet 2, row 14")
    assert made.status_code == 201, made.text
    incident = made.json()["id"]
    assert made.json()["external_reference"] == "Sheet 2, row 14"
    read = world.auditor.get(f"/v1/incidents/{incident}")
    assert {name: read.json()[name] for name in STATED} == STATED
    assert {name: made.json()[name] for name in STATED} == STATED
    assert read.headers["ETag"] == made.headers["ETag"] == '"1"'
    [entry] = world.entries(incident)
    assert (entry["type"], entry["data"]["kind"]) == ("incident.created", "missile_strike")
    assert set(entry["sealed"]) == {"code", "title", "occurred_basis", "place", "external_reference"}
    assert "hospital" not in json.dumps(entry)
    assert "50450033" not in json.dumps(entry)
    registered = world.entries(world.case_id)[-1]
    assert (registered["type"], registered["object"]["id"]) == ("incident.registered", incident)


@pytest.mark.parametrize(
    "stated",
    [
        {"kind": "war"},
        {"code": "no spaces"},
        {"title": "a\x00b"},
        {"id": "11111111-1111-4111-8111-111111111111"},
        {"place": {"latitude": 50.1}},
        {"place": {"latitude": 91, "longitude": 0}},
        {"place": {"radius_m": 5}},
        {"place": {**STATED["place"], "radius_m": 11}},
        {"place": {**STATED["place"], "radius_m": -1}},
        {"occurred": {**STATED["occurred"], "to": "2026-07-03T05:00:00Z"}},
        {"occurred": {**STATED["occurred"], "from": "2026-07-03T05:00:00"}},
        {"occurred": {**STATED["occurred"], "zone": "Kyiv time"}},
    ],
)
def test_incident_when_statement_does_not_fit_then_422(world: World, stated: dict[str, Any]) -> None:
    assert code_of(world.incident(**stated)) == (422, "invalid_request")


def test_incident_when_code_is_taken_then_409_also_at_once(world: World) -> None:
    first = world.incident()
    assert code_of(world.incident()) == (409, "incident_code_taken")
    other = world.incident(code="KY-2").json()["id"]
    refused = world.olena.change(
        f"/v1/incidents/{other}", f"/v1/incidents/{other}", "PATCH", json={"code": "KY-2026-014"}
    )
    assert code_of(refused) == (409, "incident_code_taken")
    assert first.status_code == 201


def test_incident_when_updated_then_next_version_and_only_what_was_stated_is_in_the_entry(world: World) -> None:
    incident = world.incident().json()["id"]
    path = f"/v1/incidents/{incident}"
    updated = world.olena.change(path, path, "PATCH", json={"title": "Strike on a children's hospital"})
    assert (updated.status_code, updated.json()["version"]) == (200, 2)
    assert updated.json()["place"] == STATED["place"]
    entry = world.entries(incident)[-1]
    assert (entry["type"], set(entry["sealed"]), entry["object"]["version"]) == ("incident.updated", {"title"}, 2)
    stale = world.olena.http.patch(path, json={"title": "x"}, headers={"If-Match": '"1"'})
    assert code_of(stale) == (412, "version_mismatch")
    assert code_of(world.olena.http.patch(path, json={"title": "x"})) == (428, "precondition_required")


@pytest.mark.thorough
def test_incidents_when_listed_then_filtered_and_paged(world: World) -> None:
    world.incident()
    world.incident(code="KY-2", kind="shooting", occurred=None)
    path = f"/v1/cases/{world.case_id}/incidents"

    def codes(**query: Any) -> list[str]:
        return [row["code"] for row in world.auditor.get(path, params=query).json()["items"]]

    assert codes() == ["KY-2026-014", "KY-2"]
    assert codes(kind="shooting") == ["KY-2"]
    assert codes(code="KY-2026-014") == ["KY-2026-014"]
    assert codes(occurred_after="2026-07-03T05:20:00Z") == ["KY-2026-014"]
    assert codes(occurred_after="2026-07-03T06:00:00Z") == []
    first = world.auditor.get(path, params={"limit": 1}).json()
    assert codes(limit=1, cursor=first["next_cursor"]) == ["KY-2"]


def test_link_when_made_and_ended_then_an_entry_in_each_stream_names_the_other(world: World) -> None:
    incident, item = world.incident().json()["id"], world.item()
    linked = world.link(incident, item, segment={"from_ms": 3000, "to_ms": 14500}, note="The second plume")
    assert linked.status_code == 201, linked.text
    link = linked.json()["id"]
    for stream, kind, other in (
        (item, "evidence.linked_to_incident", {"incident": incident}),
        (incident, "incident.evidence_linked", {"evidence": item}),
    ):
        entry = world.entries(stream)[-1]
        assert entry["type"] == kind
        stated = {"link": link, "depicts": True, "counted": True, "segment_ms": [3000, 14500]}
        assert {name: value for name, value in entry["data"].items() if name != "request_id"} == {**stated, **other}
        assert entry["object"]["id"] == stream
        assert set(entry["sealed"]) == {"note"}
    ended = world.olena.post(f"/v1/incidents/{incident}/evidence/{link}/end", json={"reason": "Another street"})
    assert ended.json()["unlink_reason"] == "Another street"
    assert world.entries(item)[-1]["type"] == "evidence.unlinked"
    assert world.entries(incident)[-1]["type"] == "incident.evidence_unlinked"
    path = f"/v1/incidents/{incident}/evidence"
    assert world.olena.get(path).json()["items"] == []
    assert [row["id"] for row in world.olena.get(path, params={"with_ended": True}).json()["items"]] == [link]
    again = world.olena.post(f"/v1/incidents/{incident}/evidence/{link}/end", json={"reason": "x"})
    assert code_of(again) == (409, "already_unlinked")
    assert world.link(incident, item).status_code == 201, "an ended link does not keep the pair apart"


@pytest.mark.thorough
def test_link_when_doubled_or_too_early_or_across_cases_then_refused(world: World) -> None:
    incident, item = world.incident().json()["id"], world.item()
    assert world.link(incident, item).status_code == 201
    assert code_of(world.link(incident, item)) == (409, "already_linked")
    assert code_of(world.link(incident, world.item(is_preserved=False))) == (409, "not_linkable")
    other_case = world.api.case(world.coordinator, verifier=(world.olena,))
    assert code_of(world.link(incident, world.item(case_id=other_case))) == (409, "other_case")
    hidden_case = world.api.case(world.outsider)
    hidden = world.item(world.outsider, hidden_case)
    assert code_of(world.link(incident, hidden)) == (404, "not_found")


@pytest.mark.thorough
def test_incident_when_caller_is_outside_or_lacks_the_role_then_404_or_403(world: World) -> None:
    incident, item = world.incident().json()["id"], world.item()
    link = world.link(incident, item).json()["id"]
    acts: list[Callable[[Person], httpx.Response]] = [
        lambda person: person.post(f"/v1/cases/{world.case_id}/incidents", json=STATED),
        lambda person: person.http.patch(f"/v1/incidents/{incident}", json={}, headers={"If-Match": '"1"'}),
        lambda person: person.post(f"/v1/incidents/{incident}/evidence", json={"evidence_id": item, "depicts": True}),
        lambda person: person.post(f"/v1/incidents/{incident}/evidence/{link}/end", json={"reason": "x"}),
    ]
    for act in acts:
        assert code_of(act(world.outsider)) == (404, "not_found")
        assert code_of(act(world.auditor)) == (403, "forbidden")
    for path in (f"/v1/incidents/{incident}", f"/v1/incidents/{incident}/evidence"):
        assert code_of(world.outsider.get(path)) == (404, "not_found")


def test_link_rows_when_changed_past_the_services_then_refused(world: World) -> None:
    incident, item = world.incident().json()["id"], world.item()
    link = world.link(incident, item).json()["id"]
    early = world.item(is_preserved=False)
    end = f"UPDATE incident_evidence SET unlinked_at = now(), unlinked_by = '{world.olena.id}', unlink_reason = 'x'"
    insert = (
        "INSERT INTO incident_evidence (id, incident_id, evidence_id, depicts, counted, linked_by, linked_at)"
        f" VALUES ('{new_id()}', '{incident}', '{early}', true, true, '{world.olena.id}', now())"
    )
    assert _refused_by(world.sessions, f"{end} WHERE id = '{link}'") == "exhibit_require_entry"
    assert _refused_by(world.sessions, insert) == "exhibit_link_within_case"


def _refused_by(sessions: sessionmaker[Session], statement: str) -> str | None:
    with sessions() as session:
        try:
            session.execute(text(statement))
            session.commit()
        except IntegrityError as error:
            name: str | None = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
            return name
    return None


def test_incident_when_created_twice_with_one_key_then_one_incident(world: World) -> None:
    headers = {"Idempotency-Key": "incident-1"}
    path = f"/v1/cases/{world.case_id}/incidents"
    first, second = (world.olena.post(path, json=STATED, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    other = world.olena.post(path, json={**STATED, "title": "Another"}, headers=headers)
    assert other.status_code == 422


def test_incidents_when_read_as_a_map_then_points_with_radius_longitude_first_and_pages(world: World) -> None:
    first = world.incident().json()["id"]
    second = world.incident(code="KY-2", place=None, occurred=None).json()["id"]
    path = f"/v1/cases/{world.case_id}/incidents/geojson"
    answer = world.auditor.get(path, params={"limit": 1})
    assert answer.headers["Content-Type"] == "application/geo+json"
    shown = answer.json()
    rest = world.auditor.get(path, params={"cursor": shown["next_cursor"]}).json()
    assert (shown["type"], rest["next_cursor"]) == ("FeatureCollection", None)
    features: list[dict[str, Any]] = [*shown["features"], *rest["features"]]
    point, none = features
    assert (point["id"], none["id"], none["geometry"]) == (first, second, None)
    assert point["geometry"] == {"type": "Point", "coordinates": [30.482331, 50.450033]}
    assert (point["properties"]["radius_m"], point["properties"]["precision"]) == (10, "exact")
    assert none["properties"]["radius_m"] is None
    assert world.outsider.get(path).status_code == 404


@pytest.mark.thorough
def test_incident_when_its_external_reference_is_taken_then_409_and_it_is_never_another(world: World) -> None:
    incident = world.incident(external_reference="row 14").json()["id"]
    assert code_of(world.incident(code="KY-2", external_reference="row 14")) == (409, "external_reference_taken")
    with world.sessions() as session, pytest.raises(IntegrityError) as refused:
        session.execute(
            text("UPDATE incidents SET external_reference = 'other' WHERE id = CAST(:id AS uuid)"), {"id": incident}
        )
    assert "exhibit_fix_reference" in str(refused.value)
