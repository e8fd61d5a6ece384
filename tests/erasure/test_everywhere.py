"""A rare name in every personal field of the API: after its erasure it is nowhere, and everything still verifies."""

import io

import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.exports.verifier.verify_custody import parse_key, verify
from app.ledger.audit import AuditReport, verify_log
from tests.erasure.hub import Hub, erase_all
from tests.ledger.acts import verifier_key
from tests.support.databases import TestDatabase


def tables_with(database: TestDatabase, words: str) -> list[str]:
    """The tables of which a row holds these words, in whatever column; byte columns are read as text."""
    found = []
    with psycopg.connect(database.owner_url) as owner:
        names = owner.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        for (table,) in names.fetchall():
            columns = owner.execute(
                "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
                "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                [table],
            ).fetchall()
            for column, kind in columns:
                shown = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
                held = owner.execute(
                    f'SELECT count(*) FROM "{table}" WHERE {shown} ILIKE %s'.encode(), [f"%{words}%"]
                ).fetchone()
                if held and held[0]:
                    found.append(f"{table}.{column}")
    return sorted(found)


@pytest.mark.thorough
def test_name_when_erased_everywhere_then_no_table_holds_it_and_all_copies_verify(
    hub: Hub, database: TestDatabase, sessions: sessionmaker[Session]
) -> None:
    vkey = verifier_key(sessions)
    key = parse_key(vkey.encode())
    before = {disclose: hub.take(disclose=disclose) for disclose in ("all", "none")}
    assert hub.rare.encode() in before["all"]
    held = tables_with(database, hub.rare)
    assert {"ledger_disclosures.line", "stored_answers.body", "evidence.collector", "accounts.email"} <= set(held)
    assert hub.rare in str(hub.entry("evidence.claims_read")["sealed"])
    assert erase_all(hub) > 50
    assert tables_with(database, hub.rare) == []
    for disclose in ("all", "none"):
        content = hub.take(disclose=disclose)
        assert hub.rare.encode() not in content
        for file in (before[disclose], content):
            report = verify(io.BytesIO(file), key)
            assert report.findings == []
            assert report.ok
    assert audited(sessions).faults == []


def audited(sessions: sessionmaker[Session]) -> AuditReport:
    """The whole log, once nothing waits to be integrated."""
    key = verifier_key(sessions)
    engine = sessions.kw["bind"]
    while True:
        with engine.connect() as connection:
            report = verify_log(connection, key)
        if report.queued == 0:
            return report
