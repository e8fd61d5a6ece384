"""The big data set is made by SQL that no trigger watches: that it could be a real one is asked here, at small size."""

import hashlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app.kernel.database_roles import libpq_url
from benchmarks.many_incidents import Size, fill
from tests.support.api import Api
from tests.support.databases import TestDatabase

SIZE = Size(incidents=60, items=500)
OF_THE_LEDGER = "ledger_streams"
"""No stream stands behind these rows, as the module says."""

FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, confrelid::regclass::text, conname,
        ARRAY(SELECT quote_ident(attname) FROM unnest(conkey) WITH ORDINALITY k (n, o)
            JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.n ORDER BY o),
        ARRAY(SELECT quote_ident(attname) FROM unnest(confkey) WITH ORDINALITY k (n, o)
            JOIN pg_attribute a ON a.attrelid = confrelid AND a.attnum = k.n ORDER BY o)
    FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
"""


@pytest.fixture
def owner(database: TestDatabase) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(libpq_url(database.owner_url)) as connection:
        yield connection


def digest(owner: psycopg.Connection[Any], table: str) -> str:
    """Of all but the numbers of acts: those go on from what was done before."""
    of_rows = f"SELECT (to_jsonb(t) - 'act' - 'unlinked_act')::text FROM {table} t ORDER BY 1"
    rows = owner.execute(of_rows.encode()).fetchall()
    assert rows, table
    return hashlib.sha256("\n".join(row[0] for row in rows).encode()).hexdigest()


def test_filled_case_holds_every_reference_and_reads_now_and_then(
    api: Api, database: TestDatabase, owner: psycopg.Connection[Any]
) -> None:
    ruth = api.person("Ruth")
    case_id = api.case(ruth, researcher=(ruth,))
    fill(owner, SIZE, case_id=case_id, account_id=ruth.id)
    owner.commit()

    for table, other, name, columns, theirs in owner.execute(FOREIGN_KEYS).fetchall():
        if other == OF_THE_LEDGER:
            continue
        joined = " AND ".join(f"o.{b} = t.{a}" for a, b in zip(columns, theirs, strict=True))
        given = " AND ".join(f"t.{a} IS NOT NULL" for a in columns)
        orphans = f"SELECT count(*) FROM {table} t WHERE {given} AND NOT EXISTS (SELECT FROM {other} o WHERE {joined})"
        assert owner.execute(orphans.encode()).fetchone() == (0,), name

    now = ruth.get(f"/v1/cases/{case_id}/incidents", params={"limit": 200}).json()["items"]
    then = ruth.get(f"/v1/cases/{case_id}/incidents", params={"limit": 200, "as_of": "2023-03-01T00:00:00Z"})
    assert len(now) == SIZE.incidents
    assert 0 < len(then.json()["items"]) < SIZE.incidents
    counts = ruth.get(f"/v1/incidents/{now[0]['id']}/casualties/ranges")
    assert counts.status_code == 200, counts.text
    items = ruth.get(f"/v1/cases/{case_id}/evidence", params={"limit": 200, "as_of": "2023-03-01T00:00:00Z"})
    assert items.status_code == 200, items.text
    assert items.json()["items"]


def test_filled_when_seed_is_the_same_then_so_are_the_rows(api: Api, owner: psycopg.Connection[Any]) -> None:
    ruth = api.person("Ruth")
    case_id = api.case(ruth)
    seen = []
    for seed in (1, 1, 2):
        fill(owner, Size(20, 60), case_id=case_id, account_id=ruth.id, seed=seed)
        tables = ("incidents", "evidence", "casualty_counts", "weapon_identifications", "verdicts", "incident_evidence")
        seen.append([digest(owner, table) for table in tables])
        owner.rollback()
    assert seen[0] == seen[1] != seen[2]
