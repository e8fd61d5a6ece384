"""Groups and origins over HTTP: from uploaded files, by people's decisions, and back when they are reversed."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.access.actors import authenticate
from app.access.rules import Operation
from app.cases.service import authorise
from app.exports.kept_back import require_file_may_be_taken
from app.verification.errors import NotShownYet
from tests import media_samples as samples
from tests.api.test_round_trips import statements
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database, filled_template
from tests.support.work import work_of

METADATA = {
    "collector": "Olena",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "Public channel",
}
PHOTO = PHOTOGRAPHS[0]
FILES: tuple[tuple[Callable[[], bytes], dict[str, str]], ...] = (
    (PHOTO.read_bytes, {}),
    (PHOTO.read_bytes, {"claimed_from": "2014-07-01T00:00:00Z"}),
    (lambda: samples.recompressed(PHOTO), {"claimed_from": "2026-07-01T00:00:00Z"}),
    (lambda: samples.mirrored(PHOTO), {}),
    (PHOTOGRAPHS[1].read_bytes, {}),
)


@dataclass(frozen=True)
class Facts:
    """What is in the template: the people's ids, names and tokens, the case, and its items as they came: a photograph,
    its copy, encoded anew, mirrored, and another photograph."""

    admin_token: str
    people: tuple[tuple[str, str, str], ...]
    case_id: str
    items: tuple[str, ...]


class Hub:
    """A case with a verifier and a coordinator, and a stranger to it."""

    def __init__(self, api: Api, people: Sequence[Person], case_id: str) -> None:
        self.api = api
        self.verifier, self.coordinator, self.stranger = people
        self.case_id = case_id

    def receive(
        self,
        content: bytes,
        *,
        case_id: str | None = None,
        by: Person | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> str:
        form = [("metadata", (None, json.dumps({**METADATA, **(facts or {})}))), ("file", ("file", content))]
        answer = (by or self.verifier).post(f"/v1/cases/{case_id or self.case_id}/evidence", files=form)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def read(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self.verifier.get(f"/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def group(self, evidence_id: str) -> dict[str, Any]:
        return self.read(f"evidence/{evidence_id}/group")

    def members(self, evidence_id: str) -> dict[str, dict[str, Any]]:
        members = self.read(f"evidence/{evidence_id}/group/members")["items"]
        return {one["evidence_id"]: one for one in members}

    def standings(self, evidence_id: str) -> dict[str, str]:
        return {item: one["standing"] for item, one in self.members(evidence_id).items()}

    def decide(self, one: str, relation: str, other: str) -> str:
        """Decide that the one is so related to the other; the match's id."""
        matches = self.verifier.get(f"/v1/evidence/{one}/matches").json()["items"]
        [match_id] = [match["id"] for match in matches if other in (match["query_id"], match["reference_id"])]
        body = {"relation": relation, "reason": "Compared side by side.", "evidence_id": one}
        answer = self.verifier.post(f"/v1/matches/{match_id}/decision", json=body)
        assert answer.status_code == 201, answer.text
        return str(match_id)


@pytest.fixture(scope="module")
def prepared(postgres: TestServer, run_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Facts]:
    def fill(database: TestDatabase) -> Facts:
        with running_api(database, tmp_path_factory.mktemp("groups") / "data") as api, work_of(api) as work:
            people = [api.person(name) for name in ("Vera Verifier", "Coordinator", "Stranger")]
            hub = Hub(api, people, api.case(people[1], verifier=(people[0],)))
            items = [hub.receive(content(), facts=facts) for content, facts in FILES]
            work.finish()
            known = tuple((one.id, one.name, one.token) for one in people)
            return Facts(api.admin.token, known, hub.case_id, tuple(items))

    return filled_template(postgres, run_directory, "groups", fill)


@pytest.fixture
def database(postgres: TestServer, prepared: tuple[str, Facts]) -> Iterator[TestDatabase]:
    made = create_database(postgres, template=prepared[0])
    yield made
    with postgres.administration() as owner:
        drop_database(owner, made.name)


@pytest.fixture
def api(database: TestDatabase, prepared: tuple[str, Facts], tmp_path: Path) -> Iterator[Api]:
    with running_api(database, tmp_path / "data", admin_token=prepared[1].admin_token) as served:
        yield served


@pytest.fixture
def hub(api: Api, prepared: tuple[str, Facts]) -> Hub:
    people = [Person(*one, api.client(one[2])) for one in prepared[1].people]
    return Hub(api, people, prepared[1].case_id)


@pytest.fixture
def items(prepared: tuple[str, Facts]) -> tuple[str, ...]:
    return prepared[1].items


@pytest.mark.thorough
def test_group_when_nobody_decided_then_copies_are_sure_and_the_others_possible(
    hub: Hub, items: tuple[str, ...]
) -> None:
    first, copy, anew, mirrored, other = items
    group = hub.group(first)
    assert hub.standings(first) == {first: "itself", copy: "exact_copy", anew: "possible", mirrored: "possible"}
    assert (group["size"], group["captures"]) == (4, 3)
    assert group["origins"] == {"at_least": 1, "at_most": 3}
    # Both bytes of the three that are alike, with each other: the copies' matches are the same question twice.
    assert group["undecided"] == {"same_picture": 5, "likely": 0}
    alone = hub.group(other)
    assert (alone["size"], alone["origins"]) == (1, {"at_least": 1, "at_most": 1})


@pytest.mark.thorough
def test_group_when_decided_and_reversed_then_is_formed_anew_at_once(hub: Hub, items: tuple[str, ...]) -> None:
    first, copy, anew, mirrored, _ = items
    hub.decide(anew, "same_capture", first)
    hub.decide(mirrored, "edited_from", first)
    group = hub.group(anew)
    assert hub.standings(anew) == {
        first: "same_capture", copy: "same_capture", anew: "itself", mirrored: "derived",
    }  # fmt: skip
    assert hub.standings(mirrored)[first] == "source"
    assert group["origins"] == {"at_least": 1, "at_most": 1}
    assert group["captures"] == 2
    members = hub.members(anew)
    assert {one["capture"] for one in members.values()} == {first, mirrored}
    member = members[mirrored]
    assert (member["tier"], member["relation"]) == ("same_picture", "edited_from")

    hub.decide(anew, "unrelated", first)
    for one, another in ((anew, copy), (mirrored, anew)):
        hub.decide(one, "same_event_other_camera", another)
    assert hub.standings(anew) == {anew: "itself"}
    assert hub.group(first)["origins"] == {"at_least": 1, "at_most": 1}


def test_member_when_it_belongs_by_the_same_bytes_then_names_the_copy_it_is_of(
    hub: Hub, items: tuple[str, ...]
) -> None:
    first, copy, *_ = items
    member = hub.members(first)[copy]
    assert (member["nearer_id"], member["tier"], member["exact_group"]) == (first, "exact", first)
    assert hub.verifier.get(f"/v1/matches/{member['match_id']}").json()["tier"] == "exact"


def test_decisions_when_they_contradict_each_other_then_are_told_and_leave_a_range(
    hub: Hub, items: tuple[str, ...]
) -> None:
    first, copy, anew, _, _ = items
    hub.decide(anew, "same_capture", first)
    apart = hub.decide(anew, "unrelated", copy)
    group = hub.group(first)
    assert group["contradictions"] == [{"kind": "same_and_apart", "match_ids": [apart]}]
    assert group["origins"]["at_least"] == 1
    assert group["origins"]["at_most"] == 3  # With the mirrored one, which nobody decided.
    [listed] = hub.verifier.get(f"/v1/cases/{hub.case_id}/groups").json()["items"]
    assert listed["contradictions"] == 1


@pytest.mark.thorough
def test_decision_when_made_in_a_blind_round_then_says_nothing_to_others_until_it_is_over(
    hub: Hub, items: tuple[str, ...]
) -> None:
    first, copy, anew, item, _ = items
    petro = hub.api.person("Petro")
    path, member = f"/v1/evidence/{item}", f"/v1/cases/{hub.case_id}/members/{petro.id}/verifier"
    assert hub.coordinator.put(member).status_code == 200
    rules = {"required_dimensions": ["source"], "blind_double_verification": True}
    policy = f"/v1/cases/{hub.case_id}/policy"
    assert hub.coordinator.change(policy, policy, "PUT", json=rules).status_code == 200
    hub.coordinator.change(f"{path}/labels", path, "PUT", json={"graphic_level": "none"})
    before = hub.group(item)
    assert hub.verifier.change(f"{path}/transitions", path, json={"event": "open_verification"}).status_code == 200
    match = hub.decide(item, "same_capture", first)

    for person, relation in ((hub.verifier, "same_capture"), (petro, None)):
        told = person.get(f"/v1/matches/{match}").json()["decision"]
        assert (told["relation"], told["reason"] is None) == (relation, relation is None)
        [listed] = person.get(f"{path}/relations").json()["items"]
        assert listed["relation"] == relation
        members = person.get(f"{path}/group/members").json()["items"]
        shown = {one["evidence_id"]: (one["standing"], one["relation"]) for one in members}
        assert shown[first] == ("possible", None), "one figure for all, as it was before the round"
    assert hub.group(item) == before
    with hub.api.app.state.services.sessions() as session:  # The other item's custody file has the decision, too.
        seconds = authorise(session, authenticate(session, petro.token), UUID(hub.case_id), Operation.READ_METADATA)
        with pytest.raises(NotShownYet):
            require_file_may_be_taken(session, seconds, [UUID(first)])
        require_file_may_be_taken(session, seconds, [UUID(items[4])])

    for other in (copy, anew):
        hub.decide(item, "unrelated", other)
    stated = {"dimension": "source", "result": "not_established", "confidence": "low", "rationale": "No trace."}
    assert hub.verifier.post(f"{path}/findings", json=stated).status_code == 201
    verdict = {"event": "submit", "verdict": {"outcome": "inconclusive", "rationale": "Nothing is known."}}
    assert hub.verifier.change(f"{path}/transitions", path, json=verdict).status_code == 200
    ending = {"event": "end_blind", "reason": "Petro has left."}
    assert hub.coordinator.change(f"{path}/transitions", path, json=ending).status_code == 200
    assert petro.get(f"/v1/matches/{match}").json()["decision"]["relation"] == "same_capture"
    assert hub.standings(item)[first] == "same_capture"


def test_earliest_when_a_copy_is_older_than_the_claim_then_says_so_and_by_what(
    hub: Hub, items: tuple[str, ...]
) -> None:
    _, copy, anew, _, _ = items
    before = hub.group(anew)
    assert before["is_before_claimed"] is False
    assert before["possible_earlier"] == {
        "evidence_id": copy, "at": "2014-07-01T00:00:00Z", "basis": "claimed", "claim": None, "stated": None,
    }  # fmt: skip
    hub.decide(anew, "same_capture", copy)
    after = hub.group(anew)
    assert after["earliest"][0]["evidence_id"] == copy
    assert after["is_before_claimed"] is True
    assert after["possible_earlier"] is None
    assert {"registered", "acquired", "claimed"} <= {one["basis"] for one in after["earliest"]}


@pytest.mark.thorough
def test_earliest_when_the_file_says_a_time_then_names_the_claim_and_whether_it_has_a_zone(api: Api, hub: Hub) -> None:
    with work_of(api) as work:
        item = hub.receive(samples.with_exif(PHOTOGRAPHS[2]))
        work.finish()
    [told] = [one for one in hub.group(item)["earliest"] if one["basis"] == "file"]
    assert told == {
        "evidence_id": item,
        "at": "2024-05-06T19:08:09Z",
        "basis": "file",
        "claim": "exif taken_at",
        "stated": "2024-05-06T07:08:09",
    }


def test_members_when_paged_then_each_is_told_once(hub: Hub, items: tuple[str, ...]) -> None:
    first = items[0]
    path = f"evidence/{first}/group/members"
    one = hub.read(path, limit=3)
    rest = hub.read(path, limit=3, cursor=one["next_cursor"])
    assert [member["evidence_id"] for member in (*one["items"], *rest["items"])] == list(items[:4])
    assert rest["next_cursor"] is None


def test_groups_of_a_case_when_listed_then_are_those_of_two_items_or_more(hub: Hub, items: tuple[str, ...]) -> None:
    answer = hub.verifier.get(f"/v1/cases/{hub.case_id}/groups", params={"limit": 1}).json()
    assert answer["next_cursor"] is None
    [group] = answer["items"]
    assert (group["evidence_id"], group["size"], group["exact_groups"], group["captures"]) == (items[0], 4, 3, 3)
    assert group["origins"] == {"at_least": 1, "at_most": 3}


@pytest.mark.thorough
def test_origins_of_an_incident_when_its_items_are_copies_then_are_counted_once(
    hub: Hub, items: tuple[str, ...]
) -> None:
    first, copy, anew, mirrored, other = items
    facts = {"code": "I-1", "title": "Strike", "kind": "air_strike"}
    occurred = {
        "from": "2026-07-01T00:00:00Z",
        "to": "2026-07-02T00:00:00Z",
        "zone": "Europe/Kyiv",
        "basis": "reported",
    }
    made = hub.verifier.post(f"/v1/cases/{hub.case_id}/incidents", json={**facts, "occurred": occurred})
    assert made.status_code == 201, made.text
    path = f"/v1/incidents/{made.json()['id']}"
    for item, depicts in ((first, True), (copy, True), (anew, True), (other, False)):
        linked = hub.verifier.post(f"{path}/evidence", json={"evidence_id": item, "depicts": depicts})
        assert linked.status_code == 201, linked.text

    answer = hub.verifier.get(f"{path}/origins").json()
    assert answer["depicting"] == {"items": 3, "origins": {"at_least": 1, "at_most": 2}}
    assert answer["linked"] == {"items": 4, "origins": {"at_least": 2, "at_most": 3}}
    assert answer["is_before_incident"] is True  # One of them is claimed to be of 2014.
    listed = hub.verifier.get(f"{path}/origins/evidence", params={"limit": 3}).json()
    assert [one["evidence_id"] for one in listed["items"]] == [first, copy, anew]
    assert listed["next_cursor"] is not None

    hub.decide(first, "edited_from", mirrored)
    hub.decide(anew, "edited_from", mirrored)
    answer = hub.verifier.get(f"{path}/origins").json()
    assert answer["depicting"]["origins"] == {"at_least": 1, "at_most": 1}
    listed = hub.verifier.get(f"{path}/origins/evidence").json()
    assert {one["evidence_id"]: one["origins"] for one in listed["items"]} == {
        first: [mirrored], copy: [mirrored], anew: [mirrored], other: [other],
    }  # fmt: skip


@pytest.mark.thorough
def test_group_when_another_case_has_copies_then_says_nothing_of_them(api: Api, hub: Hub) -> None:
    """Also to a member of both, so that every member of a case reads the same figures; and from both sides, since a
    match of two cases belongs to either one's by the order of the items' ids."""
    other_verifier = api.person("Other Verifier")
    other_case = api.case(hub.coordinator, verifier=(other_verifier, hub.verifier))
    picture = PHOTOGRAPHS[2]
    with work_of(api) as work:
        own = [hub.receive(picture.read_bytes())]
        work.finish()
        foreign = [
            hub.receive(content, case_id=other_case, by=other_verifier)
            for content in (picture.read_bytes(), samples.recompressed(picture))
        ]
        work.finish()
    with api.app.state.services.sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM matches WHERE other_case_id IS NOT NULL")) == 2
    assert list(hub.members(own[0])) == own
    assert hub.group(own[0])["origins"] == {"at_least": 1, "at_most": 1}
    assert {one["evidence_id"] for one in hub.group(own[0])["earliest"]} == set(own)
    assert set(hub.members(foreign[1])) == set(foreign)
    assert hub.group(foreign[1])["undecided"] == {"same_picture": 1, "likely": 0}
    assert [one["size"] for one in hub.read(f"cases/{other_case}/groups")["items"]] == [2]
    for path in ("group", "group/members"):
        assert other_verifier.get(f"/v1/evidence/{own[0]}/{path}").status_code == 404
    assert hub.stranger.get(f"/v1/evidence/{foreign[0]}/group").status_code == 404


def test_group_when_read_then_asks_the_database_as_often_however_many_members_there_are(
    hub: Hub, items: tuple[str, ...]
) -> None:
    asked = []
    for item in (items[4], items[0]):
        hub.group(item)
        with statements(hub.api) as sent:
            hub.group(item)
            hub.members(item)
        asked.append(len(sent))
    # Where there are any: matches, their later tiers, what explains them, decisions, and what became of the items.
    assert max(asked) - min(asked) <= 5
    assert max(asked) <= 24, asked
