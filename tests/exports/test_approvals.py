"""Four eyes: who asks for a package never approves it, and nothing of it is made nor taken before somebody did."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from app.exports.verifier.verify import parse_key, verify
from tests.exports.custody_cases import integrating, publish_key
from tests.exports.http_hub import HttpHub
from tests.support.api import Person, running_api
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database


class ApprovingHub(HttpHub):
    """With two more members, and the database at hand."""

    rita: Person
    lev: Person
    database: TestDatabase


@pytest.fixture(scope="module")
def approving(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator["ApprovingHub"]:
    """A case whose policy wants approval; Anna coordinates it and is its custodian, Rita and Lev are a researcher and a
    legal analyst of it, Petro audits it."""
    database = create_database(postgres)
    data = tmp_path_factory.mktemp("approvals") / "data"
    with running_api(database, data, checkpoint_wait_s=20) as api, integrating(database):
        sessions: sessionmaker[Session] = api.app.state.services.sessions
        hub = ApprovingHub(api, sessions, publish_key(sessions, data).encode())
        hub.database = database
        for name, role in (("rita", "researcher"), ("lev", "legal_analyst")):
            person = api.person(name)
            assert hub.anna.put(f"/v1/cases/{hub.case_id}/members/{person.id}/{role}").is_success
            setattr(hub, name, person)
        policy = f"/v1/cases/{hub.case_id}/policy"
        asked = {"required_dimensions": ["date"], "exports_need_approval": True}
        changed = hub.anna.change(policy, policy, "PUT", json=asked)
        assert changed.json()["exports_need_approval"] is True, changed.text
        yield hub
    with postgres.administration() as owner:
        drop_database(owner, database.name)


def decide(person: Person, export_id: str, decision: str = "approve") -> Any:
    return person.post(f"/v1/exports/{export_id}/decision", json={"decision": decision, "reason": "As the court asks"})


@pytest.mark.thorough
def test_package_when_policy_asks_for_it_then_is_made_after_another_person_approved(approving: ApprovingHub) -> None:
    hub = approving
    asked = hub.ask(hub.anna, media=True, disclosures="all")
    assert asked.status_code == 202, asked.text
    export = asked.json()
    assert (export["state"], export["needs_approval"], export["decision"]) == ("awaiting_approval", True, None)
    path = f"/v1/exports/{export['id']}"
    hub.work()
    early = hub.anna.get(f"{path}/content")
    assert (early.status_code, early.json()["code"]) == (409, "export_awaits_approval")
    own = decide(hub.anna, export["id"])
    assert (own.status_code, own.json()["code"]) == (403, "export_needs_another")
    assert decide(hub.lev, export["id"]).status_code == 403, "a legal analyst decides about none"
    assert decide(hub.stranger, export["id"]).status_code == 404
    approved = decide(hub.rita, export["id"])
    assert approved.status_code == 200, approved.text
    assert (approved.json()["decision"], approved.json()["decided_by"]) == ("approve", hub.rita.id)
    assert [receipt["type"] for receipt in approved.json()["receipts"]] == ["export.approved"]
    again = decide(hub.rita, export["id"], "refuse")
    assert (again.status_code, again.json()["code"]) == (409, "export_already_decided")
    hub.work()
    content = hub.anna.get(f"{path}/content")
    assert content.status_code == 200, content.text
    assert verify(io.BytesIO(content.content), [parse_key(hub.vkey)]).findings == []


def test_package_when_refused_then_nothing_is_made_and_it_says_so(approving: ApprovingHub) -> None:
    hub = approving
    export_id = hub.ask(hub.anna).json()["id"]
    refused = decide(hub.rita, export_id, "refuse")
    assert (refused.status_code, refused.json()["state"]) == (200, "refused"), refused.text
    hub.work()
    gone = hub.anna.get(f"/v1/exports/{export_id}/content")
    assert (gone.status_code, gone.json()["code"]) == (409, "export_refused")
    assert decide(hub.rita, export_id).status_code == 409
    taken_back = hub.ask(hub.anna).json()["id"]
    assert decide(hub.anna, taken_back, "refuse").json()["state"] == "refused", "who asked may take it back"
    assert decide(hub.anna, taken_back, "refuse").status_code == 409


def test_decision_when_without_a_reason_then_is_refused(approving: ApprovingHub) -> None:
    export_id = approving.ask(approving.anna).json()["id"]
    for body in ({"decision": "approve"}, {"decision": "approve", "reason": " "}, {"decision": "maybe", "reason": "x"}):
        assert approving.rita.post(f"/v1/exports/{export_id}/decision", json=body).status_code == 422


def test_custody_file_when_policy_asks_for_approval_then_opens_nothing(approving: ApprovingHub) -> None:
    path = f"/v1/evidence/{approving.item}/custody/file?format=jsonl&purpose=audit"
    refused = approving.anna.get(f"{path}&disclose=all")
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_needed"), refused.text
    assert approving.anna.get(f"{path}&disclose=none").status_code == 200


@pytest.mark.thorough
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asker=st.sampled_from(["anna", "rita", "petro"]),
    acts=st.lists(
        st.tuples(st.sampled_from(["anna", "rita", "lev", "petro"]), st.sampled_from(["approve", "refuse", "take"])),
        max_size=6,
    ),
)
def test_acts_when_in_any_order_by_anybody_then_only_another_persons_approval_leads_on(
    approving: ApprovingHub, asker: str, acts: list[tuple[str, str]]
) -> None:
    export_id = approving.ask(getattr(approving, asker)).json()["id"]
    state = "awaiting_approval"
    for person, act in acts:
        may_decide = person in ("anna", "rita")
        if act == "take":
            answer = getattr(approving, person).get(f"/v1/exports/{export_id}/content")
            assert answer.status_code == 409, "nothing is ever ready without its jobs"
            continue
        answer = decide(getattr(approving, person), export_id, act)
        if not may_decide or (act == "approve" and person == asker and state == "awaiting_approval"):
            assert answer.status_code == 403, answer.text
        elif state != "awaiting_approval":
            assert answer.status_code == 409, answer.text
        else:
            assert answer.status_code == 200, answer.text
            state = "building" if act == "approve" else "refused"
        assert approving.anna.get(f"/v1/exports/{export_id}").json()["state"] == state


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'building'", "exhibit_export_decided_once"),
        ("state = 'building', decision = 'approve', decided_by = requested_by, decided_at = now()", "second_person"),
        ("state = 'building', decision = 'approve', decided_by = '{lev}', decided_at = now()", "export_decider"),
        ("state = 'refused', decision = 'approve', decided_by = '{rita}', decided_at = now()", "decided_once"),
        (
            "state = 'building', decision = 'approve', decided_by = '{rita}', decided_at = now()",
            "exhibit_require_entry",
        ),
        ("needs_approval = false", "exhibit_export_goes_on"),
    ],
)
def test_approval_when_forged_by_raw_sql_then_the_database_refuses(
    approving: ApprovingHub, change: str, constraint: str
) -> None:
    export_id = approving.ask(approving.anna).json()["id"]
    change = change.format(lev=approving.lev.id, rita=approving.rita.id)
    with psycopg.connect(approving.database.owner_url) as connection:
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(f"UPDATE exports SET {change} WHERE id = %s", [export_id])
        assert constraint in f"{refused.value.diag.constraint_name} {refused.value}"
        connection.rollback()
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("INSERT INTO export_downloads VALUES (%s, %s, now())", [export_id, approving.anna.id])
        assert refused.value.diag.constraint_name == "exhibit_export_taken_when_ready"
        connection.rollback()


def test_approval_when_an_administrator_gave_the_second_person_access_lately_then_the_database_refuses(
    approving: ApprovingHub,
) -> None:
    export_id = approving.ask(approving.anna).json()["id"]
    approve = "UPDATE exports SET state = 'building', decision = 'approve', decided_at = now(), decided_by = %s"
    with psycopg.connect(approving.database.owner_url) as connection:
        connection.execute("UPDATE accounts SET access_given_at = now() WHERE id = %s", [approving.rita.id])
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(f"{approve} WHERE id = %s", [approving.rita.id, export_id])
        assert refused.value.diag.constraint_name == "exhibit_access_given_lately"
        connection.rollback()


def test_export_when_inserted_by_raw_sql_without_approval_then_the_database_knows_the_policy(
    approving: ApprovingHub,
) -> None:
    copied = (
        "INSERT INTO exports (id, case_id, scope, has_media, disclosed, fields, requested_by, requested_at, state) "
        "SELECT gen_random_uuid(), case_id, scope, has_media, disclosed, fields, requested_by, requested_at, "
        "'building' FROM exports LIMIT 1"
    )
    approving.ask(approving.anna)
    with psycopg.connect(approving.database.owner_url) as connection:
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(copied)
        assert refused.value.diag.constraint_name == "exhibit_export_as_policy"
        connection.rollback()


@pytest.fixture
def hub(database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[HttpHub]:
    with running_api(database, tmp_path / "data", checkpoint_wait_s=20) as api, integrating(database):
        yield HttpHub(api, sessions, publish_key(sessions, tmp_path / "data").encode())


@pytest.mark.thorough
def test_package_when_policy_says_nothing_then_waits_for_nobody(hub: HttpHub) -> None:
    export = hub.ask(hub.anna).json()
    assert (export["state"], export["needs_approval"]) == ("building", False)
    refused = decide(hub.anna, export["id"], "refuse")
    assert (refused.status_code, refused.json()["code"]) == (409, "export_already_decided")


@pytest.mark.thorough
def test_package_when_consent_is_withdrawn_before_somebody_decides_then_it_cannot_be_approved_but_refused(
    approving: ApprovingHub,
) -> None:
    path = f"/v1/evidence/{approving.item}/consents"
    consent = {"subject": "S-3", "subject_kind": "source", "obtained": "written", "given_on": "2026-07-14"}
    given = approving.anna.post(path, json={**consent, "scopes": ["verification", "legal_proceedings"]})
    assert given.status_code == 201, given.text
    with_media, acts_alone = (approving.ask(approving.anna, media=media).json()["id"] for media in (True, False))
    withdrawn = {"subject_id": given.json()["subject_id"], "withdrawn_on": "2026-09-02"}
    assert approving.anna.post(f"{path}/withdrawals", json=withdrawn).status_code == 201

    approval = decide(approving.rita, with_media)

    assert (approval.status_code, approval.json()["code"]) == (409, "disclosure_withheld")
    assert approving.anna.get(f"/v1/exports/{with_media}").json()["state"] == "awaiting_approval"
    assert decide(approving.rita, with_media, "refuse").status_code == 200
    assert decide(approving.rita, acts_alone).status_code == 200, "what was done with it is no content"
