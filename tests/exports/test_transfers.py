"""Handing packages over: the counterparty is sealed, the receipt comes by a token that works once, signed if agreed."""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from tests.exports.custody_cases import integrating, publish_key
from tests.exports.http_hub import HttpHub
from tests.support.api import running_api
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database
from tests.support.journey import ok, refused

COUNTERPARTY = "Vexlorimand, evidence unit"


class TransferHub(HttpHub):
    """With a package that is ready, its digest, and somebody without an account."""

    database: TestDatabase
    export_id: str
    sha256: str
    outside: httpx.Client

    @property
    def path(self) -> str:
        return f"/v1/exports/{self.export_id}/transfers"

    def transfer(self, **facts: Any) -> dict[str, Any]:
        body = {"counterparty": COUNTERPARTY, "purpose": "court", **facts}
        made: dict[str, Any] = ok(self.anna.post(self.path, json=body), 201)
        return made

    def accept(self, token: str, sha256: str | None = None, **facts: Any) -> httpx.Response:
        body = {"token": token, "package_sha256": sha256 or self.sha256, **facts}
        return self.outside.post("/v1/transfer-receipts", json=body)

    def body_of(self, entry_type: str) -> dict[str, Any]:
        """Of the newest entry of this type."""
        query = text(
            "SELECT b.body FROM ledger_entries e JOIN ledger_bodies b ON b.commitment = e.commitment "
            "WHERE e.type = :type ORDER BY e.id DESC LIMIT 1"
        )
        with self.sessions() as session:
            found: dict[str, Any] = json.loads(bytes(session.scalars(query, {"type": entry_type}).one()))
        return found


@pytest.fixture(scope="module")
def hub(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TransferHub]:
    database = create_database(postgres)
    data = tmp_path_factory.mktemp("transfers") / "data"
    with running_api(database, data, checkpoint_wait_s=20) as api, integrating(database):
        sessions: sessionmaker[Session] = api.app.state.services.sessions
        made = TransferHub(api, sessions, publish_key(sessions, data).encode())
        made.database, made.outside = database, api.client()
        made.export_id = made.made(made.anna, media=True)
        content = made.anna.get(f"/v1/exports/{made.export_id}/content").content
        made.sha256 = hashlib.sha256(content).hexdigest()
        yield made
    with postgres.administration() as owner:
        drop_database(owner, database.name)


def test_transfer_when_accepted_by_its_token_then_both_acts_stand_in_the_ledger_with_the_digest(
    hub: TransferHub,
) -> None:
    made = hub.transfer(note="By courier")
    assert [receipt["type"] for receipt in made["receipts"]] == ["export.transferred"]
    assert (made["state"], made["counterparty"]) == ("transferred", COUNTERPARTY)
    sent = hub.body_of("export.transferred")
    assert sent["object"]["sha256"] == hub.sha256
    assert COUNTERPARTY not in json.dumps(sent)
    assert set(sent["sealed"]) == {"counterparty", "note"}

    wrong = refused(hub.accept(made["token"], "0" * 64), 409, "receipt_digest_differs")
    assert hub.sha256 not in json.dumps(wrong), "who confirms computes it, and is not told"
    refused(hub.accept(made["token"] + "x"), 404, "transfer_unknown")
    accepted = ok(hub.accept(made["token"]))
    assert [receipt["type"] for receipt in accepted["receipts"]] == ["export.accepted"]
    body = hub.body_of("export.accepted")
    assert body["data"]["package_sha256"] == hub.sha256 == body["object"]["sha256"]
    assert body["data"]["statement_sha256"] == hashlib.sha256(accepted["statement"].encode()).hexdigest()
    assert body["actor"] == {"id": made["id"], "kind": "token", "role": None}
    refused(hub.accept(made["token"]), 409, "transfer_ended")
    read = ok(hub.anna.get(f"{hub.path}/{made['id']}"))
    assert (read["state"], read["confirmed_sha256"], read["counterparty"]) == ("accepted", hub.sha256, COUNTERPARTY)
    assert "token" not in read
    too_late = hub.anna.post(f"{hub.path}/{made['id']}/revocation", json={"reason": "Too late"})
    refused(too_late, 409, "transfer_ended")


def test_transfer_when_a_key_was_named_then_its_receipt_is_signed_and_the_entry_proves_it(hub: TransferHub) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    made = hub.transfer(public_key=public.hex())
    statement = made["statement"].encode()
    told = json.loads(statement)
    assert (told["package_sha256"], told["transfer"]) == (hub.sha256, made["id"])
    refused(hub.accept(made["token"]), 409, "receipt_signature_invalid")
    other = base64.b64encode(Ed25519PrivateKey.generate().sign(statement)).decode()
    refused(hub.accept(made["token"], signature=other), 409, "receipt_signature_invalid")
    refused(hub.accept(made["token"], signature="AA"), 409, "receipt_signature_invalid")
    signature = base64.b64encode(key.sign(statement)).decode()
    ok(hub.accept(made["token"], signature=signature))
    data = hub.body_of("export.accepted")["data"]
    key.public_key().verify(bytes.fromhex(data["signature"]), statement)
    assert data["public_key"] == public.hex()
    weak = hub.anna.post(hub.path, json={"counterparty": "X", "purpose": "court", "public_key": "00" * 32})
    assert weak.status_code == 422, weak.text
    unasked = hub.transfer()
    refused(hub.accept(unasked["token"], signature=signature), 409, "receipt_signature_invalid")


def test_transfer_when_revoked_or_over_then_its_token_works_no_more(hub: TransferHub) -> None:
    made = hub.transfer()
    revocation = f"{hub.path}/{made['id']}/revocation"
    assert hub.petro.post(revocation, json={"reason": "x"}).status_code == 403
    assert hub.stranger.post(revocation, json={"reason": "x"}).status_code == 404
    revoked = ok(hub.anna.post(revocation, json={"reason": "Sent to a wrong address"}))
    assert (revoked["state"], revoked["revoked_by"]) == ("revoked", hub.anna.id)
    refused(hub.accept(made["token"]), 409, "transfer_ended")
    over = hub.transfer(valid_days=1)
    with psycopg.connect(hub.database.owner_url) as connection:
        connection.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
        connection.execute(
            "UPDATE transfers SET transferred_at = now() - interval '2 days', expires_at = now() - interval '1 day' "
            "WHERE id = %s",
            [over["id"]],
        )
        connection.execute("ALTER TABLE transfers ENABLE TRIGGER USER")
    refused(hub.accept(over["token"]), 410, "transfer_expired")
    assert ok(hub.anna.get(f"{hub.path}/{over['id']}"))["state"] == "expired"


def test_transfer_when_seen_by_others_then_each_sees_what_the_role_allows(hub: TransferHub) -> None:
    made = hub.transfer()
    body = {"counterparty": "X", "purpose": "court"}
    assert hub.olena.post(hub.path, json=body).status_code == 403
    assert hub.petro.post(hub.path, json=body).status_code == 403
    assert hub.stranger.post(hub.path, json=body).status_code == 404
    assert hub.stranger.get(f"{hub.path}/{made['id']}").status_code == 404
    assert hub.olena.get(hub.path).status_code == 403
    pages = hub.petro.get(f"{hub.path}?limit=1").json()
    assert (pages["items"][0]["id"], pages["next_cursor"] is not None) == (made["id"], True)
    building = hub.ask(hub.anna).json()["id"]
    refused(hub.anna.post(f"/v1/exports/{building}/transfers", json=body), 409, "export_not_ready")


def test_transfer_when_asked_for_by_an_export_of_another_case_then_is_neither_shown_nor_revoked(
    hub: TransferHub,
) -> None:
    made, mira = hub.transfer(), hub.api.person("Mira")
    asked = {"scope": "case", "ids": [hub.api.case(mira)], "purpose": "court"}
    own = ok(mira.post("/v1/exports", json=asked), 202)["id"]
    path = f"/v1/exports/{own}/transfers/{made['id']}"
    refused(mira.get(path), 404, "not_found")
    refused(mira.post(f"{path}/revocation", json={"reason": "x"}), 404, "not_found")
    assert ok(hub.anna.get(f"{hub.path}/{made['id']}"))["state"] == "transferred"


@pytest.mark.thorough
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(st.sampled_from(["accept", "wrong digest", "wrong token", "revoke"]), max_size=6),
    is_signed=st.booleans(),
)
def test_acts_when_in_any_order_then_a_transfer_ends_once(hub: TransferHub, acts: list[str], is_signed: bool) -> None:
    key = Ed25519PrivateKey.generate()
    named = {"public_key": key.public_key().public_bytes_raw().hex()} if is_signed else {}
    made = hub.transfer(**named)
    signed = {"signature": base64.b64encode(key.sign(made["statement"].encode())).decode()} if is_signed else {}
    state = "transferred"
    for act in acts:
        if act == "revoke":
            answer = hub.anna.post(f"{hub.path}/{made['id']}/revocation", json={"reason": "x"})
            expected, leads_to = 200, "revoked"
        elif act == "wrong token":
            answer, expected, leads_to = hub.accept("exr_nothing", **signed), 404, state
        elif act == "wrong digest":
            answer, expected, leads_to = hub.accept(made["token"], "1" * 64, **signed), 409, state
        else:
            answer, expected, leads_to = hub.accept(made["token"], **signed), 200, "accepted"
        if state != "transferred" and act != "wrong token":
            expected, leads_to = 409, state
        assert answer.status_code == expected, answer.text
        state = leads_to
        assert ok(hub.petro.get(f"{hub.path}/{made['id']}"))["state"] == state


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'accepted', accepted_at = now(), confirmed_sha256 = sha256('x')", "exhibit_transfer_confirmed"),
        ("state = 'accepted', accepted_at = now(), confirmed_sha256 = decode('{sha256}', 'hex')", "signed_as_agreed"),
        ("expires_at = now() + interval '9 years'", "exhibit_transfer_ends_once"),
        ("state = 'revoked', revoked_at = now(), revoked_by = transferred_by", "exhibit_require_entry"),
    ],
)
def test_transfer_when_forged_by_raw_sql_then_the_database_refuses(
    hub: TransferHub, change: str, constraint: str
) -> None:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    made = hub.transfer(public_key=public)
    with psycopg.connect(hub.database.owner_url) as connection:
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        statement = f"UPDATE transfers SET {change.format(sha256=hub.sha256)} WHERE id = %s"
        with pytest.raises(psycopg.Error) as refusal:
            connection.execute(statement, [made["id"]])
        assert constraint in f"{refusal.value.diag.constraint_name}"
        connection.rollback()
