"""Engines: which of its connections a pool gives, and what its cursors say of a result."""

from typing import Any

import psycopg
import pytest
from psycopg import Column
from sqlalchemy import Engine, Integer, bindparam, select, text

from tests.support.databases import TestDatabase


def test_connection_when_several_are_free_then_the_one_used_last_is_given(engine: Engine) -> None:
    process = text("SELECT pg_backend_pid()")
    with engine.connect() as first, engine.connect() as last:
        used_last = last.scalar(process)
        first.close()
    for _ in range(3):
        with engine.connect() as next_one:
            assert next_one.scalar(process) == used_last


RESULTS = {
    "rows": "SELECT 1 AS one, 'a' AS letter, NULL::jsonb AS document",
    "no row": "SELECT 1 AS one WHERE false",
    "rows without columns": "SELECT",
    "no rows": "SET lock_timeout = '10s'",
}


@pytest.mark.parametrize("kind", RESULTS)
def test_description_when_it_is_looked_at_then_it_is_what_the_driver_says(
    engine: Engine, database: TestDatabase, kind: str
) -> None:
    with psycopg.connect(database.app_url) as plain, engine.connect() as ours:
        told = plain.execute(RESULTS[kind]).description
        cursor = ours.connection.cursor()
        cursor.execute(RESULTS[kind])
        found = cursor.description

        assert (found is None) == (told is None)
        assert [tuple(column) for column in found or ()] == [tuple(column) for column in told or ()]
        assert [tuple(column) for column in (found or [])[1:]] == [tuple(column) for column in (told or [])[1:]]


def test_statement_when_it_is_sent_again_then_no_column_is_described(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    described: list[str] = []
    describe = Column.__init__

    def note(column: Column, *arguments: Any) -> None:
        describe(column, *arguments)
        described.append(column.name)

    monkeypatch.setattr(Column, "__init__", note)
    statement = select(bindparam("given", type_=Integer).label("noted"))
    seen = []
    with engine.connect() as connection:
        for number in (1, 2):
            described.clear()
            assert connection.execute(statement, {"given": number}).one().noted == number
            seen.append([*described])
    assert seen == [["noted"], []]
