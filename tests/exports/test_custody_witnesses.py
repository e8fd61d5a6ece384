"""Witnesses in custody files: the stand-alone verifier's own reading of cosignatures and policies."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from app.exports.verifier.verify_custody import Bad, Report, parse_key, parse_policy, verify
from app.kernel.primitives import canonical_json, sha256_hex
from app.ledger import policy as servers
from tests.exports.custody_cases import Hub
from tests.ledger.test_policy import BAD, SPEC_EXAMPLE, V
from tests.support.witnesses import cosign, witness_key

POLICY = "".join(f"witness w{n} {V[n]}\n" for n in (1, 2, 3)) + "group g 2 w1 w2 w3\nquorum g\n"


@pytest.fixture(scope="module")
def lines(shared_hub: Hub) -> list[bytes]:
    return shared_hub.file().splitlines(keepends=True)


def with_note(lines: list[bytes], change: Callable[[str], str]) -> bytes:
    """The file with another note, and a trailer that fits it."""
    value = json.loads(lines[1])
    value["note"] = change(value["note"])
    body = b"".join([lines[0], canonical_json(value) + b"\n", *lines[2:-1]])
    trailer = {**json.loads(lines[-1]), "sha256": sha256_hex(body)}
    return body + canonical_json(trailer) + b"\n"


def check(hub: Hub, content: bytes, policy: str = POLICY) -> Report:
    return verify(io.BytesIO(content), parse_key(hub.vkey.encode()), policy=parse_policy(policy.encode()))


def test_file_when_cosigned_by_a_quorum_then_is_proven_and_names_the_witnesses(
    shared_hub: Hub, lines: list[bytes]
) -> None:
    report = check(shared_hub, with_note(lines, lambda note: note + cosign(note, 1) + cosign(note, 3)))

    assert report.ok
    assert report.result_of("witnesses") == "proven"
    assert report.facts["cosigned"] == {"w1": "w1 2023-03-20T12:25:47Z", "w3": "w3 2023-03-20T12:25:47Z"}


def test_file_when_it_carries_lines_of_unknown_keys_then_verifies_without_a_policy(
    shared_hub: Hub, lines: list[bytes]
) -> None:
    content = with_note(lines, lambda note: note + cosign(note, 1) + cosign(note, 2))

    report = verify(io.BytesIO(content), parse_key(shared_hub.vkey.encode()))

    assert report.ok
    assert "witnesses" not in report.checks()


def redated(line: str) -> str:
    """The line with another time, and the signature of before."""
    start, encoded = line.rsplit(" ", 1)
    data = bytearray(base64.b64decode(encoded))
    data[11] ^= 1
    return f"{start} {base64.b64encode(bytes(data)).decode()}\n"


def other(note: str) -> str:
    return note.replace("\n", "\n1", 1)


NOT_MET: dict[str, Callable[[str], str]] = {
    "nobody": lambda note: note,
    "one of three": lambda note: note + cosign(note, 1),
    "one of them twice": lambda note: note + cosign(note, 1) + cosign(note, 1, 5),
    "strangers": lambda note: note + cosign(note, 4) + cosign(note, 5),
    "of another tree": lambda note: note + cosign(other(note), 1) + cosign(other(note), 2),
    "at another time than signed": lambda note: note + cosign(note, 1) + redated(cosign(note, 2)),
    "under another's name": lambda note: note + cosign(note, 1) + cosign(note, 4).replace("w4", "w2"),
}


@pytest.mark.parametrize("name", NOT_MET)
def test_file_when_no_quorum_cosigned_it_then_fails_on_the_note_alone(
    name: str, shared_hub: Hub, lines: list[bytes]
) -> None:
    report = check(shared_hub, with_note(lines, NOT_MET[name]))

    assert report.failed == {"witnesses"}
    assert {found.line for found in report.findings} == {2}


MALFORMED: dict[str, Callable[[str], str]] = {
    "no signature": lambda note: note.partition("\n\n")[0] + "\n",
    "signed twice by the log": lambda note: note + note.partition("\n\n")[2],
    "a line that is none": lambda note: note + "— witness\n",
    "spare text": lambda note: note + "\n",
    "tab": lambda note: note + cosign(note, 1).replace(" ", "\t", 1),
    "cosigned and not signed": lambda note: note.partition("\n\n")[0] + "\n\n" + cosign(note, 1) + cosign(note, 2),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_file_when_its_note_is_malformed_then_its_signature_fails(
    name: str, shared_hub: Hub, lines: list[bytes]
) -> None:
    report = check(shared_hub, with_note(lines, MALFORMED[name]))

    assert "signature" in report.failed


def test_policy_when_it_names_other_logs_only_then_is_not_met(shared_hub: Hub, lines: list[bytes]) -> None:
    content = with_note(lines, lambda note: note + cosign(note, 1) + cosign(note, 2))
    own = f"log {shared_hub.vkey.encode()}\n" + POLICY
    foreign = SPEC_EXAMPLE.splitlines()[0] + "\n" + POLICY

    assert check(shared_hub, content, own).ok
    assert check(shared_hub, content, foreign).failed == {"witnesses"}


@pytest.mark.parametrize("name", [name for name in BAD if not name.startswith("too l") and name != "too many lines"])
def test_policy_when_the_server_refuses_it_then_the_verifier_does_too(name: str) -> None:
    data = BAD[name].encode("utf-8", "surrogateescape")

    with pytest.raises(servers.PolicyInvalid):
        servers.parse_policy(data)
    with pytest.raises(Bad):
        parse_policy(data)


def test_policy_given_the_standards_example_both_readings_agree() -> None:
    ours, theirs = parse_policy(SPEC_EXAMPLE.encode()), servers.parse_policy(SPEC_EXAMPLE.encode())
    names = list(ours.witnesses)

    for chosen in range(2 ** len(names)):
        cosigned = {name for place, name in enumerate(names) if chosen >> place & 1}
        keys: Any = {ours.witnesses[name][1] for name in cosigned}
        assert ours.is_satisfied_by(cosigned) is theirs.is_satisfied_by(keys)
    assert ours.witnesses["X1"] == (witness_key(1).name, witness_key(1).public_key)
