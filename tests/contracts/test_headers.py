"""The headers that are really sent are those that the document names, for every operation and status that occurs here.

Every answer of a small working day is looked at: changes that succeed, lists with a second page, ranges, replays, and
everybody's refusals.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.contracts.calls import CALLS
from tests.contracts.document import operations
from tests.contracts.test_completeness import VERSION_IF_LIKED
from tests.contracts.world import LABELS, World, form

pytestmark = pytest.mark.contract

OF_EVERY_ANSWER = frozenset(
    {
        *("content-length", "content-type", "transfer-encoding", "connection", "date", "server"),
        *("x-content-type-options", "referrer-policy", "x-frame-options", "cross-origin-resource-policy"),
    }
)
"""Of HTTP itself, and the browser's protections that every answer has."""
MAY_GO_UNSAID = frozenset({"cache-control", "content-security-policy"})
"""Protections where they are not what the answer is about."""


@dataclass
class Record:
    """What is wrong, and which answers were seen."""

    wrong: set[str] = field(default_factory=set)
    seen: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)

    def look_at(self, answer: httpx.Response) -> None:
        documented = _documented(answer)
        status = str(answer.status_code)
        if documented is None or status not in documented.facts["responses"]:
            return  # The matrix and the completeness tests speak of these.
        headers = documented.facts["responses"][status].get("headers", {})
        named = {name.lower() for name in headers}
        sent = {name.lower() for name in answer.headers}
        required = {name.lower() for name, facts in headers.items() if facts["required"]}
        what = f"{documented.name} {status}"
        self.wrong |= {f"{what} sends {name}" for name in sent - named - OF_EVERY_ANSWER - MAY_GO_UNSAID}
        self.wrong |= {f"{what} lacks {name}" for name in required - sent}
        self.seen.setdefault((documented.name, status), set()).update(sent & named)
        if answer.content and answer.headers["content-type"].startswith("application/problem+json"):
            self.types.add(answer.json()["type"])


def _documented(answer: httpx.Response) -> Any:
    for documented in operations().values():
        pattern = re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(documented.path))
        if documented.method == answer.request.method and re.fullmatch(pattern, answer.request.url.path):
            return documented
    return None


@pytest.fixture(scope="module")
def record(world: World) -> Iterator[Record]:
    """The record of a day at which everybody was watched."""
    watched = Record()

    def hook(answer: httpx.Response) -> None:
        answer.read()
        watched.look_at(answer)

    clients = {id(person.http): person.http for person in world.people.values()}
    clients |= {id(caller.http): caller.http for caller in world.callers}
    for client in clients.values():
        client.event_hooks = {"response": [hook]}
    _work(world)
    _be_refused(world)
    yield watched
    for client in clients.values():
        client.event_hooks = {"response": []}


def _work(world: World) -> None:
    admin, people = world.api.admin, world.people
    coordinator, verifier, collector = people["coordinator"], people["verifier"], people["collector"]
    for _ in range(2):  # The second time is a replay.
        admin.post("/v1/users", json={"name": "New", "email": "new@hub.example"}, headers=key("user"))
        admin.post("/v1/cases", json={"title": "New", "coordinator_id": coordinator.id}, headers=key("case"))
        collector.post(f"/v1/cases/{world.cases['A']}/evidence", files=form(), headers=key("item"))
    user = f"/v1/users/{people['outsider'].id}"
    admin.change(f"{user}/password", user, "PUT", json={"password": "correct horse battery"})
    case = f"/v1/cases/{world.cases['A']}"
    coordinator.change(case, case, "PATCH", json={"title": "Another"})
    coordinator.change(f"{case}/policy", f"{case}/policy", "PUT", json={"required_dimensions": ["source"]})
    coordinator.post(f"{case}/members/lookup", json={"email": "outsider@hub.example"})
    lead = verifier.post(f"{case}/evidence", json={"lead_claim": "A film"}).json()["id"]
    verifier.change(f"/v1/evidence/{lead}/content", f"/v1/evidence/{lead}", files=form())
    item = f"/v1/evidence/{world.objects['evidence']['own']['evidence_id']}"
    coordinator.change(f"{item}/labels", item, "PUT", json=LABELS)
    correction = {"field": "notes", "value": "x", "reason": "x"}
    verifier.change(f"{item}/corrections", item, json=correction)
    verifier.change(f"{item}/transitions", item, json={"event": "open_verification"})
    coordinator.change(f"{item}/priority", item, "PUT", json={"priority": "high"})
    coordinator.change(f"{item}/assignment", item, "PUT", json={"person_id": verifier.id})
    verifier.change(f"{item}/assignment", item, "DELETE")
    verifier.post(f"{item}/lease")
    verifier.put(f"{item}/drafts/location", json={"rationale": "The bridge."})
    verifier.get(f"{item}/drafts/location")
    verifier.post(f"{item}/findings", json={**FINDING, "dimension": "date"})
    coordinator.change(f"{item}/lease", item, "DELETE")
    match = world.objects["match"]["own"]["match_id"]
    verifier.post(f"/v1/matches/{match}/decision", json={"relation": "potential", "reason": "Later."})
    made = coordinator.post(f"{case}/incidents", json={"code": "I-9", "title": "x", "kind": "other"}).json()["id"]
    coordinator.change(f"/v1/incidents/{made}", f"/v1/incidents/{made}", "PATCH", json={"title": "y"})
    content, purpose = f"{item}/content", {"purpose": "verification"}
    verifier.get(content, params=purpose)
    verifier.get(content, params=purpose, headers={"Range": "bytes=0-9"})
    verifier.get(content, params=purpose, headers={"Range": "bytes=999999999-"})
    address = verifier.post(f"{item}/content-url", json={"purpose": "verification"}).json()["url"]
    verifier.get(address)
    verifier.get(address, headers={"Range": "bytes=0-9"})
    verifier.http.head(content)
    verifier.get(f"{item}/preview")
    for path in (f"{case}/evidence", f"{case}/members", f"{case}/custody", f"{item}/fingerprints"):
        coordinator.get(path, params={"limit": 1})
    coordinator.change(f"{item}/decodings", item, json={"reason": "The limits were raised."})
    frame = f"/v1/stop-list/frames/{world.objects['stopped_frame']['own']['frame_id']}"
    admin.change(f"{frame}/decision", frame, json={"decision": "release", "reason": "x"})


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": f"a-day-{name}"}


NEEDS_A_RECORDING = frozenset({"getStrip"})
"""Answered by the same lines as the preview, which is seen."""
NEEDS_A_PACKAGE = frozenset({"getExportContent", "getRedactionContent"})
"""A package that is ready: tests/exports take one."""
NEEDS_A_SOURCE = frozenset(
    {
        *("stateCasualties", "stateObject", "stateWeapon", "stateAttribution", "stateCircumstance"),
        *("relateIncident", "registerOrganisation", "stateTerritoryControl", "recordStatistic"),
    }
)
"""Facts that are stated in full: tests/facts state them, all by one route's lines."""
FINDING = {"result": "established", "confidence": "high", "methods": ["metadata"], "rationale": "The clock."}


def _be_refused(world: World) -> None:
    for call in CALLS:
        for caller in world.callers:
            if caller.name in ("anonymous", "outsider", "coordinator", "administrator", "organisation auditor"):
                for which in world.objects[call.kind]:
                    if call.operation != "deleteCurrentSession" or not caller.is_active:
                        caller.http.request(**call.request(world, which))
    verifier = world.people["verifier"]
    verifier.post(f"/v1/evidence/{world.objects['evidence']['own']['evidence_id']}/transitions", json={"event": "x"})


def test_answers_when_compared_with_the_document_then_their_headers_are_those_it_names(record: Record) -> None:
    assert not record.wrong, "\n".join(sorted(record.wrong))


def test_day_when_over_then_the_headers_that_clients_need_were_seen(record: Record) -> None:
    """The comparison above is not blind: what matters occurred."""
    expected = {
        ("createUser", "201"): {"etag", "location", "idempotency-replayed"},
        ("receiveEvidence", "201"): {"etag", "location", "idempotency-replayed"},
        ("receiveContent", "200"): {"etag", "location"},
        ("createIncident", "201"): {"etag", "location"},
        ("updateCase", "200"): {"etag"},
        ("changePolicy", "200"): {"etag"},
        ("moveEvidence", "200"): {"etag"},
        ("takeLease", "200"): {"etag"},
        ("correctEvidence", "201"): {"etag"},
        ("requestDecoding", "202"): {"etag"},
        ("decideMatch", "201"): {"location"},
        ("listEvidence", "200"): {"link"},
        ("getContent", "206"): {"content-range", "etag", "accept-ranges", "repr-digest", "content-disposition"},
        ("getContent", "416"): {"content-range"},
        ("getSignedContent", "200"): {"etag"},
        ("headContent", "200"): {"etag", "repr-digest"},
        ("getPreview", "200"): {"etag"},
        ("getMe", "401"): {"www-authenticate"},
    }
    lacking = {key: names - record.seen.get(key, set()) for key, names in expected.items()}
    assert not {key: names for key, names in lacking.items() if names}


def test_etag_when_documented_then_it_was_seen_or_is_known_to_need_more(record: Record) -> None:
    documented = {
        (name, status)
        for name, operation in operations().items()
        for status, response in operation.facts["responses"].items()
        if response.get("headers", {}).get("ETag", {}).get("required")
    }
    unseen = {name for name, status in documented if "etag" not in record.seen.get((name, status), set())}
    known = {"closeCase", "deactivateUser", "changeMyPassword", "sealSource"}
    assert unseen <= {*known, *NEEDS_A_RECORDING, *NEEDS_A_PACKAGE, *NEEDS_A_SOURCE}, unseen


def test_if_match_when_an_operation_needs_it_then_it_is_required_and_its_absence_is_answered_428(world: World) -> None:
    taking = [one for one in operations().values() if "If-Match" in one.parameters("header")]
    assert len(taking) > 8
    for documented in taking:
        (parameter,) = [one for one in documented.facts["parameters"] if one["name"] == "If-Match"]
        assert parameter["schema"]["type"] == "string"
        assert parameter["required"] is (documented.name not in VERSION_IF_LIKED), documented.name
        if documented.name in VERSION_IF_LIKED:
            continue
        call = next(call for call in CALLS if call.operation == documented.name)
        arguments = call.request(world, "other" if call.kind == "account" else "own")
        del arguments["headers"]["If-Match"]
        caller = world.api.admin if call.on == "administration" else world.people["everyone"]
        answer = caller.http.request(**arguments)
        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required"), documented.name


def test_if_match_when_an_operation_takes_it_if_one_likes_then_only_a_wrong_one_is_refused(record: Record) -> None:
    """Seen in the day: a draft is made without it."""
    assert set(VERSION_IF_LIKED) == {"saveDraft"}
    assert record.seen["saveDraft", "200"] >= {"etag"}
    assert 412 in operations()["saveDraft"].statuses
    assert 428 not in operations()["saveDraft"].statuses


def test_problems_when_sent_then_their_type_leads_to_a_page_that_explains_them(record: Record, world: World) -> None:
    assert len(record.types) >= 10
    anybody = world.api.client()
    for kind in record.types:
        page = anybody.get(kind)
        assert page.status_code == 200, kind
        assert kind.rpartition("/")[2] in page.text
