"""Keys of reviewers: brought by their holder, vouched for by another, revoked; by the services and by raw SQL."""

import json
from typing import Any

import psycopg
import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.exc import IntegrityError

from app.access.actors import Actor
from app.access.rules import Role
from app.cases.service import pseudonym_of
from app.kernel.errors import AppError, Forbidden, NotFound, constraint_errors
from app.kernel.primitives import new_id, sha256_hex
from app.ledger import reading
from app.verification import reviewer_keys
from app.verification.errors import (
    OwnKeyChecked,
    ReviewerKeyBound,
    ReviewerKeyKnown,
    ReviewerKeyNotBound,
    ReviewerKeyRevoked,
    ReviewerKeyTaken,
    ReviewerKeyWeak,
    SignatureInvalid,
    StatementDiffers,
)
from app.verification.reviewer_keys import KeyStanding, StatedKey
from tests.factories import add_role, make_case
from tests.verification.bench import Bench
from tests.verification.signers import OwnKey, bind_key, bound_key, request_key, revoke_key


def standing(bench: Bench, key: OwnKey) -> StatedKey:
    with bench.sessions() as session:
        return reviewer_keys.get_key(session, bench.petro, bench.case_id, key.keyid)


def statement(bench: Bench, holder: Actor, key: OwnKey) -> dict[str, Any]:
    with bench.sessions() as session:
        payload = reviewer_keys.prepare(session, holder, bench.case_id, public_key=key.public_key).payload()
    stated: dict[str, Any] = json.loads(payload)
    return stated


def entries(bench: Bench) -> list[dict[str, Any]]:
    """The case's entries about keys."""
    with bench.sessions() as session:
        found = [each.value() for each in reading.entries_of(session, bench.case_id)]
    return [each for each in found if "reviewer_key" in each["type"]]


def pseudonym(bench: Bench, actor: Actor) -> str:
    with bench.sessions() as session:
        return str(pseudonym_of(session, bench.case_id, actor.account_id))


def test_key_when_requested_bound_and_revoked_then_each_act_is_an_entry_of_the_case(bench: Bench) -> None:
    key = OwnKey()
    request_key(bench, bench.olena, key)
    assert standing(bench, key).standing is KeyStanding.REQUESTED
    bind_key(bench, key)
    bound = standing(bench, key)
    assert bound.standing is KeyStanding.BOUND
    revoke_key(bench, key, bench.olena)
    assert standing(bench, key).standing is KeyStanding.REVOKED

    acts = entries(bench)
    assert [act["type"] for act in acts] == [
        "case.reviewer_key_requested",
        "case.reviewer_key_bound",
        "case.reviewer_key_revoked",
    ]
    facts = {
        "account": pseudonym(bench, bench.olena),
        "keyid": key.keyid,
        "alg": "ed25519",
        "public_key": key.public_key,
    }
    assert all(act["data"].items() >= facts.items() for act in acts)
    assert [act["actor"]["id"] for act in acts] == [
        pseudonym(bench, who) for who in (bench.olena, bench.coordinator, bench.olena)
    ]
    assert acts[0]["data"]["dsse_sha256"] == sha256_hex(bound.key.envelope)
    assert set(acts[1]["sealed"]) == {"checked_by", "checked_how"}
    assert acts[2]["data"]["reason_code"] == "key_lost"
    assert set(acts[2]["sealed"]) == {"reason"}
    with bench.sessions() as session:
        entry = reading.find_entry(session, bound.binding_commitment or "")
    assert entry is not None
    assert entry.value() == acts[1]


def test_statement_when_prepared_then_names_case_pseudonym_and_key_and_nothing_else(bench: Bench) -> None:
    key = OwnKey()
    assert statement(bench, bench.olena, key) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "reviewer-key", "digest": {"sha256": key.keyid}}],
        "predicateType": "urn:exhibit:reviewer-key:v1",
        "predicate": {
            "case": str(bench.case_id),
            "reviewer": pseudonym(bench, bench.olena),
            "keyid": key.keyid,
            "alg": "ed25519",
            "public_key": key.public_key,
        },
    }


def test_key_when_its_holder_alone_vouches_then_refused(bench: Bench) -> None:
    key = OwnKey()
    add_role(bench.sessions, bench.coordinator, bench.case_id, bench.olena, Role.COORDINATOR)
    request_key(bench, bench.olena, key)
    with pytest.raises(OwnKeyChecked):
        bind_key(bench, key, bench.olena)
    assert standing(bench, key).standing is KeyStanding.REQUESTED


def test_key_when_vouched_for_by_who_is_no_coordinator_then_forbidden(bench: Bench) -> None:
    key = OwnKey()
    request_key(bench, bench.olena, key)
    for person in (bench.petro, bench.rita):
        with pytest.raises(Forbidden):
            bind_key(bench, key, person)


def test_key_when_bound_twice_or_after_revocation_then_refused(bench: Bench) -> None:
    key = bound_key(bench, bench.olena)
    with pytest.raises(ReviewerKeyBound):
        bind_key(bench, key)
    revoke_key(bench, key, bench.coordinator)
    with pytest.raises(ReviewerKeyRevoked):
        bind_key(bench, key)
    with pytest.raises(ReviewerKeyRevoked):
        revoke_key(bench, key, bench.olena)
    with pytest.raises(ReviewerKeyKnown):
        request_key(bench, bench.olena, key)


def test_key_when_revoked_by_another_reviewer_then_forbidden(bench: Bench) -> None:
    key = bound_key(bench, bench.olena)
    with pytest.raises(Forbidden):
        revoke_key(bench, key, bench.petro)
    assert standing(bench, key).standing is KeyStanding.BOUND


def test_key_when_another_person_brings_the_same_one_then_refused_in_every_case(bench: Bench) -> None:
    key = bound_key(bench, bench.olena)
    with pytest.raises(ReviewerKeyTaken):
        request_key(bench, bench.petro, key)
    bench.case_id = make_case(bench.sessions, bench.coordinator, [(bench.petro, Role.VERIFIER)])
    with pytest.raises(ReviewerKeyTaken):
        request_key(bench, bench.petro, key)


def test_key_when_bound_in_one_case_then_is_unknown_in_another_until_bound_there(bench: Bench) -> None:
    key = bound_key(bench, bench.petro)
    bench.case_id = make_case(bench.sessions, bench.coordinator, [(bench.petro, Role.VERIFIER)])
    with pytest.raises(NotFound):
        standing(bench, key)
    request_key(bench, bench.petro, key)
    bind_key(bench, key)
    assert standing(bench, key).standing is KeyStanding.BOUND


def test_possession_when_signed_by_another_key_or_over_other_words_then_refused(bench: Bench) -> None:
    key, other = OwnKey(), OwnKey()
    with bench.sessions() as session:
        mine = reviewer_keys.prepare(session, bench.olena, bench.case_id, public_key=key.public_key).payload()
        theirs = reviewer_keys.prepare(session, bench.petro, bench.case_id, public_key=key.public_key).payload()
    forged = other.envelope(mine, signatures=[{**other.envelope(mine)["signatures"][0], "keyid": key.keyid}])
    attempts: list[tuple[dict[str, Any], type[AppError]]] = [
        (forged, SignatureInvalid),
        (other.envelope(mine), ReviewerKeyNotBound),
        (key.envelope(theirs), StatementDiffers),
        (key.envelope(mine + b" "), StatementDiffers),
        (key.envelope(mine.replace(str(bench.case_id).encode(), str(new_id()).encode())), StatementDiffers),
        (key.envelope(b"\xff"), StatementDiffers),
        (key.envelope(b"[" * 5000), StatementDiffers),
    ]
    for envelope, refusal in attempts:
        with pytest.raises(refusal):
            request_key(bench, bench.olena, key, envelope)
    with pytest.raises(NotFound):
        standing(bench, key)


def test_key_when_of_small_order_then_refused(bench: Bench) -> None:
    with bench.sessions() as session, pytest.raises(ReviewerKeyWeak):
        reviewer_keys.prepare(session, bench.olena, bench.case_id, public_key="01" + "00" * 31)


def test_keys_when_listed_then_in_order_of_request_by_pages(bench: Bench) -> None:
    keys = [bound_key(bench, person) for person in (bench.olena, bench.petro, bench.taras)]
    with bench.sessions() as session:
        first = reviewer_keys.list_keys(session, bench.rita, bench.case_id, after=None, limit=2)
        after = (first[-1].key.requested_at, first[-1].key.id)
        rest = reviewer_keys.list_keys(session, bench.rita, bench.case_id, after=after, limit=2)
    assert [each.key.keyid for each in (*first, *rest)] == [key.keyid for key in keys]


# --- the database alone -----------------------------------------------------------------------------------------------


def refusal_of(bench: Bench, query: str | TextClause, **values: Any) -> str | None:
    """Which constraint stops the act, at the latest at its commit."""
    with bench.sessions() as session:
        try:
            session.execute(text(query) if isinstance(query, str) else query, values)
            session.commit()
        except IntegrityError as error:
            name: str | None = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
            return name
    return None


BIND = text(
    "INSERT INTO reviewer_key_bindings SELECT id, case_id, holder_id, :by, 'x', now() FROM reviewer_keys"
    " WHERE encode(keyid, 'hex') = :keyid"
)
REVOKE = text(
    "INSERT INTO reviewer_key_revocations SELECT id, case_id, holder_id, :by, 'other', NULL, now() FROM reviewer_keys"
    " WHERE encode(keyid, 'hex') = :keyid"
)


def test_binding_row_when_by_the_holder_then_refused(bench: Bench) -> None:
    key = OwnKey()
    request_key(bench, bench.olena, key)
    values = {"by": bench.olena.account_id, "keyid": key.keyid}
    name = refusal_of(bench, BIND, **values)
    assert name == "ck_reviewer_key_bindings_checked_by_another"
    assert constraint_errors[name].code == "own_key_checked"


def test_rows_of_keys_when_without_an_entry_then_refused(bench: Bench) -> None:
    key = OwnKey()
    request_key(bench, bench.olena, key)
    values = {"by": bench.coordinator.account_id, "keyid": key.keyid}
    assert refusal_of(bench, BIND, **values) == "exhibit_require_entry"
    assert refusal_of(bench, REVOKE, **values) == "exhibit_require_entry"


def test_binding_row_when_the_key_is_revoked_then_refused(bench: Bench) -> None:
    key = OwnKey()
    request_key(bench, bench.olena, key)
    revoke_key(bench, key, bench.olena)
    values = {"by": bench.coordinator.account_id, "keyid": key.keyid}
    name = refusal_of(bench, BIND, **values)
    assert name == "exhibit_reviewer_key_revoked"


def test_key_row_when_its_keyid_is_another_s_or_its_holder_another_then_refused(bench: Bench) -> None:
    key = bound_key(bench, bench.olena)
    insert = (
        "INSERT INTO reviewer_keys SELECT gen_random_uuid(), case_id, {holder}, public_key, {keyid}, envelope,"
        " dsse_sha256, now() FROM reviewer_keys WHERE encode(keyid, 'hex') = :keyid"
    )
    wrong = {
        "ck_reviewer_keys_keyid_of_key": insert.format(holder="holder_id", keyid="sha256('x')"),
        "uq_reviewer_keys_keyid": insert.format(holder=":other", keyid="keyid"),
    }
    values = {"keyid": key.keyid, "other": bench.petro.account_id}
    for name, query in wrong.items():
        assert refusal_of(bench, query, **values) == name


def test_rows_of_keys_when_changed_or_removed_by_their_owner_then_refused(bench: Bench, database: Any) -> None:
    bound_key(bench, bench.olena)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        for table in ("reviewer_key_holders", "reviewer_keys", "reviewer_key_bindings"):
            for change in ("DELETE FROM {}", "UPDATE {} SET holder_id = holder_id", "TRUNCATE {} CASCADE"):
                with pytest.raises(psycopg.Error, match="is refused"):
                    owner.execute(change.format(table).encode())
