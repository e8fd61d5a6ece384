"""Reviewers' keys and signed verdicts over HTTP: shapes, repeated requests, refusals with their codes."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase
from tests.support.journey import ok, refused
from tests.verification.signers import OwnKey


@pytest.fixture
def api(database: TestDatabase, tmp_path: Path) -> Iterator[Api]:
    with running_api(database, tmp_path / "exhibit-data") as running:
        yield running


def body_of(person: Person, path: str, key: OwnKey) -> dict[str, Any]:
    statement = ok(person.get(f"{path}/statement", params={"public_key": key.public_key}))
    assert base64.b64decode(statement["pae"]).endswith(base64.b64decode(statement["payload"]))
    return {"public_key": key.public_key, "envelope": key.envelope(base64.b64decode(statement["payload"]))}


def test_keys_when_brought_bound_and_revoked_then_each_answer_says_where_they_stand(api: Api) -> None:
    anna, olena, outsider = api.person("Anna"), api.person("Olena"), api.person("Outsider")
    case_id = api.case(anna, verifier=(olena,))
    path, key = f"/v1/cases/{case_id}/reviewer-keys", OwnKey()
    body = body_of(olena, path, key)
    first = olena.post(path, json=body, headers={"Idempotency-Key": "k-1"})
    requested = ok(first, 201)
    assert first.headers["Location"] == f"{path}/{key.keyid}"
    assert (requested["keyid"], requested["alg"], requested["standing"]) == (key.keyid, "ed25519", "requested")
    assert requested["envelope"] == body["envelope"]
    again = olena.post(path, json=body, headers={"Idempotency-Key": "k-1"})
    assert (again.status_code, again.json()) == (201, requested)
    refused(olena.post(path, json=body), 409, "reviewer_key_known")
    refused(outsider.get(path), 404, "not_found")
    refused(outsider.get(f"{path}/{key.keyid}"), 404, "not_found")

    bound = ok(anna.post(f"{path}/{key.keyid}/binding", json={"checked_how": "In person."}))
    assert (bound["standing"], bound["checked_by"], bound["checked_how"]) == ("bound", anna.id, "In person.")
    refused(anna.post(f"{path}/{key.keyid}/binding", json={"checked_how": "Again."}), 409, "reviewer_key_bound")
    revoked = ok(olena.post(f"{path}/{key.keyid}/revocation", json={"reason_code": "replaced", "reason": "New one."}))
    assert (revoked["standing"], revoked["reason_code"]) == ("revoked", "replaced")
    assert revoked["key_bound"] == bound["key_bound"]
    (listed,) = ok(anna.get(path))["items"]
    assert {**listed, "receipts": []} == {**revoked, "receipts": []}
    refused(olena.post(f"{path}/{key.keyid}/revocation", json={"reason_code": "other"}), 409, "reviewer_key_revoked")


def test_requests_when_wrong_then_refused_by_code(api: Api) -> None:
    anna, olena, petro = api.person("Anna"), api.person("Olena"), api.person("Petro")
    case_id = api.case(anna, verifier=(olena, petro))
    path, key = f"/v1/cases/{case_id}/reviewer-keys", OwnKey()
    refused(olena.get(f"{path}/statement", params={"public_key": "01" + "00" * 31}), 422, "reviewer_key_weak")
    assert olena.get(f"{path}/statement", params={"public_key": "xy"}).status_code == 422
    refused(anna.get(f"{path}/statement", params={"public_key": key.public_key}), 403, "forbidden")
    body = body_of(olena, path, key)
    envelope = body["envelope"]
    wrong: dict[str, dict[str, Any]] = {
        "envelope_malformed": {**envelope, "payloadType": "text/plain"},
        "signature_invalid": {**envelope, "payload": base64.b64encode(b"{}").decode()},
        "statement_differs": key.envelope(b"{}"),
    }
    for code, given in wrong.items():
        refused(olena.post(path, json={**body, "envelope": given}), 422, code)
    refused(petro.post(path, json=body), 422, "statement_differs")
    ok(olena.post(path, json=body), 201)
    refused(petro.post(path, json=body_of(petro, path, key)), 409, "reviewer_key_taken")
    missing = "0" * 64
    refused(anna.post(f"{path}/{missing}/binding", json={"checked_how": "x"}), 404, "not_found")
    assert anna.post(f"{path}/{key.keyid}/binding", json={"checked_how": ""}).status_code == 422
    assert olena.post(f"{path}/{key.keyid}/revocation", json={"reason_code": "bored"}).status_code == 422
