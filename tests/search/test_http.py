"""Searching over HTTP: by what is found, what is refused, and what nobody finds who may not know of it."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor
from app.access.rules import Scope
from app.kernel.database_roles import libpq_url
from app.search import service
from app.search.filters import IncidentFilters, ItemFilters
from app.verification.rules import Outcome
from tests.factories import make_item
from tests.facts.conftest import World, code_of
from tests.facts.test_closing import give_up
from tests.facts.test_http import HOSPITAL, KILLED, WEAPON
from tests.support.databases import TestDatabase
from tests.support.journey import ok
from tests.verification.bench import Bench
from tests.verification.test_blind import set_blind, to_first_verdict


def lead(world: World, claim: str, **more: Any) -> str:
    made: str = ok(world.coordinator.post(f"{world.case}/evidence", json={"lead_claim": claim, **more}), 201)["id"]
    return made


def actor_of(world: World) -> Actor:
    return Actor(UUID(world.rita.id), uuid4(), "session", frozenset(), frozenset(Scope), None, None)


def found(world: World, resource: str, **query: Any) -> list[str]:
    return [row["id"] for row in ok(world.rita.get(f"{world.case}/{resource}", params=query))["items"]]


def assert_kept(database: TestDatabase) -> None:
    """What is searched says what the views say: no trigger was forgotten."""
    with psycopg.connect(libpq_url(database.owner_url)) as owner:
        for many in ("items", "incidents"):
            other = f"SELECT count(*) FROM searchable_{many} v FULL JOIN search_{many} s USING (id) WHERE"
            differ = "(v.words IS DISTINCT FROM s.words OR v.during IS DISTINCT FROM s.during)"
            if many == "incidents":  # What is closed since is asked of the view.
                differ += " AND (s.closes_at IS NULL OR s.closes_at > now())"
            row = owner.execute(f"{other} {differ}".encode())
            assert row.fetchone() == (0,), many


def test_items_when_searched_by_words_then_found_in_any_script_case_and_spelling(
    world: World, database: TestDatabase
) -> None:
    cyrillic, arabic = lead(world, "Удар на лікарню «Охматдит»"), lead(world, "قصفُ المدرسة في حلب")
    latin = lead(world, "École détruite, Kraków", lead_address="https://example.org/post/4711")
    for text, expected in (
        ("удар", [cyrillic]), ("ОХМАТДИТ лікарню", [cyrillic]), ("охмат*", [cyrillic]), ("قصف", [arabic]),
        ("ecole krakow", [latin]), ("ÉCOLE", [latin]), ("4711", [latin]), ("https://example.org/post/4711", [latin]),
        ("ecole удар", []), ("охмат", []),
    ):  # fmt: skip
        assert found(world, "evidence", q=text) == expected, text
    assert_kept(database)


@pytest.mark.thorough
def test_incidents_when_searched_by_facts_then_a_weapon_is_found_in_either_spelling(
    world: World, database: TestDatabase
) -> None:
    other = world.new_incident("I-2", title="Крамниця", place={"name": "Ринок", "latitude": 50.45, "longitude": 30.52})
    for resource, stated in (("weapons", {**WEAPON, "identified_by_id": world.service}), ("objects", HOSPITAL)):
        ok(world.state(resource, stated), 201)
    counted = ok(world.state("casualties", KILLED), 201)
    for query in (
        {"weapon": "Kh-10112"}, {"weapon": "X-101"}, {"weapon": "Х 101"}, {"q": "Kh-101"}, {"q": "toxicology strike"},
        {"object_kind": "hospital", "protected_object": "hospital", "protected_person": KILLED["person_group"]},
        {"occurred_from": "2024-07-08T07:45:00Z", "occurred_before": "2024-07-08T07:46:00Z", "kind": "missile_strike"},
    ):  # fmt: skip
        expected = [world.incident, other] if "kind" in query else [world.incident]
        assert found(world, "incidents", **query) == expected, query
    assert (
        found(world, "incidents", q="ринок") == found(world, "incidents", near="50.451,30.521", radius_m=200) == [other]
    )
    assert found(world, "incidents", box="50,30,51,31", weapon="Kh-101") == []
    gone = {"stated": None, "supersedes": counted["id"], "reason": "It was another strike."}
    ok(world.rita.post(f"{world.path}/casualties", json=gone), 201)
    assert found(world, "incidents", protected_person=KILLED["person_group"]) == []
    assert_kept(database)


@pytest.mark.thorough
def test_items_when_asked_for_incidents_facts_then_one_linked_incident_has_them_all(
    world: World, sessions: sessionmaker[Session]
) -> None:
    item, alone = (make_item(sessions, actor_of(world), UUID(world.case_id)) for _ in range(2))
    second = world.new_incident("I-2", kind="shooting")
    for incident in (world.incident, second):
        body = {"evidence_id": str(item), "depicts": True}
        ok(world.rita.post(f"/v1/incidents/{incident}/evidence", json=body), 201)
    ok(world.state("weapons", {**WEAPON, "identified_by_id": world.service}), 201)
    assert found(world, "evidence", weapon="Kh-101", incident_kind="missile_strike") == [str(item)]
    assert found(world, "evidence", weapon="Kh-101", incident_kind="shooting") == []
    assert found(world, "evidence", incident=second) == [str(item)]
    assert found(world, "incidents", state="preserved", label="graphic_none") == [world.incident, second]
    assert found(world, "incidents", state="signed_off") == []
    assert str(alone) in found(world, "evidence", state="preserved")


@pytest.mark.thorough
def test_items_when_resembling_one_then_its_copies_are_found_and_of_other_cases_none(
    world: World, sessions: sessionmaker[Session]
) -> None:
    rita = actor_of(world)
    one, copy, _ = (
        make_item(sessions, rita, UUID(world.case_id), content=content) for content in (b"same", b"same", b"other")
    )
    assert found(world, "evidence", similar_to=str(one)) == [str(copy)]
    assert found(world, "evidence", similar_to=str(one), state="signed_off") == []
    elsewhere = world.api.case(world.outsider)
    hidden = ok(world.outsider.post(f"/v1/cases/{elsewhere}/evidence", json={"lead_claim": "x"}), 201)["id"]
    for strange in (hidden, str(uuid4())):
        answer = world.rita.get(f"{world.case}/evidence", params={"similar_to": strange})
        assert code_of(answer) == (404, "not_found")
        assert hidden not in answer.text
    for strange in (world.incident, str(uuid4())):
        searched = world.rita.get(f"{world.case}/evidence", params={"similar_search": strange})
        assert searched.status_code == 404
    assert code_of(world.rita.get(f"{world.case}/evidence", params={"incident": hidden})) == (422, "not_of_this_case")


def test_lists_when_an_outsider_searches_then_nothing_is_told(world: World) -> None:
    lead(world, "Quillonvexa")
    for kind in ("evidence", "incidents"):
        for query in ({"q": "Quillonvexa"}, {"q": "nothing"}, {"similar_to": world.incident}, {"weapon": "x"}):
            answer = world.outsider.get(f"{world.case}/{kind}", params=query)
            assert code_of(answer) == (404, "not_found")


@pytest.mark.thorough
def test_erased_text_when_searched_then_never_found(world: World, database: TestDatabase) -> None:
    item = lead(world, "Quillonvexa spoke")
    weapon = ok(world.state("weapons", {**WEAPON, "reported": "Vexatarrow", "identified_by_id": world.service}), 201)
    ok(world.rita.get(f"/v1/incidents/{world.incident}"))
    path = f"/v1/incidents/{world.incident}"
    ok(world.rita.change(path, path, "PATCH", json={"title": "Tarrowquill street"}))
    assert [len(found(world, kind, q=text)) for kind, text in (
        ("evidence", "Quillonvexa"), ("incidents", "vexatarrow"), ("incidents", "tarrowquill")
    )] == [1, 1, 1]  # fmt: skip
    assert found(world, "incidents", weapon="VEXATARROW") == [world.incident]
    erased = 0
    for stream in (f"/v1/evidence/{item}", path):
        for entry in ok(world.custodian.get(f"{stream}/custody", params={"limit": 200}))["items"]:
            for name, sealed in (entry["sealed"] or {}).items():
                if any(word in str(sealed["value"]) for word in ("uillonvexa", "exatarrow", "arrowquill")):
                    body = {"field": name, "reason_code": "safety_of_a_person", "authority": "data_subject_request"}
                    ok(world.custodian.post(f"/v1/ledger/entries/{entry['commitment']}/erasures", json=body), 201)
                    erased += 1
    assert (erased, weapon["number"]) == (3, 1)
    for kind in ("evidence", "incidents"):
        for text in ("Quillonvexa", "vexatarrow", "tarrowquill", "vexa*", "erased"):
            assert found(world, kind, q=text) == [], text
    assert found(world, "incidents", weapon="Vexatarrow") == []
    with psycopg.connect(libpq_url(database.owner_url)) as owner:
        for table in ("search_items", "search_incidents"):
            held = owner.execute(f"SELECT string_agg(words::text, ' ') FROM {table}".encode()).fetchone()
            assert held is not None
            assert not any(word in str(held[0]) for word in ("uillonvexa", "exatarrow", "arrowquill"))
    assert_kept(database)


def test_withdrawn_item_when_searched_then_found_by_nobody_nor_what_rests_on_it(
    world: World, database: TestDatabase
) -> None:
    item, other = lead(world, "Quillonvexa spoke"), lead(world, "Another spoke")
    source = {"organisation_id": world.ngo, "evidence_id": item}
    stated = {**WEAPON, "reported": "Vexatarrow", "normalised": None, "normalisation_note": None}
    body = {"stated": {**stated, "identified_by_id": world.service}, "source": source}
    ok(world.rita.post(f"{world.path}/weapons", json=body), 201)
    assert found(world, "evidence", q="spoke") == [item, other]
    assert (
        found(world, "incidents", q="vexatarrow") == found(world, "incidents", weapon="Vexatarrow") == [world.incident]
    )
    give_up(world, item)
    for person in (world.rita, world.coordinator, world.custodian, world.auditor):
        for kind, query in (
            ("evidence", {"q": "quillonvexa"}),
            ("incidents", {"q": "vexatarrow"}), ("incidents", {"weapon": "Vexatarrow"}),
        ):  # fmt: skip
            assert ok(person.get(f"{world.case}/{kind}", params=query))["items"] == []
    assert found(world, "evidence", q="spoke") == [other]
    refused = world.rita.get(f"{world.case}/evidence", params={"similar_to": item})
    assert code_of(refused) == (404, "consent_withdrawn")
    together = world.coordinator.get(f"{world.case}/evidence", params={"withdrawn": "true", "q": "quillonvexa"})
    assert code_of(together) == (422, "filter_not_combined")
    assert_kept(database)


@pytest.mark.thorough
def test_consent_when_it_ends_by_its_date_then_what_rests_on_it_is_found_no_more(
    world: World, database: TestDatabase
) -> None:
    item = lead(world, "Quillonvexa spoke")
    source = {"organisation_id": world.ngo, "evidence_id": item}
    stated = {**WEAPON, "reported": "Vexatarrow", "normalised": None, "normalisation_note": None}
    body = {"stated": {**stated, "identified_by_id": world.service}, "source": source}
    ok(world.rita.post(f"{world.path}/weapons", json=body), 201)
    with psycopg.connect(
        libpq_url(database.owner_url)
    ) as owner:  # Indexed before, ended since: nobody wrote meanwhile.
        owner.execute("ALTER TABLE evidence DISABLE TRIGGER USER")
        owner.execute("UPDATE evidence SET closed_at = now() - interval '1 second' WHERE id = %s", [item])
        owner.execute("ALTER TABLE evidence ENABLE TRIGGER USER")
        owner.execute("UPDATE search_items SET closed_at = now() - interval '1 second' WHERE id = %s", [item])
        owner.execute("UPDATE search_incidents SET closes_at = now() - interval '1 second'")
    assert found(world, "incidents", q="vexatarrow") == found(world, "incidents", weapon="Vexatarrow") == []
    assert found(world, "incidents", q="strike") == [world.incident]
    assert found(world, "evidence", q="spoke") == []


def test_sealed_source_when_searched_then_nobody_finds_it(world: World) -> None:
    item = lead(world, "A film")
    path = f"/v1/evidence/{item}"
    sealed = world.coordinator.change(
        f"{path}/source", path, "PUT", json={"identity": {"name": "Quillonvexa Tarrow", "contacts": ["Vexatarrow"]}}
    )
    if sealed.status_code == 200:
        for person in (world.coordinator, world.rita, world.custodian):
            for text in ("quillonvexa", "vexatarrow"):
                assert ok(person.get(f"{world.case}/evidence", params={"q": text}))["items"] == []
    else:
        assert sealed.json()["code"] == "vault_key_missing"


@pytest.mark.thorough
def test_first_verdict_of_a_blind_round_when_searched_then_found_by_nobody_until_both_have_submitted(
    sessions: sessionmaker[Session],
) -> None:
    bench = Bench(sessions)
    set_blind(bench, version=1)
    to_first_verdict(bench, Outcome.MANIPULATED)

    def found_by(actor: Actor, **asked: Any) -> int:
        with sessions() as session:
            page: dict[str, Any] = {"text": None, "after": None, "limit": 5, "incident": IncidentFilters()}
            filters = ItemFilters(**asked)
            return len(service.search_items(session, actor, bench.case_id, filters=filters, **page))

    everybody = (bench.olena, bench.petro, bench.rita, bench.coordinator)
    assert [found_by(person, verdict=tuple(Outcome)) for person in everybody] == [0, 0, 0, 0]
    bench.take(bench.petro)
    bench.find_all(bench.petro)
    assert [found_by(person, verdict=tuple(Outcome)) for person in everybody] == [0, 0, 0, 0]
    bench.second(bench.petro)
    assert [found_by(person, verdict=("manipulated",)) for person in everybody] == [1, 1, 1, 1]
    assert found_by(bench.rita, verdict=("verified",)) == 0


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"near": "91,30", "radius_m": 5}, "filter_unreadable"),
        ({"near": "50,30"}, "filter_unreadable"),
        ({"radius_m": 5}, "filter_unreadable"),
        ({"near": "50", "radius_m": 5}, "filter_unreadable"),
        ({"near": "50,30", "radius_m": 0}, "invalid_request"),
        ({"box": "51,30,50,31"}, "filter_unreadable"),
        ({"box": "50,30,51,181"}, "filter_unreadable"),
        ({"kind": "strike"}, "invalid_request"),
        ({"provision": "rome_statute:99"}, "invalid_request"),
        ({"q": ""}, "invalid_request"),
        ({"q": "…—"}, "nothing_to_search"),
        ({"q": "a*"}, "nothing_to_search"),
        ({"q": "*"}, "nothing_to_search"),
        ({"q": "a b c d e f g h i j k l m n o p q"}, "nothing_to_search"),
        ({"q": "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q"}, "nothing_to_search"),
        ({"q": "x" * 501}, "invalid_request"),
        ({"q": "a\x00b"}, "invalid_request"),
        ({"weapon": "\x00"}, "invalid_request"),
        ({"weapon": ["x"] * 41}, "invalid_request"),
        ({"occurred_from": "2024-07-08"}, "invalid_request"),
        ({"code": ["A", "B"]}, "unknown_parameter"),
        ({"words": "x"}, "unknown_parameter"),
        ({"q": "x", "as_of": "1:0"}, "filter_not_combined"),
        ({"label": "child", "as_of": "1:0"}, "filter_not_combined"),
        ({"box": "50,30,51,31", "as_of": "1:0"}, "filter_not_combined"),
    ],
)
def test_search_when_a_value_is_bad_then_422_says_which(world: World, query: dict[str, Any], code: str) -> None:
    assert code_of(world.rita.get(f"{world.case}/incidents", params=query)) == (422, code)


@pytest.mark.thorough
def test_text_when_it_is_no_unicode_or_full_of_signs_then_no_server_error(world: World) -> None:
    for raw in ("%ED%A0%80", "%FF", "%F4%90%80%80", "'%27%5C%3A*%20%26%20!(", "%27a%27%3AB", "a%5Cb", "%E2%80%AE"):
        for kind in ("incidents", "evidence"):
            answer = world.rita.http.get(f"{world.case}/{kind}?q={raw}")
            assert answer.status_code in (200, 422), (raw, answer.text)


def test_parameters_when_given_several_times_then_one_of_their_words_is_enough(world: World) -> None:
    other = world.new_incident("I-2", kind="shooting")
    world.new_incident("I-3", kind="drone")
    assert found(world, "incidents", kind=["shooting", "missile_strike"]) == [world.incident, other]


@pytest.mark.thorough
def test_cursor_when_filters_change_then_refused_and_when_items_come_meanwhile_then_none_is_twice_or_missing(
    world: World,
) -> None:
    first = [lead(world, f"strike {number}") for number in range(5)]
    path = f"{world.case}/evidence"
    page = ok(world.rita.get(path, params={"q": "strike", "limit": 2}))
    assert [row["id"] for row in page["items"]] == first[:2]
    later = [lead(world, f"strike {number}") for number in range(2)]
    seen, cursor = first[:2], page["next_cursor"]
    for other in ({"q": "strikes"}, {}, {"q": "strike", "state": "lead"}):
        refused = world.rita.get(path, params={**other, "cursor": cursor})
        assert code_of(refused) == (422, "other_filters")
    elsewhere = world.rita.get(f"{world.case}/incidents", params={"q": "strike", "cursor": cursor})
    assert code_of(elsewhere) == (422, "bad_cursor")
    while cursor is not None:
        page = ok(world.rita.get(path, params={"limit": 3, "q": "strike", "cursor": cursor}))
        seen, cursor = seen + [row["id"] for row in page["items"]], page["next_cursor"]
    assert seen == first + later
