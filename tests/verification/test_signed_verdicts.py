"""Verdicts signed with their author's own key: exactly these words, by exactly this person, once; else refused."""

import base64
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.cases.service import pseudonym_of
from app.kernel.errors import AppError, NotFound, WrongState, constraint_errors
from app.kernel.primitives import canonical_json, new_id, sha256_hex, utc_now
from app.ledger import reading
from app.verification import reviewer_keys, service, signing
from app.verification.dsse import read_envelope
from app.verification.errors import (
    EnvelopeNotKept,
    LeaseNotHeld,
    NotTheKeysHolder,
    ReviewerKeyNotBound,
    ReviewerKeyRevoked,
    SignatureInvalid,
    StatementDiffers,
    StatementTimeImplausible,
)
from app.verification.rules import Dimension, Outcome, ReviewKind
from tests.factories import NO_LABELS, make_item
from tests.verification.bench import Bench
from tests.verification.signers import (
    WORDS,
    OwnKey,
    bound_key,
    ready,
    request_key,
    revoke_key,
    statement_of,
    submit_signed,
)
from tests.verification.test_dsse import verified_by_reference


@pytest.fixture
def key(bench: Bench) -> OwnKey:
    """Olena's, bound; her item awaits her verdict."""
    ready(bench, bench.olena)
    return bound_key(bench, bench.olena)


def submission(bench: Bench) -> dict[str, Any]:
    """The newest entry about a submitted verdict."""
    with bench.sessions() as session:
        entries = [each.value() for each in reading.entries_of(session, bench.item)]
    return [each for each in entries if each["type"] == "evidence.submitted"][-1]


def kept_envelope(bench: Bench, verdict_id: Any) -> bytes:
    with bench.sessions() as session:
        return signing.get_envelope(session, bench.rita, bench.item, verdict_id)


def assert_refused(bench: Bench, envelope: dict[str, Any], refusal: type[AppError], **words: Any) -> None:
    """The submission is refused, and nothing of it stays."""
    before = bench.entry_types()
    with pytest.raises(refusal):
        bench.submit(bench.olena, **{**WORDS, **words}, envelope=envelope)
    assert bench.evidence().state == "in_verification"
    assert bench.entry_types() == before


def test_verdict_when_signed_then_kept_to_the_byte_and_named_in_its_entry(bench: Bench, key: OwnKey) -> None:
    document = key.envelope(statement_of(bench, bench.olena, key).payload())
    verdict = bench.submit(bench.olena, **WORDS, envelope=document)
    kept = kept_envelope(bench, verdict.id)
    assert kept == canonical_json(document)
    assert verified_by_reference(json.loads(kept), key)
    with bench.sessions() as session:
        bound = reviewer_keys.get_key(session, bench.rita, bench.case_id, key.keyid).binding_commitment
    data = submission(bench)["data"]
    signature = {
        "verdict_id": str(verdict.id),
        "signature_mode": "own_key",
        "dsse_sha256": hashlib.sha256(kept).hexdigest(),
        "keyid": key.keyid,
        "alg": "ed25519",
        "public_key": key.public_key,
        "key_bound": bound,
    }
    assert data.items() >= signature.items()
    with bench.sessions() as session:
        (stated,) = service.list_verdicts(session, bench.rita, bench.item, after=None, limit=5)
    assert stated.signature is not None
    assert (stated.signature.keyid, stated.signature.key_bound) == (key.keyid, bound)
    bench.concur(bench.petro)
    bench.sign_off(bench.rita)
    assert bench.evidence().state == "signed_off"


def test_verdict_when_not_signed_then_its_mode_is_none_and_its_entry_names_no_key(bench: Bench, key: OwnKey) -> None:
    verdict = bench.submit(bench.olena)
    data = submission(bench)["data"]
    assert data["signature_mode"] == "none"
    assert not {"dsse_sha256", "keyid", "alg", "public_key", "key_bound"} & data.keys()
    with pytest.raises(NotFound):
        kept_envelope(bench, verdict.id)


def test_statement_when_prepared_then_says_all_that_the_verdict_does(bench: Bench, key: OwnKey) -> None:
    stated = json.loads(statement_of(bench, bench.olena, key).payload())
    with bench.sessions() as session:
        reviewer = str(pseudonym_of(session, bench.case_id, bench.olena.account_id))
        bound = reviewer_keys.get_key(session, bench.rita, bench.case_id, key.keyid).binding_commitment
        entries = reading.entries_of(session, bench.item)
    findings = sorted(each.commitment for each in entries if each.type == "evidence.finding_recorded")
    time = stated["predicate"].pop("time")
    assert abs(utc_now().timestamp() - time_of(time)) < 60
    assert stated == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": str(bench.item), "digest": {"sha256": bench.evidence().blob_sha256}}],
        "predicateType": "urn:exhibit:verdict:v1",
        "predicate": {
            "case": str(bench.case_id),
            "evidence": str(bench.item),
            "incident": None,
            "outcome": "verified",
            "rationale": WORDS["rationale"],
            "round": 1,
            "version": 1,
            "supersedes": None,
            "findings_sha256": sha256_hex("".join(f"{each}\n" for each in findings).encode()),
            "reviewer": reviewer,
            "key_bound": bound,
        },
    }


def time_of(text_: str) -> float:
    return datetime.fromisoformat(text_).timestamp()


def test_verdict_when_superseded_then_the_next_statement_names_the_one_before(bench: Bench, key: OwnKey) -> None:
    first = submit_signed(bench, bench.olena, key)
    bench.review(bench.petro, ReviewKind.REQUEST_CHANGES, "Name the source.")
    bench.take(bench.olena)
    bench.find(bench.olena, Dimension.SOURCE)
    stated = statement_of(bench, bench.olena, key)
    assert (stated.version, stated.supersedes) == (2, first.id)
    with bench.sessions() as session:
        entries = reading.entries_of(session, bench.item)
    found = [each for each in entries if each.type == "evidence.finding_recorded"]
    standing = {each.value()["data"]["dimension"]: each.commitment for each in found}
    lines = "".join(f"{each}\n" for each in sorted(standing.values()))
    assert stated.findings_sha256 == sha256_hex(lines.encode())
    second = submit_signed(bench, bench.olena, key)
    assert kept_envelope(bench, second.id) != kept_envelope(bench, first.id)


# --- what is refused --------------------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Any], Any]] = {
    "case_id": lambda _: new_id(),
    "evidence_id": lambda _: new_id(),
    "evidence_sha256": lambda _: "ab" * 32,
    "outcome": lambda _: Outcome.MANIPULATED,
    "rationale": lambda text_: text_ + " ",
    "incident_id": lambda _: new_id(),
    "round": lambda number: number + 1,
    "version": lambda number: number + 1,
    "supersedes": lambda _: new_id(),
    "findings_sha256": lambda _: "ab" * 32,
    "reviewer": lambda _: new_id(),
    "key_bound": lambda _: "ab" * 32,
}


@pytest.mark.parametrize("field", CHANGES)
def test_verdict_when_one_field_of_the_signed_statement_differs_then_refused_by_name(
    bench: Bench, key: OwnKey, field: str
) -> None:
    honest = statement_of(bench, bench.olena, key)
    changed = replace(honest, **{field: CHANGES[field](getattr(honest, field))})
    envelope = key.envelope(changed.payload())
    assert_refused(bench, envelope, StatementDiffers)
    with pytest.raises(StatementDiffers) as caught:
        bench.submit(bench.olena, **WORDS, envelope=envelope)
    named = ".".join(caught.value.extra["differing_fields"])
    assert {"case_id": "case", "evidence_id": "evidence", "incident_id": "incident", "evidence_sha256": "subject"}.get(
        field, field
    ) in named


def test_verdict_when_its_statement_is_spelt_otherwise_then_refused(bench: Bench, key: OwnKey) -> None:
    payload = statement_of(bench, bench.olena, key).payload()
    stated = json.loads(payload)
    spellings = [
        payload + b"\n",
        json.dumps(stated).encode(),
        canonical_json({**stated, "note": "x"}),
        canonical_json({**stated, "predicate": {**stated["predicate"], "policy_version": 1}}),
        canonical_json({**stated, "predicateType": "urn:exhibit:verdict:v2"}),
        payload.replace(b'"round":1', b'"round":1,"round":1'),
        payload.replace(b'"round":1', b'"round":true'),
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        b"[" * 20_000,
    ]
    for spelling in spellings:
        assert_refused(bench, key.envelope(spelling), StatementDiffers)


def test_verdict_when_the_words_sent_differ_from_those_signed_then_refused(bench: Bench, key: OwnKey) -> None:
    envelope = key.envelope(statement_of(bench, bench.olena, key).payload())
    assert_refused(bench, envelope, StatementDiffers, outcome=Outcome.INCONCLUSIVE)
    assert_refused(bench, envelope, StatementDiffers, rationale="Something else.")


def test_verdict_when_a_finding_was_added_after_signing_then_refused(bench: Bench, key: OwnKey) -> None:
    envelope = key.envelope(statement_of(bench, bench.olena, key).payload())
    bench.find(bench.olena, Dimension.DATE)
    assert_refused(bench, envelope, StatementDiffers)


def test_verdict_when_signed_with_another_person_s_key_then_refused(bench: Bench, key: OwnKey) -> None:
    theirs = bound_key(bench, bench.petro)
    payload = statement_of(bench, bench.olena, key).payload()
    assert_refused(bench, theirs.envelope(payload), NotTheKeysHolder)
    borrowed = theirs.envelope(payload)
    borrowed["signatures"][0]["keyid"] = key.keyid
    assert_refused(bench, borrowed, SignatureInvalid)


def test_verdict_when_the_envelope_was_tampered_with_then_refused(bench: Bench, key: OwnKey) -> None:
    payload = statement_of(bench, bench.olena, key).payload()
    envelope = key.envelope(payload)
    altered = payload.replace(b'"verified"', b'"excluded"')
    envelope["payload"] = base64.b64encode(altered).decode()
    assert_refused(bench, envelope, SignatureInvalid, outcome=Outcome.EXCLUDED)
    plain = key.envelope(payload)
    plain["signatures"][0]["sig"] = base64.b64encode(key.private.sign(payload)).decode()
    assert_refused(bench, plain, SignatureInvalid)


def test_verdict_when_the_key_is_unknown_or_only_requested_then_refused(bench: Bench, key: OwnKey) -> None:
    payload = statement_of(bench, bench.olena, key).payload()
    other = OwnKey()
    assert_refused(bench, other.envelope(payload), ReviewerKeyNotBound)
    request_key(bench, bench.olena, other)
    assert_refused(bench, other.envelope(payload), ReviewerKeyNotBound)
    with pytest.raises(ReviewerKeyNotBound):
        statement_of(bench, bench.olena, other)


def test_verdict_when_the_key_is_revoked_then_refused_and_earlier_ones_stay(bench: Bench, key: OwnKey) -> None:
    first = submit_signed(bench, bench.olena, key)
    bench.withdraw(bench.olena)
    bench.take(bench.olena)
    envelope = key.envelope(statement_of(bench, bench.olena, key).payload())
    revoke_key(bench, key, bench.coordinator)
    assert_refused(bench, envelope, ReviewerKeyRevoked)
    with pytest.raises(ReviewerKeyRevoked):
        statement_of(bench, bench.olena, key)
    assert verified_by_reference(json.loads(kept_envelope(bench, first.id)), key)
    with bench.sessions() as session:
        (stated,) = service.list_verdicts(session, bench.rita, bench.item, after=None, limit=5)
    assert stated.signature is not None


@pytest.mark.thorough
def test_envelope_when_sent_again_for_another_item_or_round_then_refused(bench: Bench, key: OwnKey) -> None:
    envelope = key.envelope(statement_of(bench, bench.olena, key).payload())
    bench.submit(bench.olena, **WORDS, envelope=envelope)
    bench.concur(bench.petro)
    bench.sign_off(bench.rita)
    bench.reopen(bench.rita)
    bench.take(bench.olena)
    assert_refused(bench, envelope, StatementDiffers)

    bench.item = make_item(bench.sessions, bench.olena, bench.case_id, labels=dict(NO_LABELS))
    ready(bench, bench.olena)
    assert_refused(bench, envelope, StatementDiffers)


def test_statement_when_of_another_time_then_refused(bench: Bench, key: OwnKey) -> None:
    honest = statement_of(bench, bench.olena, key)
    for moment in (utc_now() + timedelta(minutes=6), utc_now() - timedelta(minutes=6), utc_now() - timedelta(days=8)):
        assert_refused(bench, key.envelope(replace(honest, time=moment).payload()), StatementTimeImplausible)
    near = key.envelope(replace(honest, time=utc_now() + timedelta(minutes=4)).payload())
    assert bench.submit(bench.olena, **WORDS, envelope=near).signature_mode == "own_key"


def test_statement_when_its_time_is_spelt_otherwise_then_refused(bench: Bench, key: OwnKey) -> None:
    stated = json.loads(statement_of(bench, bench.olena, key).payload())
    moment = stated["predicate"]["time"]
    for other in (
        moment.replace("Z", "+00:00"),
        moment[:-5] + "Z",
        moment.replace("T", " "),
        "now",
        7,
        None,
        "0001-01-01",
    ):
        changed = canonical_json({**stated, "predicate": {**stated["predicate"], "time": other}})
        assert_refused(bench, key.envelope(changed), StatementDiffers)


def test_statement_when_the_item_is_not_the_asker_s_to_judge_then_refused(bench: Bench, key: OwnKey) -> None:
    theirs = bound_key(bench, bench.petro)
    with pytest.raises(LeaseNotHeld):
        statement_of(bench, bench.petro, theirs)
    submit_signed(bench, bench.olena, key)
    with pytest.raises(WrongState):
        statement_of(bench, bench.olena, key)


@pytest.mark.thorough
def test_revocation_and_submission_when_at_the_same_moment_then_one_comes_before_the_other(
    bench: Bench, key: OwnKey
) -> None:
    """Whichever is first: a verdict never stands after its key's revocation in the order of the ledger."""
    for attempt in range(3):
        if attempt:
            bench.take(bench.olena)
            key = bound_key(bench, bench.olena)
        envelope = key.envelope(statement_of(bench, bench.olena, key).payload())
        barrier = Barrier(2)
        order_before = bench.entry_types().count("evidence.submitted")

        def submit(given: dict[str, Any] = envelope, meet: Barrier = barrier) -> bool:
            meet.wait()
            try:
                bench.submit(bench.olena, **WORDS, envelope=given)
            except ReviewerKeyRevoked:
                return False
            return True

        def revoke(which: OwnKey = key, meet: Barrier = barrier) -> None:
            meet.wait()
            revoke_key(bench, which, bench.coordinator)

        with ThreadPoolExecutor(2) as pool:
            submitted, revoked = pool.submit(submit), pool.submit(revoke)
            revoked.result()
            is_submitted = submitted.result()
        with bench.sessions() as session:
            order = session.scalars(ORDER, {"item": bench.item, "case": bench.case_id}).all()
        assert order[-1] == "case.reviewer_key_revoked"
        assert order.count("evidence.submitted") == order_before + is_submitted
        assert (bench.evidence().state == "awaiting_peer_review") is is_submitted
        if is_submitted:
            bench.withdraw(bench.olena)
        else:
            bench.end(bench.olena)


ORDER = text(
    "SELECT type FROM ledger_entries WHERE stream_id IN (:item, :case)"
    " AND type IN ('evidence.submitted', 'case.reviewer_key_revoked') ORDER BY id"
)


# --- the database alone -----------------------------------------------------------------------------------------------

INSERT_VERDICT = text(
    "INSERT INTO verdicts (id, evidence_id, round, version, outcome, rationale, finding_ids, policy_version,"
    " signature_mode, self_reviewed, author_id, submitted_at)"
    " SELECT :id, e.id, e.round, 1, 'verified', 'x', '{}', 1, :mode, false, :author, now()"
    " FROM evidence e WHERE e.id = :item"
)
INSERT_SIGNATURE = text(
    "INSERT INTO verdict_signatures SELECT :id, :item, k.id, e.commitment, sha256('x') FROM reviewer_keys k"
    " JOIN ledger_entries e ON e.object_id = k.id AND e.type = :bound WHERE encode(k.keyid, 'hex') = :keyid"
)
INSERT_ENVELOPE = text("INSERT INTO verdict_envelopes VALUES (:id, :content)")


def refused_by(
    bench: Bench,
    author: Actor,
    key: OwnKey,
    *,
    mode: str = "own_key",
    is_signed: bool = True,
    content: bytes = b"x",
    bound: str = "case.reviewer_key_bound",
) -> str | None:
    """Which constraint stops a signed verdict that raw SQL writes; ``exhibit_require_entry``: no other."""
    verdict_id = new_id()

    def act(session: Session) -> None:
        session.execute(text("SET CONSTRAINTS verdicts_signed IMMEDIATE") if not is_signed else text("SELECT 1"))
        values = {"id": verdict_id, "item": bench.item, "mode": mode, "author": author.account_id}
        session.execute(INSERT_VERDICT, values)
        if is_signed:
            session.execute(
                INSERT_SIGNATURE, {"id": verdict_id, "item": bench.item, "bound": bound, "keyid": key.keyid}
            )
            session.execute(INSERT_ENVELOPE, {"id": verdict_id, "content": content})
            session.execute(text("SET CONSTRAINTS verdicts_signed IMMEDIATE"))
        session.commit()

    with bench.sessions() as session:
        try:
            act(session)
        except IntegrityError as error:
            name: str | None = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
            return name
    return None


def test_signature_rows_when_complete_then_only_the_entry_is_missing(bench: Bench, key: OwnKey) -> None:
    assert refused_by(bench, bench.olena, key) == "exhibit_require_entry"


def test_verdict_row_when_signed_by_mode_alone_then_refused(bench: Bench, key: OwnKey) -> None:
    assert refused_by(bench, bench.olena, key, is_signed=False) == "exhibit_verdict_is_signed"
    assert refused_by(bench, bench.olena, key, content=b"y") == "exhibit_verdict_is_signed"


def test_signature_row_when_with_another_person_s_key_then_refused(bench: Bench, key: OwnKey) -> None:
    name = refused_by(bench, bench.olena, bound_key(bench, bench.petro))
    assert name == "exhibit_signed_by_holder"
    assert constraint_errors[name].code == "not_the_keys_holder"


def test_signature_row_when_the_key_is_not_bound_or_revoked_or_the_mode_none_then_refused(
    bench: Bench, key: OwnKey
) -> None:
    other = OwnKey()
    request_key(bench, bench.olena, other)
    unbound = refused_by(bench, bench.olena, other, bound="case.reviewer_key_requested")
    assert unbound == "exhibit_signed_by_bound_key"
    assert refused_by(bench, bench.olena, key, mode="none") == "exhibit_signed_by_bound_key"
    revoke_key(bench, key, bench.olena)
    assert refused_by(bench, bench.olena, key) == "exhibit_reviewer_key_revoked"


def test_envelope_when_read_back_then_is_still_one_envelope_and_of_its_own_item_alone(
    bench: Bench, key: OwnKey
) -> None:
    verdict = submit_signed(bench, bench.olena, key)
    kept = kept_envelope(bench, verdict.id)
    assert read_envelope(json.loads(kept)).content == kept
    with bench.sessions() as session:
        digest = sha256_hex(kept)
        assert signing.envelopes_by_digest(session, [digest, "0" * 64]) == {digest: kept}
        assert signing.get_envelope(session, bench.petro, bench.item, verdict.id) == kept
        other = make_item(bench.sessions, bench.olena, bench.case_id, labels=dict(NO_LABELS))
        with pytest.raises(EnvelopeNotKept):
            signing.get_envelope(session, bench.petro, other, verdict.id)
