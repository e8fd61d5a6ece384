"""The fixtures every other test stands on."""

import socket

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from tests.support.databases import TestDatabase
from tests.support.network import LeavesThisMachine


def test_database_when_given_to_a_test_then_is_migrated_and_owned_by_another_role(database: TestDatabase) -> None:
    with psycopg.connect(database.app_url) as connection:
        row = connection.execute(
            "SELECT tableowner, current_user FROM pg_tables WHERE tablename = 'ledger_entries'"
        ).fetchone()
    assert row is not None
    assert row[0] != row[1]


def test_sessions_when_opened_then_speak_utc_and_commit_durably(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        assert session.scalar(text("SHOW timezone")).upper() == "UTC"
        assert session.scalar(text("SHOW synchronous_commit")) == "on"


def test_network_when_a_test_leaves_this_machine_then_is_refused() -> None:
    with pytest.raises(LeavesThisMachine):
        socket.create_connection(("192.0.2.1", 80))
    with pytest.raises(LeavesThisMachine):
        socket.create_connection(("example.org", 443))
