"""Custody files with verdicts that their authors signed: the envelopes go along, and the verifier checks them."""

import base64
import copy
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.access.rules import Role
from app.erasure.service import Ground, erase_field
from app.exports.verifier.verify_custody import KEY_PREFIX, Bad, Report, SignedActs, describe, parse_key, verify
from app.kernel.database import open_engine, session_factory
from app.kernel.primitives import canonical_json, new_id
from app.ledger import log, reading
from app.ledger.checkpoint import VerifierKey
from app.verification.rules import Dimension, ReviewKind
from tests.exports.custody_cases import Hub, integrating, make_linked_incident
from tests.factories import add_role, commit_in, make_person
from tests.ledger.acts import SIGNER
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database
from tests.verification.bench import Bench
from tests.verification.signers import WORDS, OwnKey, bound_key, ready, revoke_key, submit_signed

Lines = list[bytes]


@dataclass(frozen=True)
class Affair:
    """A signed-off item whose verdict was signed twice by its author, with a key that was revoked afterwards."""

    hub: Hub
    bench: Bench
    key: OwnKey
    database: TestDatabase

    def lines(self, scope: Any = "case", *, is_disclosed: bool = True) -> Lines:
        object_id = self.hub.case_id if scope == "case" else self.bench.item
        return self.hub.file(scope, object_id, is_disclosed=is_disclosed).splitlines()


@pytest.fixture(scope="module")
def affair(postgres: TestServer) -> Iterator[Affair]:
    with open_affair(postgres) as opened:
        yield opened


@contextmanager
def open_affair(postgres: TestServer) -> Iterator[Affair]:
    database = create_database(postgres)
    engine = open_engine(database.app_url, pool_size=8)
    try:
        with integrating(database):
            yield _affair(session_factory(engine), database)
    finally:
        engine.dispose()
        with postgres.administration() as owner:
            drop_database(owner, database.name)


def _affair(sessions: sessionmaker[Session], database: TestDatabase) -> Affair:
    bench = Bench(sessions)
    key = bound_key(bench, bench.olena)
    bound_key(bench, bench.petro)
    ready(bench, bench.olena)
    submit_signed(bench, bench.olena, key)
    bench.review(bench.petro, ReviewKind.REQUEST_CHANGES, "Name the source.")
    bench.take(bench.olena)
    bench.find(bench.olena, Dimension.SOURCE)
    submit_signed(bench, bench.olena, key)
    bench.concur(bench.petro)
    bench.sign_off(bench.rita)
    revoke_key(bench, key, bench.olena)
    incident = make_linked_incident(sessions, bench.case_id, bench.item)
    with sessions() as session:
        vkey = VerifierKey(log.installation(session).origin, SIGNER.public_key)
    hub = Hub(sessions, vkey, bench.case_id, bench.coordinator, bench.olena, (bench.item,), incident)
    return Affair(hub, bench, key, database)


@pytest.fixture(scope="module")
def lines(affair: Affair) -> Lines:
    return affair.lines()


def check(affair: Affair, lines: Lines) -> Report:
    return verify(io.BytesIO(b"".join(line + b"\n" for line in lines)), parse_key(affair.hub.vkey.encode()))


def kind_of(line: bytes) -> str:
    return str(json.loads(line).get("kind", "entry"))


def places(lines: Lines, kind: str) -> list[int]:
    return [at for at, line in enumerate(lines) if kind_of(line) == kind]


def of_verdicts(lines: Lines) -> list[int]:
    """The envelope lines of the two verdicts; those of keys stand before or after them, as the streams' ids fall."""
    payloads = {at: base64.b64decode(json.loads(lines[at])["envelope"]["payload"]) for at in places(lines, "envelope")}
    return [at for at, payload in payloads.items() if b"urn:exhibit:verdict:v1" in payload]


def resealed(lines: Lines) -> Lines:
    """Under a trailer that fits, as somebody makes it who knows the format."""
    body = b"".join(line + b"\n" for line in lines[:-1])
    kinds = [kind_of(line) for line in lines[:-1]]
    counts = {"entries": "entry", "proofs": "proof", "leaves": "leaf", "disclosures": "disclosure"}
    if "envelopes" in json.loads(lines[0]):
        counts["envelopes"] = "envelope"
    trailer = {
        "kind": "trailer",
        "lines": len(lines) - 1,
        **{name: kinds.count(kind) for name, kind in counts.items()},
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return [*lines[:-1], canonical_json(trailer)]


def edited(lines: Lines, at: int, change: Callable[[dict[str, Any]], object]) -> Lines:
    value = json.loads(lines[at])
    change(value)
    return resealed([*lines[:at], canonical_json(value), *lines[at + 1 :]])


def test_file_when_verdicts_are_signed_then_the_envelopes_go_along_and_all_is_proven(
    affair: Affair, lines: Lines
) -> None:
    report = check(affair, lines)
    assert report.findings == []
    assert report.result_of("verdicts") == "proven"
    envelopes = [json.loads(lines[at]) for at in places(lines, "envelope")]
    assert len(envelopes) == 4  # Two keys' proofs of possession, two verdicts.
    assert [each["verdict_id"] is not None for each in report.signed] == [True, True]
    assert {each["keyid"] for each in report.signed} == {affair.key.keyid}
    told = "\n".join(describe(report))
    bound = next(
        at for at, line in enumerate(lines, start=1) if json.loads(line).get("type") == "case.reviewer_key_bound"
    )
    assert f"bound by line {bound}, stream {affair.hub.case_id}" in told
    assert json.loads(lines[-1])["envelopes"] == 4


def test_file_when_of_the_item_alone_then_signatures_are_proven_and_the_binding_is_named(affair: Affair) -> None:
    report = check(affair, affair.lines("evidence"))
    assert report.findings == []
    assert report.result_of("verdicts") == "proven"
    assert len(report.signed) == 2
    assert "which is not in this file" in "\n".join(describe(report))


def test_file_when_taken_without_disclosures_then_no_word_of_a_verdict_is_in_it(affair: Affair) -> None:
    lines = affair.lines(is_disclosed=False)
    report = check(affair, lines)
    assert report.ok
    assert report.result_of("verdicts") == "not checked"
    assert "envelopes" not in json.loads(lines[0])
    assert places(lines, "envelope") == []
    assert base64.b64encode(WORDS["rationale"].encode())[4:20] not in b"".join(lines)
    assert WORDS["rationale"].encode() not in b"".join(lines)


def test_verifier_of_before_when_given_such_a_file_then_would_refuse_its_header(lines: Lines) -> None:
    """A member that it does not know: it refuses the file rather than pass over the signatures."""
    assert json.loads(lines[0])["envelopes"] == "all"


def _flip(value: dict[str, Any]) -> None:
    signature = value["envelope"]["signatures"][0]
    raw = bytearray(base64.b64decode(signature["sig"]))
    raw[40] ^= 1
    signature["sig"] = base64.b64encode(raw).decode()


def _reword(value: dict[str, Any]) -> None:
    payload = base64.b64decode(value["envelope"]["payload"]).replace(b'"verified"', b'"excluded"')
    value["envelope"]["payload"] = base64.b64encode(payload).decode()


TAMPERINGS: dict[str, Callable[[dict[str, Any]], object]] = {
    "signature": _flip,
    "words": _reword,
    "keyid": lambda value: value["envelope"]["signatures"][0].update(keyid="ab" * 32),
    "second signature": lambda value: value["envelope"]["signatures"].append(value["envelope"]["signatures"][0]),
    "no signature": lambda value: value["envelope"].update(signatures=[]),
    "another type": lambda value: value["envelope"].update(payloadType="text/plain"),
    "a member more": lambda value: value["envelope"].update(note="x"),
    "seq": lambda value: value.update(seq=value["seq"] + 1),
    "stream": lambda value: value.update(stream=str(new_id())),
    "envelope and withheld": lambda value: value.update(withheld="erased"),
    "neither": lambda value: value.pop("envelope"),
    "withheld for no reason": lambda value: (value.pop("envelope"), value.update(withheld="lost")),
    "envelope a list": lambda value: value.update(envelope=[]),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_envelope_when_tampered_with_then_the_file_fails_and_the_line_is_named(
    affair: Affair, lines: Lines, name: str
) -> None:
    for at in of_verdicts(lines):
        report = check(affair, edited(lines, at, TAMPERINGS[name]))
        assert not report.ok
        assert report.result_of("verdicts") == "FAILED"
        assert at + 1 in {found.line for found in report.findings}
        assert report.as_json()["signed"] == []


def test_envelopes_when_swapped_removed_or_doubled_then_the_file_fails(affair: Affair, lines: Lines) -> None:
    first, second = of_verdicts(lines)
    one, two = json.loads(lines[first]), json.loads(lines[second])
    swapped = edited(lines, first, lambda value: value.update(envelope=two["envelope"]))
    swapped = edited(swapped, second, lambda value: value.update(envelope=one["envelope"]))
    exchanged = resealed([*lines[:first], lines[second], lines[first], *lines[second + 1 :]])
    removed = resealed([*lines[:second], *lines[second + 1 :]])
    doubled = resealed([*lines[: second + 1], lines[second], *lines[second + 1 :]])
    for changed in (swapped, exchanged, removed, doubled):
        report = check(affair, changed)
        assert report.result_of("verdicts") == "FAILED"


def test_envelopes_when_all_left_out_with_their_announcement_then_the_file_fails(affair: Affair, lines: Lines) -> None:
    first, *_, last = places(lines, "envelope")
    header = json.loads(lines[0])
    del header["envelopes"]
    report = check(affair, resealed([canonical_json(header), *lines[1:first], *lines[last + 1 :]]))
    assert report.result_of("verdicts") == "FAILED"
    assert report.findings[0].line == 1


def test_envelopes_when_header_and_trailer_do_not_agree_then_the_file_fails(affair: Affair, lines: Lines) -> None:
    trailer = json.loads(lines[-1])
    del trailer["envelopes"]
    assert not check(affair, [*lines[:-1], canonical_json(trailer)]).ok
    trailer["envelopes"] = 3
    assert not check(affair, [*lines[:-1], canonical_json(trailer)]).ok


def test_entry_when_it_names_another_key_then_it_is_to_blame(affair: Affair, lines: Lines) -> None:
    at = next(at for at, line in enumerate(lines) if b'"type":"evidence.submitted"' in line)
    report = check(affair, edited(lines, at, lambda value: value["data"].update(public_key="ab" * 32)))
    assert not report.ok
    assert at + 1 in {found.line for found in report.findings}


def test_envelope_when_withheld_without_an_erasure_then_the_file_fails(affair: Affair, lines: Lines) -> None:
    at = of_verdicts(lines)[0]
    report = check(affair, edited(lines, at, lambda value: (value.pop("envelope"), value.update(withheld="erased"))))
    assert report.result_of("verdicts") == "FAILED"
    assert "no later entry erased its words" in str(report.findings)


@pytest.mark.thorough
def test_envelope_when_its_words_were_erased_then_said_to_be_unchecked_and_the_rest_verifies(
    postgres: TestServer,
) -> None:
    with open_affair(postgres) as affair:
        bench, custodian = affair.bench, make_person(affair.hub.sessions, "Cust")
        before = affair.lines()
        add_role(bench.sessions, bench.coordinator, bench.case_id, custodian, Role.CUSTODIAN)
        with bench.sessions() as session:
            entries = reading.entries_of(session, bench.item)
        commitment = next(each.commitment for each in entries if each.type == "evidence.submitted")
        commit_in(
            bench.sessions,
            lambda uow: erase_field(
                uow,
                custodian,
                commitment,
                field="rationale",
                ground=Ground(reason_code="consent_withdrawn", authority="subject_request"),
            ),
        )
        lines = affair.lines()
        report = check(affair, lines)
        assert report.ok, report.findings
        assert report.result_of("verdicts") == "not checked"
        assert "2 of 4 envelopes were erased" in report.skipped["verdicts"]  # Both versions had the same words.
        assert b"withheld" in b"".join(lines)
        assert check(affair, before).result_of("verdicts") == "proven"  # What was handed out before still verifies.


# --- a server that lies in entries that it signs ----------------------------------------------------------------------


def test_envelope_when_under_a_key_of_small_order_then_refused_though_its_signature_fits_all_words() -> None:
    neutral = (1).to_bytes(32, "little")
    keyid = hashlib.sha256(KEY_PREFIX + neutral).hexdigest()
    signature = {"keyid": keyid, "sig": base64.b64encode(neutral + bytes(32)).decode()}
    kind = "application/vnd.in-toto+json"
    envelope = {"payload": base64.b64encode(b"{}").decode(), "payloadType": kind, "signatures": [signature]}
    data = {"dsse_sha256": hashlib.sha256(canonical_json(envelope)).hexdigest(), "keyid": keyid, "alg": "ed25519"}
    acts = SignedActs()
    acts.acts[1] = {"type": "case.reviewer_key_requested", "data": {**data, "public_key": neutral.hex()}}
    with pytest.raises(Bad, match="not signed with the key"):
        acts.check(1, envelope, {})


def acts_of(lines: Lines, change: Callable[[dict[str, Any]], object], kind: str) -> tuple[SignedActs, dict[int, int]]:
    """The file's acts, with every entry of one kind changed as a lying server would log it; indexes by ordinal."""
    acts = SignedActs()
    for ordinal, at in enumerate(places(lines, "entry"), start=1):
        value = json.loads(lines[at])
        commitment = hashlib.sha256(lines[at]).hexdigest()
        if value["type"] == kind:
            value = copy.deepcopy(value)
            change(value)
        acts.note(ordinal, value, commitment)
    indexes = [json.loads(lines[at])["index"] for at in places(lines, "proof")]
    return acts, dict(enumerate(indexes, start=1))


def judged(lines: Lines, change: Callable[[dict[str, Any]], object], kind: str = "evidence.submitted") -> None:
    """Check every signed act with its envelope. Raises Bad."""
    acts, index_of = acts_of(lines, change, kind)
    header = json.loads(lines[0])
    envelopes = [json.loads(lines[at])["envelope"] for at in places(lines, "envelope")]
    for (ordinal, _), envelope in zip(sorted(acts.acts.items()), envelopes, strict=True):
        acts.check(ordinal, envelope, header)
        acts.check_findings(ordinal)
        acts.check_binding(ordinal, "case", index_of)


OTHER = str(new_id())
LIES: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "outcome": ("evidence.submitted", lambda value: value["data"].update(outcome="excluded")),
    "round": ("evidence.submitted", lambda value: value["data"].update(round=7)),
    "version": ("evidence.submitted", lambda value: value["data"].update(verdict_version=7)),
    "supersedes": ("evidence.submitted", lambda value: value["data"].update(supersedes=OTHER)),
    "incident": ("evidence.submitted", lambda value: value["data"].update(incident=OTHER)),
    "author": ("evidence.submitted", lambda value: value["actor"].update(id=OTHER)),
    "original": ("evidence.submitted", lambda value: value["object"].update(sha256="ab" * 32)),
    "no original": ("evidence.submitted", lambda value: value["object"].pop("sha256")),
    "another binding": ("evidence.submitted", lambda value: value["data"].update(key_bound="ab" * 32)),
    "no binding": ("evidence.submitted", lambda value: value["data"].pop("key_bound")),
    "no key": ("evidence.submitted", lambda value: value["data"].pop("public_key")),
    "key not text": ("evidence.submitted", lambda value: value["data"].update(keyid=[])),
    "algorithm": ("evidence.submitted", lambda value: value["data"].update(alg="rsa")),
    "bound to another": ("case.reviewer_key_bound", lambda value: value["data"].update(account=OTHER)),
    "bound to another key": ("case.reviewer_key_bound", lambda value: value["data"].update(public_key="ab" * 32)),
    "bound by its holder": (
        "case.reviewer_key_bound",
        lambda value: value["actor"].update(id=value["data"]["account"]),
    ),
    "never bound": ("case.reviewer_key_bound", lambda value: value.update(type="case.updated")),
    "requested by another": ("case.reviewer_key_requested", lambda value: value["actor"].update(id=OTHER)),
    "another finding": ("evidence.finding_recorded", lambda value: value["data"].update(dimension="date")),
}


def test_acts_when_the_server_is_honest_then_nothing_is_bad(lines: Lines) -> None:
    judged(lines, lambda value: None)


@pytest.mark.parametrize("name", LIES)
def test_entry_when_the_server_lies_in_it_then_the_reviewer_s_signature_shows_it(lines: Lines, name: str) -> None:
    kind, change = LIES[name]
    with pytest.raises(Bad):
        judged(lines, change, kind)


def test_verdict_when_logged_before_the_binding_or_after_the_revocation_then_bad(lines: Lines) -> None:
    acts, index_of = acts_of(lines, lambda value: None, "")
    ordinal = next(each for each, act in acts.acts.items() if act["type"] == "evidence.submitted")
    bound, _ = acts.bindings[acts.acts[ordinal]["data"]["key_bound"]]
    revoked = acts.revocations[acts.acts[ordinal]["data"]["keyid"]]
    assert acts.check_binding(ordinal, "case", index_of) == bound
    for changed in ({bound: index_of[ordinal] + 1}, {revoked: index_of[ordinal] - 1}):
        with pytest.raises(Bad):
            acts.check_binding(ordinal, "case", {**index_of, **changed})


def test_words_when_the_sealed_rationale_is_another_then_bad(affair: Affair, lines: Lines) -> None:
    acts, _ = acts_of(lines, lambda value: None, "")
    ordinal = max(each for each, act in acts.acts.items() if act["type"] == "evidence.submitted")
    envelope = json.loads(lines[of_verdicts(lines)[-1]])["envelope"]
    acts.rationales[ordinal] = WORDS["rationale"]
    acts.check(ordinal, envelope, json.loads(lines[0]))
    acts.rationales[ordinal] = "Something else."
    with pytest.raises(Bad):
        acts.check(ordinal, envelope, json.loads(lines[0]))
