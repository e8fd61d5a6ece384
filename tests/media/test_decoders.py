"""What workers report of their decoder's walls: kept, shown in /readyz, and an entry when degraded."""

import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.ledger import log, reading
from app.media.decoders import latest_report, record_decoder
from app.media.jail.decoder import JailReport
from app.unit_of_work import unit_of_work
from tests.support.api import Api
from tests.support.databases import TestDatabase

SOUND = JailReport("strict", ("resource limits", "landlock 7"), (), {"pillow": "13.0.0"})
DEGRADED = JailReport("degraded", ("resource limits",), ("fork", "open a file"), {"pillow": "13.0.0"})


def report(sessions: sessionmaker[Session], found: JailReport) -> int:
    """Keeps it; the number of entries that came of it."""
    with unit_of_work(sessions) as uow:
        record_decoder(uow, found)
        return len(uow.commit())


def test_report_when_strict_then_it_is_shown_and_no_entry(api: Api, sessions: sessionmaker[Session]) -> None:
    assert report(sessions, SOUND) == 0
    shown = api.client().get("/readyz").json()["components"]["decoder"]
    assert shown == {"status": "ready", "detail": "strict: resource limits, landlock 7; pillow 13.0.0"}


def test_report_when_degraded_then_the_escapes_are_shown_and_stand_in_the_ledger(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    assert report(sessions, DEGRADED) == 1
    shown = api.client().get("/readyz").json()["components"]["decoder"]
    assert shown["detail"] == "degraded: resource limits; NOT refused: fork, open a file; pillow 13.0.0"
    with sessions() as session:
        stream = log.installation(session).system_stream
        last = reading.entries_of(session, stream, limit=200)[-1].value()
    assert last["type"] == "system.jail_degraded"
    assert last["data"] == {"escapes": ["fork", "open a file"], "walls": ["resource limits"]}


def test_report_when_several_then_the_newest_counts(api: Api, sessions: sessionmaker[Session]) -> None:
    for found in (DEGRADED, SOUND):
        report(sessions, found)
    with sessions() as session:
        newest = latest_report(session)
    assert newest is not None
    assert newest.mode == "strict"


def test_report_when_degraded_and_written_by_raw_sql_then_the_database_wants_its_entry(
    api: Api, database: TestDatabase
) -> None:
    insert = (
        "INSERT INTO decoder_reports (id, reported_at, mode, walls, escapes, versions) "
        "VALUES (gen_random_uuid(), now(), %s, '{}', '{}', '{}')"
    )
    with psycopg.connect(database.app_url) as connection:
        connection.execute(insert, ["strict"])
        connection.commit()
        connection.execute(insert, ["degraded"])
        with pytest.raises(psycopg.errors.IntegrityError, match="no custody entry"):
            connection.commit()
