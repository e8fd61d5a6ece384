"""An administrator is not both persons of an act by becoming the second: whose access they gave approves nothing for a
day, and the case's members see since when."""

import psycopg
import pytest

from tests.support.api import Api, Person
from tests.support.databases import TestDatabase
from tests.support.journey import ok
from tests.vault.test_http import House, code, furnish

PASSWORD = "correct horse battery staple"


@pytest.fixture
def house(api: Api) -> House:
    made = furnish(api)
    ok(made.seal(made.collector))
    return made


def given_at(house: House, person: Person) -> str | None:
    rows = ok(house.auditor.get(f"/v1/cases/{house.case_id}/members"))["items"]
    [found] = {row["access_given_at"] for row in rows if row["account_id"] == person.id}
    return None if found is None else str(found)


def became(house: House, person: Person, way: str) -> Person:
    """A client by which the administrator acts as that person."""
    if way == "token":
        wanted = {"name": "x", "scopes": ["read", "write", "content"], "account_id": person.id}
        secret = ok(house.api.admin.post("/v1/tokens", json=wanted), 201)["token"]
    else:
        account = f"/v1/users/{person.id}"
        ok(house.api.admin.change(f"{account}/password", account, "PUT", json={"password": PASSWORD}))
        signed = {"email": "coordinator@hub.example", "password": PASSWORD}
        secret = ok(house.api.client().post("/v1/sessions", json=signed), 201)["token"]
    return Person(person.id, person.name, secret, house.api.client(secret))


@pytest.mark.parametrize("way", ["token", "password"])
def test_approval_when_an_administrator_became_the_second_person_then_refused_for_a_day_and_all_see_it(
    house: House, database: TestDatabase, way: str
) -> None:
    opening = house.ask(house.researcher)
    assert given_at(house, house.coordinator) is None
    intruder = became(house, house.coordinator, way)
    assert given_at(house, house.coordinator) is not None
    assert code(house.decide(intruder, opening)) == (403, "access_given_lately")
    ok(intruder.get("/v1/me"))
    with psycopg.connect(database.app_url) as application:
        application.execute("UPDATE accounts SET access_given_at = NULL")
        row = application.execute("SELECT count(*) FROM accounts WHERE access_given_at IS NOT NULL").fetchone()
        assert row == (1,), "nobody takes it back"
        application.rollback()
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE accounts SET access_given_at = access_given_at - interval '25 hours'")
    ok(house.decide(intruder, opening))


def test_approval_when_the_person_made_a_token_for_themselves_then_is_given(house: House) -> None:
    opening = house.ask(house.researcher)
    made = house.coordinator.post("/v1/tokens", json={"name": "x", "scopes": ["read", "write"]})
    own = house.api.client(ok(made, 201)["token"])
    ok(own.post(f"/v1/identity-openings/{opening}/decision", json={"decision": "approve"}))
    assert given_at(house, house.coordinator) is None


def test_refusal_when_access_was_given_lately_then_is_taken_all_the_same(house: House) -> None:
    opening = house.ask(house.researcher)
    intruder = became(house, house.coordinator, "token")
    ok(house.decide(intruder, opening, "refuse"))
