"""Openings whose persons change between the steps: a role taken away, an account ended, an approval dated ahead."""

import psycopg
import pytest

from tests.support.api import Api
from tests.support.databases import TestDatabase
from tests.support.journey import ok
from tests.vault.test_http import House, code, furnish


@pytest.fixture
def house(api: Api) -> House:
    return furnish(api)


def take_away(house: House, who: str) -> None:
    second = house.api.person("Second coordinator")
    members = f"/v1/cases/{house.case_id}/members"
    ok(house.coordinator.put(f"{members}/{second.id}/coordinator"))
    ok(second.delete(f"{members}/{house.people[who].id}/{who}"))


def test_opening_when_who_approved_lost_the_role_or_the_account_since_then_tells_nothing(house: House) -> None:
    ok(house.seal(house.collector))
    first, second = house.ask(house.researcher), house.ask(house.coordinator)
    ok(house.decide(house.coordinator, first))
    take_away(house, "coordinator")
    assert code(house.open(house.researcher, first)) == (409, "opening_not_approved")
    assert code(house.open(house.coordinator, second)) == (404, "not_found")
    third = house.ask(house.researcher)
    ok(house.decide(house.custodian, third))
    account = f"/v1/users/{house.custodian.id}"
    ok(house.api.admin.change(f"{account}/deactivate", account))
    assert code(house.open(house.researcher, third)) == (409, "opening_not_approved")
    assert [
        each["opened_at"] for each in ok(house.researcher.get(f"/v1/cases/{house.case_id}/identity-openings"))["items"]
    ] == [None] * 3


def test_opening_when_approved_and_nothing_changed_then_is_told_all_the_same(house: House) -> None:
    ok(house.seal(house.collector))
    opening = house.ask(house.researcher)
    ok(house.decide(house.coordinator, opening))
    ok(house.open(house.researcher, opening))


ASK = (
    "INSERT INTO vault_openings (id, case_id, stream_id, identity_id, purpose, requested_by, requested_at)"
    " SELECT gen_random_uuid(), case_id, stream_id, id, 'consent', %s, now() FROM vault_identities"
)
APPROVE_AHEAD = (
    "UPDATE vault_openings SET decision = 'approve', decided_by = %s, decided_at = now() + interval '90 years'"
    " RETURNING decided_at <= clock_timestamp()"
)


def test_opening_when_written_by_raw_sql_then_only_by_who_may_ask_and_no_approval_lies_ahead(
    house: House, database: TestDatabase
) -> None:
    ok(house.seal(house.collector))
    with psycopg.connect(database.app_url) as application:
        for stranger in (house.verifier, house.outsider):
            with pytest.raises(psycopg.Error) as refused, application.transaction():
                application.execute(ASK, [stranger.id])
            assert refused.value.diag.constraint_name == "exhibit_opening_requester"
        application.rollback()
    house.ask(house.researcher)
    with psycopg.connect(database.app_url) as application:
        row = application.execute(APPROVE_AHEAD, [house.coordinator.id]).fetchone()
        assert row == (True,)
        application.rollback()


def test_identity_when_opened_by_raw_sql_without_its_own_entry_then_the_database_refuses(
    house: House, database: TestDatabase
) -> None:
    ok(house.seal(house.collector))
    opening = house.ask(house.researcher)
    ok(house.decide(house.coordinator, opening))
    with psycopg.connect(database.app_url) as application:
        application.execute("SELECT * FROM exhibit_open_identity(%s)", [opening])
        with pytest.raises(psycopg.Error) as refused:
            application.execute("SET CONSTRAINTS vault_openings_unsealing IMMEDIATE")
        application.rollback()
    assert refused.value.diag.constraint_name == "exhibit_unsealing_has_entry"
