"""A reviewer signs with OpenSSL on a machine of their own; an auditor verifies with OpenSSL, and with our verifier.

No key of ours and no code of ours touches the private half: ``openssl genpkey``, ``pkey`` and ``pkeyutl`` do all of it.
"""

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api, Person
from tests.support.journey import NO_LABELS, api_of, auditors_desk, close, ok, received, refused, settled
from tests.support.product import Product

PICTURE = Path(__file__).parents[1] / "assets" / "table.jpg"
DIMENSIONS = ("provenance", "source", "date", "location", "content", "technical")
FINDING = {"result": "established", "confidence": "high", "methods": ["landmark_match"], "rationale": "The steps fit."}
RATIONALE = "Місце і дата встановлені незалежно: the steps, “the” roof."


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@dataclass(frozen=True)
class Laptop:
    """A reviewer's own machine: OpenSSL, and a private key that never leaves it."""

    directory: Path

    @property
    def key(self) -> Path:
        return self.directory / "reviewer.key"

    def make_key(self) -> tuple[str, str]:
        """The public key's 32 bytes and its keyid, both hexadecimal, as docs/custody.md makes them."""
        self.directory.mkdir()
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.key)
        der = openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")
        openssl("pkey", "-in", self.key, "-pubout", "-out", self.directory / "reviewer.pub")
        return der[-32:].hex(), hashlib.sha256(der).hexdigest()

    def sign(self, statement: dict[str, Any]) -> dict[str, Any]:
        """The statement in a DSSE envelope."""
        message, signature = self.directory / "pae", self.directory / "sig"
        message.write_bytes(base64.b64decode(statement["pae"]))
        openssl("pkeyutl", "-sign", "-inkey", self.key, "-rawin", "-in", message, "-out", signature)
        sig = base64.b64encode(signature.read_bytes()).decode()
        return {
            "payload": statement["payload"],
            "payloadType": statement["payload_type"],
            "signatures": [{"keyid": statement["keyid"], "sig": sig}],
        }


@pytest.fixture
def hub(server: Product) -> Iterator[Api]:
    assert shutil.which("openssl"), "this test needs openssl"
    api = api_of(server)
    yield api
    close(api)


def bind(laptop: Laptop, holder: Person, coordinator: Person, case_id: str) -> tuple[str, str]:
    """A new key, bound to its holder; public key and keyid."""
    public_key, keyid = laptop.make_key()
    path = f"/v1/cases/{case_id}/reviewer-keys"
    statement = ok(holder.get(f"{path}/statement", params={"public_key": public_key}))
    assert statement["keyid"] == keyid
    asked = {"public_key": public_key, "envelope": laptop.sign(statement)}
    requested = ok(holder.post(path, json=asked), 201)
    assert requested["standing"] == "requested"
    refused(holder.post(f"{path}/{keyid}/binding", json={"checked_how": "It is mine."}), 403, "forbidden")
    bound = ok(coordinator.post(f"{path}/{keyid}/binding", json={"checked_how": "She read the keyid to me."}))
    assert bound["standing"] == "bound"
    assert bound["key_bound"] == bound["receipts"][0]["commitment"]
    assert ok(coordinator.get(f"{path}/{keyid}"))["key_bound"] == bound["key_bound"]
    return public_key, keyid


def verify_with_openssl(directory: Path, envelope: dict[str, Any], public_key: str) -> bytes:
    """The payload, once OpenSSL has verified its signature with the key that the ledger names."""
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    (directory / "pae").write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    (directory / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (directory / "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100" + public_key))
    told = openssl(
        *("pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", directory / "key.der"),
        *("-rawin", "-in", directory / "pae", "-sigfile", directory / "sig"),
    )
    assert b"Signature Verified Successfully" in told
    return payload


def test_verdict_when_signed_with_openssl_then_reviewed_signed_off_and_verified_by_strangers(
    hub: Api, tmp_path: Path
) -> None:
    kateryna, olena, petro, ruth = (hub.person(name) for name in ("Kateryna", "Olena", "Petro", "Ruth"))
    case_id = hub.case(kateryna, verifier=(olena, petro), researcher=(ruth,))
    laptop = Laptop(tmp_path / "olenas-laptop")
    public_key, keyid = bind(laptop, olena, kateryna, case_id)
    bind(Laptop(tmp_path / "petros-laptop"), petro, kateryna, case_id)

    item = received(olena, case_id, PICTURE.read_bytes(), "table.jpg", labels=NO_LABELS)
    settled(olena, item)
    path = f"/v1/evidence/{item}"

    def move(person: Person, event: str, **members: Any) -> Any:
        return person.change(f"{path}/transitions", version_of=path, json={"event": event, **members})

    ok(move(olena, "open_verification"))
    for dimension in DIMENSIONS:
        ok(olena.post(f"{path}/findings", json={**FINDING, "dimension": dimension}), 201)
    words = {"outcome": "verified", "rationale": RATIONALE}
    statement = ok(olena.post(f"{path}/verdicts/statement", json={**words, "keyid": keyid}))
    envelope = laptop.sign(statement)
    forged = {**envelope, "signatures": Laptop(tmp_path / "petros-laptop").sign(statement)["signatures"]}
    refused(move(olena, "submit", verdict={**words, "envelope": forged}), 422, "signature_invalid")
    other = {**words, "outcome": "inconclusive", "envelope": envelope}
    differing = refused(move(olena, "submit", verdict=other), 422, "statement_differs")
    assert differing["differing_fields"] == ["predicate.outcome"]
    ok(move(olena, "submit", verdict={**words, "envelope": envelope}))
    ok(move(petro, "concur"))
    assert ok(move(ruth, "sign_off"))["state"] == "signed_off"

    (verdict,) = ok(ruth.get(f"{path}/verdicts"))["items"]
    assert verdict["signature_mode"] == "own_key"
    kept = ruth.get(f"{path}/verdicts/{verdict['id']}/envelope")
    assert kept.headers["Content-Type"] == "application/vnd.dsse.envelope.v1+json"
    assert hashlib.sha256(kept.content).hexdigest() == verdict["signature"]["dsse_sha256"]
    payload = verify_with_openssl(tmp_path, kept.json(), verdict["signature"]["public_key"])
    stated = json.loads(payload)
    assert stated["predicate"]["rationale"] == RATIONALE
    assert stated["subject"][0]["digest"]["sha256"] == hashlib.sha256(PICTURE.read_bytes()).hexdigest()
    assert verdict["signature"]["public_key"] == public_key

    ok(olena.post(f"/v1/cases/{case_id}/reviewer-keys/{keyid}/revocation", json={"reason_code": "key_lost"}))
    ok(move(ruth, "reopen", reason="A longer video has come in."))
    ok(olena.post(f"{path}/lease"))
    refused(olena.post(f"{path}/verdicts/statement", json={**words, "keyid": keyid}), 409, "reviewer_key_revoked")
    refused(move(olena, "submit", verdict={**words, "envelope": envelope}), 409, "reviewer_key_revoked")

    taken = ruth.get(f"/v1/cases/{case_id}/custody/file", params={"purpose": "court", "disclose": "all"})
    checked = auditors_desk(tmp_path / "desk", hub).check(taken.content)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "proven       verdicts" in checked.stdout
    assert f"the verdict, by its author's own key {keyid}," in checked.stdout
    assert f"stream {case_id}, seq" in checked.stdout
    by_hand_from_the_file(tmp_path, taken.content)
    altered = taken.content.replace(base64.b64encode(payload)[:40], base64.b64encode(b"{" + payload)[:40])
    assert auditors_desk(tmp_path / "desk", hub).check(altered).returncode == 1


def by_hand_from_the_file(tmp_path: Path, custody: bytes) -> None:
    """An auditor without any program of ours: each envelope line by the commands that docs/custody.md prints."""
    guide = (Path(__file__).parents[2] / "docs" / "custody.md").read_text(encoding="utf-8")
    commands = next(block for block in guide.split("```")[1::2] if "sha256sum < e.json" in block)
    (tmp_path / "custody.jsonl").write_bytes(custody)
    lines = [json.loads(line) for line in custody.splitlines()]
    named = {line["data"]["dsse_sha256"]: line["data"] for line in lines if "dsse_sha256" in line.get("data", {})}
    assert len(named) == 3
    for number, line in enumerate(lines, start=1):
        if line.get("kind") != "envelope":
            continue
        entry = next(each for each in lines if (each.get("stream"), each.get("seq")) == (line["stream"], line["seq"]))
        told = run_by_hand(tmp_path, commands, number, entry["data"]["public_key"])
        assert entry["data"]["dsse_sha256"] in told
        assert "Signature Verified Successfully" in told
        named.pop(entry["data"]["dsse_sha256"])
    assert named == {}


def run_by_hand(directory: Path, commands: str, number: int, public_key: str) -> str:
    """What the commands say of one line of the file."""
    script = commands.replace("'Np' FILE", f"'{number}p' custody.jsonl").replace("PUBLIC_KEY", public_key)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
