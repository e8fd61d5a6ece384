"""What the database itself refuses: an erasure without its entry, more than an erasure, a body without two persons."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from app.erasure.events import EntryErased
from app.kernel.database import open_engine, session_factory
from app.kernel.primitives import new_id, utc_now
from app.ledger import log
from app.ledger.event import EntryActor, EntryObject
from tests.erasure.hub import Hub, HubFacts, open_hub
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database

FROZEN = {
    "evidence": ("collector", "'[erased]'"),
    "evidence_corrections": ("value", "'null'::jsonb"),
    "relations": ("reason", "'[erased]'"),
    "findings": ("rationale", "'[erased]'"),
    "verdicts": ("rationale", "'[erased]'"),
    "reviews": ("comment", "'[erased]'"),
    "incidents": ("title", "'[erased]'"),
    "incident_evidence": ("note", "'[erased]'"),
    "cases": ("title", "'[erased]'"),
    "accounts": ("name", "'[erased]'"),
    "tokens": ("name", "'[erased]'"),
}


@pytest.fixture(scope="module")
def filled(
    postgres: TestServer, prepared: tuple[str, HubFacts], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TestDatabase, Hub]]:
    """One hub for all tests here: what they try is refused."""
    database = create_database(postgres, template=prepared[0])
    with open_hub(database, tmp_path_factory.mktemp("guards") / "data", prepared[1]) as hub:
        yield database, hub
    with postgres.administration() as owner:
        drop_database(owner, database.name)


def refusal(database: TestDatabase, *statements: str) -> str | None:
    """The constraint by which the application's own role is refused, at the commit at the latest."""
    with closing(psycopg.connect(database.app_url)) as connection:
        try:
            for statement in statements:
                connection.execute(statement.encode())
            connection.commit()
        except psycopg.errors.IntegrityError as error:
            return error.diag.constraint_name
        except psycopg.errors.InsufficientPrivilege:
            return "no right"
    return None


def guards_of_erasure(database: TestDatabase, table: str) -> list[str]:
    """The triggers that ask for the erasing entry, one for each stream that it stands in."""
    asked = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname ~ 'erasure_needs_entry'"
    with psycopg.connect(database.app_url) as connection:
        return [name for (name,) in connection.execute(asked, [table])]


@pytest.mark.parametrize("table", list(FROZEN))
def test_row_when_erased_without_an_entry_then_refused(filled: Any, table: str) -> None:
    column, blank = FROZEN[table]
    done = f"UPDATE {table} SET {column} = {blank}, erased = erased || '{column}'::text"
    guards = guards_of_erasure(filled[0], table)
    assert guards
    for guard in guards:  # At once: which of all that look at the commit would refuse first, their names decide.
        assert refusal(filled[0], f"SET CONSTRAINTS {guard} IMMEDIATE", done) == "exhibit_require_erasure", guard


@pytest.mark.parametrize("table", list(FROZEN))
def test_row_when_named_as_erased_and_not_emptied_then_refused(filled: Any, table: str) -> None:
    column, _ = FROZEN[table]
    refused_by = refusal(filled[0], f"UPDATE {table} SET erased = erased || '{column}'::text")
    assert refused_by in (
        *("exhibit_refuse_change", "evidence_fields_frozen", "exhibit_unlink_once", "exhibit_guard_erased"),
    )


@pytest.mark.parametrize("table", ["evidence_corrections", "relations", "findings", "verdicts", "reviews"])
def test_frozen_row_when_changed_besides_or_without_the_mark_then_refused(filled: Any, table: str) -> None:
    column, blank = FROZEN[table]
    edited = "'\"other\"'::jsonb" if table == "evidence_corrections" else "'other'"
    for change in (f"{column} = {blank}", f"{column} = {edited}, erased = '{{{column}}}'", "erased = '{id}'"):
        assert refusal(filled[0], f"UPDATE {table} SET {change}") == "exhibit_refuse_change"
    assert refusal(filled[0], f"DELETE FROM {table}") in ("exhibit_refuse_change", "no right")


def test_disclosure_when_deleted_or_changed_without_an_erasing_entry_then_refused(filled: Any) -> None:
    assert refusal(filled[0], "DELETE FROM ledger_disclosures") == "exhibit_disclosure_erased"
    assert refusal(filled[0], "UPDATE ledger_disclosures SET line = ''") in ("exhibit_refuse_change", "no right")


def test_body_when_deleted_without_an_erasing_entry_then_refused(filled: Any) -> None:
    last = "SELECT head_commitment FROM ledger_streams WHERE kind = 'evidence' LIMIT 1"
    assert refusal(filled[0], f"DELETE FROM ledger_bodies WHERE commitment = ({last})") == "exhibit_body_erased"
    assert refusal(filled[0], "INSERT INTO ledger_erased_bodies SELECT commitment, label FROM ledger_entries") == (
        "no right"
    )


def test_envelope_when_deleted_while_the_rationale_stands_then_refused_by_its_own_trigger(filled: Any) -> None:
    with psycopg.connect(filled[0].owner_url) as owner:
        [definition] = owner.execute(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'verdict_envelopes_erased'"
        ).fetchone() or [""]
    assert "AFTER DELETE" in definition
    assert "INITIALLY DEFERRED" in definition


def test_request_when_decided_by_who_asked_or_who_was_given_access_lately_or_twice_then_refused(filled: Any) -> None:
    database, hub = filled
    entry = hub.entry("evidence.lead_registered")
    path = f"/v1/ledger/entries/{entry['commitment']}/erasure-requests"
    made = hub.custodian.post(path, json={"reason_code": "x_y", "authority": "x_y"})
    assert made.status_code == 201, made.text
    approve = "UPDATE erasure_requests SET decision = 'approve', decided_at = now(), decided_by = "
    assert refusal(database, f"{approve} requested_by") == "ck_erasure_requests_second_person"
    other = f"(SELECT id FROM accounts WHERE id <> '{hub.custodian.id}' ORDER BY id LIMIT 1)"
    assert refusal(database, f"{approve} {other}") == "exhibit_require_entry"
    given = f"UPDATE accounts SET access_given_at = now() WHERE id = {other}"
    assert refusal(database, given, f"{approve} {other}") == "exhibit_access_given_lately"
    assert refusal(database, "UPDATE erasure_requests SET decided_at = now()") == "exhibit_decide_once"
    deleted = refusal(database, "DELETE FROM erasure_requests")
    assert deleted == "no right"


def test_body_when_its_erasing_entry_is_written_by_hand_without_approval_then_refused(filled: Any) -> None:
    database, hub = filled
    entry = hub.entry("evidence.finding_recorded")
    engine = open_engine(database.app_url, pool_size=1)
    stream = UUID(entry["stream"])
    event = EntryErased(
        stream=stream,
        actor=EntryActor(new_id(), "user", "custodian"),
        object=EntryObject("evidence", stream),
        request=new_id(),
        seq=entry["seq"],
        commitment=entry["commitment"],
    )
    erased = {"erased": bytes.fromhex(entry["commitment"])}
    with session_factory(engine)() as session:
        connection = session.connection().connection.driver_connection
        assert isinstance(connection, psycopg.Connection)
        connection.execute("DELETE FROM ledger_disclosures WHERE commitment = %(erased)s", erased)
        connection.execute("DELETE FROM ledger_bodies WHERE commitment = %(erased)s", erased)
        log.append(session, [event], recorded=utc_now())
        with pytest.raises(IntegrityError, match="a second person has approved"):
            session.commit()
    engine.dispose()
