"""Facts over HTTP: stated, superseded, withdrawn, refused, erased; what follows from several sources."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from tests.facts.conftest import OCCURRED, World, code_of
from tests.support.journey import ok

INJURED: dict[str, Any] = {
    "outcome": "injured",
    "person_group": "civilian",
    "comparator": "more_than",
    "minimum": 100,
    "maximum": None,
    "as_reported": "More than 100 injured",
}
KILLED = {**INJURED, "outcome": "killed", "comparator": "exact", "minimum": 2, "maximum": 2, "as_reported": "Two died"}
HOSPITAL: dict[str, Any] = {
    "object_kind": "hospital",
    "name": "Children's hospital",
    "part": "Toxicology building",
    "damage": "destroyed",
    "special_protection": "protected",
    "protected_by": ["additional_protocol_1:12"],
    "protection_basis": "In use that morning.",
}
WEAPON: dict[str, Any] = {
    "category": "cruise_missile",
    "reported": "Kh-10112",
    "normalised": "Х-101",
    "normalisation_note": "A footnote's number ran into the name.",
    "method": "remnant_analysis",
    "confidence": "high",
}
OBJECTIVE: dict[str, Any] = {"aspect": "military_objective", "objective": "none_found", "basis": "Imagery."}
FRONT: dict[str, Any] = {
    "aspect": "front_distance",
    "distance_m": 310_000,
    "uncertainty_m": 10_000,
    "distance_method": "map_of_control",
    "basis": "To the line of that day.",
}
STATISTIC: dict[str, Any] = {
    "figure": "89 %",
    "counts": "Civilian casualties in government-controlled territory",
    "unit": "percent",
    "period_from": "2024-01-01",
    "period_to": "2024-10-31",
    "area": ["Ukraine"],
}
CONTESTED: dict[str, Any] = {"area": ["Ukraine"], "control": "contested", "valid_from": OCCURRED["from"]}


def entries(world: World, stream: str) -> list[dict[str, Any]]:
    query = text(
        "SELECT b.body FROM ledger_bodies b JOIN ledger_entries e USING (commitment)"
        " WHERE e.stream_id = CAST(:stream AS uuid) ORDER BY e.seq"
    )
    with world.sessions() as session:
        return [json.loads(bytes(body)) for body in session.scalars(query, {"stream": stream})]


def test_facts_when_stated_of_each_kind_then_read_back_as_stated_and_their_texts_are_sealed(world: World) -> None:
    other = world.new_incident("I-0")
    stated = {
        "casualties": INJURED,
        "objects": HOSPITAL,
        "weapons": {**WEAPON, "identified_by_id": world.service},
        "attributions": {"party_id": world.service, "level": "party", "grounds": "Only they have it."},
        "circumstances": FRONT,
        "related": {"relation": "same_target", "other_incident_id": other, "basis": "The same building."},
    }
    for resource, said in stated.items():
        made = ok(world.state(resource, said), 201)
        read = ok(world.auditor.get(f"{world.path}/{resource}"))["items"]
        assert read == [{**made, "receipts": []}]
        shown = dict(read[0]["stated"])
        if resource == "weapons":
            assert (shown.pop("vocabulary"), shown["normalised"]) == ("weapons/1", "Kh-101")
            shown["normalised"] = "Х-101"
        assert said.items() <= shown.items()
        assert (read[0]["version"], read[0]["fact_id"], read[0]["incident_id"]) == (1, made["id"], world.incident)
        entry = entries(world, world.incident)[-1]
        assert entry["type"] == made["receipts"][0]["type"] == "incident.fact_recorded"
        texts = [value for name, value in said.items() if name not in entry["data"]["stated"] and value]
        assert not any(value in json.dumps(entry, ensure_ascii=False) for value in texts if isinstance(value, str))
    counted = entries(world, world.incident)[1]["data"]
    assert counted["kind"] == "casualty_count"
    assert counted["stated"] == {
        "outcome": "injured",
        "person_group": "civilian",
        "comparator": "more_than",
        "minimum": 100,
    }


def test_case_facts_when_stated_then_in_the_stream_of_the_case(world: World) -> None:
    made = ok(world.state("external-statistics", STATISTIC), 201)
    assert (made["incident_id"], made["stated"]["figure"]) == (None, "89 %")
    entry = entries(world, world.case_id)[-1]
    assert (entry["type"], entry["data"]["kind"], entry["data"]["id"]) == (
        "case.fact_recorded",
        "external_statistic",
        made["id"],
    )
    assert set(entry["sealed"]) == {"figure", "counts", "area", "source"}
    names = [row["stated"]["name"] for row in ok(world.auditor.get(f"{world.case}/organisations"))["items"]]
    assert names == ["Watch for All", "Security Service"]


@pytest.mark.thorough
def test_fact_when_superseded_and_withdrawn_then_every_version_stays_and_nothing_stands(world: World) -> None:
    first = ok(world.state("casualties", KILLED), 201)
    anew = {**KILLED, "minimum": 3, "maximum": 3}
    second = ok(world.state("casualties", anew, supersedes=first["id"], reason="One died in hospital."), 201)
    assert (second["version"], second["number"], second["fact_id"]) == (2, 2, first["id"])
    assert code_of(world.state("casualties", anew, supersedes=first["id"], reason="x")) == (409, "another_stands")
    standing = ok(world.rita.get(f"{world.path}/casualties"))["items"]
    assert [row["id"] for row in standing] == [second["id"]]
    last = ok(world.state("casualties", None, supersedes=second["id"], reason="Counted elsewhere."), 201)
    assert (last["stated"], last["source"], last["reason"]) == (None, None, "Counted elsewhere.")
    assert ok(world.rita.get(f"{world.path}/casualties"))["items"] == []
    seen: list[int] = []
    query: dict[str, Any] = {"with_superseded": True, "limit": 2}
    while True:
        found = ok(world.rita.get(f"{world.path}/casualties", params=query))
        seen += [row["version"] for row in found["items"]]
        if found["next_cursor"] is None:
            break
        query["cursor"] = found["next_cursor"]
    assert seen == [1, 2, 3]
    assert code_of(world.state("casualties", anew, supersedes=last["id"], reason="x")) == (409, "nothing_to_withdraw")
    ok(world.state("casualties", anew), 201)
    types = [(each["type"], each["data"].get("reason_code")) for each in entries(world, world.incident)[2:4]]
    assert types == [("incident.fact_superseded", None), ("incident.fact_superseded", "withdrawn")]


def test_counts_when_sources_differ_then_a_range_of_the_same_victims_and_no_sum(world: World) -> None:
    ok(world.state("casualties", {**KILLED, "person_group": "civilian"}), 201)
    other = {**KILLED, "comparator": "about", "minimum": 3, "maximum": 5}
    ok(world.state("casualties", other, source=world.service), 201)
    ok(world.state("casualties", {**KILLED, "person_group": "child", "minimum": 1, "maximum": 1}), 201)
    ok(world.state("casualties", INJURED), 201)
    ranges = ok(world.auditor.get(f"{world.path}/casualties/ranges"))["ranges"]
    assert ranges == [
        {"outcome": "killed", "person_group": "civilian", "minimum": 2, "maximum": 5, "sources": 2},
        {"outcome": "killed", "person_group": "child", "minimum": 1, "maximum": 1, "sources": 1},
        {"outcome": "injured", "person_group": "civilian", "minimum": 100, "maximum": None, "sources": 1},
    ]
    assert code_of(world.state("casualties", {**INJURED, "minimum": 190})) == (409, "another_stands")


@pytest.mark.parametrize(
    ("resource", "stated", "answer"),
    [
        ("casualties", {**INJURED, "maximum": 200}, "fact_does_not_fit"),
        ("casualties", {**KILLED, "maximum": 3}, "fact_does_not_fit"),
        ("casualties", {**KILLED, "comparator": "up_to", "maximum": 1}, "fact_does_not_fit"),
        ("casualties", {**INJURED, "as_reported": " "}, "invalid_request"),
        ("casualties", {**INJURED, "minimum": -1}, "invalid_request"),
        ("casualties", {**INJURED, "outcome": "sad"}, "invalid_request"),
        ("objects", {**HOSPITAL, "protected_by": [], "protection_basis": None}, "fact_does_not_fit"),
        ("objects", {**HOSPITAL, "protected_by": ["rome_statute:9"]}, "unknown_term"),
        ("weapons", {**WEAPON, "normalisation_note": None}, "fact_does_not_fit"),
        ("weapons", {**WEAPON, "category": "mortar"}, "fact_does_not_fit"),
        ("circumstances", {**FRONT, "objective": "present"}, "fact_does_not_fit"),
        ("circumstances", {**FRONT, "uncertainty_m": None}, "fact_does_not_fit"),
        ("external-statistics", {**STATISTIC, "period_to": "2023-01-01"}, "fact_does_not_fit"),
        ("territory-control", {**CONTESTED, "control": "controlled"}, "fact_does_not_fit"),
        ("territory-control", {**CONTESTED, "area": []}, "fact_does_not_fit"),
    ],
)
def test_statement_when_it_does_not_fit_then_422(
    world: World, resource: str, stated: dict[str, Any], answer: str
) -> None:
    assert code_of(world.state(resource, stated)) == (422, answer)


def test_statement_when_its_frame_does_not_fit_then_refused(world: World) -> None:
    assert code_of(world.rita.post(f"{world.path}/casualties", json={"stated": KILLED})) == (422, "fact_does_not_fit")
    assert code_of(world.state("casualties", KILLED, reason="x")) == (422, "fact_does_not_fit")
    assert code_of(world.state("casualties", None, reason="x")) == (422, "fact_does_not_fit")
    missing = "00000000-0000-4000-8000-000000000001"
    assert code_of(world.state("casualties", KILLED, source=missing)) == (422, "unknown_organisation")
    body = world.body(KILLED)
    body["source"]["evidence_id"] = missing
    assert code_of(world.rita.post(f"{world.path}/casualties", json=body)) == (422, "unknown_source_item")
    assert code_of(world.state("casualties", KILLED, supersedes=missing, reason="x")) == (409, "another_stands")
    assert code_of(world.state("casualties", KILLED, person=world.auditor)) == (403, "forbidden")
    assert code_of(world.state("casualties", KILLED, person=world.outsider)) == (404, "not_found")
    assert world.outsider.get(f"{world.path}/casualties").status_code == 404
    ok(world.state("casualties", KILLED, external_reference="row 7"), 201)
    again = {**KILLED, "person_group": "child"}
    assert code_of(world.state("casualties", again, external_reference="row 7")) == (409, "external_reference_taken")


def test_organisation_when_named_twice_or_withdrawn_then_refused(world: World) -> None:
    again = {"name": "WATCH  for all", "organisation_kind": "ngo"}
    refused = world.rita.post(f"{world.case}/organisations", json={"stated": again})
    assert code_of(refused) == (409, "another_stands")
    gone = {"stated": None, "supersedes": world.service, "reason": "Registered by mistake."}
    ok(world.rita.post(f"{world.case}/organisations", json=gone), 201)
    assert code_of(world.state("casualties", KILLED, source=world.service)) == (422, "unknown_organisation")


def test_incidents_when_related_as_parts_then_no_circle_and_one_parent(world: World) -> None:
    whole, whole_path = world.new_incident("I-2"), ""
    whole_path = f"/v1/incidents/{whole}/related"
    part = {"relation": "part_of", "other_incident_id": whole, "basis": "One night."}
    made = ok(world.state("related", part), 201)
    back = world.body({**part, "other_incident_id": world.incident})
    assert code_of(world.rita.post(whole_path, json=back)) == (409, "circle_of_incidents")
    third = world.new_incident("I-3")
    assert code_of(world.state("related", {**part, "other_incident_id": third})) == (409, "parent_stands")
    ok(world.state("related", None, supersedes=made["id"], reason="Another night."), 201)
    ok(world.rita.post(whole_path, json=back), 201)
    itself = {**part, "other_incident_id": world.incident}
    assert code_of(world.state("related", itself)) == (422, "unknown_incident")


def test_control_when_resolved_at_the_time_then_known_only_where_sources_agree(world: World) -> None:
    def control() -> tuple[Any, ...]:
        answer = ok(world.auditor.get(f"{world.path}/territory-control"))
        return answer["is_known"], answer["unknown_because"], answer["controller_id"]

    assert control() == (False, "not_covered", None)
    state = world.organisation("Ukraine", "state")
    held = {
        "area": ["UKRAINE", "Kyiv"],
        "control": "controlled",
        "controller_id": state,
        "valid_from": "2022-04-02T00:00:00Z",
    }
    ok(world.state("territory-control", {**held, "valid_to": "2023-01-01T00:00:00Z"}), 201)
    assert control() == (False, "not_covered", None)
    made = ok(world.state("territory-control", held), 201)
    assert control() == (True, None, state)
    other = {**held, "control": "contested", "controller_id": None}
    ok(world.state("territory-control", other, source=world.service), 201)
    assert control() == (False, "sources_disagree", None)
    ok(world.state("territory-control", None, supersedes=made["id"], reason="No map of it."), 201)
    assert control() == (True, None, None)


@pytest.mark.thorough
def test_texts_when_erased_then_gone_from_rows_and_answers_and_the_numbers_stand(world: World) -> None:
    ground = {"reason_code": "consent_withdrawn", "authority": "data_subject_request"}
    named = {**HOSPITAL, "name": "Ward of Nameless Person"}
    made = ok(world.state("objects", named, external_reference="Nameless 1"), 201)
    weapon = ok(world.state("weapons", {**WEAPON, "reported": "Nameless"}), 201)
    holder = ok(
        world.rita.post(
            f"{world.case}/organisations",
            json={"stated": {"name": "Nameless & Co", "organisation_kind": "other", "aliases": ["Nameless"]}},
        ),
        201,
    )
    fields = (
        *((made, "name"), (made, "external_reference"), (made, "source")),
        *((weapon, "reported"), (holder, "name"), (holder, "aliases")),
    )
    for record, field in fields:
        path = f"/v1/ledger/entries/{record['receipts'][0]['commitment']}/erasures"
        ok(world.custodian.post(path, json={"field": field, **ground}), 201)
    [read] = ok(world.rita.get(f"{world.path}/objects"))["items"]
    assert (read["stated"]["name"], read["stated"]["damage"]) == ("[erased]", "destroyed")
    assert read["source"]["document"] == "[erased]"
    assert read["erased"] == ["external_reference", "source", "stated.name"]
    [read] = ok(world.rita.get(f"{world.path}/weapons"))["items"]
    assert (read["stated"]["reported"], read["erased"], read["version"]) == (
        "[erased]",
        ["source", "stated.reported"],
        1,
    )
    read = ok(world.rita.get(f"{world.case}/organisations"))["items"][-1]
    assert (read["stated"]["name"], read["stated"]["aliases"]) == ("[erased]", [])
    with world.sessions() as session:
        for table in ("affected_objects", "weapon_identifications", "organisations"):
            rows = session.scalars(text(f"SELECT CAST(row_to_json(r) AS text) FROM {table} r")).all()
            assert "nameless" not in "".join(rows).lower()


def test_fact_when_sent_twice_with_one_key_then_recorded_once(world: World) -> None:
    body = world.body(OBJECTIVE)
    answers = [
        ok(world.rita.post(f"{world.path}/circumstances", json=body, headers={"Idempotency-Key": "k"}), 201)
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(ok(world.rita.get(f"{world.path}/circumstances"))["items"]) == 1
