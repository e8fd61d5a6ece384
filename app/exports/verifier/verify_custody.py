"""Check an Exhibit custody file (exhibit-custody/v1) offline. One file, Python 3.11 or newer, no other package.

    python verify_custody.py FILE --key 'NAME+HASH+KEY'      (or --key FILE-WITH-THE-KEY)
                             [--policy FILE]                 (a tlog-policy: witnesses that must have cosigned)
                             [--continued-by FILE]           (of a log that has ended: the file of the one after it)

Get the log's key from somewhere else than the file: it decides whom you trust. Exit status: 0 every check passed,
1 something is not as it was logged (each bad line is named), 2 it could not be checked: no key, no custody file.

The file holds one JSON object a line, each in its only canonical spelling (RFC 8785), in this order:

    1  header       what this export claims to hold: its streams, how long each is, and the hash of its last entry
    2  checkpoint   the log's signed tree head (C2SP tlog-checkpoint in a signed note, Ed25519)
       entries      the exact logged bytes; SHA-256 of a line is the entry's commitment. One line an entry, by stream.
                    Of an entry whose body was erased only its place: number, labels and commitment ("withheld").
       proof        for each entry, in the same order, its inclusion proof in the signed tree (RFC 6962)
       leaf         every leaf of that tree, when the log is small enough to carry them
       disclosure   what opens the entries' sealed fields, when the export was made with them
       envelope     what reviewers signed with their own keys (DSSE, in-toto), when the export was made with disclosures
       trailer      counts, and the SHA-256 of all bytes before it

A file of a log that has ended (its header names the one that continues it) has no entry of its export: its streams end
where the log did. Of entries at their ends that never got a leaf there is no proof in it. Where each stream ended says
its first entry in the newer log; so give that log's file, too, for the proof that nothing is missing or added.

A depositor's receipt (exhibit-receipt/v1) is taken too: the text that begins with that word, one entry and its proof.

It proves custody since intake: that these acts were logged, in this order, and that none was changed, removed, moved
or left out up to the export. It does not prove that what a person stated is true.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

FORMAT = "exhibit-custody/v1"
ABOUT = (
    "A custody log that proves itself: check it with verify_custody.py and the log's public key from another source "
    "than this file. It proves custody since intake, not that what was stated is true."
)
ENTRY_VERSION = "custody-entry/v1"
LEAF_PREFIX = "custody-leaf/v1"
LINE_LIMIT_BYTES = 16 * 1024 * 1024
HEADER_LIMIT_BYTES = 256 * 1024 * 1024  # It lists every stream, 154 bytes each: enough for 1.7 million.
BODY_LIMIT_BYTES = 60_000
LEAVES_EXPECTED_UP_TO = 200_000
"""A tree of at most so many leaves must come with all of them, unless ``--leaves-optional`` is given."""
FINDINGS_KEPT = 100
DIMENSIONS_LIMIT = 100
"""Of findings, in one stream; there are seven."""
NODES_KEPT = 50_000
SAFE_INTEGER = 2**53 - 1

CHECKS = {
    "signature": "the pinned key signed this tree: the log's size and root hash",
    "file": "every line is canonical, the sections are in order, and the end is there",
    "chain": "each stream is whole from its first entry on: numbers, predecessors and one-time labels fit",
    "inclusion": "every entry, byte for byte, is in the signed tree",
    "leaves": "the leaves give the signed root; no label is used twice; no stream goes on unseen",
    "completeness": "every stream ends at this export's own entry, and the scope's streams are all here",
    "disclosures": "what is disclosed is what was sealed when the act was logged",
    "verdicts": "what is logged as signed with a reviewer's own key was signed with it, in these words",
}
WITNESSES = "the policy's quorum of witnesses cosigned this tree: they were shown the same one"
"""What the check says that is made when a policy is given."""
UNPINNED_SIGNATURE = "the key that the file itself carries signed this tree: the log's size and root hash"
"""What the check of the signature says without a pinned key."""
OTHER_KEY_HINT = (
    "If the log's key was replaced, or the log ended and another one continues it (under /logs/<n>, with a key of its "
    "own): GET /v1/ledger/keys lists the keys; make sure of the other one over a second channel, and give --key twice"
)
CONTINUED_CHAIN = "each stream is whole from its first entry in this log on; where it began is not in this file"
"""What the check of the chain says of a file with streams that begin in an earlier log."""
NOT_PROVEN = (
    "that what was stated is true: this is custody since intake, not truth",
    "anything logged after this export",
    "that the log shows everybody the same tree: compare the checkpoint with another party's",
)


# --- strict JSON ------------------------------------------------------------------------------------------------------


class Bad(ValueError):
    """Something is not as the format says; the message is for the reader of the report."""


def parse_canonical(line: bytes) -> dict[str, Any]:
    """The JSON object of exactly these bytes. Raises Bad for any other spelling of the same value."""
    try:
        value = json.loads(
            line.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
        spelling = canonical(value)
    except RecursionError:
        raise Bad("nested too deeply") from None
    except ValueError as error:
        raise Bad(f"not canonical JSON: {str(error)[:120]}") from None
    if not isinstance(value, dict):
        raise Bad("not a JSON object")
    if spelling != line:
        raise Bad("not the canonical spelling (RFC 8785) of its value")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in one object")
    if not all(name.isascii() for name in members):
        raise ValueError("a member's name is not ASCII")
    return members


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > SAFE_INTEGER:
        raise ValueError("an integer beyond 2^53-1")
    return int(digits)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"only integers are allowed, not {text[:20]}")


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> bytes:
    """RFC 8785 for objects with ASCII names and no fractions. A lone surrogate raises ValueError."""
    return _encoder.encode(value).encode("utf-8")


NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
HEX32 = re.compile(r"[0-9a-f]{64}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
LEAF_LINE = re.compile(
    rb'\{"index":(0|[1-9][0-9]{0,15}),"kind":"leaf","leaf":"custody-leaf/v1 ([0-9a-f]{64}) ([0-9a-f]{64})"\}'
)


def text_like(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def natural(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least


def one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_object(value: Any) -> bool:
    return isinstance(value, dict)


def optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def is_list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(check(each) for each in value)


def require_shape(
    value: Any, shape: dict[str, Callable[[Any], bool]], what: str, may_lack: frozenset[str] = frozenset()
) -> None:
    """An object with exactly these members, each as its check says. Raises Bad."""
    if not isinstance(value, dict):
        raise Bad(f"{what} is not an object")
    unknown, missing = value.keys() - shape.keys(), shape.keys() - value.keys() - may_lack
    if unknown or missing:
        raise Bad(f"{what}: unknown members {sorted(unknown)[:5]}, missing members {sorted(missing)[:5]}")
    for name, member in value.items():
        if not shape[name](member):
            raise Bad(f"{what}: '{name}' is not as the format says")


IS_HEX, IS_UUID, IS_TIME = text_like(HEX32), text_like(UUID), text_like(TIME)
ACTOR = {"id": IS_UUID, "kind": one_of("user", "token", "system"), "role": optional(is_text)}
ACTED_ON = {"kind": is_text, "id": IS_UUID, "version": natural(0), "sha256": IS_HEX, "size": natural(0)}
ACTED_ON_MAY_LACK = frozenset({"version", "sha256", "size"})
ENTRY = {
    "v": one_of(ENTRY_VERSION), "log": is_text, "stream": IS_UUID, "seq": natural(1),
    "prev": lambda value: value == "" or IS_HEX(value), "label": IS_HEX, "next": IS_HEX, "salt": IS_HEX,
    "time": IS_TIME, "occurred": IS_TIME, "type": is_text, "actor": is_object, "object": is_object,
    "data": is_object, "sealed": is_object,
}  # fmt: skip
KINDS = ("case", "incident", "evidence", "system")
WITHHELD = {
    "withheld": one_of("erased"), "stream": IS_UUID, "seq": natural(1), "label": IS_HEX, "next": IS_HEX,
    "commitment": IS_HEX,
}  # fmt: skip
REGISTRATIONS = ("evidence.registered", "incident.registered")
BODY_ERASURE = "entry.erased"
FIELD_ERASURES = ("evidence.erased", "incident.erased", "case.erased", "system.account_erased")
HEADER = {
    "kind": one_of("header"), "format": one_of(FORMAT), "about": one_of(ABOUT), "export_id": IS_UUID, "time": IS_TIME,
    "scope": one_of(*KINDS), "object": is_object, "log": is_text, "tree_size": natural(1),
    "vkey_not_a_source_of_trust": is_text, "leaves": one_of("all", "none"), "disclosures": one_of("all", "none"),
    "streams": is_list_of(is_object), "envelopes": one_of("all"), "continued_by": is_text,
}  # fmt: skip
MAY_LACK_ENVELOPES = frozenset({"envelopes"})
"""Header and trailer speak of envelopes only where there are some: a verifier of before refuses such a file."""
HEADER_MAY_LACK = MAY_LACK_ENVELOPES | {"continued_by"}
STREAM = {
    "stream": IS_UUID, "kind": one_of(*KINDS), "entries": natural(1), "head": IS_HEX,
}  # fmt: skip
ENDED_STREAM = {**STREAM, "integrated": natural(0)}
"""Of a log that has ended, how many of the stream's entries have a leaf: the others never get one."""
CHECKPOINT = {"kind": one_of("checkpoint"), "note": is_text}
PROOF = {
    "kind": one_of("proof"), "stream": IS_UUID, "seq": natural(1), "index": natural(0), "hashes": is_list_of(IS_HEX),
}  # fmt: skip
CONTINUES = {"log": is_text, "seq": natural(1), "commitment": IS_HEX}
DISCLOSURE = {"kind": one_of("disclosure"), "stream": IS_UUID, "seq": natural(1), "opens": is_object}
OPENING = {"name": is_text, "salt": IS_HEX, "value": lambda _: True}
TRAILER = {
    "kind": one_of("trailer"), "lines": natural(0), "entries": natural(0), "proofs": natural(0), "leaves": natural(0),
    "disclosures": natural(0), "envelopes": natural(0), "sha256": IS_HEX,
}  # fmt: skip
ENVELOPE = {
    "kind": one_of("envelope"), "stream": IS_UUID, "seq": natural(1), "envelope": is_object,
    "withheld": one_of("erased"),
}  # fmt: skip
DSSE = {"payload": is_text, "payloadType": one_of("application/vnd.in-toto+json"), "signatures": is_list_of(is_object)}
DSSE_SIGNATURE = {"keyid": IS_HEX, "sig": is_text}
SIGNED_ACTS = ("evidence.submitted", "case.reviewer_key_requested")
SIGNED_FACTS = {"dsse_sha256": IS_HEX, "keyid": IS_HEX, "alg": one_of("ed25519"), "public_key": IS_HEX}
KEY_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""What stands before an Ed25519 key's 32 bytes in its DER SubjectPublicKeyInfo (RFC 8410)."""
HEADER_MARKS = (b'{"about":"A custody log', b"exhibit-custody/")
"""How a custody file's first line begins, and what stands in it: one of them tells even a damaged file from others."""
ENTRIES_MARK = b"exhibit-entries/"


def fits_stream(value: dict[str, Any], kind: str) -> bool:
    """Whether an entry can stand in a stream of this kind. Its words are signed; what the header calls the stream is
    not, and an item that is passed off as an incident would be one to which nothing was ever linked."""
    family = value["type"].partition(".")[0]
    if value["type"] in REGISTRATIONS:
        return kind == "case"
    if family == "entry":
        return bool(value["object"]["kind"] == kind)
    return family in (kind, "export")


def begins_as(data: bytes, mark: bytes) -> bool:
    """Whether data begins with the mark, or is cut off within it: a damaged file is told from another kind of file."""
    return data.startswith(mark) or (bool(data) and mark.startswith(data))


SECTIONS = ("header", "checkpoint", "entry", "proof", "leaf", "disclosure", "envelope", "trailer")
COUNTED = {"entries": "entry", "proofs": "proof", "leaves": "leaf", "disclosures": "disclosure"}


# --- Ed25519, RFC 8032 section 5.1 ------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int, int, int]
"""Extended coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z."""


def _add(a: Point, b: Point) -> Point:
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    return (f - e) * (h - g) % P, (h + g) * (f + e) % P, (h - g) * (h + g) % P, (f - e) * (f + e) % P


def _multiply(scalar: int, point: Point) -> Point:
    product: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            product = _add(product, point)
        point = _add(point, point)
        scalar >>= 1
    return product


def _decode_point(encoded: bytes) -> Point | None:
    """None for what is no point of the curve, or not its canonical encoding."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _encode_point(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_base = _decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
assert _base is not None
BASE: Point = _base


def ed25519_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether it is a signature of the message by the key: [S]B = R + [k]A, all encodings canonical."""
    point = _decode_point(public_key) if len(public_key) == 32 else None
    if point is None or len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % L
    negative = (P - point[0], point[1], point[2], P - point[3])
    return _encode_point(_add(_multiply(s, BASE), _multiply(k, negative))) == signature[:32]


def is_small_order(public_key: bytes) -> bool:
    """Whether a signature by this key could fit every message: of a point whose order divides 8, or none at all."""
    point = _decode_point(public_key)
    return point is None or _encode_point(_multiply(8, point)) == (1).to_bytes(32, "little")


# --- keys, notes, checkpoints (C2SP signed-note, tlog-checkpoint) -----------------------------------------------------


@dataclass(frozen=True)
class Key:
    """The log's public key, under the name of the log."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.public_key).digest()[:4]

    @property
    def text(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([1]) + self.public_key).decode()}"


def parse_key(text: str) -> Key:
    """``name+hash+base64(0x01 || key)``. Raises Bad."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not parts[0] or not parts[0].isprintable() or any(char.isspace() for char in parts[0]):
        raise Bad("a key is written NAME+HASH+KEY")
    data = from_base64(parts[2])
    if len(data) != 33 or data[0] != 1:
        raise Bad("not an Ed25519 key")
    key = Key(parts[0], data[1:])
    if key.key_id.hex() != parts[1]:
        raise Bad("the key's hash does not fit its name and bytes: was it copied whole?")
    return key


def from_base64(text: str) -> bytes:
    """Base64 in its one canonical spelling. Raises Bad."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Bad("not base64") from None
    if base64.b64encode(data).decode("ascii") != text:
        raise Bad("not the canonical spelling of its base64")
    return data


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes


def check_signature(text: str, line: str, key: Key) -> None:
    """Raises Bad unless ``line`` is the key's signature of ``text``."""
    start = f"— {key.name} "
    if not line.startswith(start):
        raise Bad(f"the signature is not by {key.name}")
    data = from_base64(line.removeprefix(start))
    if data[:4] != key.key_id:
        raise Bad(f"signed with another key than the pinned one. {OTHER_KEY_HINT}")
    if not ed25519_verify(key.public_key, text.encode(), data[4:]):
        raise Bad("the signature does not verify: the checkpoint was changed, or never signed")


def split_note(note: str) -> tuple[str, list[str]]:
    """The signed text and the signature lines, each well formed. Raises Bad."""
    if any(char < " " and char != "\n" for char in note):
        raise Bad("the note has a control character")
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not blank or lines.pop() or not lines:
        raise Bad("the note is not a text, an empty line and signature lines")
    for line in lines:
        match = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})", line)
        if match is None or len(from_base64(match[2])) < 5:
            raise Bad("the note has a line that is no signature")
    return text + "\n", lines


def checkpoint_of(text: str) -> Checkpoint:
    """The tree head of a signed text: exactly three lines. Raises Bad."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not NUMBER.fullmatch(lines[1]):
        raise Bad("the checkpoint is not three lines: origin, size, root hash")
    root = from_base64(lines[2])
    if len(root) != 32:
        raise Bad("the checkpoint's root hash is not of 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root)


def signers_of(note: str, keys: Sequence[Key]) -> list[Key]:
    """Those of these keys that signed; lines of others (witnesses, another key of the log) prove nothing. Raises Bad
    for a signature by one of the keys that does not verify, and for a line that stands twice."""
    text, lines = split_note(note)
    if len(set(lines)) != len(lines):
        raise Bad("a signature line stands twice")
    found = []
    for key in keys:
        start = f"— {key.name} "
        own = [each for each in lines if each.startswith(start) and from_base64(each.split(" ")[2])[:4] == key.key_id]
        if len(own) > 1:
            raise Bad(f"the key ({key.name}, {key.key_id.hex()}) signed this checkpoint twice")
        if own:
            check_signature(text, own[0], key)
            found.append(key)
    return found


def check_note(note: str, keys: Sequence[Key]) -> Key:
    """The pinned key that signed it. Raises Bad when none did."""
    found = signers_of(note, keys)
    if not found:
        names = ", ".join(f"{key.name} {key.key_id.hex()}" for key in keys)
        raise Bad(f"signed with another key than the pinned one ({names}), or by another log. {OTHER_KEY_HINT}")
    return found[0]


# --- witnesses (C2SP tlog-cosignature, tlog-policy) -------------------------------------------------------------------


@dataclass(frozen=True)
class Policy:
    """Whose cosignatures are asked for: name → (the name it signs as, its Ed25519 key); groups in their order."""

    logs: tuple[Key, ...]
    witnesses: dict[str, tuple[str, bytes]]
    groups: tuple[tuple[str, int, tuple[str, ...]], ...]
    quorum: str

    def is_satisfied_by(self, names: set[str]) -> bool:
        witnessed = set(names)
        for group, threshold, members in self.groups:
            if sum(member in witnessed for member in members) >= threshold:
                witnessed.add(group)
        return self.quorum == "none" or self.quorum in witnessed


def cosigner_id(name: str, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n\x04" + public_key).digest()[:4]


def parse_cosigner(text: str) -> tuple[str, bytes]:
    """The name and key of ``name+hash+base64(0x04 || key)``. Raises Bad."""
    name, key_id, encoded = [*text.split("+", 2), "", ""][:3]
    data = from_base64(encoded)
    if not name or not name.isprintable() or len(data) != 33 or data[0] != 4:
        raise Bad("not the key of an Ed25519 cosigner")
    if cosigner_id(name, data[1:]).hex() != key_id:
        raise Bad("the witness key's hash does not fit its name and bytes: was it copied whole?")
    return name, data[1:]


def parse_policy(data: bytes) -> Policy:
    """Strict. Raises Bad, naming the line."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if lines.pop() or re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", data):
        raise Bad("policy: every line ends in a newline, and there is no other control character but the tab")
    logs: list[Key] = []
    witnesses: dict[str, tuple[str, bytes]] = {}
    groups: list[tuple[str, int, tuple[str, ...]]] = []
    quorums: list[str] = []
    for number, line in enumerate(lines, start=1):
        items = [item for item in re.split("[ \t]+", line) if item]
        try:
            if items and not items[0].startswith("#"):
                _take_policy_line(items, logs, witnesses, groups, quorums)
        except Bad as error:
            raise Bad(f"policy, line {number}: {error}") from None
    if len(quorums) != 1:
        raise Bad("policy: there is not exactly one 'quorum' line")
    return Policy(tuple(logs), witnesses, tuple(groups), quorums[0])


def _take_policy_line(
    items: list[str],
    logs: list[Key],
    witnesses: dict[str, tuple[str, bytes]],
    groups: list[tuple[str, int, tuple[str, ...]]],
    quorums: list[str],
) -> None:
    kind, count = items[0], len(items)
    known = witnesses.keys() | {group[0] for group in groups}
    if kind == "log" and count in (2, 3):
        key = parse_key(items[1])
        if any(each.public_key == key.public_key for each in logs):
            raise Bad("this log's key is here already")
        logs.append(key)
    elif kind == "witness" and count in (3, 4):
        cosigner = parse_cosigner(items[2])
        if items[1] in known | {"none"} or any(key == cosigner[1] for _, key in witnesses.values()):
            raise Bad("this name or this key is here already")
        witnesses[items[1]] = cosigner
    elif kind == "group" and count >= 4:
        members = tuple(items[3:])
        grouped = {member for group in groups for member in group[2]}
        if items[1] in known | {"none"} or not known.issuperset(members) or grouped & set(members):
            raise Bad("the name is taken, or a member is not defined before, or a group's member already")
        threshold = {"any": "1", "all": str(len(members))}.get(items[2], items[2])
        if (
            len(set(members)) < len(members)
            or not NUMBER.fullmatch(threshold)
            or not 1 <= int(threshold) <= len(members)
        ):
            raise Bad("a group is 'any', 'all' or a number of its members, each named once")
        groups.append((items[1], int(threshold), members))
    elif kind == "quorum" and count == 2 and items[1] in known | {"none"}:
        quorums.append(items[1])
    else:
        raise Bad("not a line of a policy, or a name that is not defined before")


def check_cosignatures(note: str, keys: Sequence[Key], policy: Policy) -> dict[str, int]:
    """Witness of the policy → when it says that it signed (POSIX seconds). Raises Bad unless they are a quorum."""
    text, lines = split_note(note)
    if policy.logs and not signers_of(note, [key for key in keys if key in policy.logs]):
        raise Bad("the policy does not name this log")
    found: dict[str, int] = {}
    for line in lines:
        _, signer, encoded = line.split(" ")
        data = from_base64(encoded)
        for name, (signs_as, public_key) in policy.witnesses.items():
            if signer != signs_as or data[:4] != cosigner_id(signs_as, public_key):
                continue
            time = int.from_bytes(data[4:12], "big")
            message = f"cosignature/v1\ntime {time}\n{text}".encode()
            if name in found or time >= 2**63 or not ed25519_verify(public_key, message, data[12:]):
                raise Bad(f"the cosignature by {signs_as} does not verify, or stands here twice")
            found[name] = time
    if not policy.is_satisfied_by(set(found)):
        raise Bad(f"the policy's quorum did not cosign this tree: {len(found)} of {len(policy.witnesses)} did")
    return found


# --- the tree, RFC 6962 section 2.1 -----------------------------------------------------------------------------------

Node = tuple[int, int]
"""(level, index): the complete subtree over leaves index * 2**level up to (index + 1) * 2**level."""


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def follow_proof(index: int, size: int, leaf: bytes, hashes: list[bytes]) -> tuple[bytes, list[tuple[Node, bytes]]]:
    """The root that a proof leads to, and the complete subtrees among its hashes. Raises Bad for a wrong length."""
    ranges, start, end = [], 0, size
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if len(hashes) != len(ranges):
        raise Bad(f"the proof has {len(hashes)} hashes, expected {len(ranges)}")
    nodes, current = [], leaf
    for (first, last), sibling in zip(reversed(ranges), hashes, strict=True):
        width = last - first
        if width & (width - 1) == 0:
            nodes.append(((width.bit_length() - 1, first // width), sibling))
        current = node_hash(current, sibling) if first > index else node_hash(sibling, current)
    return current, nodes


@dataclass
class Tree:
    """A growing tree: the hashes of its complete subtrees, largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, current: bytes) -> Iterator[tuple[Node, bytes]]:
        level, index = 0, self.size
        yield (level, index), current
        while index & 1:
            current = node_hash(self.peaks.pop(), current)
            level, index = level + 1, index >> 1
            yield (level, index), current
        self.peaks.append(current)
        self.size += 1

    def root(self) -> bytes:
        root = self.peaks[-1] if self.peaks else hashlib.sha256(b"").digest()
        for left in reversed(self.peaks[:-1]):
            root = node_hash(left, root)
        return root


# --- the report -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is not as it was logged. ``last_line`` differs from ``line`` when only a range is known."""

    line: int
    last_line: int
    check: str
    reason: str
    stream: str = ""
    seq: int = 0

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line == self.last_line else f"one of lines {self.line}-{self.last_line}"
        entry = f", stream {self.stream}" + (f", seq {self.seq}" if self.seq else "") if self.stream else ""
        return f"{place}{entry}: {self.reason}"


@dataclass
class Report:
    """What was checked, and what was found. ``facts`` describe the export; they mean something only when ``ok``."""

    pinned: bool
    asks_witnesses: bool = False
    """Whether a policy was given: only then is there a check of witnesses."""
    findings: list[Finding] = field(default_factory=list)
    findings_count: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    signed: list[dict[str, Any]] = field(default_factory=list)
    """What reviewers signed with their own keys, and how each key was bound; it means something only when ``ok``."""
    failed: set[str] = field(default_factory=set)
    """The checks with findings, also with those that are not kept."""
    withheld: list[tuple[str, int, str]] = field(default_factory=list)
    """Stream, seq and field ("" for the whole body) of what was erased before this file was made: not shown in it."""
    continues: list[dict[str, Any]] = field(default_factory=list)
    """Of each stream that begins in an earlier log: that log, how many entries it has there, and the last one's hash.
    None of those entries is in the file."""
    awaits_newer: bool = False
    """Whether a finding may be explained by the newer log's file, which was not given."""
    is_custody_file: bool = False
    """Whether the first line is a custody header, be it a damaged one."""

    @property
    def ok(self) -> bool:
        return not self.findings_count

    def checks(self) -> dict[str, str]:
        """By name, what each claims."""
        return {**CHECKS, "witnesses": WITNESSES} if self.asks_witnesses else CHECKS

    def add(
        self, check: str, line: int, reason: str, *, last: int | None = None, stream: str = "", seq: int = 0
    ) -> None:
        found = Finding(line, line if last is None else last, check, reason, stream, seq)
        if found in self.findings:
            return
        self.failed.add(check)
        self.findings_count += 1
        if len(self.findings) < FINDINGS_KEPT:
            self.findings.append(found)

    def skip(self, reason: str, *checks: str) -> None:
        """Say of checks that found nothing why they did not run on all that they claim; the first reason stays."""
        for check in checks:
            if check not in self.failed:
                self.skipped.setdefault(check, reason)

    def result_of(self, check: str) -> str:
        """``passed``: the check ran on all that it claims; ``proven``: so did all, under a key of the reader's own."""
        if check in self.failed:
            return "FAILED"
        return "not checked" if check in self.skipped else "proven" if self.ok and self.pinned else "passed"

    def claim_of(self, check: str) -> str:
        if check == "chain" and self.continues:
            return CONTINUED_CHAIN
        return UNPINNED_SIGNATURE if check == "signature" and not self.pinned else self.checks()[check]

    def not_proven(self) -> list[str]:
        erased = ["what an erased entry or field said: only that it stood there, and by which entry it was erased"]
        before = [f"what the earlier log holds: {self.before()}"] if self.continues else []
        is_witnessed = self.asks_witnesses and self.result_of("witnesses") == "proven"
        return [*(NOT_PROVEN[:-1] if is_witnessed else NOT_PROVEN), *before, *(erased if self.withheld else [])]

    def before(self) -> str:
        """What stands in earlier logs, and not in this file."""
        entries: dict[str, int] = {}
        for each in self.continues:
            entries[each["log"]] = entries.get(each["log"], 0) + each["entries"]
        where = ", ".join(f"{count} entries in {name}" for name, count in sorted(entries.items()))
        return f"{len(self.continues)} of {self.facts['streams']} streams begin there ({where})"

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "pinned": self.pinned,
            "export": self.facts,
            "checks": [
                {
                    "check": check,
                    "result": self.result_of(check),
                    "what": self.claim_of(check),
                    "note": self.skipped.get(check),
                }
                for check in self.checks()
            ],
            "continues": self.continues,
            "signed": self.signed if self.ok else [],
            "findings_count": self.findings_count,
            "findings": [found.__dict__ for found in self.findings],
            "withheld": [
                {"stream": stream, "seq": seq, "field": name or None, "why": "erased"}
                for stream, seq, name in self.withheld
            ],
            "not_proven": self.not_proven(),
        }


# --- the file ---------------------------------------------------------------------------------------------------------


class Unreadable(Exception):
    """Nothing after this can be read; the reason is in the report already."""


@dataclass(frozen=True)
class Doubt:
    """Two things that contradict each other: entries that may be the bad ones, else what stands on ``line``."""

    check: str
    reason: str
    ordinals: tuple[int, ...]
    line: int
    ordinal: int = 0


class SignedActs:
    """What entries say was signed with a reviewer's own key, and the check of what was. Entries by their ordinal."""

    def __init__(self) -> None:
        self.acts: dict[int, dict[str, Any]] = {}
        self.seen: dict[int, bool] = {}
        """Acts whose envelope line was met: whether the envelope was there, or withheld."""
        self.last_seen = 0
        self.rationales: dict[int, Any] = {}
        self.payloads: dict[int, dict[str, Any]] = {}
        self.bindings: dict[str, tuple[int, dict[str, Any]]] = {}
        self.revocations: dict[str, int] = {}
        self.findings: dict[str, dict[str, str]] = {}
        """Stream → dimension → its newest finding's commitment."""
        self.continued: set[str] = set()
        """Streams that began in an earlier log of the same installation."""
        self.partial: set[str] = set()
        """Streams with an entry whose body was erased; ``erased`` has the commitments of those entries."""
        self.erased: set[str] = set()

    def note(self, ordinal: int, value: dict[str, Any], commitment: str) -> None:
        """Keep what a later check needs of one entry."""
        kind, data, stream = value["type"], value["data"], value["stream"]
        if value["seq"] == 1 and "continues" in data:
            self.continued.add(stream)
        if kind in SIGNED_ACTS and "dsse_sha256" in data:
            findings = sorted(self.findings.get(stream, {}).values())
            digest = hashlib.sha256("".join(f"{each}\n" for each in findings).encode())
            kept = {name: value[name] for name in ("type", "stream", "data", "actor", "object")}
            self.acts[ordinal] = {**kept, "findings_sha256": digest.hexdigest()}
        elif kind == "evidence.finding_recorded" and is_text(data.get("dimension")):
            newest = self.findings.setdefault(stream, {})
            newest[data["dimension"]] = commitment
            if len(newest) > DIMENSIONS_LIMIT:  # Else each verdict of a made-up file would sort all of them.
                raise Bad(f"findings in more than {DIMENSIONS_LIMIT} dimensions")
        elif kind == "case.reviewer_key_bound":
            self.bindings[commitment] = (ordinal, value)
        elif kind == "case.reviewer_key_revoked" and is_text(data.get("keyid")):
            self.revocations.setdefault(data["keyid"], ordinal)

    def note_withheld(self, stream: str, commitment: str) -> None:
        """An entry whose body was erased: what it said, a finding or a binding perhaps, is open from now on."""
        self.partial.add(stream)
        self.erased.add(commitment)

    def check(self, ordinal: int, envelope: dict[str, Any], header: dict[str, Any]) -> None:
        """Raises Bad unless the envelope is the logged one, its signature the key's, and its words the entry's."""
        act = self.acts[ordinal]
        data = act["data"]
        self._require_facts(data)
        if hashlib.sha256(canonical(envelope)).hexdigest() != data["dsse_sha256"]:
            raise Bad("not the envelope that was logged")
        require_shape(envelope, DSSE, "envelope")
        if len(envelope["signatures"]) != 1:
            raise Bad("an envelope has one signature here")
        require_shape(envelope["signatures"][0], DSSE_SIGNATURE, "signature")
        public_key = bytes.fromhex(data["public_key"])
        keyid = hashlib.sha256(KEY_PREFIX + public_key).hexdigest()
        if not keyid == data["keyid"] == envelope["signatures"][0]["keyid"]:
            raise Bad("the keyid is not that of the key that the entry names")
        payload = from_base64(envelope["payload"])
        kind = envelope["payloadType"].encode("ascii")
        signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
        if is_small_order(public_key) or not ed25519_verify(
            public_key, signed, from_base64(envelope["signatures"][0]["sig"])
        ):
            raise Bad("the reviewer's signature does not verify: not signed with the key that the entry names")
        statement = parse_canonical(payload)
        expected = (
            self._key_statement(act) if act["type"] != "evidence.submitted" else self._verdict(ordinal, statement)
        )
        if header["scope"] == "case" and expected["predicate"]["case"] != header["object"]["id"]:
            raise Bad("the signed statement is of another case")
        if act["type"] != "evidence.submitted" and data.get("account") != act["actor"]["id"]:
            raise Bad("a key is requested by its holder alone")
        if statement != expected:
            raise Bad("the signed statement is not what the entry says")
        self.payloads[ordinal] = statement

    def _require_facts(self, data: dict[str, Any]) -> None:
        """Raises Bad unless an entry's data names key and envelope as the format has it."""
        if not all(name in data and check(data[name]) for name, check in SIGNED_FACTS.items()):
            raise Bad("the entry does not say by which key it was signed as the format has it")

    def _key_statement(self, act: dict[str, Any]) -> dict[str, Any]:
        data = act["data"]
        facts = {name: data[name] for name in ("keyid", "alg", "public_key")}
        return {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "reviewer-key", "digest": {"sha256": data["keyid"]}}],
            "predicateType": "urn:exhibit:reviewer-key:v1",
            "predicate": {"case": act["stream"], "reviewer": data.get("account"), **facts},
        }

    def _verdict(self, ordinal: int, statement: dict[str, Any]) -> dict[str, Any]:
        """The statement as the entry has it; what stands in no entry is taken from the statement, when it is sound."""
        act = self.acts[ordinal]
        data, stated = act["data"], statement.get("predicate")
        own = {"case": IS_UUID, "rationale": is_text, "findings_sha256": IS_HEX, "time": IS_TIME}
        if not isinstance(stated, dict) or not all(
            name in stated and check(stated[name]) for name, check in own.items()
        ):
            raise Bad("the signed statement is not one of a verdict")
        if ordinal in self.rationales and self.rationales[ordinal] != stated["rationale"]:
            raise Bad("the signed rationale is not the one that was sealed")
        return {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": act["stream"], "digest": {"sha256": act["object"].get("sha256")}}],
            "predicateType": "urn:exhibit:verdict:v1",
            "predicate": {
                **{name: stated[name] for name in own},
                "evidence": act["stream"],
                "incident": data.get("incident"),
                "outcome": data.get("outcome"),
                "round": data.get("round"),
                "version": data.get("verdict_version"),
                "supersedes": data.get("supersedes"),
                "reviewer": act["actor"]["id"],
                "key_bound": data.get("key_bound"),
                **({"self_reviewed": True} if data.get("self_reviewed") else {}),
            },
        }

    def check_findings(self, ordinal: int) -> None:
        """Raises Bad unless a signed verdict rests on the findings that were logged before it."""
        act, statement = self.acts[ordinal], self.payloads.get(ordinal)
        if statement is None or act["type"] != "evidence.submitted" or act["stream"] in self.continued | self.partial:
            return
        if statement["predicate"]["findings_sha256"] != act["findings_sha256"]:
            raise Bad("the signed verdict rests on other findings than those that were logged before it")

    def check_binding(self, ordinal: int, scope: str, index_of: dict[int, int]) -> int | None:
        """The entry that bound a verdict's key to its author, before the verdict and not yet revoked. Raises Bad.

        None: the case's log is not in the file, the key was bound in an earlier log, or that entry's body was erased.
        """
        act = self.acts[ordinal]
        data = act["data"]
        if act["type"] != "evidence.submitted":
            return None
        if not IS_HEX(data.get("key_bound")):
            raise Bad("the entry does not say by which entry its key was bound")
        self._require_facts(data)
        found = self.bindings.get(data["key_bound"])
        if found is None:
            if scope == "case" and not self.continued and data["key_bound"] not in self.erased:
                raise Bad("the entry that is said to have bound its key is not in the case's log")
            return None
        bound, binding = found
        facts = binding["data"]
        if any(facts.get(name) != data[name] for name in ("keyid", "alg", "public_key")):
            raise Bad("the entry that is said to have bound its key binds another key")
        if facts.get("account") != act["actor"]["id"] or binding["actor"]["id"] == act["actor"]["id"]:
            raise Bad("its key was bound to another person, or by its own holder")
        revoked = self.revocations.get(data["keyid"])
        if ordinal not in index_of:
            return bound  # It never got a leaf in a log that ended; it names the binding's commitment, so came later.
        place = index_of[ordinal]
        if index_of.get(bound, place) >= place or (
            revoked is not None and revoked in index_of and index_of[revoked] <= place
        ):
            raise Bad("its key was not bound yet, or revoked already, when it was logged")
        return bound


class CustodyFile:
    """One reading of one file, line by line. Entries are known by their ordinal, from 1, in the header's order."""

    def __init__(
        self,
        report: Report,
        keys: Sequence[Key],
        policy: Policy | None = None,
        newer: "CustodyFile | None" = None,
        *,
        leaves_optional: bool,
    ) -> None:
        self.report, self.keys, self.policy, self.leaves_optional = report, tuple(keys), policy, leaves_optional
        self.newer = newer
        """The file of the log that continues this one, itself checked and good."""
        self.copied_key: Key | None = None
        """The file's own copy of a key, when it is none of the pinned ones."""
        self.header: dict[str, Any] = {}
        self.checkpoint: Checkpoint | None = None
        self.is_signed = False
        """Whether the key's signature of the checkpoint has been verified."""
        self.streams: list[str] = []
        self.bases: list[int] = []
        """Per stream, how many entries the streams before it have."""
        self.place_of: dict[str, int] = {}
        self.counts = dict.fromkeys(SECTIONS, 0)
        self.expected = 1
        self.link: tuple[str, str] | None = None
        """(prev, label) that the next entry of the same stream must have; None: unknown after a bad line."""
        self.previous = 0
        self.stream = ""
        self.has_own_end = False
        """Whether the entry before was this export's own, which ends its stream."""
        self.is_unannounced = False
        self.seen: set[str] = set()
        self.leaf_hashes: dict[int, bytes] = {}
        self.moved: dict[int, int] = {}
        self.endings: dict[int, dict[str, Any]] = {}
        self.registered: dict[str, str] = {}
        self.continued: dict[str, dict[str, Any]] = {}
        """Stream → where it ended in the log that this one continues (after a restore lost a part of that)."""
        self.linked: set[str] = set()
        self.sealed: dict[tuple[int, str], str] = {}
        self.commitments: dict[int, str] = {}
        """Of the entries with fields that are to be opened."""
        self.withheld: dict[int, str] = {}
        """Entry → commitment of those whose bodies are not here."""
        self.erasures: set[tuple[str, str, str]] = set()
        """Stream, commitment and field ("": the whole body) of all that entries of this file erased, of any log."""
        self.erased_bodies: set[tuple[int, str]] = set()
        self.attested: set[int] = set()
        """Entries without a leaf in a log that ended which the newer log's file proves."""
        self.erased_fields: set[tuple[int, str]] = set()
        """What later entries of the same streams say that they erased."""
        self.doubts: list[Doubt] = []
        self.expected_proof = 1
        self.unproven: dict[int, int] = {}
        """Entries whose proof fails or is missing, with the proof's line (0: none)."""
        self.owner_of: dict[int, int] = {}
        self.nodes: dict[Node, bytes] = {}
        self.tree = Tree()
        self.labels: set[bytes] = set()
        self.following: dict[bytes, int] = {}
        self.suspect: tuple[int, int] | None = None
        self.first_leaf_line = 0
        self.sought: dict[bytes, int] = {}
        """Leaf hash → unproven entry."""
        self.found_leaves: set[int] = set()
        self.openings: Iterator[tuple[int, str]] | None = None
        """The sealed fields that are still to be opened; ``due_opening`` is the next of them."""
        self.due_opening: tuple[int, str] | None = None
        self.signing = SignedActs()
        self.is_ended = False

    # Where things stand.

    def total(self) -> int:
        return self.bases[-1] + int(self.header["streams"][-1]["entries"])

    def is_of_ended(self) -> bool:
        return "continued_by" in self.header

    def integrated(self, place: int) -> int:
        """How many of a stream's entries are in the tree: all, unless the log has ended."""
        stream = self.header["streams"][place]
        return int(stream.get("integrated", stream["entries"]))

    def proof_after(self, ordinal: int) -> int:
        """The next entry that has a proof; beyond the total when there is none."""
        for place in range(bisect_right(self.bases, ordinal) - 1, len(self.bases)):
            before = max(ordinal, self.bases[place])
            if before < self.bases[place] + self.integrated(place):
                return before + 1
        return self.total() + 1

    def named(self, ordinal: int) -> tuple[str, int]:
        """Stream and seq of an ordinal."""
        place = bisect_right(self.bases, ordinal - 1) - 1
        return self.streams[place], ordinal - self.bases[place]

    def ordinal_of(self, stream: str, seq: int) -> int | None:
        place = self.place_of.get(stream)
        if place is None or seq > self.header["streams"][place]["entries"]:
            return None
        return self.bases[place] + seq

    def line_of(self, ordinal: int) -> int:
        return self.moved.get(ordinal, 2 + ordinal)

    def blame(self, check: str, ordinal: int, reason: str, line: int | None = None) -> None:
        stream, seq = self.named(ordinal)
        self.report.add(check, line or self.line_of(ordinal), reason, stream=stream, seq=seq)

    # Reading.

    def read(self, file: BinaryIO) -> None:
        """Raises Unreadable when the rest cannot be read; what was found is in the report."""
        digest, number, section = hashlib.sha256(), 0, 0
        while line := file.readline((LINE_LIMIT_BYTES if number else HEADER_LIMIT_BYTES) + 1):
            number += 1
            if number == 1:
                self.report.is_custody_file = begins_as(line, HEADER_MARKS[0]) or HEADER_MARKS[1] in line
            if self.is_ended:
                raise self._stop("file", number, "there is something after the trailer")
            if not line.endswith(b"\n"):
                limit_bytes = HEADER_LIMIT_BYTES if number == 1 else LINE_LIMIT_BYTES
                what = "is longer than any line may be" if len(line) > limit_bytes else "has no end: cut off here"
                raise self._stop("file", number, f"the line {what}")
            try:
                section = self._read_line(line[:-1], number, section, digest.hexdigest)
            except Bad as error:
                self._note_bad(number, section, str(error))
            digest.update(line)
        if not self.is_ended:
            raise self._stop("file", number + 1, "the file ends without its trailer: cut off here")

    def _stop(self, check: str, line: int, reason: str) -> Unreadable:
        self.report.add(check, line, reason)
        return Unreadable(reason)

    def _note_bad(self, line: int, section: int, reason: str) -> None:
        """A line that is not as the format says; what it should have been is taken from where it stands."""
        if section <= 1 and line <= 2:
            if line == 1:
                raise self._stop("file", line, reason)
            self.report.add("signature" if self.counts["checkpoint"] else "file", line, reason)
            return
        due = self._due(section)
        if due == "entry":
            self.blame("file", self.expected, reason, line)
            self.moved[self.expected] = line
            self.expected, self.link, self.previous = self.expected + 1, None, 0
            return
        self.report.add("file", line, reason)
        if due == "proof":
            self.unproven.setdefault(self.expected_proof, 0)
            self.expected_proof = self.proof_after(self.expected_proof)
        if due == "leaf":
            self._begin_leaves(line)
            self.tree = Tree(size=self.tree.size + 1, peaks=[b""])  # The root is lost; the places go on.
            self.suspect = (line, line)

    def _due(self, section: int) -> str:
        """What should stand next, given the section of the line before."""
        if section <= SECTIONS.index("entry") and self.expected <= self.total():
            return "entry"
        if section <= SECTIONS.index("proof") and self.expected_proof <= self.total():
            return "proof"
        size = 0 if self.checkpoint is None else self.checkpoint.size
        if section <= SECTIONS.index("leaf") and self.header["leaves"] == "all" and self.tree.size < size:
            return "leaf"
        return "disclosure"

    def _read_line(self, line: bytes, number: int, section: int, digest: Callable[[], str]) -> int:
        leaf = LEAF_LINE.fullmatch(line)
        if leaf is not None:
            self._enter("leaf", number, section)
            self._read_leaf(int(leaf[1]), leaf[2], leaf[3], number)
            return SECTIONS.index("leaf")
        value = parse_canonical(line)
        kind = value.get("kind", "entry" if "v" in value or "withheld" in value else None)
        if not isinstance(kind, str) or kind not in SECTIONS or kind == "leaf":
            raise Bad("no kind of line that this format has")
        self._enter(kind, number, section)
        if kind == "entry":
            self._read_entry(value, line, number)
        elif kind == "header":
            self._read_header(value)
        elif kind == "checkpoint":
            self._read_checkpoint(value, number)
        elif kind == "proof":
            self._read_proof(value, number)
        elif kind == "disclosure":
            self._read_disclosure(value, number)
        elif kind == "envelope":
            self._read_envelope(value, number)
        else:
            self._read_trailer(value, number, digest())
        return SECTIONS.index(kind)

    def _enter(self, kind: str, number: int, section: int) -> None:
        rank = SECTIONS.index(kind)
        if rank < section:
            raise Bad(f"a {kind} line after the section '{SECTIONS[section]}' has begun")
        if (number == 1) != (kind == "header") or (number == 2) != (kind == "checkpoint"):
            raise Bad("line 1 is the header, line 2 the checkpoint, and no other line is")
        self.counts[kind] += 1

    def _read_header(self, value: dict[str, Any]) -> None:
        require_shape(value, HEADER, "header", HEADER_MAY_LACK)
        require_shape(value["object"], {"kind": one_of(value["scope"]), "id": IS_UUID}, "header's object")
        base = 0
        for stream in value["streams"]:
            require_shape(stream, ENDED_STREAM if "continued_by" in value else STREAM, "header's stream")
            if stream.get("integrated", 0) > stream["entries"]:
                raise Bad("the header counts more leaves of a stream than entries")
            self.streams.append(stream["stream"])
            self.bases.append(base)
            base += stream["entries"]
        if not self.streams or self.streams != sorted(set(self.streams)):
            raise Bad("the header's streams are not in order, or one stands twice, or there is none")
        self.place_of = {stream: place for place, stream in enumerate(self.streams)}
        self.header = value
        self.expected_proof = self.proof_after(0)
        if self.is_of_ended():
            self.report.facts["ended"] = f"continued by {value['continued_by']}"
        elif self.newer is not None:
            self.report.add("file", 1, "this is not the file of a log that ended: nothing continues it")
        try:
            copy = parse_key(value["vkey_not_a_source_of_trust"])
        except Bad as error:
            self.report.add("file", 1, f"the copy of the key: {error}")
            copy = None
        if not self.keys and copy is not None:
            self.keys = (copy,)
        elif copy is not None and copy not in self.keys:
            self.copied_key = copy
        names = ("export_id", "time", "scope", "object", "log", "tree_size")
        self.report.facts.update({name: value[name] for name in names})
        self.report.facts.update(streams=len(self.streams), entries=base)

    def _read_checkpoint(self, value: dict[str, Any], number: int) -> None:
        require_shape(value, CHECKPOINT, "checkpoint")
        checkpoint = checkpoint_of(split_note(value["note"])[0])
        if checkpoint.size < 1:
            raise Bad("the checkpoint's second line is not the size of a tree that holds something")
        self.checkpoint = checkpoint
        self._check_witnesses(value["note"], number)
        if not self.keys:
            self.report.add("signature", number, "there is no key to check the signature with")
        else:
            self._check_note(value["note"], checkpoint)
        if checkpoint.origin != self.header["log"]:
            self.report.add("signature", 1, "the header names another log than the checkpoint", last=number)
        if checkpoint.size != self.header["tree_size"]:
            reason = f"the header's tree_size is not that of the checkpoint, {checkpoint.size}"
            self.report.add("signature", 1, reason, last=number)

    def _check_witnesses(self, note: str, number: int) -> None:
        if self.policy is None:
            return
        try:
            cosigned = check_cosignatures(note, self.keys, self.policy)
        except Bad as error:
            self.report.add("witnesses", number, str(error))
            return
        moments = {name: datetime.fromtimestamp(time, UTC) for name, time in cosigned.items() if time < 2**37}
        self.report.facts["cosigned"] = {
            name: f"{name} {moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in moments.items()
        }

    def _check_note(self, note: str, checkpoint: Checkpoint) -> None:
        copied = self.copied_key
        if copied is not None and not (signers_of(note, self.keys) and signers_of(note, [copied])):
            self.report.add("file", 1, "the copy of the log's key is not the pinned key, and did not sign beside it")
        key = check_note(note, self.keys)
        if checkpoint.origin != key.name:
            raise Bad(f"a checkpoint of the log {checkpoint.origin!r}, expected {key.name!r}")
        self.is_signed = True

    # Entries: chain.

    def _read_entry(self, value: dict[str, Any], line: bytes, number: int) -> None:
        if "withheld" in value:
            self._read_withheld(value, number)
            return
        if len(line) > BODY_LIMIT_BYTES:
            raise Bad(f"an entry has at most {BODY_LIMIT_BYTES} bytes")
        require_shape(value, ENTRY, "entry")
        require_shape(value["actor"], ACTOR, "actor")
        require_shape(value["object"], ACTED_ON, "object", ACTED_ON_MAY_LACK)
        if not all(IS_HEX(digest) for digest in value["sealed"].values()):
            raise Bad("a sealed field is not a SHA-256 in hexadecimal")
        if value["log"] != self.header["log"]:
            raise Bad("an entry of another log")
        ordinal = self._enter_stream(value, number)
        if ordinal is None:
            return
        commitment = hashlib.sha256(line).hexdigest()
        self._check_link(ordinal, value)
        if "continues" in value["data"]:
            require_shape(value["data"]["continues"], CONTINUES, "continues")
            if value["seq"] != 1:
                raise Bad("only a stream's first entry continues another log")
            self._note_continued(value["stream"], value["data"]["continues"])
        if self.header["disclosures"] == "all" and value["sealed"]:
            self.sealed.update({(ordinal, name): digest for name, digest in value["sealed"].items()})
            self.commitments[ordinal] = commitment
        self._note_act(ordinal, value, commitment)
        self.signing.note(ordinal, value, commitment)
        self._step_on(ordinal, value, commitment)

    def _note_continued(self, stream: str, before: dict[str, Any]) -> None:
        self.continued[stream] = before
        self.report.continues.append(
            {"stream": stream, "log": before["log"], "entries": before["seq"], "head": before["commitment"]}
        )

    def _read_withheld(self, value: dict[str, Any], number: int) -> None:
        """An entry whose body was erased. Its place in chain and tree is checked like any other's."""
        require_shape(value, WITHHELD, "withheld entry")
        ordinal = self._enter_stream(value, number)
        if ordinal is None:
            return
        commitment = value["commitment"]
        named_before = "" if self.link is None else self.link[0]  # What it named itself is gone with its body.
        self._check_link(ordinal, {**value, "prev": "" if value["seq"] == 1 else named_before})
        self.withheld[ordinal] = commitment
        self.signing.note_withheld(value["stream"], commitment)
        self.has_own_end = False
        place = self.place_of[value["stream"]]
        if value["seq"] == self.header["streams"][place]["entries"]:
            if not self.is_of_ended():
                self._doubt(ordinal, "the stream does not end at this export's own entry")
            elif commitment != self.header["streams"][place]["head"]:
                self._doubt(ordinal, "the header names another last entry of this stream")
            if self.is_of_ended():
                self.endings[place] = {"ordinal": ordinal}
        self._note_following(ordinal, place, value)
        self._step_on(ordinal, value, commitment)

    def _enter_stream(self, value: dict[str, Any], number: int) -> int | None:
        """The entry's ordinal, now that it is its turn; None for one that does not belong here."""
        ordinal = self.ordinal_of(value["stream"], value["seq"])
        if ordinal is None:
            self.report.add("chain", number, "an entry that the header does not announce", stream=value["stream"])
            self.is_unannounced = True
            return None
        if ordinal in self.leaf_hashes:
            self.blame("chain", ordinal, "this entry stands here a second time", number)
            return None
        if ordinal != self.expected:
            self._note_gap(ordinal, number)
            self.link, self.previous = None, 0
        self.moved.update({ordinal: number} if number != 2 + ordinal else {})
        return ordinal

    def _step_on(self, ordinal: int, value: dict[str, Any], commitment: str) -> None:
        leaf = f"{LEAF_PREFIX} {value['label']} {commitment}".encode("ascii")
        self.leaf_hashes[ordinal] = leaf_hash(leaf)
        self.expected, self.link, self.previous = ordinal + 1, (commitment, value["next"]), ordinal
        self.stream = value["stream"]
        self.seen.add(self.stream)

    def _note_gap(self, ordinal: int, number: int) -> None:
        if self._counts_too_many() and ordinal > self.expected:
            self.report.add("chain", 1, "the header counts more entries than this stream has", stream=self.stream)
            return
        awaited = "no further entry"
        if self.expected <= self.total():
            awaited = "stream {}, seq {}".format(*self.named(self.expected))
        self.blame("chain", ordinal, f"out of place, or one is missing before it: expected {awaited}", number)

    def _counts_too_many(self) -> bool:
        """Whether the header wants more of a stream that has ended as this export ends its streams."""
        wants = self.expected <= self.total() and self.named(self.expected)[0] == self.stream
        return wants and self.has_own_end

    def _check_link(self, ordinal: int, value: dict[str, Any]) -> None:
        if value["seq"] == 1:
            first = hashlib.sha256(b"custody-stream/v1 " + value["stream"].encode("ascii")).hexdigest()
            if (value["prev"], value["label"]) != ("", first):
                self.blame("chain", ordinal, "not how a stream begins: its first label or its predecessor is wrong")
        elif self.link is not None and (value["prev"], value["label"]) != self.link:
            which = "predecessor" if value["prev"] != self.link[0] else "label"
            reason = f"does not fit its neighbour in the chain: the {which} that the later one names is another"
            self.doubts.append(Doubt("chain", reason, (self.previous, ordinal), self.line_of(ordinal), ordinal))

    def _note_act(self, ordinal: int, value: dict[str, Any], commitment: str) -> None:
        """Keep what the completeness of the whole is judged by."""
        place = self.place_of[value["stream"]]
        stream = self.header["streams"][place]
        is_last = value["seq"] == stream["entries"]
        is_this_export = value["type"] == "export.created" and value["object"]["id"] == self.header["export_id"]
        self.has_own_end = is_this_export
        if is_last:
            if commitment != stream["head"]:
                self._doubt(ordinal, "the header names another last entry of this stream")
            kept = ("prev", "seq", "time", "type", "object", "data")
            self.endings[place] = {"ordinal": ordinal, **{name: value[name] for name in kept}}
        elif is_this_export:
            self._doubt(ordinal, "the stream goes on after this export's own entry")
        self._note_following(ordinal, place, value)
        if not fits_stream(value, stream["kind"]):
            self._doubt(ordinal, f"no act that a stream of the kind '{stream['kind']}' has, as the header calls it")
        if stream["kind"] == "case" and value["type"] in REGISTRATIONS:
            self.registered[value["object"]["id"]] = value["type"].partition(".")[0]
        if stream["kind"] == "incident" and value["type"] == "incident.evidence_linked":
            linked = value["data"].get("evidence")
            if isinstance(linked, str):
                self.linked.add(linked)
        if value["type"] == BODY_ERASURE or value["type"] in FIELD_ERASURES:
            self._note_erasure(ordinal, value)

    def _note_following(self, ordinal: int, place: int, value: dict[str, Any]) -> None:
        """No leaf may bear the label that follows a stream's last entry, or its last one that is in the tree."""
        if value["seq"] >= self.integrated(place):
            self.following[bytes.fromhex(value["next"])] = ordinal
        if value["seq"] == 1 and not self.integrated(place):
            self.following[bytes.fromhex(value["label"])] = ordinal

    def _note_erasure(self, ordinal: int, value: dict[str, Any]) -> None:
        """An entry that says which earlier one of its stream, or which field of it, was erased."""
        seq, commitment, name = (value["data"].get(key) for key in ("seq", "commitment", "field"))
        if isinstance(commitment, str) and (value["type"] == BODY_ERASURE or isinstance(name, str)):
            self.erasures.add((value["stream"], commitment, "" if value["type"] == BODY_ERASURE else name))
        target = self.ordinal_of(value["stream"], seq) if type(seq) is int and seq > 0 else None
        if target is None or target >= ordinal or not isinstance(commitment, str):
            return
        if value["type"] == BODY_ERASURE:
            self.erased_bodies.add((target, commitment))
        elif isinstance(name, str) and self.commitments.get(target) == commitment:
            self.erased_fields.add((target, name))

    def _or_newer(self, reason: str) -> str:
        """The reason; of a log that has ended also that an entry of the newer one may have erased what is not here.

        It stays a fault: that a log has ended is the header's word, so whoever drops a line could write that, too.
        """
        if not self.is_of_ended() or self.newer is not None:
            return reason
        self.report.awaits_newer = True
        return f"{reason}; or it was erased by an entry of the newer log: give that log's file, too (--continued-by)"

    def _doubt(self, ordinal: int, reason: str, *others: int) -> None:
        """An entry and the header contradict each other, or an entry and what ``others`` say."""
        self.doubts.append(Doubt("completeness", reason, (ordinal, *others), 1, ordinal))

    # Proofs and leaves: the entries are those of the signed tree.

    def _read_proof(self, value: dict[str, Any], number: int) -> None:
        require_shape(value, PROOF, "proof")
        ordinal = self.ordinal_of(value["stream"], value["seq"])
        is_without_leaf = ordinal is not None and self.proof_after(ordinal - 1) != ordinal
        if ordinal is None or ordinal < self.expected_proof or is_without_leaf:
            self.report.add(
                "inclusion", number, "a proof that belongs to no entry, or stands here twice", stream=value["stream"]
            )
            return
        if ordinal != self.expected_proof:
            self.blame("inclusion", ordinal, "out of place, or a proof is missing before it", number)
            for missing in range(self.expected_proof, min(ordinal, self.expected_proof + FINDINGS_KEPT)):
                if self.proof_after(missing - 1) == missing:
                    self.unproven.setdefault(missing, 0)
        self.expected_proof = self.proof_after(ordinal)
        own = self.leaf_hashes.get(ordinal)
        if own is None or self.checkpoint is None:
            return
        try:
            if value["index"] >= self.checkpoint.size:
                raise Bad("the leaf is beyond the signed tree")
            hashes = [bytes.fromhex(each) for each in value["hashes"]]
            root, nodes = follow_proof(value["index"], self.checkpoint.size, own, hashes)
            if root != self.checkpoint.root:
                raise Bad("the proof does not lead to the signed root")
        except Bad:
            self.unproven[ordinal] = number
            return
        self.owner_of[value["index"]] = ordinal
        if len(self.nodes) < NODES_KEPT:
            self.nodes.update(nodes)

    def _read_leaf(self, index: int, label: bytes, commitment: bytes, number: int) -> None:
        self._begin_leaves(number)
        if index != self.tree.size:
            reason = f"out of place, or a leaf is missing before it: expected leaf {self.tree.size}"
            self.report.add("leaves", number, reason)
            self.suspect = (number, number)
        current = leaf_hash(b"custody-leaf/v1 " + label + b" " + commitment)
        owner = self.owner_of.get(index)
        if owner is not None and self.leaf_hashes[owner] != current:
            self.blame("leaves", owner, "not the leaf of the entry that is proven to stand here", number)
            self.suspect = (number, number)
        self._note_label(bytes.fromhex(label.decode("ascii")), number)
        if current in self.sought:
            self.found_leaves.add(self.sought[current])
        if self.tree.peaks[:1] == [b""]:
            self.tree.size += 1
            return
        for (level, at), subtree in self.tree.append(current):
            known = self.nodes.get((level, at))
            if known is not None and known != subtree and self.suspect is None:
                first = self.first_leaf_line + (at << level)
                self.suspect = (first, first + (1 << level) - 1)

    def _begin_leaves(self, line: int) -> None:
        if not self.first_leaf_line:
            self.first_leaf_line = line
            self.sought = {self.leaf_hashes[each]: each for each in self.unproven if each in self.leaf_hashes}

    def _note_label(self, label: bytes, number: int) -> None:
        if label in self.labels:
            self.report.add("leaves", number, "this label is used a second time: a stream was forked")
        self.labels.add(label)
        ordinal = self.following.get(label)
        if ordinal is not None:
            reason = "the stream goes on in the log after the last entry that the file shows: its tail was cut off"
            self.doubts.append(Doubt("leaves", reason, (ordinal,), number, ordinal))

    # Disclosures and trailer.

    def _read_disclosure(self, value: dict[str, Any], number: int) -> None:
        require_shape(value, DISCLOSURE, "disclosure")
        require_shape(value["opens"], OPENING, "disclosure's opening")
        ordinal, name = self.ordinal_of(value["stream"], value["seq"]) or 0, value["opens"]["name"]
        if self.header["disclosures"] != "all":
            self.report.add("disclosures", number, "a disclosure, though the header announces none")
            return
        if self.openings is None:
            self.openings = self._due_openings()
            self.due_opening = next(self.openings, None)
        if self.due_opening is None or (ordinal, name) < self.due_opening:
            self.report.add("disclosures", number, "a disclosure out of place, twice, or of nothing that is sealed")
            return
        if (ordinal, name) != self.due_opening:
            reason = self._or_newer("out of place, or a disclosure is missing before it")
            self.report.add("disclosures", number, reason)
        while self.due_opening is not None and self.due_opening <= (ordinal, name):
            self.due_opening = next(self.openings, None)
        digest = self.sealed.get((ordinal, name))
        if digest != hashlib.sha256(canonical(value["opens"])).hexdigest():
            reason = f"not what was sealed as '{name[:40]}' when the act was logged"
            doubtful = (ordinal,) if ordinal and digest is not None else ()
            self.doubts.append(Doubt("disclosures", reason, doubtful, number, ordinal))
        elif name == "rationale" and ordinal in self.signing.acts:
            self.signing.rationales[ordinal] = value["opens"]["value"]

    def _read_envelope(self, value: dict[str, Any], number: int) -> None:
        require_shape(value, ENVELOPE, "envelope", frozenset({"envelope", "withheld"}))
        if ("envelope" in value) == ("withheld" in value):
            raise Bad("an envelope line holds the envelope, or says that it is withheld")
        ordinal = self.ordinal_of(value["stream"], value["seq"]) or 0
        if "envelopes" not in self.header:
            self.report.add("verdicts", number, "an envelope, though the header announces none")
            return
        if ordinal not in self.signing.acts or ordinal <= self.signing.last_seen:
            self.report.add("verdicts", number, "an envelope out of place, twice, or of what is not logged as signed")
            return
        self.signing.seen[ordinal], self.signing.last_seen = "envelope" in value, ordinal
        if "envelope" in value:
            try:
                self.signing.check(ordinal, value["envelope"], self.header)
            except Bad as error:
                self.doubts.append(Doubt("verdicts", str(error), (ordinal,), number, ordinal))

    def _due_openings(self) -> Iterator[tuple[int, str]]:
        for ordinal, name in self.sealed:
            if self._is_erased_later(ordinal, self.commitments[ordinal], name):
                self.erased_fields.add((ordinal, name))
        return iter([each for each in self.sealed if each not in self.erased_fields])

    def _read_trailer(self, value: dict[str, Any], number: int, digest: str) -> None:
        self.is_ended = True
        require_shape(value, TRAILER, "trailer", MAY_LACK_ENVELOPES)
        counted = {"lines": number - 1, **{name: self.counts[kind] for name, kind in COUNTED.items()}}
        if ("envelopes" in value) != ("envelopes" in self.header):
            raise Bad("header and trailer do not agree on whether there are envelopes")
        if "envelopes" in value:
            counted["envelopes"] = self.counts["envelope"]
        for name, count in counted.items():
            if value[name] != count:
                self.report.add("file", number, f"the trailer counts {value[name]} {name}, there are {count}")
        if value["sha256"] != digest:
            self.report.add("file", number, "the bytes before the trailer are not those it was written for")

    # Judging the whole.

    def conclude(self) -> None:
        """What can be said only after the last line of a whole file."""
        self._settle_missing()
        self._settle_proofs()
        if self.counts["leaf"] or self.header["leaves"] == "all":
            self._settle_leaves()
        else:
            self._settle_without_leaves()
        if self.is_of_ended():
            self._settle_end_of_log()
        else:
            for place in range(len(self.streams)):
                self._settle_ending(place)
        self._settle_scope()
        self._settle_disclosures()
        self._settle_verdicts()
        self._settle_withheld()
        self._settle_doubts()
        self._settle_unchecked()

    def conclude_cut(self) -> None:
        """Of a file that could not be read to its end: who is to blame for what was met up to there."""
        for check in ("inclusion", "leaves", "completeness", "disclosures", "verdicts"):
            self.report.skipped[check] = "the file could not be read to its end"
        if self.tree.size:
            self._settle_proofs()
        self._settle_doubts()
        self._settle_unchecked()

    def _settle_unchecked(self) -> None:
        """A check that found nothing, and did not see all that it speaks of, has not passed."""
        skip = self.report.skip
        if not self.is_signed:
            skip("no checkpoint was read", "signature", "witnesses")
            reason = "there is no tree that the key signed"
            skip(reason, "inclusion", "leaves", "completeness", "disclosures", "verdicts")
        if not self.header:
            skip("no header was read, so which entries belong here is unknown", "chain")
            return
        unread = self.total() - len(self.leaf_hashes)
        if unread:
            reason = f"{unread} of the {self.total()} announced entries could not be read"
            skip(reason, "chain", "inclusion", "completeness", "disclosures", "verdicts")
        proven = set(self.owner_of.values())
        if self.counts["leaf"] and "leaves" not in self.report.failed:
            proven |= self.found_leaves
        proven |= self.attested
        if len(proven) < self.total():
            reason = "not every entry is proven to be in the signed tree"
            skip(reason, "inclusion", "completeness", "disclosures", "verdicts")
        endings = {each["ordinal"] for each in self.endings.values()}
        if len(endings) < len(self.streams) or not endings <= proven:
            what = "missing, changed or without a leaf"
            skip(f"a stream's last entry is {what}, so whether that stream goes on is open", "leaves")

    def _settle_doubts(self) -> None:
        for doubt in self.doubts:
            bad = [ordinal for ordinal in doubt.ordinals if ordinal in self.unproven]
            for ordinal in bad:
                self.blame(doubt.check, ordinal, doubt.reason)
            if not bad and doubt.ordinal:
                self.blame(doubt.check, doubt.ordinal, doubt.reason, doubt.line)
            elif not bad:
                self.report.add(doubt.check, doubt.line, doubt.reason)

    def _settle_missing(self) -> None:
        missing = self.total() - len(self.leaf_hashes)
        if missing > 0 and self.expected <= self.total():
            stream, seq = self.named(self.expected)
            reason = f"the entries end before stream {stream}, seq {seq}: {missing} are missing"
            self.report.add("chain", 1 if self._counts_too_many() else 3 + self.counts["entry"], reason)
        if self.is_unannounced:
            for stream in sorted(set(self.streams) - self.seen):
                self.report.add("chain", 1, "the header announces a stream that is not here", stream=stream)
        if self.expected_proof <= self.total():
            before = self.expected_proof - 1
            lacking = sum(
                max(0, self.integrated(place) - max(0, before - base)) for place, base in enumerate(self.bases)
            )
            line = 3 + self.counts["entry"] + self.counts["proof"]
            self.report.add("inclusion", line, f"the proofs of the last {lacking} entries are missing")

    def _settle_proofs(self) -> None:
        for ordinal, line in self.unproven.items():
            if ordinal not in self.leaf_hashes:
                continue
            if ordinal in self.found_leaves:
                reason = "this inclusion proof is not the one of its entry: the entry itself is among the leaves"
                if line:  # Else the proof is missing, which is reported where it should stand.
                    self.blame("inclusion", ordinal, reason, line)
            elif self.counts["leaf"]:
                self.blame("inclusion", ordinal, "not the line that was logged: it is not in the signed tree")
            elif line:
                reason = f"this line, or its proof on line {line}, is not the one that was logged"
                self.blame("inclusion", ordinal, reason)
        for ordinal in self.found_leaves:
            del self.unproven[ordinal]

    def _settle_leaves(self) -> None:
        if self.checkpoint is None:
            return
        line = 3 + self.counts["entry"] + self.counts["proof"] + self.counts["leaf"]
        if self.header["leaves"] == "none":
            self.report.add("leaves", 1, "the header announces no leaves, the file has some")
        elif self.tree.size < self.checkpoint.size:
            self.report.add("leaves", line, f"{self.checkpoint.size - self.tree.size} leaves are missing")
        elif self.tree.peaks[:1] == [b""] or self.tree.root() != self.checkpoint.root:
            first, last = self.suspect or (self.first_leaf_line, line - 1)
            self.report.add("leaves", first, "the leaves do not give the signed root", last=last)

    def _settle_without_leaves(self) -> None:
        self.report.skipped["leaves"] = "the file carries no leaves: compare with the log's published tiles"
        if self.header["tree_size"] <= LEAVES_EXPECTED_UP_TO and not self.leaves_optional:
            reason = f"no leaves, in a log of at most {LEAVES_EXPECTED_UP_TO}: left out? (--leaves-optional accepts it)"
            self.report.add("leaves", 1, reason)

    def _settle_ending(self, place: int) -> None:
        """The stream's last entry is this export's own, and says how long the stream was."""
        header, ending = self.header, self.endings.get(place)
        if ending is None:
            return  # Missing or unreadable, which is reported already.
        stream, ordinal, data = header["streams"][place], ending["ordinal"], ending["data"]
        acted_on = {"kind": "export", "id": header["export_id"]}
        if ending["type"] != "export.created" or ending["object"] != acted_on:
            self._doubt(ordinal, "the stream does not end at this export's own entry")
            return
        others: list[int] = []
        expected: dict[str, Any] = {"scope": header["scope"], "disclosed": header["disclosures"] == "all"}
        if stream["kind"] == "case" and stream["stream"] != header["object"]["id"]:
            self._doubt(ordinal, "the stream of a case that this file is not of")
            return
        if stream["kind"] == "case":
            before = [
                {
                    "stream": each["stream"],
                    "kind": each["kind"],
                    "entries": each["entries"] - 1,
                    "head": self.endings[at]["prev"] if at in self.endings else "",
                }
                for at, each in enumerate(header["streams"])
            ]
            if len(self.endings) == len(self.streams):
                others = [each["ordinal"] for each in self.endings.values()]
                expected["streams_sha256"] = hashlib.sha256(canonical(before)).hexdigest()
            expected.update(streams_count=len(before), media_count=0, media_sha256=hashlib.sha256(b"[]").hexdigest())
        else:
            expected.update(entries=ending["seq"] - 1, head=ending["prev"])
        for name, value in expected.items():
            if data.get(name) != value:
                self._doubt(ordinal, f"'{name}' in this export's own entry is not what the file shows", *others)
        if ending["time"] != header["time"]:
            self._doubt(ordinal, "the header's time is not that of this export's own entry")

    def _settle_end_of_log(self) -> None:
        """Every stream ends where its first entry in the newer log says; so its entries without leaves are proven."""
        newer = self.newer
        if newer is None and not self.counts["leaf"]:
            # That a log has ended is the header's word alone: any file could be cut and say so.
            reason = "without leaves nothing in the file shows where its streams ended: give the newer log's file, too"
            self.report.awaits_newer = True
            self.report.add("completeness", 1, f"{reason} (--continued-by)")
        elif newer is None:
            self.report.skip(
                f"this log has ended; where its streams end says the file of {self.header['continued_by']}: give it "
                "with --continued-by",
                "completeness",
            )
        elif newer.header["log"] != self.header["continued_by"] or newer.header["object"] != self.header["object"]:
            self.report.add("completeness", 1, "the newer file is of another log or object than continues this one")
        for place, stream in enumerate(self.header["streams"]):
            end = {"log": self.header["log"], "seq": stream["entries"], "commitment": stream["head"]}
            said = None if newer is None else newer.continued.get(stream["stream"])
            tail = range(self.bases[place] + self.integrated(place) + 1, self.bases[place] + stream["entries"] + 1)
            if said == end:
                self.attested.update(tail)
            elif newer is not None:
                what = "does not say where this stream ended" if said is None else f"says that it ended as {said}"
                self.report.add("completeness", 1, f"the newer log's file {what}", stream=stream["stream"])
            if tail and said != end:
                self.report.awaits_newer |= newer is None
                reason = f"this entry and those after it, {len(tail)} in all, have no leaf: only the newer log's file "
                self.blame("inclusion", tail[0], f"{reason}proves them (--continued-by)")
        if newer is None or self.header["scope"] != "case":
            return
        for name, said in newer.continued.items():
            if said["log"] == self.header["log"] and name not in self.place_of:
                self.report.add("completeness", 1, "a stream that the newer log continues is missing", stream=name)

    def _settle_scope(self) -> None:
        """Nothing that the scope claims is left out, and nothing foreign is in it."""
        scope, object_id = self.header["scope"], self.header["object"]["id"]
        if self.continued:
            self.report.skip(
                f"{self.report.before()}: that part is not in this file. Take the file of that log, too, and check "
                "that one with --continued-by and this one",
                "completeness",
            )
        kinds = {stream["stream"]: stream["kind"] for stream in self.header["streams"]}
        if len(self.leaf_hashes) < self.total() or self.unproven:
            self.report.skipped["completeness"] = "entries are missing or changed, so what the scope claims is open"
            return
        wanted = {object_id: scope}
        if object_id in self.continued:
            wanted |= {stream: kinds[stream] for stream in self.continued if stream in kinds}
        if scope == "case":
            wanted |= self.registered
        elif scope == "incident":
            wanted |= dict.fromkeys(self.linked, "evidence")
        for stream in sorted(wanted.keys() | kinds.keys()):
            if wanted.get(stream) != kinds.get(stream):
                place = self.place_of.get(stream)
                is_extra = stream not in wanted
                what = "is here without belonging to" if is_extra else "is missing, or of another kind, in"
                line = 1 if place is None else self.line_of(self.bases[place] + 1)
                self.report.add("completeness", line, f"the stream {what} this {scope}", stream=stream)

    def _is_erased_later(self, ordinal: int, commitment: str, name: str) -> bool:
        """Whether the newer log says of an entry of this one, which ended, that it was erased."""
        return self.newer is not None and (self.named(ordinal)[0], commitment, name) in self.newer.erasures

    def _settle_withheld(self) -> None:
        """What is not shown was erased by an entry that is."""
        for ordinal, commitment in self.withheld.items():
            if (ordinal, commitment) not in self.erased_bodies and not self._is_erased_later(ordinal, commitment, ""):
                reason = self._or_newer("withheld as erased, and no later entry of its stream erased it")
                self.blame("chain", ordinal, reason)
        places = {(*self.named(ordinal), "") for ordinal in self.withheld}
        places |= {(*self.named(ordinal), name) for ordinal, name in self.erased_fields & self.sealed.keys()}
        self.report.withheld = sorted(places)

    def _settle_disclosures(self) -> None:
        if self.header["disclosures"] == "none":
            self.report.skipped["disclosures"] = "the export was made without them: sealed fields stay closed"
            return
        due = self.due_opening if self.openings is not None else next(self._due_openings(), None)
        if due is not None:
            line = 3 + sum(self.counts[kind] for kind in COUNTED.values())
            reason = f"the disclosures end before '{due[1][:40]}' of this entry, though all were announced"
            self.blame("disclosures", due[0], self._or_newer(reason), line)

    def _settle_verdicts(self) -> None:
        """Every act that is logged as signed has its envelope, and its key was bound to the person before it."""
        acts, skip = self.signing.acts, self.report.skip
        if not acts:
            skip("nothing in this file is logged as signed with a reviewer's own key", "verdicts")
            return
        if self.header["disclosures"] == "none":
            skip("the export was made without disclosures: what reviewers signed holds their words", "verdicts")
            return
        if "envelopes" not in self.header:
            self.report.add("verdicts", 1, "the header announces no envelopes, though entries name some")
        whole = len(self.leaf_hashes) == self.total() and not self.unproven
        index_of = {ordinal: index for index, ordinal in self.owner_of.items()}
        for ordinal, act in sorted(acts.items()):
            try:
                if ordinal not in self.signing.seen:
                    raise Bad("its signed envelope is missing")
                if not self.signing.seen[ordinal] and (ordinal, "rationale") not in self.erased_fields:
                    reason = "its signed envelope is withheld as erased, and no later entry erased its words"
                    raise Bad(self._or_newer(reason))
                if whole and not (self.signing.seen[ordinal] and ordinal not in self.signing.payloads):
                    self.signing.check_findings(ordinal)
                    bound = self.signing.check_binding(ordinal, self.header["scope"], index_of)
                    self._note_signed(ordinal, act, bound)
            except Bad as error:
                self.blame("verdicts", ordinal, str(error))
        erased = list(self.signing.seen.values()).count(False)
        if erased:
            skip(f"{erased} of {len(acts)} envelopes were erased: their words cannot be checked any more", "verdicts")

    def _note_signed(self, ordinal: int, act: dict[str, Any], bound: int | None) -> None:
        """One line for the report: what was signed with which key, and where that key was bound."""
        if act["type"] != "evidence.submitted" or not self.signing.seen[ordinal]:
            return
        stream, seq = self.named(ordinal)
        commitment = act["data"]["key_bound"]
        where = f"entry {commitment[:16]}… of the case's log, which is not in this file"
        if bound is not None:
            where = "line {}, stream {}, seq {}".format(self.line_of(bound), *self.named(bound))
        self.report.signed.append(
            {
                "line": self.line_of(ordinal),
                "stream": stream,
                "seq": seq,
                "verdict_id": act["data"].get("verdict_id"),
                "keyid": act["data"]["keyid"],
                "key_bound": commitment,
                "bound_by": where,
            }
        )


def verify(
    file: BinaryIO,
    *keys: Key | None,
    policy: Policy | None = None,
    leaves_optional: bool = False,
    continued_by: BinaryIO | None = None,
) -> Report:
    """Check one custody file from its first byte to its last. One of the pinned keys must have signed it: several are
    of a log whose key was replaced, or of a log and the one that continues it. No key, or None: unpinned, by the key in
    the file. With a policy the tree must also be cosigned by its quorum of witnesses. ``continued_by``: of a log that
    has ended, the file of the same object from the next one; it is checked first, in the same way."""
    pinned = [key for key in keys if key is not None]

    def read(each: BinaryIO, newer: CustodyFile | None = None) -> CustodyFile:
        report = Report(pinned=bool(pinned), asks_witnesses=policy is not None)
        reading = CustodyFile(report, pinned, policy, newer, leaves_optional=leaves_optional)
        try:
            reading.read(each)
        except Unreadable:
            reading.conclude_cut()
        else:
            reading.conclude()
        return reading

    newer = None if continued_by is None else read(continued_by)
    if newer is not None and not newer.report.ok:
        report = read(file).report
        first = min(newer.report.findings)
        report.add("completeness", 1, f"the newer log's file is not as it was logged: check it first ({first})")
    else:
        report = read(file, newer).report
        if newer is not None:
            facts = newer.report.facts
            report.facts["newer_file"] = (
                f"{facts['entries']} entries of {facts['log']}, checked first: as they were logged"
            )
    report.findings.sort()
    return report


# --- receipts ---------------------------------------------------------------------------------------------------------

RECEIPT_FORMAT = "exhibit-receipt/v1"
RECEIPT_MARK = b"exhibit-receipt/"
RECEIPT_LIMIT_BYTES = 2 * 1024 * 1024
PROOF_FORMAT = "c2sp.org/tlog-proof@v1"
PROOF_HASHES_LIMIT = 63
RECEIPT_CHECKS = {
    "form": "every line is as the format says, in its one spelling",
    "signature": "the pinned key signed this tree: the log's size and root hash",
    "inclusion": "the entry, byte for byte, is in the signed tree, at this place",
}
RECEIPT_NOT_PROVEN = (
    "that what was stated is true: this is custody since intake, not truth",
    "anything that happened later: ask for the custody log",
    "that the log shows everybody the same tree: compare the checkpoint with another party's",
)


@dataclass(frozen=True)
class EntryReceipt:
    """One entry, where it stands, and the signed note that says so. The hashes lead from its leaf to the root."""

    entry: dict[str, Any]
    body: bytes
    index: int
    hashes: tuple[bytes, ...]
    note: str
    checkpoint: Checkpoint

    @property
    def commitment(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def leaf(self) -> bytes:
        return f"{LEAF_PREFIX} {self.entry['label']} {self.commitment}".encode("ascii")


def parse_receipt(data: bytes) -> EntryReceipt:
    """Strict: each receipt has one spelling. Neither signature nor tree is checked here. Raises Bad."""
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise Bad("not UTF-8") from None
    if len(lines) < 6 or lines[0] != RECEIPT_FORMAT or lines[2] or lines[3] != PROOF_FORMAT:
        raise Bad(f"not {RECEIPT_FORMAT}, the entry, an empty line and {PROOF_FORMAT}")
    body = lines[1].encode("utf-8")
    if len(body) > BODY_LIMIT_BYTES:
        raise Bad(f"the entry has more than {BODY_LIMIT_BYTES} bytes")
    entry = parse_canonical(body)
    require_shape(entry, ENTRY, "the entry")
    require_shape(entry["actor"], ACTOR, "the actor")
    require_shape(entry["object"], ACTED_ON, "the object", ACTED_ON_MAY_LACK)
    extra, index = lines[4].removeprefix("extra "), lines[5].removeprefix("index ")
    if "extra " + extra != lines[4] or "index " + index != lines[5] or not NUMBER.fullmatch(index):
        raise Bad("the proof does not give the leaf and its index")
    try:
        blank = lines.index("", 6)
    except ValueError:
        raise Bad("there is no checkpoint after the proof") from None
    hashes = tuple(map(from_base64, lines[6:blank]))
    if len(hashes) > PROOF_HASHES_LIMIT or any(len(each) != 32 for each in hashes):
        raise Bad("the proof's hashes are not of 32 bytes, or too many")
    note = "\n".join(lines[blank + 1 :])
    text, _ = split_note(note)
    receipt = EntryReceipt(entry, body, int(index), hashes, note, checkpoint_of(text))
    if from_base64(extra) != receipt.leaf:
        raise Bad("the proof is that of another leaf than the entry's: label and SHA-256 of the line differ")
    return receipt


def check_receipt(
    receipt: EntryReceipt, keys: Sequence[Key], policy: Policy | None = None
) -> Iterator[tuple[str, str]]:
    """Check by check what is wrong with a well-formed receipt; nothing when it is as the log gave it."""
    checkpoint = receipt.checkpoint
    try:
        key = check_note(receipt.note, keys)
        if not checkpoint.origin == receipt.entry["log"] == key.name:
            raise Bad("the entry, the checkpoint and the pinned key are not of one log")
    except Bad as error:
        yield "signature", str(error)
    try:
        if policy is not None:
            check_cosignatures(receipt.note, keys, policy)
    except Bad as error:
        yield "witnesses", str(error)
    try:
        if receipt.index >= checkpoint.size:
            raise Bad("the entry's place is beyond the signed tree")
        root, _ = follow_proof(receipt.index, checkpoint.size, leaf_hash(receipt.leaf), list(receipt.hashes))
        if root != checkpoint.root:
            raise Bad("the entry and its proof do not lead to the signed root")
    except Bad as error:
        yield "inclusion", str(error)


def receipt_report(data: bytes, *keys: Key, policy: Policy | None = None) -> dict[str, Any]:
    """The whole report on a receipt, as JSON can hold it."""
    facts: dict[str, Any] = {}
    try:
        if len(data) > RECEIPT_LIMIT_BYTES:
            raise Bad(f"a receipt has at most {RECEIPT_LIMIT_BYTES} bytes")
        receipt = parse_receipt(data)
    except Bad as error:
        faults = [("form", str(error))]
    else:
        faults = list(check_receipt(receipt, keys, policy))
        entry, acted_on = receipt.entry, receipt.entry["object"]
        facts = {name: entry[name] for name in ("type", "stream", "seq", "time", "occurred")}
        facts["actor"] = " ".join(str(entry["actor"][name]) for name in ("id", "kind", "role"))
        facts |= {"object": f"{acted_on['kind']} {acted_on['id']}"}
        facts |= {name: acted_on[name] for name in ("sha256", "size") if name in acted_on}
        facts |= {"commitment": receipt.commitment, "log": receipt.checkpoint.origin}
        facts |= {"log_index": receipt.index, "tree_size": receipt.checkpoint.size}
    failed = {check for check, _ in faults}
    good = "passed" if faults else "proven"
    unread = "not checked" if "form" in failed else good
    claims = RECEIPT_CHECKS if policy is None else {**RECEIPT_CHECKS, "witnesses": WITNESSES}
    results = {check: "FAILED" if check in failed else unread for check in claims}
    return {
        "ok": not faults,
        "pinned": True,
        "receipt": facts,
        "checks": [{"check": check, "result": results[check], "what": claims[check]} for check in results],
        "findings": [{"check": check, "reason": reason} for check, reason in faults],
        "not_proven": list(RECEIPT_NOT_PROVEN),
    }


def describe_receipt(report: dict[str, Any]) -> Iterator[str]:
    """The report for people."""
    yield from (f"{name:<12} {value}" for name, value in report["receipt"].items())
    yield ""
    yield from (f"{each['result']:<12} {each['check']:<13} {each['what']}" for each in report["checks"])
    yield ""
    yield from (f"not proven   {what}" for what in report["not_proven"])
    yield ""
    yield from (f"BAD: {each['check']}: {each['reason']}" for each in report["findings"])
    yield "OK: as it was logged" if report["ok"] else "FAILED: this is not a receipt as the log gave it"


# --- the command ------------------------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """Text from the file as a terminal may show it: no control characters."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def describe(report: Report) -> Iterator[str]:
    """The report for people."""
    if not report.pinned:
        yield "UNPINNED: checked with the key that the file itself carries. Whoever made the file chose that key,"
        yield "          so this shows only that the file fits itself. Get the log's key elsewhere and use --key."
        yield ""
    for name, value in report.facts.items():
        yield f"{name:<12} {value if not isinstance(value, dict) else ' '.join(map(str, value.values()))}"
    for each in report.continues[:FINDINGS_KEPT]:
        yield f"begins in    {each['log']}: stream {each['stream']}, {each['entries']} entries there, not in this file,"
        yield f"             up to {each['head']}"
    if len(report.continues) > FINDINGS_KEPT:
        yield f"begins in    {len(report.continues) - FINDINGS_KEPT} more streams (see --json)"
    yield ""
    for check in report.checks():
        yield f"{report.result_of(check):<12} {check:<13} {report.claim_of(check)}"
        if check in report.skipped:
            yield f"{'':<26} ({report.skipped[check]})"
    yield ""
    for each in report.signed if report.ok else ():
        yield f"signed       line {each['line']}, stream {each['stream']}, seq {each['seq']}:"
        yield f"             the verdict, by its author's own key {each['keyid']},"
        yield f"             bound by {each['bound_by']}"
    if report.ok and report.signed:
        yield ""
    for stream, seq, name in report.withheld[:FINDINGS_KEPT]:
        what = f"the value of '{name}' was erased" if name else "erased; what was done, by whom and when is not shown"
        yield f"withheld     stream {stream}, seq {seq}: {what}"
    if len(report.withheld) > FINDINGS_KEPT:
        yield f"withheld     {len(report.withheld) - FINDINGS_KEPT} more (see --json)"
    yield from (f"not proven   {what}" for what in report.not_proven())
    yield ""
    yield from (f"BAD: {found}" for found in report.findings)
    if report.findings_count > len(report.findings):
        yield f"BAD: {report.findings_count - len(report.findings)} more"
    yield verdict_of(report)


def verdict_of(report: Report) -> str:
    """The report's last line."""
    if report.ok:
        begun = f"; {report.before()}, which is not in this file" if report.continues else ""
        return f"OK: as it was logged{begun}"
    unless = ", unless the newer log's file explains what names it above (--continued-by)"
    return f"FAILED: this is not the custody log as it was logged{unless if report.awaits_newer else ''}"


def read_key(given: str) -> Key:
    """The key itself, or a file that holds it. Raises Bad."""
    try:
        path = Path(given)
        if path.is_file():
            with path.open("rb") as file:
                given = file.read(10_000).decode("utf-8")
    except (OSError, ValueError) as error:
        raise Bad(f"{given[:80]!r} cannot be read: {error}") from None
    return parse_key(given)


def read_policy(path: Path | None) -> Policy | None:
    """Raises Bad, OSError."""
    return None if path is None else parse_policy(path.read_bytes())


def run(
    path: Path,
    *,
    keys: Sequence[str],
    unpinned: bool,
    as_json: bool,
    leaves_optional: bool,
    policy: Path | None = None,
    continued_by: Path | None = None,
) -> int:
    """Check a file and write the report to standard output; the exit status."""
    if not keys and not unpinned:
        sys.stderr.write("No key: name the log's public key, from another source than this file (--key).\n")
        return 2
    try:
        pinned, asked = [read_key(key) for key in keys], read_policy(policy)
        with path.open("rb") as file:
            beginning = file.peek(HEADER_LIMIT_BYTES)
            if begins_as(beginning, RECEIPT_MARK):
                return run_receipt(file.read(RECEIPT_LIMIT_BYTES + 1), pinned, asked, as_json=as_json)
            with nullcontext() if continued_by is None else continued_by.open("rb") as newer:
                report = verify(file, *pinned, policy=asked, leaves_optional=leaves_optional, continued_by=newer)
    except (Bad, OSError) as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        return 2
    if not report.is_custody_file:
        told = "is it the CSV reading copy?"
        if ENTRIES_MARK in beginning:
            told = "it is a file of entries: verify_entries.py checks it"
        reason = f"this is not a custody file ({told}): its first line is no custody header"
        sys.stderr.write(f"{printable(str(path))}: {reason}. Nothing was checked.\n")
        return 2
    lines: Iterable[str] = (
        [json.dumps(report.as_json(), indent=2)] if as_json else (printable(line) for line in describe(report))
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if report.ok else 1


def run_receipt(data: bytes, keys: Sequence[Key], policy: Policy | None = None, *, as_json: bool) -> int:
    """Check a receipt and write the report to standard output; the exit status."""
    if not keys:
        sys.stderr.write("A receipt carries no key: name the log's public key, from another source (--key).\n")
        return 2
    report = receipt_report(data, *keys, policy=policy)
    lines = [json.dumps(report, indent=2)] if as_json else [printable(line) for line in describe_receipt(report)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if report["ok"] else 1


KEY_HELP = "The log's pinned public key: its text, or a file that holds it. Several: any of them, after a rotation."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command, for whoever offers it under another name."""
    parser.add_argument("--unpinned", action="store_true", help="Check without a key of your own; proves far less.")
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="A tlog-policy: its quorum of witnesses must have cosigned the tree.",
    )
    parser.add_argument(
        "--continued-by",
        type=Path,
        metavar="FILE",
        help="Of a log that has ended: the file of the same object from the log that continues it; name both keys.",
    )
    parser.add_argument("--json", action="store_true", help="Write the report as JSON.")
    parser.add_argument(
        "--leaves-optional", action="store_true", help="Accept a file of a small log that carries no leaves."
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--key", action="append", default=[], help=KEY_HELP)
    add_arguments(parser)
    options = parser.parse_args()
    return run(
        options.file,
        keys=options.key,
        unpinned=options.unpinned,
        as_json=options.json,
        leaves_optional=options.leaves_optional,
        policy=options.policy,
        continued_by=options.continued_by,
    )


if __name__ == "__main__":
    sys.exit(main())
