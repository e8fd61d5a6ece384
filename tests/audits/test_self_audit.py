"""The worker checks the whole log by itself, logs the result, and says it aloud when something is wrong."""

import hashlib
import json
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.audits import loop
from app.audits.loop import AuditFailed, audit_when_due, audits_directory
from app.audits.service import newest_audit
from app.kernel.settings import Settings
from app.ledger.checkpoint import VerifierKey
from app.ledger.log import installation
from tests.ledger.acts import SIGNER, append, integrate_all, make_view, open_log, verifier_key
from tests.support.api import Api
from tests.support.audits import forge, publish
from tests.support.databases import TestDatabase

Sessions = sessionmaker[Session]


def look(engine: Engine, sessions: Sessions, settings: Settings, app_url: str) -> bool:
    with engine.connect() as connection:
        return audit_when_due(connection, sessions, settings, app_url, threading.Event())


@pytest.mark.thorough
def test_audit_when_due_is_an_entry_with_its_counts_and_the_reports_digest(
    audited: Settings, engine: Engine, sessions: Sessions, database: TestDatabase
) -> None:
    assert look(engine, sessions, audited, database.app_url)

    with sessions() as session:
        newest = newest_audit(session)
        stream = installation(session).system_stream
        body = session.scalar(
            text("SELECT body FROM ledger_bodies JOIN ledger_entries USING (commitment) WHERE stream_id = :stream"),
            {"stream": stream},
        )
    assert newest is not None
    assert (newest.faults, newest.entries) == (0, 6)
    entry = json.loads(body)
    assert entry["type"] == "system.audited"
    assert {**entry["data"], "root": 0, "duration_ms": 0} == {
        "tree_size": 6,
        "root": 0,
        "streams": 2,
        "entries": 6,
        "leaves": 6,
        "checkpoints": 1,
        "faults": 0,
        "duration_ms": 0,
    }
    (report,) = audits_directory(audited.data).iterdir()
    assert hashlib.sha256(report.read_bytes()).hexdigest() == entry["object"]["sha256"]


@pytest.mark.thorough
def test_audit_before_its_period_is_over_or_while_another_worker_is_at_it_is_none(
    audited: Settings, engine: Engine, sessions: Sessions, database: TestDatabase
) -> None:
    with engine.connect() as other, other.begin():
        other.execute(text("SELECT pg_advisory_lock(:key)"), {"key": loop.AUDIT_LOCK})
        assert not look(engine, sessions, audited, database.app_url)
        other.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": loop.AUDIT_LOCK})
    assert look(engine, sessions, audited, database.app_url)
    assert not look(engine, sessions, audited, database.app_url)
    assert not look(engine, sessions, audited.model_copy(update={"audit_period_s": 3600}), database.app_url)
    time.sleep(1.1)
    assert look(engine, sessions, audited.model_copy(update={"audit_period_s": 1}), database.app_url)


@pytest.mark.thorough
def test_audit_that_finds_faults_is_loud_in_the_operating_log_and_keeps_its_report(
    audited: Settings,
    engine: Engine,
    owning: Engine,
    sessions: Sessions,
    database: TestDatabase,
    capsys: pytest.CaptureFixture[str],
) -> None:
    forge(owning)

    assert look(engine, sessions, audited, database.app_url)

    with sessions() as session:
        newest = newest_audit(session)
    assert newest is not None
    assert newest.faults == 1
    (report,) = audits_directory(audited.data).iterdir()
    (fault,) = json.loads(report.read_bytes())["faults"]
    assert (fault["kind"], fault["seq"]) == ("body_facts", 3)
    assert report.name.endswith("-faults.json")
    assert "audit_found_faults" in capsys.readouterr().out


@pytest.mark.thorough
def test_audit_that_comes_to_no_result_records_none(
    audited: Settings, engine: Engine, sessions: Sessions, database: TestDatabase
) -> None:
    (audited.data / "published" / "log.vkey").unlink()

    with pytest.raises(AuditFailed, match="status 2"):
        look(engine, sessions, audited, database.app_url)

    with sessions() as session:
        assert newest_audit(session) is None


@pytest.mark.thorough
def test_readiness_and_metrics_tell_of_the_newest_audit(
    api: Api, engine: Engine, owning: Engine, integrating: Engine, sessions: Sessions, database: TestDatabase
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(3)])
    size = integrate_all(integrating)[-1]
    settings = publish(verifier_key(sessions), api.settings.data)
    assert figures(api)["exhibit_ledger_audit_timestamp_seconds"] == 0
    assert "audit" not in api.client().get("/readyz").json()["components"]

    assert look(engine, sessions, settings, database.app_url)
    integrate_all(integrating)

    told = figures(api)
    assert told["exhibit_ledger_audit_faults"] == 0
    assert 0 <= told["exhibit_ledger_audit_age_seconds"] < 60
    assert told["exhibit_ledger_audit_entries"] >= size
    assert told["exhibit_ledger_tree_size"] >= size
    assert told["exhibit_ledger_queue_length"] == told["exhibit_ledger_oldest_unsigned_seconds"] == 0
    assert told["exhibit_ledger_halted"] == 0
    assert told["exhibit_storage_free_bytes"] > 0
    assert told["process_resident_memory_bytes"] > 0
    assert api.client().get("/readyz").json()["components"]["audit"]["status"] == "ready"

    append(sessions, [make_view(stream)])
    forge(owning)
    assert look(engine, sessions, settings.model_copy(update={"audit_period_s": 0}), database.app_url)

    told = figures(api)
    assert told["exhibit_ledger_audit_faults"] == 1
    assert told["exhibit_ledger_queue_length"] == 2
    audit = api.client().get("/readyz").json()["components"]["audit"]
    assert audit["status"] == "not_ready"
    assert audit["detail"].startswith("1 faults found")


def figures(api: Api) -> dict[str, float]:
    answer = api.admin.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if set(sample.labels) <= {"origin"}
    }


def test_metrics_are_for_an_administrators_reading_token_and_nobody_else(api: Api) -> None:
    made = api.admin.post("/v1/tokens", json={"name": "prometheus", "scopes": ["read"]})
    assert made.status_code == 201, made.text
    token = made.json()["token"]

    assert api.client().get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert api.client().get("/metrics").status_code == 401
    assert api.person("Olena").get("/metrics").status_code == 403


@pytest.mark.thorough
def test_the_key_that_an_audit_pins_is_the_published_one(
    audited: Settings, engine: Engine, sessions: Sessions, database: TestDatabase
) -> None:
    other = VerifierKey(verifier_key(sessions).name, bytes(32))
    assert other.public_key != SIGNER.public_key
    publish(other, audited.data)

    assert look(engine, sessions, audited, database.app_url)

    with sessions() as session:
        newest = newest_audit(session)
    assert newest is not None
    assert newest.faults
