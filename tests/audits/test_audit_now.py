"""Checks on record, for those who watch; and one more at once, when an operator has repaired something."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.outgoing import Outgoing
from app.anchors.stamping import has_news
from app.anchors.witnessing import witness_newest
from app.audits import loop
from app.audits.loop import audits_directory
from app.cli import main
from app.kernel.primitives import encode_cursor
from app.kernel.settings import Settings
from tests.ledger.acts import append, integrate_all, make_view, open_log, verifier_key
from tests.support.api import Api, Person
from tests.support.audits import forge, publish
from tests.support.databases import TestDatabase
from tests.support.web_server import web_server
from tests.support.witnesses import HonestWitness, policy_of

Sessions = sessionmaker[Session]
REPAIR = """
    UPDATE ledger_entries e SET actor_id = b.actor
    FROM (
        SELECT commitment, CAST(convert_from(body, 'UTF8')::jsonb -> 'actor' ->> 'id' AS uuid) AS actor
        FROM ledger_bodies
    ) b
    WHERE b.commitment = e.commitment AND e.actor_id <> b.actor
"""


@pytest.fixture
def settings(
    api: Api, sessions: Sessions, integrating: Engine, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The environment of an operator's command beside a running API, whose log has some entries."""
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(4)])
    integrate_all(integrating)
    monkeypatch.setenv("EXHIBIT_DATA", str(api.settings.data))
    monkeypatch.setenv("EXHIBIT_APP_DATABASE_URL", database.app_url)
    return publish(verifier_key(sessions), api.settings.data)


def tell(api: Api, path: str = "") -> dict[str, Any]:
    answer = api.admin.get(f"/v1/ledger/audits{path}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_audit_now_when_all_is_sound_then_is_recorded_and_listed_with_its_reports_digest(
    api: Api, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(api)["items"] == []
    capsys.readouterr()

    assert main(["ledger", "audit-now", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    (listed,) = tell(api)["items"]
    (report,) = audits_directory(settings.data).iterdir()
    result = listed["result"]
    assert result["report_sha256"] == hashlib.sha256(report.read_bytes()).hexdigest()
    assert result["report_size"] == report.stat().st_size
    assert (result["faults"], result["tree_size"], result["root"]) == (0, shown["size"], shown["root"])
    assert result["entries"] == shown["entries"]
    assert json.loads(report.read_bytes()) == shown


def test_audit_now_when_a_fault_was_repaired_then_readiness_is_green_at_once(
    api: Api, settings: Settings, owning: Engine
) -> None:
    forge(owning)
    assert main(["ledger", "audit-now"]) == 1
    assert api.client().get("/readyz").json()["components"]["audit"]["status"] == "not_ready"

    with owning.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(REPAIR))
    assert main(["ledger", "audit-now"]) == 0

    assert api.client().get("/readyz").json()["components"]["audit"]["status"] == "ready"
    assert [each["result"]["faults"] for each in tell(api)["items"]] == [0, 1]


def test_audit_now_while_a_worker_is_at_it_then_is_refused_and_nothing_is_recorded(
    api: Api, settings: Settings, owning: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with owning.connect() as other, loop.alone(other) as is_alone:
        assert is_alone
        assert main(["ledger", "audit-now"]) == 2

    assert "being checked right now" in capsys.readouterr().err
    assert tell(api)["items"] == []
    assert main(["ledger", "audit-now"]) == 0


def test_audit_now_when_the_log_is_halted_then_shows_what_it_found_and_says_that_it_is_not_recorded(
    api: Api, settings: Settings, owning: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with owning.begin() as connection:
        connection.execute(
            text("INSERT INTO ledger_halts VALUES (1, 900, decode(repeat('ab', 32), 'hex'), 1, 'test', now())")
        )

    assert main(["ledger", "audit-now"]) == 2

    told = capsys.readouterr()
    assert "halted: 900 leaves were signed" in told.out
    assert "not be recorded" in told.err
    assert list(settings.data.glob("audits/*")) == []


def test_audits_when_listed_then_are_paged_newest_first_and_a_forged_cursor_is_refused(
    api: Api, settings: Settings
) -> None:
    for _ in range(3):
        assert main(["ledger", "audit-now"]) == 0

    first = tell(api, "?limit=2")
    second = tell(api, f"?limit=2&cursor={first['next_cursor']}")
    moments = [each["recorded_at"] for page in (first, second) for each in page["items"]]
    assert moments == sorted(moments, reverse=True)
    assert len(set(moments)) == 3
    assert second["next_cursor"] is None
    mark = str(first["next_cursor"]).partition(".")[0]
    for forged in (encode_cursor("x"), encode_cursor(1, 2), "e30"):
        refused = api.admin.get(f"/v1/ledger/audits?cursor={mark}.{forged}")
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")
    assert tell(api, f"?cursor={mark}.{encode_cursor(-(2**53) + 1)}")["items"] == []


def test_audits_when_an_entry_was_put_there_past_the_triggers_then_the_list_still_answers(
    api: Api, settings: Settings, owning: Engine
) -> None:
    assert main(["ledger", "audit-now"]) == 0
    with owning.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("UPDATE ledger_entries SET type = 'system.audited' WHERE type = 'system.account_created'")
        )
        connection.execute(
            text(
                "DELETE FROM ledger_bodies WHERE commitment = (SELECT max(commitment) FROM ledger_entries "
                "WHERE type = 'system.audited')"
            )
        )

    items = tell(api)["items"]

    assert None in [each["result"] for each in items]
    assert api.client().get("/readyz").status_code in (200, 503)


def test_audits_when_asked_by_the_organisations_auditor_then_are_shown_and_to_nobody_else(
    api: Api, settings: Settings
) -> None:
    made = api.admin.post("/v1/users", json={"name": "Chief", "email": "chief@hub.example", "is_auditor": True})
    token = api.admin.post("/v1/tokens", json={"name": "t", "scopes": ["read"], "account_id": made.json()["id"]})
    auditor = Person(made.json()["id"], "Chief", token.json()["token"], api.client(token.json()["token"]))

    assert auditor.get("/v1/ledger/audits").status_code == 200
    assert api.person("Olena").get("/v1/ledger/audits").status_code == 403
    assert api.client().get("/v1/ledger/audits").status_code == 401


def test_audit_when_nothing_else_happened_then_gives_outsiders_a_new_head_to_sign(
    audited: Settings,
    sessions: Sessions,
    integrating: Engine,
    database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """An idle log lives: the daily audit's entry is what witnesses and authorities date anew (docs/ledger.md)."""
    monkeypatch.setenv("EXHIBIT_DATA", str(audited.data))
    monkeypatch.setenv("EXHIBIT_APP_DATABASE_URL", database.app_url)
    outgoing = Outgoing(2.0)
    honest = HonestWitness(1)
    with web_server(lambda path, body: honest.answer(body)) as server:
        witnesses = policy_of(server).witnesses
        assert witness_newest(sessions, witnesses, outgoing) == 1
        assert witness_newest(sessions, witnesses, outgoing) == 0, "an idle log's head is cosigned once"

        assert main(["ledger", "audit-now"]) == 0
        size = integrate_all(integrating)[-1]

        assert witness_newest(sessions, witnesses, outgoing) == 1
    with sessions() as session:
        assert has_news(session, size - 1, size), "and it is stamped"
