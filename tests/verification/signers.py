"""Reviewers who sign on machines of their own: keys, envelopes, and the steps by which a key is bound."""

import base64
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.access.actors import Actor
from app.verification import reviewer_keys, signing
from app.verification.dsse import keyid_of, pae
from app.verification.models import Verdict
from app.verification.rules import Outcome, RevocationReason
from app.verification.statements import VerdictStatement
from tests.factories import commit_in
from tests.verification.bench import Bench

WORDS: dict[str, Any] = {"outcome": Outcome.VERIFIED, "rationale": "All of it fits: Окна, двері."}


@dataclass
class OwnKey:
    """A private key that its holder alone has."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def raw(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def public_key(self) -> str:
        return self.raw.hex()

    @property
    def keyid(self) -> str:
        return keyid_of(self.raw)

    def envelope(self, payload: bytes, **changed: Any) -> dict[str, Any]:
        """The payload in an envelope; ``changed`` replaces members."""
        signature = base64.b64encode(self.private.sign(pae(payload))).decode()
        return {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"keyid": self.keyid, "sig": signature}],
            **changed,
        }


def request_key(bench: Bench, holder: Actor, key: OwnKey, envelope: dict[str, Any] | None = None) -> None:
    if envelope is None:
        with bench.sessions() as session:
            statement = reviewer_keys.prepare(session, holder, bench.case_id, public_key=key.public_key)
        envelope = key.envelope(statement.payload())
    given = envelope
    commit_in(
        bench.sessions,
        lambda uow: reviewer_keys.request(uow, holder, bench.case_id, public_key=key.public_key, envelope=given),
    )


def bind_key(bench: Bench, key: OwnKey, by: Actor | None = None) -> None:
    commit_in(
        bench.sessions,
        lambda uow: reviewer_keys.bind(
            uow, by or bench.coordinator, bench.case_id, key.keyid, checked_how="Read out from her screen."
        ),
    )


def revoke_key(bench: Bench, key: OwnKey, by: Actor) -> None:
    commit_in(
        bench.sessions,
        lambda uow: reviewer_keys.revoke(
            uow, by, bench.case_id, key.keyid, reason_code=RevocationReason.KEY_LOST, reason="The bag was stolen."
        ),
    )


def bound_key(bench: Bench, holder: Actor) -> OwnKey:
    key = OwnKey()
    request_key(bench, holder, key)
    bind_key(bench, key)
    return key


def statement_of(bench: Bench, author: Actor, key: OwnKey, **changed: Any) -> VerdictStatement:
    stated = {**WORDS, "incident_id": None, **changed}
    with bench.sessions() as session:
        return signing.prepare_verdict(session, author, bench.item, keyid=key.keyid, **stated)


def submit_signed(bench: Bench, author: Actor, key: OwnKey) -> Verdict:
    envelope = key.envelope(statement_of(bench, author, key).payload())
    return bench.submit(author, **WORDS, envelope=envelope)


def ready(bench: Bench, author: Actor) -> None:
    """The item in verification, leased to the author, with all findings."""
    if bench.evidence().state == "preserved":
        bench.open(author)
    if bench.evidence().lease_holder != author.account_id:
        bench.take(author)
    bench.find_all(author)
