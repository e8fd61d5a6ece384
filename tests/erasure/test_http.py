"""Erasing over HTTP: what is told of it afterwards, and every refusal with its code."""

from typing import Any

import pytest

from tests.erasure.hub import GROUND, Hub, fill_small, key
from tests.support.api import Api
from tests.support.journey import ok, refused


@pytest.fixture
def small(api: Api) -> Hub:
    """A case with one lead and its people; nothing is integrated."""
    return fill_small(Hub(api, "Qvonathira"))


def request_erasure(hub: Hub, entry: dict[str, Any], who: str = "custodian") -> Any:
    return hub.people[who].post(f"/v1/ledger/entries/{entry['commitment']}/erasure-requests", json=GROUND)


def decide(hub: Hub, request_id: str, decision: str, who: str = "second custodian") -> Any:
    return hub.people[who].post(f"/v1/erasure-requests/{request_id}/decision", json={"decision": decision})


def test_field_when_erased_then_item_and_entry_say_so_and_a_replay_is_refused(small: Hub) -> None:
    entry = small.entry("evidence.lead_registered")
    answer = ok(small.erase(entry, "claim", reason="She asked us to."), 201)
    place = {name: entry[name] for name in ("stream", "seq", "type", "commitment")}
    assert answer["erased"] == [{**place, "field": "claim"}]
    assert [receipt["type"] for receipt in answer["receipts"]] == ["evidence.erased"]
    item = ok(small.custodian.get(f"/v1/evidence/{small.items[0]}"))
    assert (item["lead_claim"], item["erased"], item["version"]) == ("[erased]", ["lead_claim"], 2)
    again = small.entry("evidence.lead_registered")
    assert again["withheld"] is None
    assert again["sealed"]["claim"] == {
        **entry["sealed"]["claim"],
        "value": None,
        "is_disclosed": False,
        "is_erased": True,
    }
    assert again["sealed"]["address"] == entry["sealed"]["address"]
    erasing = small.entry("evidence.erased")
    assert erasing["data"]["field"] == "claim"
    assert erasing["data"]["commitment"] == entry["commitment"]
    assert {name: erasing["data"][name] for name in GROUND} == GROUND
    assert erasing["sealed"]["reason"]["value"] == "She asked us to."
    lead = {"lead_claim": small.rare, "lead_address": f"https://example.org/{small.rare}"}
    repeated = small.people["coordinator"].post(f"/v1/cases/{small.case_id}/evidence", json=lead, headers=key("lead"))
    refused(repeated, 409, "answer_erased")


def test_words_when_they_stand_in_longer_texts_too_then_these_are_named(small: Hub) -> None:
    answer = ok(small.erase(small.entry("evidence.lead_registered"), "claim"), 201)
    assert [each["field"] for each in answer["still_mentioned_in"]] == ["address"]


def test_field_when_erased_twice_or_not_sealed_or_unknown_then_refused(small: Hub) -> None:
    entry = small.entry("evidence.lead_registered")
    refused(small.erase(entry, "collector"), 422, "field_not_sealed")
    refused(small.erase({"commitment": "0" * 64}, "claim"), 404, "not_found")
    refused(small.erase({"commitment": "x"}, "claim"), 422, "invalid_request")
    refused(small.erase(entry, "claim", authority="Article 17"), 422, "invalid_request")
    ok(small.erase(entry, "claim"), 201)
    refused(small.erase(entry, "claim"), 409, "already_erased")


def test_field_when_erased_by_others_than_custodians_then_refused(small: Hub) -> None:
    entry = small.entry("evidence.lead_registered")
    for person in (small.people["outsider"], small.api.admin):
        refused(small.erase(entry, "claim", person), 404, "not_found")
    refused(small.erase(entry, "claim", small.people["coordinator"]), 403, "forbidden")


def test_field_when_its_case_is_closed_then_is_erased_all_the_same(small: Hub) -> None:
    path = f"/v1/cases/{small.case_id}"
    ok(small.people["coordinator"].change(f"{path}/close", path, json={"reason": "Done."}))
    ok(small.erase(small.entry("case.created"), "title"), 201)
    case = ok(small.custodian.get(path))
    assert (case["title"], case["erased"]) == ("[erased]", ["title"])


def test_title_when_stated_anew_then_only_the_old_statement_is_erased(small: Hub) -> None:
    path = f"/v1/cases/{small.case_id}"
    ok(small.erase(small.entry("case.created"), "title"), 201)
    ok(small.people["coordinator"].change(path, path, "PATCH", json={"title": "A new one"}))
    case = ok(small.custodian.get(path))
    assert (case["title"], case["erased"]) == ("A new one", [])
    ok(small.people["coordinator"].change(path, path, "PATCH", json={"title": "A newer one"}))
    ok(small.erase(small.entry("case.updated"), "title"), 201)
    assert ok(small.custodian.get(path))["title"] == "A newer one"


@pytest.mark.thorough
def test_account_when_active_or_not_there_or_erased_before_then_refused(small: Hub) -> None:
    admin, person = small.api.admin, small.people["outsider"]
    path = f"/v1/users/{person.id}"
    body = {"field": "name", **GROUND}
    refused(admin.post(f"{path}/erasures", json=body), 409, "account_still_active")
    refused(admin.post(f"/v1/users/{small.case_id}/erasures", json=body), 404, "not_found")
    refused(small.custodian.post(f"{path}/erasures", json=body), 403, "forbidden")
    ok(admin.change(f"{path}/deactivate", path))
    for field in ("name", "email"):
        ok(admin.post(f"{path}/erasures", json={**body, "field": field}), 201)
    refused(admin.post(f"{path}/erasures", json=body), 409, "already_erased")
    account = ok(admin.get(path))
    assert (account["name"], account["email"]) == ("[erased]", f"[erased] {person.id}")
    assert sorted(account["erased"]) == ["email", "name"]
    ok(admin.post("/v1/users", json={"name": "Another", "email": "outsider@hub.example"}), 201)


def test_body_when_a_second_custodian_approves_then_only_its_place_is_shown(small: Hub) -> None:
    entry = small.entry("evidence.lead_registered")
    made = ok(request_erasure(small, entry), 201)
    assert made["decision"] is None
    refused(request_erasure(small, entry, "second custodian"), 409, "erasure_already_requested")
    refused(decide(small, made["id"], "approve", "custodian"), 403, "second_person_needed")
    refused(decide(small, made["id"], "approve", "coordinator"), 403, "forbidden")
    refused(decide(small, made["id"], "approve", "outsider"), 404, "not_found")
    refused(decide(small, small.case_id, "approve"), 404, "not_found")
    done = ok(decide(small, made["id"], "approve"))
    assert done["decision"] == "approve"
    assert done["receipts"][-1]["type"] == "entry.erased"
    refused(decide(small, made["id"], "approve"), 409, "erasure_already_decided")
    refused(request_erasure(small, entry), 409, "already_erased")
    refused(small.erase(entry, "claim"), 409, "already_erased")
    [gone] = [each for each in small.entries() if each["commitment"] == entry["commitment"]]
    kept = {name: entry[name] for name in ("stream", "stream_kind", "seq", "label", "commitment")}
    assert {name: gone[name] for name in kept} == kept
    assert gone["withheld"] == "erased"
    assert {
        gone[name] for name in ("time", "occurred", "type", "actor", "object", "data", "sealed") if gone[name]
    } == set()
    item = ok(small.custodian.get(f"/v1/evidence/{small.items[0]}"))
    assert item["erased"] == ["lead_address", "lead_claim"]
    listed = ok(small.custodian.get(f"/v1/cases/{small.case_id}/erasure-requests"))["items"]
    assert [(each["id"], each["decision"]) for each in listed] == [(made["id"], "approve")]


def test_body_when_refused_then_stays_and_may_be_asked_for_again(small: Hub) -> None:
    entry = small.entry("evidence.lead_registered")
    made = ok(request_erasure(small, entry), 201)
    ok(decide(small, made["id"], "refuse", "custodian"))
    assert small.entry("evidence.lead_registered")["withheld"] is None
    assert small.entry("entry.erasure_refused")["data"]["request"] == made["id"]
    ok(request_erasure(small, entry, "second custodian"), 201)


def test_body_when_completeness_rests_on_it_then_is_never_erased(small: Hub) -> None:
    ok(small.erase(small.entry("evidence.lead_registered"), "claim"), 201)
    for name in ("evidence.registered", "evidence.erased"):
        refused(request_erasure(small, small.entry(name)), 409, "entry_not_erasable")
