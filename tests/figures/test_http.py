"""Figures over HTTP: an answer is kept as JSON and verified as it was given; who may ask; what cannot be asked."""

from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from tests.facts.conftest import World, code_of
from tests.ledger.acts import integrate_all
from tests.support.api import Api
from tests.support.journey import ok

KILLED = {
    "outcome": "killed",
    "person_group": "child",
    "comparator": "at_least",
    "minimum": 2,
    "maximum": None,
    "as_reported": "At least two children",
}


@pytest.fixture
def world(api: Api, sessions: sessionmaker[Session], integrating: Engine) -> World:
    made = World(api, sessions)
    ok(made.state("casualties", KILLED), 201)
    integrate_all(integrating)
    return made


def test_answer_when_kept_as_json_then_is_verified_as_it_was_given(world: World, integrating: Engine) -> None:
    asked = {"case": world.case_id, "by": "month", "protected_person": "child,woman", "area": "ukraine/KYIV"}
    answer = ok(world.rita.get("/v1/statistics/casualties", params=asked))
    assert answer["has_pending"] is False
    assert answer["query"]["filters"] == {"area": ["ukraine", "KYIV"], "protected_person": ["child", "woman"]}
    killed = {"outcome": "killed", "person_group": "child", "minimum": 2, "maximum": None, "incidents": 1, "sources": 1}
    killed["suppressed"] = False
    assert answer["total"]["ranges"] == [killed]
    assert [(point["key"], point["ranges"]) for point in answer["series"]] == [("2024-07", [killed])]
    ok(world.state("casualties", {**KILLED, "minimum": 5}, source=world.service), 201)
    assert ok(world.rita.get("/v1/statistics/casualties", params=asked))["has_pending"] is True
    integrate_all(integrating)
    found = ok(world.auditor.post("/v1/statistics/verify", json=answer))
    assert (found["result"], found["summary"], found["reasons"]) == ("equal", "equal", [])
    assert found["answer"] == {**answer, "asked_at": found["answer"]["asked_at"]}
    position = f"{answer['as_of']['log']}:{answer['as_of']['size']}"
    again = ok(world.rita.get("/v1/statistics/casualties", params={**asked, "as_of": position}))
    assert again == {**answer, "asked_at": again["asked_at"]}


@pytest.mark.thorough
def test_members_when_walked_in_pages_then_keep_the_position_of_the_first(world: World, integrating: Engine) -> None:
    incidents = {world.incident, *(world.new_incident(f"I-{number}") for number in (2, 3))}
    integrate_all(integrating)
    page = world.rita.get("/v1/statistics/incidents/members", params={"case": world.case_id, "limit": 2})
    later = world.new_incident("I-4")
    integrate_all(integrating)
    following = world.rita.get(page.links["next"]["url"]).json()
    assert following["as_of"] == page.json()["as_of"]
    assert {one["id"] for one in (*page.json()["items"], *following["items"])} == incidents
    assert later not in incidents


@pytest.mark.thorough
def test_figures_when_asked_by_outsiders_or_of_another_case_then_404(world: World) -> None:
    other = world.api.case(world.coordinator)
    asked = {"case": world.case_id}
    answer = ok(world.rita.get("/v1/statistics/incidents", params=asked))
    assert code_of(world.outsider.get("/v1/statistics/incidents", params=asked)) == (404, "not_found")
    assert code_of(world.outsider.get("/v1/statistics/incidents/members", params=asked)) == (404, "not_found")
    assert code_of(world.outsider.post("/v1/statistics/verify", json=answer)) == (404, "not_found")
    both = {"case": f"{world.case_id},{other}"}
    assert code_of(world.rita.get("/v1/statistics/incidents", params=both)) == (404, "not_found")
    assert ok(world.coordinator.get("/v1/statistics/incidents", params=both))["total"]["count"] == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"by": "mood"}, "invalid_request"),
        ({"kind": "party"}, "invalid_request"),
        ({"control": "somebody"}, "invalid_request"),
        ({"near": "50,30"}, "filter_unreadable"),
        ({"near": "99,30", "radius_m": "5"}, "filter_unreadable"),
        ({"box": "52,22,44,40"}, "filter_unreadable"),
        ({"by": "media_type"}, "figure_not_asked"),
        ({"by": "incident"}, "figure_not_asked"),
        ({"mood": "1"}, "unknown_parameter"),
        ({"as_of": "1:999999"}, "as_of_not_signed"),
    ],
)
def test_question_when_it_cannot_be_asked_then_422(world: World, more: dict[str, str], code: str) -> None:
    answer = world.rita.get("/v1/statistics/incidents", params={"case": world.case_id, **more})
    assert code_of(answer) == (422, code)


@pytest.mark.thorough
def test_kept_answer_when_it_is_none_then_422(world: World) -> None:
    answer = ok(world.rita.get("/v1/statistics/incidents", params={"case": world.case_id}))
    queries: list[Any] = [
        {},
        {**answer["query"], "filters": {"area": [1]}},
        {**answer["query"], "level": "x", "by": "place"},
    ]
    for query in queries:
        refused = world.rita.post("/v1/statistics/verify", json={**answer, "query": query})
        assert code_of(refused) == (422, "not_an_answer")


@pytest.mark.thorough
def test_places_when_asked_near_and_in_a_box_then_are_found_across_the_antimeridian(
    world: World, integrating: Engine
) -> None:
    for code, longitude in (("W", 179.95), ("E", -179.95)):
        place = {"latitude": -16.8, "longitude": longitude, "precision": "area"}
        world.new_incident(code, place=place)
    integrate_all(integrating)

    def count(**asked: str) -> int:
        found: int = ok(world.rita.get("/v1/statistics/incidents", params={"case": world.case_id, **asked}))["total"][
            "count"
        ]
        return found

    assert count(near="-16.8,179.95", radius_m="20000") == 2
    assert count(near="-16.8,179.95", radius_m="5000") == 1
    assert count(box="-17,179,-16,-179") == 2
    assert count(box="-17,-180,-16,-179") == 1
