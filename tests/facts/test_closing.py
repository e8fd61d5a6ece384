"""Facts whose source is an item that a withdrawn consent closes: they are gone from every answer, as of any time."""

import json

from tests.facts.conftest import World, code_of
from tests.facts.test_http import CONTESTED, KILLED
from tests.support.journey import ok

CONSENT = {
    "subject": "S-3",
    "subject_kind": "source",
    "scopes": ["verification"],
    "obtained": "written",
    "given_on": "2024-07-14",
}


def give_up(world: World, item: str) -> None:
    path = f"/v1/evidence/{item}/consents"
    subject = ok(world.rita.post(path, json=CONSENT), 201)["subject_id"]
    said = {"subject_id": subject, "withdrawn_on": "2024-09-02"}
    ok(world.rita.post(f"{path}/withdrawals", json=said), 201)


def test_facts_when_their_item_is_withdrawn_then_nobody_reads_or_counts_them(world: World) -> None:
    item = ok(world.coordinator.post(f"{world.case}/evidence", json={"lead_claim": "A film"}), 201)["id"]
    source = {"organisation_id": world.ngo, "evidence_id": item}
    bodies = {f"{world.path}/casualties": KILLED, f"{world.case}/territory-control": CONTESTED}
    made = {}
    for path, stated in bodies.items():
        made[path] = ok(world.rita.post(path, json={"stated": stated, "source": source}), 201)["id"]
    assert ok(world.rita.get(f"{world.path}/casualties/ranges"))["ranges"]
    assert ok(world.rita.get(f"{world.path}/territory-control"))["based_on"]
    give_up(world, item)
    for person in (world.rita, world.coordinator, world.custodian, world.auditor):
        for path in bodies:
            assert ok(person.get(path, params={"with_superseded": "true"}))["items"] == []
        assert ok(person.get(f"{world.path}/casualties/ranges"))["ranges"] == []
    assert ok(world.rita.get(f"{world.path}/territory-control"))["based_on"] == []
    # In the custody log its place stays; what is sealed is opened to custodians, who erase by it.
    for person, is_opened in ((world.rita, False), (world.coordinator, False), (world.custodian, True)):
        page = ok(person.get(f"{world.path}/custody", params={"limit": 200}))
        assert ("Two died" in json.dumps(page)) is is_opened


def test_fact_when_its_item_is_withdrawn_then_the_same_is_stated_from_another_source_in_its_place(world: World) -> None:
    item = ok(world.coordinator.post(f"{world.case}/evidence", json={"lead_claim": "A film"}), 201)["id"]
    body = {"stated": KILLED, "source": {"organisation_id": world.ngo, "evidence_id": item}}
    first = ok(world.rita.post(f"{world.path}/casualties", json=body), 201)["id"]
    give_up(world, item)
    assert code_of(world.rita.post(f"{world.path}/casualties", json=body))[1] == "consent_withdrawn"
    refused = world.state("casualties", KILLED)
    assert (code_of(refused), refused.json()["stands"]) == ((409, "another_stands"), first)
    ok(world.state("casualties", KILLED, supersedes=first, reason="From their own list."), 201)
    assert len(ok(world.auditor.get(f"{world.path}/casualties"))["items"]) == 1
