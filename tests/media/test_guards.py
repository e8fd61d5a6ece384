"""What the database itself refuses, whoever asks: impossible moves, edited acquisitions, acts without an entry."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from app.media.rules import NEVER_LINKED, TRANSITIONS, State
from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media_samples import PHOTOGRAPHS
from tests.support.databases import TestDatabase

DOGS = PHOTOGRAPHS[0].read_bytes()
FORGE_TOKEN = """
    INSERT INTO tokens (id, account_id, kind, name, secret_sha256, scopes, created_at, expires_at)
    SELECT gen_random_uuid(), id, 'token', 'mine', sha256('mine'), '{read}', now(), now() FROM accounts LIMIT 1
"""


@pytest.fixture
def owner(database: TestDatabase) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def item_id(receive: Receive) -> str:
    return str(receive(DOGS)["id"])


def refused_by(owner: psycopg.Connection, statement: str, *values: object) -> str | None:
    """The name of the guard that refuses the statement; None when it went through (and was rolled back)."""
    try:
        with owner.transaction(force_rollback=True):
            owner.execute(statement, values)
            owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except psycopg.errors.IntegrityError as error:
        return error.diag.constraint_name
    return None


def test_moves_in_the_database_are_those_of_the_rules(owner: psycopg.Connection) -> None:
    stored = set(owner.execute("SELECT state_before, state_after FROM exhibit_evidence_moves()").fetchall())

    rules = {
        (str(before), str(after))
        for moves in TRANSITIONS.values()
        for before, afters in moves.items()
        for after in afters
        if after is not before  # That a blind round is ended leaves the item where it is.
    }
    assert stored == rules


def test_state_words_in_the_database_are_those_of_the_rules(owner: psycopg.Connection) -> None:
    row = owner.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_evidence_state_word'"
    ).fetchone()
    assert row is not None
    assert {state for state in State if f"'{state}'" in row[0]} == set(State)


@pytest.mark.parametrize("state", [state for state in State if state not in ("preserved", "quarantined", "collected")])
def test_item_that_is_collected_moves_only_where_the_rules_lead(
    owner: psycopg.Connection, item_id: str, state: State
) -> None:
    statement = "UPDATE evidence SET state = %s, version = version + 1 WHERE id = %s"

    assert refused_by(owner, statement, state, item_id) == "evidence_state_moves"


def test_right_move_without_an_entry_is_refused(owner: psycopg.Connection, item_id: str) -> None:
    statement = "UPDATE evidence SET state = 'preserved', version = version + 1 WHERE id = %s"

    assert refused_by(owner, statement, item_id) == "exhibit_require_entry"


def test_right_move_without_a_new_version_is_refused(owner: psycopg.Connection, item_id: str) -> None:
    statement = "UPDATE evidence SET state = 'preserved' WHERE id = %s"

    assert refused_by(owner, statement, item_id) == "evidence_state_moves"


@pytest.mark.parametrize(
    "change",
    [
        "collector = 'Somebody else'",
        "acquired_at = now()",
        "source_address = 'https://example.org/other'",
        "file_name = 'other.jpg'",
        "claimed_place = NULL",
        "received_at = now()",
        "registered_at = now()",
        "case_id = (SELECT id FROM cases LIMIT 1 OFFSET 1)",
        "lead_claim = 'a claim'",
        "version = 0",
    ],
)
def test_acquisition_and_registration_are_never_edited(owner: psycopg.Connection, item_id: str, change: str) -> None:
    guard = refused_by(owner, f"UPDATE evidence SET {change} WHERE id = %s", item_id)

    assert guard in {"evidence_fields_frozen", "evidence_state_moves"}


def test_bytes_of_an_item_are_never_exchanged(owner: psycopg.Connection, receive: Receive, item_id: str) -> None:
    receive(DOGS + b"\0")
    other = "(SELECT sha256 FROM blobs WHERE sha256 <> evidence.blob_sha256)"

    assert refused_by(owner, f"UPDATE evidence SET blob_sha256 = {other} WHERE id = %s", item_id) == (
        "evidence_fields_frozen"
    )


@pytest.mark.parametrize("table", ["evidence", "blobs"])
def test_rows_are_never_deleted(owner: psycopg.Connection, item_id: str, table: str) -> None:
    assert refused_by(owner, f"DELETE FROM {table}") == "exhibit_refuse_change"


def test_correction_without_an_entry_is_refused(owner: psycopg.Connection, hub: Hub, item_id: str) -> None:
    statement = "INSERT INTO evidence_corrections VALUES (gen_random_uuid(), %s, 1, 'notes', '\"x\"', 'x', %s, now())"

    assert refused_by(owner, statement, item_id, hub.collector.id) == "exhibit_require_entry"


def test_view_without_an_entry_is_refused(owner: psycopg.Connection, hub: Hub, item_id: str) -> None:
    statement = "INSERT INTO evidence_views VALUES (%s, %s, 'viewed', 'original', 'review', now())"

    assert refused_by(owner, statement, item_id, hub.collector.id) == "exhibit_require_entry"


def test_application_may_not_edit_what_is_append_only(hub: Hub, item_id: str) -> None:
    with hub.api.app.state.services.sessions() as session:
        for table in ("blobs", "evidence_corrections", "fingerprints", "matches", "relations", "derivatives"):
            allowed = session.scalar(
                text("SELECT has_table_privilege(:t, 'UPDATE') OR has_table_privilege(:t, 'DELETE')"), {"t": table}
            )
            assert allowed is False, table


@pytest.mark.parametrize(
    "change",
    [
        "version = version + 1",
        "fingerprint_status = 'failed'",
        "fingerprint_reason = 'other'",
        "reason_code = 'other'",
        "labels = '{}'",
        "lease_holder = received_by, lease_expires_at = now()",
    ],
)
def test_change_of_an_item_without_an_entry_is_refused(owner: psycopg.Connection, item_id: str, change: str) -> None:
    assert refused_by(owner, f"UPDATE evidence SET {change} WHERE id = %s", item_id) == "exhibit_require_entry"


def test_derivative_when_it_is_no_picture_is_refused(owner: psycopg.Connection, item_id: str) -> None:
    statement = (
        "INSERT INTO derivatives SELECT gen_random_uuid(), blob_sha256, 'preview', 'x', '1', '{}', '', sha256('x'), 1,"
        " %s, now() FROM evidence WHERE id = %s"
    )

    assert refused_by(owner, statement, "text/html", item_id) == "ck_derivatives_media_type_word"
    assert refused_by(owner, statement, "image/webp", item_id) is None


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO accounts SELECT gen_random_uuid(), 'Mallory', 'm@example.org', NULL, true, true, true, now(), 1",
        "UPDATE accounts SET password_hash = 'mine'",
        "UPDATE accounts SET is_administrator = true",
        FORGE_TOKEN,
        "UPDATE tokens SET revoked_at = now()",
        "UPDATE tokens SET expires_at = 'infinity'",
        "INSERT INTO case_policies SELECT case_id, version + 1, document, now() FROM case_policies",
    ],
)
def test_change_of_who_may_do_what_without_an_entry_is_refused(
    owner: psycopg.Connection, item_id: str, statement: str
) -> None:
    assert refused_by(owner, statement) == "exhibit_require_entry"


def test_last_use_of_a_token_needs_no_entry(owner: psycopg.Connection, item_id: str) -> None:
    assert refused_by(owner, "UPDATE tokens SET last_used_at = now()") is None


def test_state_in_which_nothing_is_linked_then_no_way_leads_into_it_from_one_in_which_something_may_be() -> None:
    assert sorted(NEVER_LINKED) == ["collected", "declined", "lead"]
    for moves in TRANSITIONS.values():
        for start, targets in moves.items():
            assert start in NEVER_LINKED or NEVER_LINKED.isdisjoint(targets)
