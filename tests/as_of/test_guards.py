"""Who sees what stood then is asked now; what is erased now is erased as of then; and no such tag changes anything."""

from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.access.rules import Role
from app.ledger.models import LedgerEntry
from app.migration import downgrade, migrate
from tests.as_of.hub import Hub
from tests.factories import add_role, commit_in
from tests.support.api import Api
from tests.support.databases import TestDatabase
from tests.verification.bench import give_up
from tests.verification.test_blind import REQUIRED, set_blind, to_first_verdict

BEFORE = "r116c_releases"
"""The last revision by which consents, testimonies, matches and members had no acts."""
GROUND = {"reason_code": "consent_withdrawn", "authority": "data_subject_request"}


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_outsider_when_asking_as_of_a_position_then_learns_nothing(hub: Hub, api: Api) -> None:
    as_of = {"as_of": str(hub.sign())}
    outsider = api.person("Outsider")
    for path in (f"/v1/evidence/{hub.bench.item}", f"/v1/cases/{hub.bench.case_id}/evidence"):
        assert code_of(outsider.get(path, params=as_of)) == (404, "not_found")
        assert hub.reader.get(path, params=as_of).status_code == 200


def test_positions_when_they_name_nothing_then_the_answer_says_what_to_do(hub: Hub) -> None:
    newest = hub.sign()
    path = f"/v1/evidence/{hub.bench.item}"
    refusals = {
        "soon": "as_of_unreadable",
        "1:999999": "as_of_not_signed",
        "2999-01-01T00:00:00Z": "as_of_too_late",
    }
    for as_of, code in refusals.items():
        refused = hub.reader.get(path, params={"as_of": as_of})
        assert code_of(refused) == (422, code)
    assert refused.json()["newest"] == str(newest)
    assert code_of(hub.reader.delete(f"{path}/lease", params={"as_of": "1:1"})) == (422, "unknown_parameter")


def test_item_when_asked_for_before_it_was_then_it_is_not_there(hub: Hub) -> None:
    before = hub.sign()
    hub.add_item()
    after = hub.sign()
    path, listed = f"/v1/evidence/{hub.items[1]}", f"/v1/cases/{hub.bench.case_id}/evidence"
    assert code_of(hub.reader.get(path, params={"as_of": str(before)})) == (404, "not_found")
    assert hub.reader.get(path, params={"as_of": str(after)}).json()["as_of"]["size"] == after.size
    for as_of, count in (("2020-01-01T00:00:00Z", 0), ("1:0", 0), (str(before), 1), (str(after), 2)):
        answer = hub.reader.get(listed, params={"as_of": as_of})
        assert len(answer.json()["items"]) == count, as_of


def test_tag_when_it_is_of_what_stood_then_then_nothing_is_changed_by_it(hub: Hub) -> None:
    path = f"/v1/evidence/{hub.bench.item}"
    tag = hub.reader.get(path, params={"as_of": str(hub.sign())}).headers["ETag"]
    labels = {"graphic_level": "severe"}
    assert code_of(hub.reader.put(f"{path}/labels", json=labels, headers={"If-Match": tag})) == (422, "invalid")


def test_first_when_hidden_now_then_hidden_as_of_then_and_open_as_of_then_once_it_is_open(hub: Hub) -> None:
    set_blind(hub.bench, version=1)
    to_first_verdict(hub.bench)
    as_of = {"as_of": str(hub.sign())}
    lists = [f"/v1/evidence/{hub.bench.item}/{each}" for each in ("findings", "verdicts")]
    assert [hub.reader.get(path, params=as_of).json()["items"] for path in lists] == [[], []]
    hub.bench.take(hub.bench.petro)
    for dimension in REQUIRED:
        hub.bench.find(hub.bench.petro, dimension)
    hub.bench.second(hub.bench.petro)
    assert [len(hub.reader.get(path, params=as_of).json()["items"]) for path in lists] == [2, 1]


def test_title_when_erased_then_every_version_that_said_it_reads_erased(hub: Hub) -> None:
    bench = hub.bench
    add_role(bench.sessions, bench.coordinator, bench.case_id, bench.sofia, Role.CUSTODIAN)
    custodian = hub.client_of(bench.sofia)
    hub.add_incident()
    path = f"/v1/incidents/{hub.incidents[0]}"
    hub.restate("Strike on the house of Olena")
    first = hub.sign()
    hub.restate("Strike on a house")
    second = hub.sign()
    hub.grade()
    with bench.sessions() as session:
        of_incident = select(LedgerEntry.commitment).where(LedgerEntry.stream_id == hub.incidents[0])
        created, named, *_ = session.scalars(of_incident.order_by(LedgerEntry.seq))
    assert created != named
    erasures = f"/v1/ledger/entries/{named}/erasures"
    answer = custodian.post(erasures, json={"field": "title", **GROUND})
    assert answer.status_code == 201, answer.text
    read = {at: hub.reader.get(path, params={"as_of": str(at)}).json() for at in (first, second)}
    assert (read[first]["title"], read[first]["erased"]) == ("[erased]", ["title"])
    assert (read[second]["title"], read[second]["erased"]) == ("Strike on a house", [])
    with bench.sessions() as session:
        kept = session.execute(text("SELECT count(*) FROM incident_versions v WHERE v::text LIKE '%Olena%'"))
        assert kept.scalar_one() == 0


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE evidence_versions SET state = 'lead'", "permission denied"),
        ("DELETE FROM evidence_versions", "permission denied"),
        ("INSERT INTO incident_versions SELECT * FROM incident_versions", "permission denied"),
        ("UPDATE incident_versions SET title = 'Other'", "exhibit_refuse_change"),
        ("UPDATE incident_versions SET title = '[erased]', erased = '{title}'", "exhibit_require_erasure"),
        ("UPDATE incident_versions SET until_act = 1", "permission denied"),
        ("UPDATE case_member_versions SET until_act = 1", "permission denied"),
        ("DELETE FROM case_member_versions", "permission denied"),
        ("INSERT INTO case_member_versions SELECT * FROM case_member_versions", "permission denied"),
    ],
)
def test_versions_when_written_by_hand_then_the_database_refuses(hub: Hub, statement: str, refusal: str) -> None:
    hub.add_incident()
    with pytest.raises(DBAPIError) as refused:
        commit_in(hub.bench.sessions, lambda uow: uow.session.execute(text(statement)))
    assert isinstance(refused.value.orig, psycopg.Error)
    assert refusal in (refused.value.orig.diag.constraint_name or str(refused.value.orig))


def test_facts_when_superseded_then_as_of_before_the_earlier_one_stands(hub: Hub) -> None:
    hub.add_incident()
    rita = hub.client_of(hub.bench.rita)
    case, incident = f"/v1/cases/{hub.bench.case_id}", f"/v1/incidents/{hub.incidents[0]}"
    source = stated(rita, f"{case}/organisations", {"name": "A health office", "organisation_kind": "health_authority"})
    count = {"outcome": "killed", "person_group": "civilian", "comparator": "exact", "minimum": 2, "maximum": 2}
    reported = {"stated": {**count, "as_reported": "two"}, "source": {"organisation_id": source["fact_id"]}}
    first = rita.post(f"{incident}/casualties", json=reported)
    assert first.status_code == 201, first.text
    before = hub.sign()
    reported["stated"].update(minimum=3, maximum=3, as_reported="three")
    later = {**reported, "supersedes": first.json()["id"], "reason": "A third body."}
    assert rita.post(f"{incident}/casualties", json=later).status_code == 201
    after = hub.sign()
    for at, minimum in ((before, 2), (after, 3)):
        as_of = {"as_of": str(at)}
        ranges = hub.reader.get(f"{incident}/casualties/ranges", params=as_of).json()["ranges"]
        (listed,) = hub.reader.get(f"{incident}/casualties", params=as_of).json()["items"]
        assert (ranges[0]["minimum"], listed["stated"]["minimum"]) == (minimum, minimum)


def test_policy_and_members_when_there_was_no_case_then_there_were_none(hub: Hub) -> None:
    case = f"/v1/cases/{hub.bench.case_id}"
    none = {"as_of": "1:0"}
    assert code_of(hub.reader.get(f"{case}/policy", params=none)) == (404, "not_found")
    assert hub.reader.get(f"{case}/members", params=none).json()["items"] == []
    hub.change_member()
    held = {"as_of": str(hub.sign())}
    hub.change_member()
    roles = [
        [each["role"] for each in hub.reader.get(f"{case}/members", params=params).json()["items"]]
        for params in (held, {"as_of": str(hub.sign())})
    ]
    assert [each.count("collector") for each in roles] == [1, 0]


def test_testimony_and_match_when_withdrawn_now_then_hidden_as_of_any_time(hub: Hub) -> None:
    bench = hub.bench
    hub.items.clear()
    hub.add_incident()
    hub.add_item()
    hub.add_item()
    hub.testify()
    as_of = {"as_of": str(hub.sign())}
    matches, incident = f"/v1/evidence/{hub.items[0]}/matches", f"/v1/incidents/{hub.incidents[0]}"
    (match,) = hub.reader.get(matches, params=as_of).json()["items"]
    (told,) = hub.reader.get(f"{incident}/testimonies", params=as_of).json()["items"]
    path = f"/v1/testimonies/{told['testimony_id']}"
    (given,) = hub.reader.get(f"{path}/consents", params=as_of).json()["items"]
    give_up(bench.sessions, bench.coordinator, hub.items[1])
    back = {"subject_id": given["subject_id"], "withdrawn_on": "2026-09-02"}
    assert hub.reader.post(f"{path}/consents/withdrawals", json=back).status_code == 201
    for params in (as_of, {"as_of": str(hub.sign())}, {}):
        assert hub.reader.get(matches, params=params).json()["items"] == []
        assert code_of(hub.reader.get(f"/v1/matches/{match['id']}", params=params)) == (404, "consent_withdrawn")
        assert hub.reader.get(f"{incident}/testimonies", params=params).json()["items"] == []
        assert code_of(hub.reader.get(path, params=params)) == (404, "testimony_withdrawn")
    # Whoever carries it out reads what was consented to by then.
    assert len(hub.reader.get(f"{path}/consents", params=as_of).json()["items"]) == 1
    assert len(hub.reader.get(f"{path}/consents").json()["items"]) == 2


def test_rows_when_older_than_their_acts_then_stand_from_the_entries_that_told_of_them(
    hub: Hub, database: TestDatabase
) -> None:
    """An installation that kept no acts of them is brought up: the log remembers."""
    hub.items.clear()
    hub.add_incident()
    hub.add_item()
    hub.add_item()
    for name in ("testify", "testify", "member", "policy", "consent", "member", "member"):
        assert hub.try_to(name, 0), name
    wanted = acts(database)
    assert all(rows for rows in wanted.values())
    downgrade(database.owner_url, BEFORE)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("ALTER TABLE case_policies DISABLE TRIGGER USER")
        owner.execute("UPDATE case_policies SET act = 0")
        owner.execute("ALTER TABLE case_policies ENABLE TRIGGER USER")
    migrate(database.owner_url)
    assert acts(database) == wanted


def acts(database: TestDatabase) -> dict[str, list[tuple[Any, ...]]]:
    """From which act each row stands."""
    with psycopg.connect(database.owner_url) as owner:
        return {
            table: owner.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3, 4".encode()).fetchall()
            for table, columns in (
                ("consents", "id, number, recorded_act, act"),
                ("testimonies", "id, number, act, version"),
                ("case_policies", "case_id, version, act, created_at"),
                ("case_member_versions", "case_id, account_id, role, number, act, until_act"),
                ("matches", "id, first_id, second_id, act"),
            )
        }


def stated(client: Any, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json={"stated": body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made
