"""Cases and members over HTTP: who may, who may not, and who must not even learn that they exist."""

import concurrent.futures
import json
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import authenticate
from app.access.rules import Role
from app.cases.policy import Policy
from app.cases.service import revoke_role
from app.unit_of_work import unit_of_work
from tests.contracts.world import LABELS
from tests.support.api import Api, email_of
from tests.support.databases import TestDatabase
from tests.support.waiting import until_it_waits_for

INCIDENT = {"code": "I-1", "title": "Strike", "kind": "air_strike"}


def entries_of(sessions: sessionmaker[Session], stream: str) -> list[dict[str, Any]]:
    query = text(
        "SELECT b.body FROM ledger_bodies b JOIN ledger_entries e USING (commitment) "
        "WHERE e.stream_id = CAST(:stream AS uuid) ORDER BY e.seq"
    )
    with sessions() as session:
        return [json.loads(bytes(body)) for body in session.scalars(query, {"stream": stream})]


def test_case_when_made_then_coordinator_sees_it_and_administrator_does_not(api: Api) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    assert olena.get(f"/v1/cases/{case_id}").json()["title"] == "Strikes, July"
    hidden = api.admin.get(f"/v1/cases/{case_id}")
    assert (hidden.status_code, hidden.json()["code"]) == (404, "not_found")
    assert api.admin.get("/v1/cases").json()["items"] == []


def test_case_when_made_then_its_stream_holds_no_title_and_no_name_in_clear(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    olena, petro = api.person("Olena"), api.person("Petro")
    case_id = api.case(olena, verifier=(petro,))
    entries = entries_of(sessions, case_id)
    assert [entry["type"] for entry in entries] == ["case.created", "case.member_granted", "case.member_granted"]
    text_of_all = json.dumps(entries)
    assert "Strikes" not in text_of_all
    assert "Petro" not in text_of_all
    assert petro.id not in text_of_all, "accounts stand in a case's entries by a pseudonym"
    members = olena.get(f"/v1/cases/{case_id}/members").json()["items"]
    pseudonym = next(member["pseudonym"] for member in members if member["name"] == "Petro")
    assert entries[2]["data"]["account"] == pseudonym


def test_case_when_outsider_asks_then_every_operation_answers_like_a_case_that_does_not_exist(api: Api) -> None:
    olena, outsider = api.person("Olena"), api.person("Outsider")
    real, invented = api.case(olena), "11111111-1111-4111-8111-111111111111"
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"title": "x"}),
        ("POST", "/close", {"reason": "x"}),
        ("GET", "/members", None),
        ("PUT", f"/members/{outsider.id}/coordinator", None),
        ("DELETE", f"/members/{olena.id}/coordinator", None),
        ("GET", "/policy", None),
        ("PUT", "/policy", {"required_dimensions": ["source"]}),
    ):
        answers = [
            outsider.http.request(method, f"/v1/cases/{case}{path}", json=body, headers={"If-Match": '"1"'})
            for case in (real, invented)
        ]
        assert [answer.status_code for answer in answers] == [404, 404], (method, path)
        first, second = ({**answer.json(), "request_id": ""} for answer in answers)
        assert first == second


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.COORDINATOR])
def test_case_when_member_lacks_the_role_then_403(api: Api, role: Role) -> None:
    olena, member = api.person("Olena"), api.person("Member")
    case_id = api.case(olena, **{role: (member,)})
    refused = member.put(f"/v1/cases/{case_id}/members/{member.id}/coordinator")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_role_when_revoked_then_the_next_request_is_refused(api: Api, sessions: sessionmaker[Session]) -> None:
    olena, petro = api.person("Olena"), api.person("Petro")
    case_id = api.case(olena, verifier=(petro,))
    assert petro.get(f"/v1/cases/{case_id}").status_code == 200
    assert olena.delete(f"/v1/cases/{case_id}/members/{petro.id}/verifier").status_code == 200
    assert petro.get(f"/v1/cases/{case_id}").status_code == 404
    assert entries_of(sessions, case_id)[-1]["type"] == "case.member_revoked"
    again = olena.delete(f"/v1/cases/{case_id}/members/{petro.id}/verifier")
    assert (again.status_code, again.json()["code"]) == (422, "not_a_member")


def test_coordinator_when_knowing_a_persons_address_then_finds_the_account_and_adds_it(api: Api) -> None:
    anna, olena = api.person("Anna"), api.person("Olena")
    case_id = api.case(anna)
    path = f"/v1/cases/{case_id}/members"

    found = anna.post(f"{path}/lookup", json={"email": email_of("Olena").upper()})

    assert found.json() == {"account_id": olena.id, "name": "Olena"}
    assert anna.put(f"{path}/{found.json()['account_id']}/verifier").status_code == 200
    assert olena.get(f"/v1/cases/{case_id}").status_code == 200


def test_coordinator_when_an_address_is_part_of_one_unknown_or_deactivated_then_finds_nobody(api: Api) -> None:
    anna, leaver = api.person("Anna"), api.person("Leaver")
    lookup = f"/v1/cases/{api.case(anna)}/members/lookup"
    user = f"/v1/users/{leaver.id}"
    assert api.admin.change(f"{user}/deactivate", user).status_code == 200
    for address in ("leaver@hub", "%@hub.example", "nobody@hub.example", email_of("Leaver")):
        refused = anna.post(lookup, json={"email": address})
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_account")


def test_address_when_looked_up_by_others_then_an_outsider_gets_404_and_a_member_403(api: Api) -> None:
    anna, olena, stranger = api.person("Anna"), api.person("Olena"), api.person("Stranger")
    lookup = f"/v1/cases/{api.case(anna, verifier=(olena,))}/members/lookup"
    for person, status in ((olena, 403), (stranger, 404), (api.admin, 404)):
        assert person.post(lookup, json={"email": email_of("Anna")}).status_code == status


def test_coordinator_when_the_only_one_then_cannot_be_removed(api: Api) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    refused = olena.delete(f"/v1/cases/{case_id}/members/{olena.id}/coordinator")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_coordinator")


def test_role_when_given_twice_then_one_entry(api: Api, sessions: sessionmaker[Session]) -> None:
    olena, petro = api.person("Olena"), api.person("Petro")
    case_id = api.case(olena, verifier=(petro,))
    before = len(entries_of(sessions, case_id))
    again = olena.put(f"/v1/cases/{case_id}/members/{petro.id}/verifier")
    assert (again.status_code, again.json()["receipts"]) == (200, [])
    assert len(entries_of(sessions, case_id)) == before


def test_case_when_changed_with_a_stale_version_then_412_and_nothing_changes(api: Api) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    path = f"/v1/cases/{case_id}"
    first = olena.http.patch(path, json={"title": "Strikes, 8 July"}, headers={"If-Match": '"1"'})
    assert (first.status_code, first.headers["ETag"]) == (200, '"2"')
    stale = olena.http.patch(path, json={"title": "Lost update"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert olena.get(path).json()["title"] == "Strikes, 8 July"


def test_case_when_closed_then_nothing_in_it_changes_and_it_stays_readable(api: Api) -> None:
    olena, petro = api.person("Olena"), api.person("Petro")
    case_id = api.case(olena)
    closed = olena.change(f"/v1/cases/{case_id}/close", f"/v1/cases/{case_id}", json={"reason": "done"})
    assert closed.json()["status"] == "closed"
    refused = olena.put(f"/v1/cases/{case_id}/members/{petro.id}/verifier")
    assert (refused.status_code, refused.json()["code"]) == (409, "case_closed")
    assert olena.get(f"/v1/cases/{case_id}").status_code == 200


def test_labels_when_the_case_is_closed_then_refused(api: Api) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    lead = olena.post(f"/v1/cases/{case_id}/evidence", json={"lead_claim": "A film of the bridge"}).json()
    olena.change(f"/v1/cases/{case_id}/close", f"/v1/cases/{case_id}", json={"reason": "done"})
    path = f"/v1/evidence/{lead['id']}"
    refused = olena.change(f"{path}/labels", path, "PUT", json=LABELS)
    assert (refused.status_code, refused.json()["code"]) == (409, "case_closed")


def test_act_when_its_role_is_being_revoked_then_it_waits_and_is_refused(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    olena, petro = api.person("Olena"), api.person("Petro")
    case_id = api.case(olena, verifier=(petro,))
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        unit_of_work(sessions) as uow,
    ):
        coordinator = authenticate(uow.session, olena.token)
        revoke_role(uow, coordinator, UUID(case_id), account_id=UUID(petro.id), role=Role.VERIFIER)
        act = pool.submit(petro.post, f"/v1/cases/{case_id}/incidents", json=INCIDENT)
        until_it_waits_for(uow.session, act)
        uow.commit()
        assert act.result().status_code == 404


def test_request_when_repeated_after_the_role_was_revoked_then_the_stored_answer_is_not_given(api: Api) -> None:
    olena, petro = api.person("Olena"), api.person("Petro")
    case_id = api.case(olena, verifier=(petro,))
    keyed = {"Idempotency-Key": "same"}
    path = f"/v1/cases/{case_id}/incidents"
    assert petro.post(path, json=INCIDENT, headers=keyed).status_code == 201
    assert petro.post(path, json=INCIDENT, headers=keyed).headers["Idempotency-Replayed"] == "true"
    assert olena.delete(f"/v1/cases/{case_id}/members/{petro.id}/verifier").status_code == 200
    assert petro.post(path, json=INCIDENT, headers=keyed).status_code == 404


def test_item_when_an_outsider_acts_on_it_then_refused_without_waiting_for_its_lock(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    olena, outsider = api.person("Olena"), api.person("Outsider")
    case_id = api.case(olena)
    lead = olena.post(f"/v1/cases/{case_id}/evidence", json={"lead_claim": "A film of the bridge"}).json()
    made = olena.post(f"/v1/cases/{case_id}/incidents", json=INCIDENT).json()
    with sessions() as session:
        for table in ("cases", "evidence", "incidents"):
            session.execute(text(f"SELECT id FROM {table} FOR UPDATE"))
        refused = (
            outsider.http.put(f"/v1/evidence/{lead['id']}/labels", json=LABELS, headers={"If-Match": '"1"'}),
            outsider.http.patch(f"/v1/incidents/{made['id']}", json={"title": "x"}, headers={"If-Match": '"1"'}),
        )
        assert [answer.status_code for answer in refused] == [404, 404]


def test_coordinator_when_the_other_one_is_deactivated_then_cannot_be_removed(api: Api) -> None:
    olena, petro = api.person("Olena"), api.person("Petro")
    case_id = api.case(olena)
    assert olena.put(f"/v1/cases/{case_id}/members/{petro.id}/coordinator").status_code == 200
    api.admin.change(f"/v1/users/{petro.id}/deactivate", f"/v1/users/{petro.id}")
    refused = olena.delete(f"/v1/cases/{case_id}/members/{olena.id}/coordinator")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_coordinator")


def test_policy_when_changed_then_versions_follow_each_other_and_the_digest_is_an_entry(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    path = f"/v1/cases/{case_id}/policy"
    assert "motivation" not in olena.get(path).json()["required_dimensions"]
    changed = olena.change(
        path, path, "PUT", json={"required_dimensions": ["source", "date"], "thresholds": {"pdq": 24}}
    )
    assert changed.json()["version"] == 2
    entry = entries_of(sessions, case_id)[-1]
    assert (entry["type"], entry["data"]["policy_version"]) == ("case.policy_changed", 2)
    wrong = olena.change(path, path, "PUT", json={"required_dimensions": ["astrology"]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")


def test_policy_when_it_says_nothing_of_a_threshold_then_it_is_the_products_and_other_cases_are_compared(
    api: Api,
) -> None:
    olena = api.person("Olena")
    policy = olena.get(f"/v1/cases/{api.case(olena)}/policy").json()
    assert (policy["thresholds"], policy["inliers"], policy["matching_across_cases"]) == ({}, {}, True)


@pytest.mark.parametrize(
    "settings",
    [
        {"thresholds": {"pdq": 65}},
        {"thresholds": {"phash": 17}},
        {"thresholds": {"whash": 1}},
        {"inliers": {"same_picture": 9}},
        {"inliers": {"same_picture": 20, "likely": 21}},
        {"inliers": {"likely": 13}},
        {"matching_across_cases": None},
    ],
)
def test_policy_when_a_threshold_is_outside_its_range_then_422(api: Api, settings: dict[str, Any]) -> None:
    olena = api.person("Olena")
    path = f"/v1/cases/{api.case(olena)}/policy"
    wrong = olena.change(path, path, "PUT", json={"required_dimensions": ["source"], **settings})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("inliers", "told"),
    [
        ({"same_picture": 10}, "'inliers.likely' (11) must not be above 'inliers.same_picture' (10)"),
        ({"likely": 13}, "'inliers.likely' (13) must not be above 'inliers.same_picture' (12)"),
    ],
)
def test_policy_when_one_number_of_points_crosses_the_others_default_then_both_are_named(
    api: Api, inliers: dict[str, int], told: str
) -> None:
    olena = api.person("Olena")
    path = f"/v1/cases/{api.case(olena)}/policy"
    wrong = olena.change(path, path, "PUT", json={"required_dimensions": ["source"], "inliers": inliers})
    assert wrong.status_code == 422
    assert f"{told}; absent in 'inliers', they are 11 and 12" in wrong.text


def test_policy_when_its_required_dimensions_are_left_out_then_422_names_them(api: Api) -> None:
    olena = api.person("Olena")
    path = f"/v1/cases/{api.case(olena)}/policy"
    wrong = olena.change(path, path, "PUT", json={"exposure_items_per_day": 40})
    assert wrong.status_code == 422
    assert [fault["field"] for fault in wrong.json()["errors"]] == ["body.required_dimensions"]


def test_policy_when_thresholds_are_in_range_then_they_are_kept(api: Api) -> None:
    olena = api.person("Olena")
    path = f"/v1/cases/{api.case(olena)}/policy"
    settings = {
        "thresholds": {"pdq": 0, "dhash": 16},
        "inliers": {"same_picture": 100, "likely": 6},
        "matching_across_cases": False,
        "blind_double_verification": True,
    }
    olena.change(path, path, "PUT", json={"required_dimensions": ["source"], **settings})
    assert olena.get(path).json().items() >= settings.items()


def test_policy_when_a_field_is_left_out_then_it_keeps_the_value_in_force_and_null_ends_a_cap(api: Api) -> None:
    olena = api.person("Olena")
    path = f"/v1/cases/{api.case(olena)}/policy"
    settings = {
        "thresholds": {"pdq": 20},
        "inliers": {"same_picture": 30},
        "matching_across_cases": False,
        "blind_double_verification": True,
        "exposure_items_per_day": 40,
        "exposure_minutes_per_day": 60,
        "break_minutes": 30,
    }
    assert olena.change(path, path, "PUT", json={"required_dimensions": ["source"], **settings}).status_code == 200
    changed = olena.change(path, path, "PUT", json={"required_dimensions": ["date"]}).json()
    assert changed.items() >= {**settings, "required_dimensions": ["date"], "version": 3}.items()
    ends = {"exposure_items_per_day": None, "thresholds": {"dhash": 3}}
    olena.change(path, path, "PUT", json={"required_dimensions": ["date"], **ends})
    assert olena.get(path).json().items() >= {**settings, **ends}.items()


def test_policy_when_its_document_is_from_before_a_setting_was_there_then_it_reads_on() -> None:
    old = {"required_dimensions": ["source"], "thresholds": {"pdq": 24, "whash": 60}}
    assert Policy.of(old) == Policy(("source",), {"pdq": 24, "whash": 60}, {}, True)
    assert not Policy.of(old).blind_double_verification


def test_token_when_limited_to_one_case_and_role_then_other_cases_are_404_and_other_roles_403(api: Api) -> None:
    olena = api.person("Olena")
    inside, outside, elsewhere = (api.case(olena, verifier=members) for members in ((olena,), (olena,), ()))
    made = olena.post(
        "/v1/tokens", json={"name": "m", "scopes": ["read", "write"], "case_ids": [inside], "roles": ["verifier"]}
    )
    machine = api.client(made.json()["token"])
    assert machine.get(f"/v1/cases/{inside}").status_code == 200
    assert machine.get(f"/v1/cases/{outside}").status_code == 404
    assert machine.put(f"/v1/cases/{inside}/members/{olena.id}/auditor").status_code == 403
    assert [case["id"] for case in machine.get("/v1/cases").json()["items"]] == [inside]
    made = olena.post("/v1/tokens", json={"name": "v", "scopes": ["read"], "roles": ["verifier"]})
    verifying = api.client(made.json()["token"])
    assert verifying.get(f"/v1/cases/{elsewhere}").status_code == 404
    assert {case["id"] for case in verifying.get("/v1/cases").json()["items"]} == {inside, outside}


def test_membership_when_inserted_by_raw_sql_without_an_entry_then_the_database_refuses(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    olena, intruder = api.person("Olena"), api.person("Intruder")
    case_id = api.case(olena)
    with sessions() as session:
        session.execute(
            text("INSERT INTO case_members VALUES (CAST(:c AS uuid), CAST(:a AS uuid), 'researcher', now())"),
            {"c": case_id, "a": intruder.id},
        )
        with pytest.raises(IntegrityError) as refused:
            session.commit()
    assert isinstance(refused.value.orig, psycopg.Error)
    assert refused.value.orig.diag.constraint_name == "exhibit_require_entry"
    assert intruder.get(f"/v1/cases/{case_id}").status_code == 404


def test_membership_when_being_inserted_by_raw_sql_then_what_asks_who_else_may_verify_waits_for_it(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    """A self-review holds its case to look whether another may review: a member who is being added is not missed."""
    olena, petro = api.person("Olena"), api.person("Petro")
    member = {"c": api.case(olena), "a": petro.id}
    held = "SELECT FROM cases WHERE id = CAST(:c AS uuid) FOR SHARE NOWAIT"
    with sessions() as adding, sessions() as looking:
        adding.execute(
            text("INSERT INTO case_members VALUES (CAST(:c AS uuid), CAST(:a AS uuid), 'verifier', now())"), member
        )
        with pytest.raises(OperationalError, match="could not obtain lock"):
            looking.execute(text(held), member)


def test_pseudonym_when_changed_by_raw_sql_then_the_database_refuses(api: Api, database: TestDatabase) -> None:
    api.case(api.person("Olena"))
    change = "UPDATE case_pseudonyms SET pseudonym = gen_random_uuid()"
    with psycopg.connect(database.app_url) as application, pytest.raises(psycopg.errors.InsufficientPrivilege):
        application.execute(change)
    with psycopg.connect(database.owner_url) as owner, pytest.raises(psycopg.errors.IntegrityError) as refused:
        owner.execute(change)
    assert refused.value.diag.constraint_name == "exhibit_refuse_change"
