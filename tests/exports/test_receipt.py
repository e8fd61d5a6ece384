"""A depositor's receipt: given to whoever acted, whole, and refused by the verifier once anything in it differs."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import insert

from app.anchors.models import Cosignature
from app.exports.verifier import verify_custody
from app.kernel.primitives import utc_now
from app.ledger import merkle
from app.ledger.checkpoint import Checkpoint, VerifierKey, decode_base64, encode_base64, sign, sign_checkpoint
from app.ledger.event import EntryActor, EntryObject, first_link, leaf, seal_event
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.proof import TlogProof
from app.ledger.receipt import EntryReceipt
from tests.auditing.test_entries_http import ombud
from tests.contracts.world import LABELS, form
from tests.exports.custody_cases import integrating, publish_key
from tests.ledger.acts import NOON, OTHER_SIGNER, SIGNER, make_view
from tests.support.api import Api
from tests.support.databases import TestDatabase
from tests.support.examples import examples
from tests.support.witnesses import cosign, witness_key

WAIT = {"wait": "checkpoint"}
ORIGIN = "log.example.org/2026"
STREAM = UUID("6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d")
VKEY = VerifierKey(ORIGIN, SIGNER.public_key)
SIZE, INDEX = 7, 4


def make_receipt(log: str = ORIGIN, place: int = INDEX) -> EntryReceipt:
    """Of leaf 4 (or another) in a tree of 7, with all that is random in it fixed."""
    drawn = iter(f"{number:02x}" * 32 for number in range(1, 10))
    acted_on = EntryObject("evidence", STREAM, 1, "ab" * 32, 4096)
    actor = EntryActor(UUID("0a8f1f2e-7d44-4b11-8a53-3e1f0c9d7b21"), "user", "collector")
    view = make_view(STREAM, object=acted_on, actor=actor)
    entry = seal_event(view, first_link(STREAM), log=log, recorded=NOON, draw=lambda: next(drawn))
    own = leaf(entry.label, entry.commitment)
    frontier = Frontier()
    nodes = {}
    for index in range(SIZE):
        at = own if index == place else f"leaf {index}".encode()
        nodes.update({(level, offset): h for level, offset, h in frontier.append(leaf_hash(at))})
    hashes = merkle.inclusion_proof(place, SIZE, lambda level, at: nodes[level, at])
    note = sign_checkpoint(Checkpoint(ORIGIN, SIZE, frontier.root()), SIGNER)
    return EntryReceipt(entry.body, TlogProof(place, tuple(hashes), note, own))


GOOD = make_receipt().encode()
KEY = verify_custody.parse_key(VKEY.encode())


def _report(data: bytes) -> dict[str, Any]:
    return verify_custody.receipt_report(data, KEY)


def _respelled(data: bytes) -> bytes | None:
    """The receipt written anew from what was read of it, by the code that writes receipts; None when refused."""
    try:
        read = verify_custody.parse_receipt(data)
    except verify_custody.Bad:
        return None
    return EntryReceipt(read.body, TlogProof(read.index, read.hashes, read.note, read.leaf)).encode()


def test_receipt_as_the_log_gave_it_is_proven() -> None:
    report = _report(GOOD)

    assert report["ok"]
    assert [each["result"] for each in report["checks"]] == ["proven"] * 3
    facts = report["receipt"]
    assert (facts["sha256"], facts["size"], facts["seq"]) == ("ab" * 32, 4096, 1)
    assert (facts["log_index"], facts["tree_size"], facts["log"]) == (4, 7, ORIGIN)
    assert facts["time"] == "2026-01-31T12:00:00.250Z"
    assert _respelled(GOOD) == GOOD


def test_receipt_that_others_signed_too_is_proven() -> None:
    text = GOOD.decode()
    body = make_receipt().proof.checkpoint.partition("\n\n")[0] + "\n"
    witness = sign(body, "witness.example.org", OTHER_SIGNER).split("\n\n")[1]
    following = sign(body, ORIGIN, OTHER_SIGNER).split("\n\n")[1]

    assert _report((text + witness + following).encode())["ok"]
    assert _report(text.replace("\n\n— ", f"\n\n{witness}— ").encode())["ok"]


def test_receipt_of_the_last_leaf_when_its_index_is_moved_past_the_tree_is_refused() -> None:
    last = make_receipt(place=SIZE - 1).encode()

    assert _report(last)["ok"]
    assert [each["check"] for each in _report(last.replace(b"\nindex 6\n", b"\nindex 7\n"))["findings"]] == [
        "inclusion"
    ]


def _line(number: int, change: Callable[[str], str]) -> bytes:
    lines = GOOD.decode().split("\n")
    lines[number] = change(lines[number])
    return "\n".join(lines).encode()


def _foreign() -> bytes:
    """An honest receipt of another log's entry under this log's name in the checkpoint."""
    return make_receipt(log="log.example.org/2025").encode()


def _forged_root() -> bytes:
    receipt = make_receipt()
    note = sign_checkpoint(Checkpoint(ORIGIN, SIZE, bytes(32)), SIGNER)
    proof = TlogProof(INDEX, receipt.proof.hashes, note, receipt.proof.extra)
    return EntryReceipt(receipt.body, proof).encode()


SIGNATURE_LINE = GOOD.split(b"\n")[-2]
SIGNATURE = SIGNATURE_LINE.split(b" ")[2]
FORGED_SIGNATURE = SIGNATURE[:20] + b"AAAA" + SIGNATURE[24:]
TAMPERED: dict[str, tuple[bytes, str]] = {
    "the size deposited": (_line(1, lambda line: line.replace('"size":4096', '"size":4097')), "form"),
    "the time": (_line(1, lambda line: line.replace("12:00:00.250Z", "11:00:00.250Z")), "form"),
    "the hash deposited": (_line(1, lambda line: line.replace("abab", "abac", 1)), "form"),
    "a space in the entry": (_line(1, lambda line: line.replace(",", ", ", 1)), "form"),
    "a key of the entry twice": (_line(1, lambda line: line.replace('"seq":1', '"seq":1,"seq":1')), "form"),
    "entry and leaf alike": (
        _line(1, lambda line: line.replace('"size":4096', '"size":4097')).replace(
            encode_base64(make_receipt().proof.extra or b"").encode(),
            base64.b64encode(b"custody-leaf/v1 " + b"0" * 64 + b" " + b"1" * 64),
        ),
        "form",
    ),
    "another version": (_line(0, lambda line: "exhibit-receipt/v2"), "form"),
    "another proof format": (_line(3, lambda line: line.replace("v1", "v2")), "form"),
    "no leaf": (GOOD.replace(b"extra ", b"Extra "), "form"),
    "index with a zero before": (GOOD.replace(b"\nindex 4\n", b"\nindex 04\n"), "form"),
    "index of other digits": (GOOD.replace(b"\nindex 4\n", "\nindex ٤\n".encode()), "form"),
    "another index": (GOOD.replace(b"\nindex 4\n", b"\nindex 5\n"), "inclusion"),
    "an index beyond": (GOOD.replace(b"\nindex 4\n", b"\nindex 7\n"), "inclusion"),
    "a hash of the proof": (_line(6, lambda line: "A" + line[1:] if line[0] != "A" else "B" + line[1:]), "inclusion"),
    "a hash left out": (b"\n".join(GOOD.split(b"\n")[:6] + GOOD.split(b"\n")[7:]), "inclusion"),
    "a hash twice": (b"\n".join(GOOD.split(b"\n")[:7] + GOOD.split(b"\n")[6:]), "inclusion"),
    "a short hash": (_line(6, lambda line: "AAAA"), "form"),
    "the tree's size": (GOOD.replace(b"\n7\n", b"\n8\n"), "signature"),
    "the origin": (GOOD.replace(b"\nlog.example.org/2026\n", b"\nlog.example.org/2027\n"), "signature"),
    "another log's entry": (_foreign(), "signature"),
    "a root that was signed by mistake": (_forged_root(), "inclusion"),
    "the signature": (
        GOOD.replace(SIGNATURE, FORGED_SIGNATURE),
        "signature",
    ),
    "no signature": (GOOD[: GOOD.rindex("— ".encode())], "form"),
    "signed twice": (GOOD + SIGNATURE_LINE + b"\n", "signature"),
    "signed by another key": (
        GOOD.replace(
            SIGNATURE_LINE,
            sign(make_receipt().proof.checkpoint.partition("\n\n")[0] + "\n", ORIGIN, OTHER_SIGNER)
            .split("\n\n")[1]
            .strip()
            .encode(),
        ),
        "signature",
    ),
    "something after the end": (GOOD + b"more\n", "form"),
    "no final newline": (GOOD[:-1], "form"),
    "carriage returns": (GOOD.replace(b"\n", b"\r\n"), "form"),
    "not UTF-8": (GOOD.replace(b"collector", b"\xff"), "form"),
    "cut": (GOOD[:200], "form"),
    "too long": (GOOD + b"x" * 2**21, "form"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_receipt_when_changed_is_refused_and_the_check_named(name: str) -> None:
    data, check = TAMPERED[name]

    assert data != GOOD
    report = _report(data)
    assert not report["ok"]
    assert check in [each["check"] for each in report["findings"]]
    assert "proven" not in [each["result"] for each in report["checks"]]


@pytest.mark.thorough
@given(st.data())
@settings(max_examples=examples(300))
def test_receipt_when_it_is_read_at_all_has_one_spelling(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(changed)))
        end = data.draw(st.integers(start, min(len(changed), start + 4)))
        changed[start:end] = data.draw(st.binary(max_size=3) | st.sampled_from([b"\n", b"0", b"=", b"\r", b"A"]))
    respelled = _respelled(bytes(changed))
    assert respelled in (None, bytes(changed))
    if bytes(changed) != GOOD:
        report = _report(bytes(changed))
        assert not report["ok"] or bytes(changed).startswith(GOOD[:-1])  # Another's signature line may follow.


@given(st.binary(max_size=200))
def test_parse_receipt_of_any_bytes_ends_with_a_verdict(data: bytes) -> None:
    assert _respelled(b"exhibit-receipt/v1\n" + data) is None


# --- over HTTP, with the program as it is given out -------------------------------------------------------------------


def _run(program: Path, receipt: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(program), str(receipt), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.thorough
def test_a_collector_takes_the_receipt_of_a_deposit_and_checks_it_offline(
    api: Api, database: TestDatabase, tmp_path: Path
) -> None:
    olena, petro, yusuf = (api.person(name) for name in ("Olena", "Petro", "Yusuf"))
    case_id = api.case(olena, collector=(petro, yusuf))
    vkey = publish_key(api.app.state.services.sessions, api.settings.data)
    with integrating(database):
        deposit = petro.post(f"/v1/cases/{case_id}/evidence", files=form(labels=LABELS), params=WAIT)
    assert deposit.status_code == 201
    collected = next(each for each in deposit.json()["receipts"] if each["type"] == "evidence.collected")
    path = f"/v1/ledger/entries/{collected['commitment']}/receipt"
    answer = petro.get(path, params={"size": collected["tree_size"]})
    program, receipt = tmp_path / "verify_custody.py", tmp_path / "receipt.txt"
    program.write_bytes(petro.get("/v1/custody-verifier").content)
    receipt.write_bytes(answer.content)

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    checked = _run(program, receipt, "--key", vkey.encode(), "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    facts = json.loads(checked.stdout)["receipt"]
    assert facts["sha256"] == deposit.json()["sha256"]
    assert (facts["stream"], facts["seq"]) == (collected["stream"], collected["seq"])
    assert (facts["log_index"], facts["tree_size"]) == (collected["log_index"], collected["tree_size"])
    told = _run(program, receipt, "--key", vkey.encode())
    assert told.stdout.endswith("OK: as it was logged\n")
    for options in ((), ("--unpinned",)):
        assert _run(program, receipt, *options).returncode == 2
    receipt.write_bytes(answer.content.replace(b'"seq":1', b'"seq":2'))
    assert _run(program, receipt, "--key", vkey.encode()).returncode == 1

    assert olena.get(path).status_code == 200  # The coordinator reads the custody log anyway.
    assert yusuf.get(path).status_code == 404  # A collector sees own acts alone,
    assert yusuf.get(path.replace("receipt", "proof")).status_code == 403
    assert api.person("Outsider").get(path).status_code == 404
    assert petro.get(path, params={"size": 10**6}).status_code == 404


def test_a_receipt_that_is_not_signed_yet_is_pending(api: Api) -> None:
    olena = api.person("Olena")
    deposit = olena.post(f"/v1/cases/{api.case(olena)}/evidence", files=form(labels=LABELS)).json()
    answer = olena.get(f"/v1/ledger/entries/{deposit['receipts'][0]['commitment']}/receipt")

    assert (answer.status_code, answer.json()["code"]) == (503, "checkpoint_pending")


@pytest.mark.thorough
def test_a_receipt_of_an_act_in_the_system_stream_is_its_actors_and_the_organisations_auditors_alone(
    api: Api, database: TestDatabase
) -> None:
    olena, yusuf, otto = api.person("Olena"), api.person("Yusuf"), ombud(api)
    publish_key(api.app.state.services.sessions, api.settings.data)
    with integrating(database):
        receipts = _receipts(olena.post("/v1/tokens", json={"name": "a script", "scopes": ["read"]}, params=WAIT))
    assert [each["type"] for each in receipts] == ["system.token_created"]

    for kind in ("receipt", "proof"):
        path = f"/v1/ledger/entries/{receipts[0]['commitment']}/{kind}"
        assert [person.get(path).status_code for person in (olena, otto)] == [200, 200]
        assert [person.get(path).status_code for person in (yusuf, api.admin)] == [404, 404]
    unscoped = olena.post("/v1/tokens", json={"name": "no reader", "scopes": ["write"]}).json()["token"]
    assert api.client(unscoped).get(path).status_code == 403


def test_a_receipt_carries_the_cosignatures_that_its_tree_has(api: Api, database: TestDatabase) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    sessions = api.app.state.services.sessions
    vkey = publish_key(sessions, api.settings.data)
    with integrating(database):
        receipts = _receipts(olena.post(f"/v1/cases/{case_id}/evidence", files=form(labels=LABELS), params=WAIT))
    size = max(int(each["tree_size"]) for each in receipts)
    path = f"/v1/ledger/entries/{receipts[0]['commitment']}/receipt"
    before = olena.get(path, params={"size": size}).text
    note = before.split("\n\n", 2)[2]
    line = cosign(note, 1)
    with sessions.begin() as session:
        key = witness_key(1)
        data = decode_base64(line.strip().split(" ")[2])
        row = {"log_id": 1, "size": size, "public_key": key.public_key, "name": key.name, "signature": data[12:]}
        stamp = int.from_bytes(data[4:12], "big")
        session.execute(insert(Cosignature).values(**row, timestamp_s=stamp, received_at=utc_now()))
    after = olena.get(path, params={"size": size}).text

    assert after == before + line
    assert verify_custody.receipt_report(after.encode(), verify_custody.parse_key(vkey.encode()))["ok"]
    assert olena.get(path.replace("receipt", "proof"), params={"size": size}).text.endswith(line)


def _receipts(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 201, answer.text
    found: list[dict[str, Any]] = answer.json()["receipts"]
    return found
