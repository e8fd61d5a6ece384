"""Witnesses' keys, and what they sign, for the tests."""

import time
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.ledger.checkpoint import parse_checkpoint, split_note
from app.ledger.cosignature import Cosignature, WitnessKey, cosigned_message, parse_cosignature_lines
from app.ledger.keys import FileSigner
from app.ledger.merkle import ProofInvalid, verify_consistency
from app.ledger.policy import Policy, parse_policy
from app.ledger.reading import wait_for_checkpoint
from app.ledger.witness_request import SIZE_TYPE, parse_add_checkpoint
from tests.support.web_server import Reply, WebServer

KEEP = text("""
    INSERT INTO ledger_cosignatures (log_id, size, public_key, name, timestamp_s, signature, received_at)
    VALUES (:log, :size, :key, :name, :time, :signature, now())
""")


def witness_signer(number: int) -> FileSigner:
    return FileSigner(Ed25519PrivateKey.from_private_bytes(bytes([100 + number]) * 32))


def witness_key(number: int) -> WitnessKey:
    return WitnessKey(f"witness.example/w{number}", witness_signer(number).public_key)


def cosign(note: str, number: int, timestamp_s: int = 1_679_315_147) -> str:
    """The cosignature line of witness ``number`` for a note, with its newline."""
    text, _ = split_note(note)
    signature = witness_signer(number).sign(cosigned_message(text, timestamp_s))
    return Cosignature(witness_key(number), timestamp_s, signature).encode() + "\n"


def keep_cosignatures(sessions: sessionmaker[Session], commitment: str, *numbers: int) -> None:
    """As the witness client keeps them: of the smallest signed tree that holds this entry."""
    checkpoint = wait_for_checkpoint(sessions, [commitment], 20)
    assert checkpoint is not None
    for number in numbers:
        (made,) = parse_cosignature_lines(
            cosign(checkpoint.note, number), split_note(checkpoint.note)[0], [witness_key(number)]
        )
        values = {"log": checkpoint.log_id, "size": checkpoint.size, "key": made.key.public_key, "name": made.key.name}
        with sessions.begin() as session:
            session.execute(KEEP, {**values, "time": made.timestamp_s, "signature": made.signature})


def policy_of(*servers: WebServer, quorum: str = "all") -> Policy:
    """Witness n is at the n-th server; one group of all of them."""
    lines = [f"witness w{n} {witness_key(n).encode()} {server.base_url}/" for n, server in enumerate(servers, start=1)]
    names = " ".join(f"w{n}" for n in range(1, len(servers) + 1))
    return parse_policy("\n".join([*lines, f"group all-of-them {quorum} {names}", "quorum all-of-them", ""]).encode())


@dataclass
class HonestWitness:
    """A witness as the standard describes it, in memory: one log, no signature check of the log's. For faults, wrap
    ``answer``; a witness that is nobody's code of ours stands in tests/interop."""

    number: int
    size: int = 0
    root: bytes = b""

    def answer(self, body: bytes) -> Reply:
        request = parse_add_checkpoint(body.decode())
        checkpoint = parse_checkpoint(split_note(request.checkpoint)[0])
        if request.old != self.size:
            return Reply(409, f"{self.size}\n".encode(), SIZE_TYPE)
        try:
            if self.size:
                verify_consistency(self.size, checkpoint.size, self.root, checkpoint.root, list(request.hashes))
        except ProofInvalid:
            return Reply(422)
        self.size, self.root = checkpoint.size, checkpoint.root
        return Reply(200, cosign(request.checkpoint, self.number, int(time.time())).encode())
