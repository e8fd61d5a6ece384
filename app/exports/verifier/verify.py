"""Check an Exhibit custody package (exhibit-export/v1) offline. One file, Python 3.11 or newer, no other package.

    python3 -I verify.py PACKAGE.zip --key 'NAME+HASH+KEY'     (or --key FILE-WITH-THE-KEY; several after a rotation)
                                     [--policy FILE]           (a tlog-policy: witnesses that must have cosigned)

Get the log's key from somewhere else than the package: it decides whom you trust. Exit status: 0 every check passed,
1 something is not as it was logged (each finding names its file), 2 it could not be checked: no key, not a zip.

How to read this file. A package is a zip in its only possible spelling, so the zip's headers are written here a second
time and compared (section 4). In it is a BagIt bag (5). Its ledger folder holds acts, one line each (6); the SHA-256 of
a line is its commitment, and that stands in a leaf of a public tree (RFC 6962) whose root the log signed (2, 3). Every
stream of acts is chained by commitments and by one-time labels, so none can be cut or forked unseen (6, 7). Last, a
later act of the same log, the seal, names the digest of the bag's manifest, so the whole bag is covered (8).

It checks no RFC 3161 time stamps (data/anchors): it says so, with the command that does. It proves custody since
intake: that these acts were logged, in this order, and that none was changed, removed or left out up to the package.
It does not prove that what a person stated is true.
"""

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

# --- 1. strict JSON ---------------------------------------------------------------------------------------------------

SAFE_INTEGER = 2**53 - 1


class Bad(ValueError):
    """Something is not as the format says; the message is for the reader of the report."""


def parse_canonical(line: bytes) -> Any:
    """The JSON value of exactly these bytes (RFC 8785, integers only). Raises Bad for any other spelling of it."""
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
    return _encoder.encode(value).encode("utf-8")


HEX32 = re.compile(r"[0-9a-f]{64}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
Check = Callable[[Any], bool]


def text_like(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def natural(least: int) -> Check:
    return lambda value: type(value) is int and value >= least


def one_of(*words: str) -> Check:
    return lambda value: isinstance(value, str) and value in words


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_object(value: Any) -> bool:
    return isinstance(value, dict)


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def require_shape(value: Any, shape: dict[str, Check], what: str, may_lack: frozenset[str] = frozenset()) -> None:
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
SCOPES = ("case", "incident", "evidence", "selection")
KINDS = ("case", "incident", "evidence")
ENTRY = {
    "v": one_of("custody-entry/v1"), "log": is_text, "stream": IS_UUID, "seq": natural(1),
    "prev": lambda value: value == "" or IS_HEX(value), "label": IS_HEX, "next": IS_HEX, "salt": IS_HEX,
    "time": IS_TIME, "occurred": IS_TIME, "type": is_text, "actor": is_object, "object": is_object,
    "data": is_object, "sealed": is_object,
}  # fmt: skip
ACTOR = {
    "id": IS_UUID, "kind": one_of("user", "token", "system"), "role": lambda value: value is None or is_text(value),
}  # fmt: skip
ACTED_ON = {"kind": is_text, "id": IS_UUID, "version": natural(0), "sha256": IS_HEX, "size": natural(0)}
ACTED_ON_MAY_LACK = frozenset({"version", "sha256", "size"})
WITHHELD = {
    "withheld": one_of("erased"), "seq": natural(1), "label": IS_HEX, "next": IS_HEX, "commitment": IS_HEX,
}  # fmt: skip
CONTINUES = {"log": is_text, "seq": natural(1), "commitment": IS_HEX}
EXPORT = {
    "format": one_of("exhibit-export/v1"), "export_id": IS_UUID, "case": IS_UUID, "scope": one_of(*SCOPES),
    "seal_stream": IS_UUID, "streams": is_list, "log": is_text, "tree_size": natural(1), "media": is_list,
    "derivatives": is_list,
}  # fmt: skip
EXPORT_MAY_LACK = frozenset({"derivatives"})
"""Only a package with redacted copies in place of originals has it."""
STREAM = {"stream": IS_UUID, "kind": one_of(*KINDS), "entries": natural(1), "head": IS_HEX}
MEDIUM = {"path": is_text, "sha256": IS_HEX, "size": natural(1)}
REDACTED = {**MEDIUM, "input_sha256": IS_HEX}
OPENING = {"name": is_text, "salt": IS_HEX, "value": lambda _: True}
DSSE = {"payload": is_text, "payloadType": one_of("application/vnd.in-toto+json"), "signatures": is_list}
DSSE_SIGNATURE = {"keyid": IS_HEX, "sig": is_text}

# --- 2. Ed25519 (RFC 8032, section 5.1), keys, signed notes (C2SP signed-note, tlog-checkpoint) -----------------------

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
    """Whether it is a signature of the message by the key: [S]B = R + [k]A, all encodings canonical.

    A key of small order, under which one signature could fit every message, has none.
    """
    point = _decode_point(public_key) if len(public_key) == 32 else None
    if point is None or len(signature) != 64 or _encode_point(_multiply(8, point)) == (1).to_bytes(32, "little"):
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % L
    negative = (P - point[0], point[1], point[2], P - point[3])
    return _encode_point(_add(_multiply(s, BASE), _multiply(k, negative))) == signature[:32]


def from_base64(text: str) -> bytes:
    """Base64 in its one canonical spelling: no spare bits, no spaces. Raises Bad."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Bad("not base64") from None
    if base64.b64encode(data).decode("ascii") != text:
        raise Bad("not the canonical spelling of its base64")
    return data


@dataclass(frozen=True)
class Key:
    """A public key under a name; ``kind`` 1: a log's, 4: a witness's."""

    name: str
    public_key: bytes
    kind: int = 1

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key).digest()[:4]


def parse_key(text: str, kind: int = 1) -> Key:
    """``name+hash+base64(kind || key)``. Raises Bad."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not parts[0] or not parts[0].isprintable() or any(char.isspace() for char in parts[0]):
        raise Bad("a key is written NAME+HASH+KEY")
    data = from_base64(parts[2])
    if len(data) != 33 or data[0] != kind:
        raise Bad("not an Ed25519 key of the kind that belongs here")
    key = Key(parts[0], data[1:], kind)
    if key.key_id.hex() != parts[1]:
        raise Bad("the key's hash does not fit its name and bytes: was it copied whole?")
    return key


@dataclass(frozen=True)
class Checkpoint:
    """A signed tree head; ``signatures``: (name, key id and signature) of each line."""

    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[tuple[str, bytes], ...]


def parse_note(note: str) -> Checkpoint:
    """Strict: three lines of text, an empty line, signature lines, each once. No signature is checked. Raises Bad."""
    if any(char < " " and char != "\n" for char in note):
        raise Bad("the note has a control character")
    text, blank, rest = note.rpartition("\n\n")
    lines = rest.split("\n")
    if not blank or lines.pop() or not lines:
        raise Bad("the note is not a text, an empty line and signature lines")
    signatures = []
    for line in lines:
        match = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})", line)
        if match is None:
            raise Bad("the note has a line that is no signature")
        signatures.append((match[1], from_base64(match[2])))
    if len(set(signatures)) != len(signatures):
        raise Bad("a signature line stands twice")
    head = text.split("\n")
    if len(head) != 3 or not head[0] or not NUMBER.fullmatch(head[1]) or int(head[1]) < 1:
        raise Bad("the checkpoint is not three lines: origin, size, root hash")
    root = from_base64(head[2])
    if len(root) != 32:
        raise Bad("the checkpoint's root hash is not of 32 bytes")
    return Checkpoint(head[0], int(head[1]), root, text + "\n", tuple(signatures))


def signed_by(checkpoint: Checkpoint, keys: Sequence[Key]) -> Key:
    """The first of these keys that signed; every line by one of them must verify. Raises Bad when none did."""
    found = []
    for key in keys:
        own = [data for name, data in checkpoint.signatures if name == key.name and data[:4] == key.key_id]
        if len(own) > 1 or (own and not ed25519_verify(key.public_key, checkpoint.text.encode(), own[0][4:])):
            raise Bad(f"the signature by {key.name} does not verify: the checkpoint was changed, or never signed")
        if own and checkpoint.origin == key.name:
            found.append(key)
    if not found:
        raise Bad(
            "not signed with a pinned key, or of another log. If the log's key was replaced, or another log goes on "
            "after a restore: make sure of the other key over a second channel, and give --key once more"
        )
    return found[0]


@dataclass(frozen=True)
class Policy:
    """Whose cosignatures are asked for (C2SP tlog-policy): witnesses by name, groups in their order."""

    logs: tuple[Key, ...]
    witnesses: dict[str, Key]
    groups: tuple[tuple[str, int, tuple[str, ...]], ...]
    quorum: str

    def is_satisfied_by(self, names: set[str]) -> bool:
        witnessed = set(names)
        for group, threshold, members in self.groups:
            if sum(member in witnessed for member in members) >= threshold:
                witnessed.add(group)
        return self.quorum == "none" or self.quorum in witnessed


def parse_policy(data: bytes) -> Policy:
    """Strict. Raises Bad, naming the line."""
    logs: list[Key] = []
    witnesses: dict[str, Key] = {}
    groups: list[tuple[str, int, tuple[str, ...]]] = []
    quorums: list[str] = []
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        items = [item for item in re.split("[ \t]+", line) if item]
        known = witnesses.keys() | {group[0] for group in groups} | {"none"}
        try:
            match items:
                case []:
                    pass
                case [mark, *_] if mark.startswith("#"):
                    pass
                case ["log", key, *url] if len(url) < 2:
                    logs.append(parse_key(key))
                case ["witness", name, key, *url] if len(url) < 2 and name not in known:
                    witnesses[name] = parse_key(key, 4)
                case ["group", name, threshold, *members] if (
                    name not in known and members and known.issuperset(members)
                ):
                    least = {"any": "1", "all": str(len(members))}.get(threshold, threshold)
                    grouped = {member for group in groups for member in group[2]}
                    if not NUMBER.fullmatch(least) or not 1 <= int(least) <= len(set(members)) == len(members):
                        raise Bad("a group is 'any', 'all' or a number of its members, each named once")
                    if grouped & set(members):
                        raise Bad("a group's member already")
                    groups.append((name, int(least), tuple(members)))
                case ["quorum", name] if name in known:
                    quorums.append(name)
                case _:
                    raise Bad("not a line of a policy, or a name that is not defined before")
        except Bad as error:
            raise Bad(f"policy, line {number}: {error}") from None
    public_keys = [key.public_key for key in witnesses.values()]
    if len(quorums) != 1 or len(set(public_keys)) < len(public_keys):
        raise Bad("policy: there is not exactly one 'quorum' line, or two witnesses have one key")
    return Policy(tuple(logs), witnesses, tuple(groups), quorums[0])


def check_witnesses(checkpoint: Checkpoint, policy: Policy) -> list[str]:
    """The policy's witnesses that cosigned (C2SP tlog-cosignature). Raises Bad unless they are its quorum."""
    if policy.logs and checkpoint.origin not in {key.name for key in policy.logs}:
        raise Bad("the policy does not name this log")
    found: list[str] = []
    for signer, data in checkpoint.signatures:
        for name, key in policy.witnesses.items():
            if signer == key.name and data[:4] == key.key_id:
                moment = int.from_bytes(data[4:12], "big")
                message = f"cosignature/v1\ntime {moment}\n{checkpoint.text}".encode()
                if name in found or not ed25519_verify(key.public_key, message, data[12:]):
                    raise Bad(f"the cosignature by {signer} does not verify, or stands here twice")
                found.append(name)
    if not policy.is_satisfied_by(set(found)):
        raise Bad(f"the policy's quorum did not cosign this tree: {len(found)} of {len(policy.witnesses)} did")
    return found


# --- 3. the tree (RFC 6962, section 2.1), proofs (C2SP tlog-proof, tlog-witness) --------------------------------------


def leaf_of(label: str, commitment: str) -> bytes:
    return f"custody-leaf/v1 {label} {commitment}".encode("ascii")


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_by(index: int, size: int, leaf: bytes, hashes: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2). Raises Bad for a wrong length."""
    at, last, current = index, size - 1, leaf
    for sibling in hashes:
        if last == 0:
            raise Bad("the proof has too many hashes")
        if at & 1 or at == last:
            current = node_hash(sibling, current)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise Bad("the proof has too few hashes")
    return current


def require_grown(old: int, old_root: bytes, new: int, new_root: bytes, hashes: Sequence[bytes]) -> None:
    """That the tree of ``new`` leaves begins with that of ``old`` (RFC 9162, section 2.1.4.2). Raises Bad."""
    if not 0 < old <= new:
        raise Bad("the older tree is not the smaller one")
    if old == new:
        if hashes or old_root != new_root:
            raise Bad("trees of one size with different roots")
        return
    proof = list(hashes) if old & (old - 1) else [old_root, *hashes]
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not proof:
        raise Bad("the proof has too few hashes")
    first = second = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            raise Bad("the proof has too many hashes")
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    if last or first != old_root or second != new_root:
        raise Bad("the newer tree does not begin with the older one")


@dataclass
class Tree:
    """A growing tree: the hashes of its complete subtrees, largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, current: bytes) -> None:
        index = self.size
        while index & 1:
            current, index = node_hash(self.peaks.pop(), current), index >> 1
        self.peaks.append(current)
        self.size += 1

    def root(self) -> bytes:
        root = self.peaks[-1]
        for left in reversed(self.peaks[:-1]):
            root = node_hash(left, root)
        return root


def _hashes(lines: Sequence[str]) -> list[bytes]:
    hashes = [from_base64(line) for line in lines]
    if len(hashes) > 63 or any(len(each) != 32 for each in hashes):
        raise Bad("a proof's hashes are not of 32 bytes, or too many")
    return hashes


def parse_proof(data: bytes) -> tuple[int, list[bytes], bytes, str]:
    """Index, hashes, leaf and note of a tlog-proof. Raises Bad."""
    head, blank, note = _text(data).partition("\n\n")
    lines = head.split("\n")
    if not blank or len(lines) < 3 or lines[0] != "c2sp.org/tlog-proof@v1":
        raise Bad("not a tlog-proof")
    extra, index = lines[1].removeprefix("extra "), lines[2].removeprefix("index ")
    if "extra " + extra != lines[1] or "index " + index != lines[2] or not NUMBER.fullmatch(index):
        raise Bad("the proof does not give the leaf and its index")
    return int(index), _hashes(lines[3:]), from_base64(extra), note


def parse_grown(data: bytes) -> tuple[int, list[bytes], str]:
    """Old size, hashes and note of an add-checkpoint body. Raises Bad."""
    head, blank, note = _text(data).partition("\n\n")
    lines = head.split("\n")
    old = lines[0].removeprefix("old ")
    if not blank or "old " + old != lines[0] or not NUMBER.fullmatch(old):
        raise Bad("not the body of an add-checkpoint call")
    return int(old), _hashes(lines[1:]), note


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("not UTF-8") from None


# --- 4. the zip, in its one spelling (APPNOTE 6.3.10, sections 4.3 to 4.5) --------------------------------------------

LIMIT, COUNT_LIMIT = 0xFFFFFFFF, 0xFFFF
PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)+")
"""No segment begins with a dot, none is empty: nothing leads out of the folder."""
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Member:
    """One file: its path below the top folder, and where its bytes are in the zip."""

    path: str
    size: int
    crc32: int
    start: int


def local_header(path: bytes, size: int, crc32: int) -> bytes:
    is_large = size >= LIMIT
    extra = struct.pack("<HHQQ", 1, 16, size, size) if is_large else b""
    shown, version = (LIMIT, 45) if is_large else (size, 10)
    numbers = (0x04034B50, version, 0, 0, 0, 0x21, crc32, shown, shown, len(path), len(extra))
    return struct.pack("<IHHHHHIIIHH", *numbers) + path + extra


def central_header(path: bytes, size: int, crc32: int, at: int) -> bytes:
    numbers64 = [*([size, size] if size >= LIMIT else []), *([at] if at >= LIMIT else [])]
    extra = struct.pack(f"<HH{len(numbers64)}Q", 1, 8 * len(numbers64), *numbers64) if numbers64 else b""
    shown, version = min(size, LIMIT), 45 if numbers64 else 10
    numbers = (0x02014B50, 0x032D, version, 0, 0, 0, 0x21, crc32, shown, shown, len(path), len(extra))
    return struct.pack("<IHHHHHHIIIHHHHHII", *numbers, 0, 0, 0, 0o100644 << 16, min(at, LIMIT)) + path + extra


def end_of_directory(count: int, size: int, at: int) -> bytes:
    large = b""
    if count >= COUNT_LIMIT or size >= LIMIT or at >= LIMIT:
        large = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 0x032D, 45, 0, 0, count, count, size, at)
        large += struct.pack("<IIQI", 0x07064B50, 0, at + size, 1)
    short = min(count, COUNT_LIMIT)
    return large + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, short, short, min(size, LIMIT), min(at, LIMIT), 0)


class Zip:
    """The members of a zip that is written in exactly one way. Raises Bad for any other.

    Every header is written anew from what the directory says and compared: so nothing lies between the members or
    after them, no name stands twice, nothing is compressed, encrypted, a link or a folder, and no bit is spare.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        count, size, at = self._find_directory()
        self.folder = ""
        self.members: dict[str, Member] = {}
        self._read_directory(count, size, at)

    def read(self, member: Member, limit: int = 16 * 1024 * 1024) -> bytes:
        if member.size > limit:
            raise Bad(f"{member.size} bytes, more than this file may have")
        return b"".join(self.chunks(member))

    def chunks(self, member: Member) -> Iterator[bytes]:
        at, end = member.start, member.start + member.size
        while at < end:
            chunk = self._at(at, min(CHUNK_BYTES, end - at))
            at += len(chunk)
            yield chunk

    def lines(self, member: Member, limit: int = 64 * 1024) -> Iterator[bytes]:
        """Lines without their newline, each of which has one. Raises Bad."""
        rest = b""
        for chunk in self.chunks(member):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            if len(rest) > limit:
                raise Bad(f"a line of more than {limit} bytes")
        if rest:
            raise Bad("the last line has no end: cut off here")

    def _at(self, at: int, count: int) -> bytes:
        self._file.seek(at)
        data = self._file.read(count)
        if len(data) != count:
            raise Bad("the zip ends too early: cut off")
        return data

    def _find_directory(self) -> tuple[int, int, int]:
        if self._size < 22:
            raise Bad("not a zip, or cut off: it has no end record")
        end = struct.unpack("<IHHHHIIH", self._at(self._size - 22, 22))
        if end[0] != 0x06054B50:
            raise Bad("not a zip, cut off, or something stands after its end record")
        count, size, at = end[4], end[5], end[6]
        if LIMIT in (size, at) or count == COUNT_LIMIT:
            if self._size < 98:
                raise Bad("the zip's ZIP64 end record is missing")
            large = struct.unpack("<IQHHIIQQQQ", self._at(self._size - 98, 56))
            count, size, at = large[7], large[8], large[9]
        ending = end_of_directory(count, size, at)
        if at + size + len(ending) != self._size or self._at(self._size - len(ending), len(ending)) != ending:
            raise Bad("the zip's end record is not the one that belongs here: cut off, added to or altered")
        return count, size, at

    def _read_directory(self, count: int, size: int, directory_at: int) -> None:
        at, read, previous = 0, directory_at, ""
        for number in range(count):
            fixed = self._at(read, 46) if read + 46 <= directory_at + size else b""
            if fixed[:4] != b"PK\x01\x02":
                raise Bad(f"member {number + 1}: the zip's directory has no line for it")
            crc32, _, member_size, name_length, extra_length = struct.unpack("<IIIHH", fixed[16:32])
            rest = self._at(read + 46, name_length + extra_length)
            path = rest[:name_length].decode("ascii", "replace")
            if member_size == LIMIT and extra_length >= 12:
                (member_size,) = struct.unpack("<Q", rest[name_length + 4 : name_length + 12])
            if not PATH.fullmatch(path):
                raise Bad(f"member {number + 1}: a path that may not be in a package: {path[:100]!r}")
            if path <= previous:
                raise Bad(f"{path}: not in the order of paths, or the name stands twice")
            if fixed + rest != central_header(path.encode(), member_size, crc32, at):
                raise Bad(f"{path}: its line in the zip's directory is not the canonical one")
            header = local_header(path.encode(), member_size, crc32)
            if at + len(header) + member_size > directory_at or self._at(at, len(header)) != header:
                raise Bad(f"{path}: its header is not the canonical one, or does not fit the directory")
            folder, _, inner = path.partition("/")
            if self.folder not in ("", folder):
                raise Bad(f"{path}: outside the package's one folder")
            self.folder, previous = folder, path
            self.members[inner] = Member(inner, member_size, crc32, at + len(header))
            at, read = at + len(header) + member_size, read + len(fixed) + len(rest)
        if at != directory_at or read != directory_at + size or not self.members:
            raise Bad("there is something in the zip that belongs to no member")


# --- the report -------------------------------------------------------------------------------------------------------

CHECKS = {
    "zip": "the file is a zip in its one spelling: nothing hidden, added, cut off, linked or compressed",
    "bag": "every file is there, with the digests that the bag's manifests give, and no other file",
    "signature": "the pinned key signed the tree head: the log's size and root hash",
    "chain": "each stream is whole from its first act on: numbers, predecessors and one-time labels fit",
    "inclusion": "every act, byte for byte, is in the signed tree",
    "leaves": "the leaves give the signed root; no label is used twice; no stream goes on unseen",
    "completeness": "every stream ends at this export's own act, and the scope's streams are all here",
    "media": "every original, or redacted copy, is one that an act of the package names, byte for byte",
    "disclosures": "what is opened is what was sealed when the act was logged, and all that was to be opened is",
    "verdicts": "what is logged as signed with a reviewer's own key was signed with it, in these words",
    "seal": "a later act of the same log names this bag's manifest: table, map, report and media are those sealed",
    "growth": "the tree that was time-stamped is the beginning of this package's",
}
WITNESSES = "the policy's quorum of witnesses cosigned this tree: they were shown the same one"
UNPINNED = "the key that the package itself carries signed the tree head: whoever made the package chose that key"
NOT_PROVEN = (
    "that what was stated is true: this is custody since intake, not truth",
    "anything that was not logged, and anything logged after this package",
    "that the log shows everybody the same tree: compare the checkpoint with another party's, or use --policy",
    "time stamps (data/anchors): openssl ts -verify -data checkpoint -in NAME.tsr -CAfile ROOTS-YOU-TRUST",
)
FINDINGS_KEPT = 100


@dataclass
class Report:
    """What was checked, and what was found: (check, file, reason). ``facts`` mean something only when ``ok``."""

    pinned: bool
    asks_witnesses: bool = False
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    findings_count: int = 0
    failed_checks: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.findings_count

    def add(self, check: str, file: str, reason: str) -> None:
        self.findings_count += 1
        self.failed_checks.add(check)  # Also of findings that are not kept.
        if len(self.findings) < FINDINGS_KEPT:
            self.findings.append((check, file, reason))

    def skip(self, check: str, reason: str) -> None:
        self.skipped.setdefault(check, reason)

    def failed(self) -> set[str]:
        return self.failed_checks

    def checks(self) -> dict[str, str]:
        own = {**CHECKS, "witnesses": WITNESSES} if self.asks_witnesses else dict(CHECKS)
        return own if self.pinned else {**own, "signature": UNPINNED}

    def result_of(self, check: str) -> str:
        """``passed``: it ran and found nothing; ``proven``: so did all others, under a key of the reader's own."""
        if check in self.failed():
            return "FAILED"
        return "not checked" if check in self.skipped else "proven" if self.ok and self.pinned else "passed"

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "pinned": self.pinned,
            "export": self.facts,
            "checks": [
                {"check": check, "result": self.result_of(check), "what": what, "note": self.skipped.get(check)}
                for check, what in self.checks().items()
            ],
            "notes": self.notes,
            "findings_count": self.findings_count,
            "findings": [{"check": check, "file": file, "reason": reason} for check, file, reason in self.findings],
            "not_proven": list(NOT_PROVEN),
        }


# --- 5. the bag (RFC 8493) --------------------------------------------------------------------------------------------

SEAL_FILES = ("seal/consistency", "seal/entry.json", "seal/proof.tlog-proof")
MANIFESTS = {"sha256": "manifest-sha256.txt", "sha512": "manifest-sha512.txt"}
TAG_FILES = ("bag-info.txt", "bagit.txt", *MANIFESTS.values(), *SEAL_FILES)
TAG_MANIFESTS = {"sha256": "tagmanifest-sha256.txt", "sha512": "tagmanifest-sha512.txt"}
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
BAG_INFO = re.compile(
    rb"External-Identifier: urn:uuid:([0-9a-f-]{36})\nBagging-Date: ([0-9]{4}-[0-9]{2}-[0-9]{2})\n"
    rb"Payload-Oxum: ([0-9]{1,19}\.[0-9]{1,19})\n"
    rb"BagIt-Profile-Identifier: urn:exhibit:bagit-profile:export:v1\n"
)
REQUIRED = (
    "data/README.txt", "data/custody.csv", "data/export.json", "data/ledger/checkpoint", "data/ledger/media.json",
    "data/ledger/streams.json", "data/trust/log.vkey", "data/trust/policy", "data/verify/verify.py",
)  # fmt: skip
_ID = r"[0-9a-f-]{36}"
_BELOW_DATA = (
    r"(README\.txt|custody\.csv|export\.json|incidents\.geojson)",
    r"ledger/(checkpoint|disclosures\.jsonl|leaves\.txt|media\.json|streams\.json)",
    rf"ledger/streams/{_ID}\.jsonl|ledger/proofs/{_ID}/[0-9]{{6,}}\.tlog-proof",
    r"ledger/checkpoints/[0-9]+|ledger/consistency/[0-9]+-[0-9]+",
    r"anchors/[0-9]+/(checkpoint|[a-z0-9-]+\.ts[qr])|media/[0-9a-f]{64}\.[a-z0-9]{1,8}",
    r"derivatives/[0-9a-f]{64}\.[a-z0-9]{1,8}",
    rf"verdicts/{_ID}\.dsse\.json|trust/(log\.vkey|policy|reviewers\.json|tsa-roots\.pem)",
    r"verify/verify\.(py|html)|case/custody\.jsonld|report/report\.(html|pdf)",
)
ALLOWED = re.compile("data/({})".format("|".join(_BELOW_DATA)))


@dataclass(frozen=True)
class Span:
    """A stream as ``export.json`` has it."""

    stream: str
    kind: str
    entries: int
    head: str


@dataclass(frozen=True)
class Entry:
    """What is kept of an act for later checks."""

    place: int
    """Its number among all acts of the package, in the order of the streams."""
    stream: str
    seq: int
    commitment: str
    value: dict[str, Any]
    index: int


class Package:
    """One reading of one package. Each step notes what it finds and goes on as far as that makes sense."""

    def __init__(self, archive: Zip, report: Report, keys: Sequence[Key], policy: Policy | None, *, lax: bool) -> None:
        self.zip, self.report, self.keys, self.policy, self.lax = archive, report, list(keys), policy, lax
        self.digests: dict[str, dict[str, str]] = {}
        self.export: dict[str, Any] = {}
        self.spans: list[Span] = []
        self.note = ""
        self.checkpoint: Checkpoint | None = None
        self.own: dict[str, Entry] = {}
        """Stream → this export's own act in it, its last one."""
        self.counted = 0
        self.leaf_at: dict[int, bytes] = {}
        """Index → leaf hash of every act whose proof held."""
        self.following: dict[str, str] = {}
        """The label after each stream's last act → that stream."""
        self.registered: dict[str, str] = {}
        self.linked: set[str] = set()
        self.continued: dict[str, dict[str, Any]] = {}
        self.hashes_named: set[str] = set()
        """SHA-256 of originals, as acts of items name them."""
        self.redactions_named: set[tuple[str, str]] = set()
        """(copy, original): SHA-256 of redacted copies and of what they were made from, as acts of items name them."""
        self.sealed: dict[str, tuple[int, str, str, str, int]] = {}
        """Digest → (order, field, commitment, stream, seq)."""
        self.withheld: list[tuple[str, str, int]] = []
        self.erased: dict[tuple[str, str], int] = {}
        """(commitment, field, "" for a body) → the seq of the act of the same stream that erased it."""
        self.opened: dict[tuple[str, str], Any] = {}
        """(commitment, field) → value."""
        self.signed_acts: list[tuple[Entry, str]] = []
        self.bindings: dict[str, Entry] = {}
        self.revoked: dict[str, int] = {}
        self.findings: dict[str, dict[str, str]] = {}
        self.partial: set[str] = set()
        """Streams of which some body is erased, or which began in an earlier log."""

    def verify(self) -> None:
        steps: tuple[tuple[str, str, Callable[[], None]], ...] = (
            ("bag", "", self.check_bag),
            ("bag", "data/export.json", self.read_export),
            ("signature", "data/ledger/checkpoint", self.check_signature),
            ("chain", "data/ledger/streams", self.check_streams),
            ("leaves", "data/ledger/leaves.txt", self.check_leaves),
            ("completeness", "data/export.json", self.check_completeness),
            ("media", "data/ledger/media.json", self.check_media),
            ("disclosures", "data/ledger/disclosures.jsonl", self.check_disclosures),
            ("verdicts", "data/verdicts", self.check_verdicts),
            ("seal", "seal/entry.json", self.check_seal),
            ("growth", "data/ledger/consistency", self.check_growth),
        )
        for check, file, step in steps:
            try:
                step()
            except Bad as error:
                self.report.add(check, file, str(error))
            except Exception as error:  # noqa: BLE001 - whatever a forger thought of: refused, and never a crash
                self.report.add(check, file, f"not as the format says ({type(error).__name__})")
            if "zip" in self.report.failed() and not self.export:
                break  # Damaged, not altered: what its files say would only name the damage again.
            if step == self.read_export and not self.export:
                break
        self._settle_unchecked()

    def member(self, path: str) -> Member:
        found = self.zip.members.get(path)
        if found is None:
            raise Bad("the file is missing")
        return found

    def read(self, path: str, limit: int = 16 * 1024 * 1024) -> bytes:
        return self.zip.read(self.member(path), limit)

    # The bag.

    def check_bag(self) -> None:
        self._hash_all()
        add, members = self.report.add, self.zip.members
        for path in (*TAG_FILES, *TAG_MANIFESTS.values(), *REQUIRED):
            if path not in members:
                add("bag", path, "the file is missing")
        known = {*TAG_FILES, *TAG_MANIFESTS.values()}
        for path in members:
            if path not in known and not ALLOWED.fullmatch(path):
                add("bag", path, "no file that a package has")
        payload = [path for path in members if path.startswith("data/")]
        for algorithm in ("sha256", "sha512"):
            self._compare(MANIFESTS[algorithm], payload, algorithm)
            self._compare(TAG_MANIFESTS[algorithm], [path for path in members if path in TAG_FILES], algorithm)
        if "bagit.txt" in members and self.read("bagit.txt") != DECLARATION:
            add("bag", "bagit.txt", "not the declaration of a BagIt 1.0 bag")
        info = BAG_INFO.fullmatch(self.read("bag-info.txt")) if "bag-info.txt" in members else None
        oxum = f"{sum(members[path].size for path in payload)}.{len(payload)}"
        if "bag-info.txt" in members and (info is None or info[3].decode() != oxum):
            add("bag", "bag-info.txt", "not the four lines that belong there, or they count another payload")

    def _hash_all(self) -> None:
        for path, member in self.zip.members.items():
            sha256, sha512, crc32 = hashlib.sha256(), hashlib.sha512(), 0
            for chunk in self.zip.chunks(member):
                sha256.update(chunk)
                sha512.update(chunk)
                crc32 = zlib.crc32(chunk, crc32)
            self.digests[path] = {"sha256": sha256.hexdigest(), "sha512": sha512.hexdigest()}
            if crc32 != member.crc32:
                self.report.add("zip", path, "its CRC-32 is another one: the bytes were damaged or altered")

    def _compare(self, manifest: str, paths: Iterable[str], algorithm: str) -> None:
        """The manifest is written anew from the files and compared, line by line where it differs."""
        if manifest not in self.zip.members:
            return
        written = [f"{self.digests[path][algorithm]}  {path}" for path in sorted(paths)]
        limit = 256 * (len(written) + 1000)
        given = self.read(manifest, limit)
        if given == "".join(f"{line}\n" for line in written).encode():
            return
        lines = given.decode("utf-8", "replace").split("\n")
        for line in sorted(set(written) ^ set(lines[:-1]))[:FINDINGS_KEPT]:
            path = line[66:] if algorithm == "sha256" else line[130:]
            self.report.add("bag", path, f"its digest is not the one in {manifest}, or one of them is missing there")
        if set(written) == set(lines[:-1]):
            self.report.add("bag", manifest, "lines are out of order, stand twice, or the last one has no end")

    def read_export(self) -> None:
        export = parse_canonical(self.read("data/export.json", 256 * 1024 * 1024))
        require_shape(export, EXPORT, "export.json", EXPORT_MAY_LACK)
        for each in export["streams"]:
            require_shape(each, STREAM, "a stream of export.json")
        for each in export["media"]:
            require_shape(each, MEDIUM, "a medium of export.json")
        for each in export.get("derivatives", ()):
            require_shape(each, REDACTED, "a redacted copy of export.json")
        streams = [each["stream"] for each in export["streams"]]
        if not streams or streams != sorted(set(streams)):
            raise Bad("the streams are not in order, or one stands twice, or there is none")
        self.export = export
        self.spans = [Span(**each) for each in export["streams"]]
        names = ("export_id", "case", "scope", "log", "tree_size")
        self.report.facts.update({name: export[name] for name in names})
        self.report.facts.update(
            streams=len(streams), entries=sum(each.entries for each in self.spans), media=len(export["media"])
        )
        if "derivatives" in export:
            self.report.facts["redacted"] = len(export["derivatives"])
        info = BAG_INFO.fullmatch(self.read("bag-info.txt"))
        if info is not None and info[1].decode() != export["export_id"]:
            self.report.add("bag", "bag-info.txt", "External-Identifier is not the export's id")

    # The tree head.

    def check_signature(self) -> None:
        self.note = _text(self.read("data/ledger/checkpoint", 1024 * 1024))
        checkpoint = parse_note(self.note)
        copy = parse_key(_text(self.read("data/trust/log.vkey", 10_000)))
        if not self.keys:
            self.keys = [copy]
        elif copy not in self.keys:
            other = signed_by(checkpoint, [copy])  # Raises: the copy is allowed to be the key that signed beside.
            self.report.notes.append(f"the package's copy of the key is another one that signed, too: {other.name}")
        signed_by(checkpoint, self.keys)
        self.checkpoint = checkpoint
        if (checkpoint.origin, checkpoint.size) != (self.export["log"], self.export["tree_size"]):
            raise Bad("export.json names another log or size than the signed tree head")
        if self.policy is not None:
            try:
                self.report.facts["cosigned"] = check_witnesses(checkpoint, self.policy)
            except Bad as error:
                self.report.add("witnesses", "data/ledger/checkpoint", str(error))

    # --- 6. streams: chain and inclusion ------------------------------------------------------------------------------

    def check_streams(self) -> None:
        here = {path for path in self.zip.members if path.startswith(("data/ledger/streams/", "data/ledger/proofs/"))}
        for span in self.spans:
            path = f"data/ledger/streams/{span.stream}.jsonl"
            here.discard(path)
            try:
                here -= self._check_stream(span, path)
            except Bad as error:
                self.report.add("chain", path, str(error))
        for path in sorted(here):
            self.report.add("chain", path, "a file of a stream or an act that export.json does not announce")

    def _check_stream(self, span: Span, path: str) -> set[str]:
        """One stream from its first act to this export's own; the proofs that it used. Raises Bad."""
        first = hashlib.sha256(f"custody-stream/v1 {span.stream}".encode()).hexdigest()
        link, seq, commitment = ("", first), 0, ""
        proofs = set()
        for line in self.zip.lines(self.member(path)):
            seq += 1
            if seq > span.entries:
                raise Bad(f"act {seq}: more acts than export.json announces")
            try:
                value = parse_canonical(line)
                is_withheld = isinstance(value, dict) and "withheld" in value
                commitment = self._take_withheld(span, value, seq) if is_withheld else hashlib.sha256(line).hexdigest()
                if not is_withheld:
                    self._require_entry(span, value, line)
                if value["seq"] != seq or value["label"] != link[1] or (not is_withheld and value["prev"] != link[0]):
                    raise Bad("does not follow the act before it: number, predecessor or label is another")
            except Bad as error:
                raise Bad(f"act {seq}: {error}") from None
            link = (commitment, value["next"])
            proof = f"data/ledger/proofs/{span.stream}/{seq:06d}.tlog-proof"
            proofs.add(proof)
            index = self._check_proof(proof, value["label"], commitment)
            if not is_withheld:
                self._note_entry(span, Entry(self.counted, span.stream, seq, commitment, value, index))
            self.counted += 1
        if (seq, commitment) != (span.entries, span.head):
            raise Bad(f"{seq} acts, or another last one, than export.json announces: cut off")
        self.following[link[1]] = span.stream
        return proofs

    def _require_entry(self, span: Span, value: Any, line: bytes) -> None:
        if len(line) > 60_000:
            raise Bad("more than 60000 bytes")
        require_shape(value, ENTRY, "the act")
        require_shape(value["actor"], ACTOR, "its actor")
        require_shape(value["object"], ACTED_ON, "its object", ACTED_ON_MAY_LACK)
        if not all(IS_HEX(digest) for digest in value["sealed"].values()):
            raise Bad("a sealed field is not a SHA-256")
        if value["stream"] != span.stream or value["log"] != self.export["log"]:
            raise Bad("an act of another stream or log")
        family = value["type"].partition(".")[0]
        is_registration = value["type"] in ("evidence.registered", "incident.registered")
        kind = "case" if is_registration else value["object"]["kind"] if family == "entry" else family
        if kind not in (span.kind, "export"):
            raise Bad(f"no act that a stream of the kind '{span.kind}' has, as export.json calls it")

    def _take_withheld(self, span: Span, value: Any, seq: int) -> str:
        """Of an act whose body was erased its place alone. That something erased it is looked for later."""
        require_shape(value, WITHHELD, "the withheld act")
        self.withheld.append((span.stream, value["commitment"], seq))
        self.partial.add(span.stream)
        return str(value["commitment"])

    def _check_proof(self, path: str, label: str, commitment: str) -> int:
        """The act's place in the signed tree; -1 when its proof does not hold."""
        leaf = leaf_of(label, commitment)
        try:
            index, hashes, extra, note = parse_proof(self.read(path, 1024 * 1024))
            if note != self.note or extra != leaf:
                raise Bad("a proof of another act, or in another tree")
            if self.checkpoint is None or index >= self.checkpoint.size:
                raise Bad("its place is beyond the signed tree")
            if root_by(index, self.checkpoint.size, leaf_hash(leaf), hashes) != self.checkpoint.root:
                raise Bad("act and proof do not lead to the signed root: one of them is not the logged one")
            if index in self.leaf_at:
                raise Bad("another act has this place in the tree")
        except Bad as error:
            self.report.add("inclusion", path, str(error))
            return -1
        self.leaf_at[index] = leaf_hash(leaf)
        return index

    def _note_entry(self, span: Span, entry: Entry) -> None:
        """Keep what later checks need of one act."""
        value, data, kind = entry.value, entry.value["data"], entry.value["type"]
        is_own = kind == "export.created" and value["object"].get("id") == self.export["export_id"]
        if is_own != (entry.seq == span.entries):
            raise Bad(f"act {entry.seq}: a stream ends at this export's own act, and there alone")
        if is_own:
            self.own[span.stream] = entry
        for name, digest in sorted(value["sealed"].items()):
            self.sealed[digest] = (len(self.sealed), name, entry.commitment, span.stream, entry.seq)
        if "continues" in data:
            require_shape(data["continues"], CONTINUES, "continues")
            if entry.seq != 1:
                raise Bad(f"act {entry.seq}: only a stream's first act continues another log")
            self.continued[span.stream] = data["continues"]
            self.partial.add(span.stream)
        if kind in ("evidence.registered", "incident.registered"):
            self.registered[value["object"]["id"]] = kind.partition(".")[0]
        elif kind == "incident.evidence_linked":
            self.linked.add(data["evidence"])
        elif kind == "entry.erased":
            self.erased.setdefault((data["commitment"], ""), entry.seq)
        elif kind in ("evidence.erased", "incident.erased", "case.erased"):
            self.erased.setdefault((data["commitment"], data["field"]), entry.seq)
        elif span.kind == "evidence" and kind != "evidence.derived" and "sha256" in value["object"]:
            self.hashes_named.add(value["object"]["sha256"])
        elif span.kind == "evidence" and kind == "evidence.derived" and data.get("kind") == "redacted":
            self.redactions_named.add((value["object"]["sha256"], data["input_sha256"]))
        self._note_signing(entry)

    def _note_signing(self, entry: Entry) -> None:
        data, kind = entry.value["data"], entry.value["type"]
        if kind == "evidence.finding_recorded":
            self.findings.setdefault(entry.stream, {})[str(data.get("dimension"))] = entry.commitment
        elif kind == "evidence.submitted" and "dsse_sha256" in data:
            newest = sorted(self.findings.get(entry.stream, {}).values())
            self.signed_acts.append(
                (entry, hashlib.sha256("".join(f"{each}\n" for each in newest).encode()).hexdigest())
            )
        elif kind == "case.reviewer_key_bound":
            self.bindings[entry.commitment] = entry
        elif kind == "case.reviewer_key_revoked":
            self.revoked.setdefault(str(data.get("keyid")), entry.index)

    # --- 7. leaves, completeness, media, disclosures ------------------------------------------------------------------

    def check_leaves(self) -> None:
        assert self.checkpoint is not None or self.report.failed()
        path = "data/ledger/leaves.txt"
        if self.checkpoint is None:
            return
        if path not in self.zip.members:
            self.report.skip("leaves", "the package carries no leaves: compare with the log's published tiles")
            if self.checkpoint.size <= 200_000 and not self.lax:
                raise Bad("no leaves, in a log of at most 200000: left out? (--leaves-optional accepts it)")
            return
        line_form = re.compile(rb"custody-leaf/v1 ([0-9a-f]{64}) [0-9a-f]{64}")
        tree, labels = Tree(), set[bytes]()
        for line in self.zip.lines(self.member(path)):
            match = line_form.fullmatch(line)
            if match is None:
                raise Bad(f"line {tree.size + 1}: not a leaf")
            if match[1] in labels:
                raise Bad(f"line {tree.size + 1}: this label is used a second time: a stream was forked")
            cut = self.following.get(match[1].decode())
            if cut is not None:
                raise Bad(f"line {tree.size + 1}: stream {cut} goes on in the log after its last act here: cut off")
            labels.add(match[1])
            current = leaf_hash(line)
            if self.leaf_at.get(tree.size, current) != current:
                raise Bad(f"line {tree.size + 1}: not the leaf of the act that is proven to stand here")
            tree.append(current)
        if tree.size != self.checkpoint.size or tree.root() != self.checkpoint.root:
            raise Bad(f"{tree.size} leaves; they do not give the signed root of {self.checkpoint.size}")

    def check_completeness(self) -> None:
        if len(self.own) < len(self.spans):
            raise Bad("not every stream ends at this export's own act")
        self._check_own_acts()
        kinds = {span.stream: span.kind for span in self.spans}
        scope, case = self.export["scope"], self.export["case"]
        if self.export["seal_stream"] != case:
            raise Bad("the seal's stream is not the case's")
        others = {stream: kind for stream, kind in kinds.items() if kind != "case"}
        if scope == "case":
            wanted = {case: "case", **self.registered}
            wanted |= {stream: kinds[stream] for stream in self.continued if case in self.continued and stream in kinds}
        elif scope == "incident":
            incidents = [stream for stream, kind in kinds.items() if kind == "incident"]
            if len(incidents) != 1:
                raise Bad("a package of one incident has exactly one incident's stream")
            wanted = {incidents[0]: "incident", **dict.fromkeys(self.linked, "evidence")}
        elif scope == "evidence":
            wanted = others if list(others.values()) == ["evidence"] else {}
        else:
            wanted = others
        for stream in sorted(wanted.keys() | kinds.keys()):
            if wanted.get(stream) != kinds.get(stream):
                what = "is here without belonging to" if stream not in wanted else "is missing, or of another kind, in"
                self.report.add(
                    "completeness", f"data/ledger/streams/{stream}.jsonl", f"the stream {what} this {scope}"
                )
        if self.continued:
            logs = sorted({str(each["log"]) for each in self.continued.values()})
            self.report.skip(
                "completeness", f"{len(self.continued)} streams begin in an earlier log ({', '.join(logs)}): not here"
            )

    def _check_own_acts(self) -> None:
        """What this export's own acts say of the streams and media is what the package shows."""
        shown = [
            {
                "stream": span.stream,
                "kind": span.kind,
                "entries": span.entries - 1,
                "head": self.own[span.stream].value["prev"],
            }
            for span in self.spans
        ]
        lists = {
            "streams": canonical(shown),
            "media": canonical(sorted(each["sha256"] for each in self.export["media"])),
        }
        for name, content in lists.items():
            if self.read(f"data/ledger/{name}.json", 256 * 1024 * 1024) != content:
                self.report.add("completeness", f"data/ledger/{name}.json", "not what the package holds")
        names = ("scope", "format", "disclosed", "fields", "audience", "purpose")
        common = {canonical([entry.value["data"].get(name) for name in names]) for entry in self.own.values()}
        times = {entry.value["time"] for entry in self.own.values()}
        if len(common) != 1 or len(times) != 1:
            raise Bad("this export's own acts do not agree with each other")
        moment = times.pop()
        self.report.facts["time"] = moment
        stamp = moment[:19].replace("-", "").replace(":", "")
        if self.zip.folder != f"custody-{self.export['scope']}-{self.export['export_id'][:8]}-{stamp}Z":
            self.report.add("zip", self.zip.folder, "not the folder's name that belongs to this export")
        info = BAG_INFO.fullmatch(self.read("bag-info.txt"))
        if info is not None and info[2].decode() != moment[:10]:
            self.report.add("bag", "bag-info.txt", "Bagging-Date is not the day of this export's own acts")
        for span in self.spans:
            own = self.own[span.stream].value
            said: dict[str, Any] = {"scope": self.export["scope"], "format": "bag"}
            if span.kind == "case":
                said |= {"streams_count": len(self.spans), "media_count": len(self.export["media"])}
                said |= {f"{name}_sha256": hashlib.sha256(content).hexdigest() for name, content in lists.items()}
                copies = self.export.get("derivatives")
                listed = None if copies is None else canonical([each["sha256"] for each in copies])
                said["derivatives_count"] = None if copies is None else len(copies)
                said["derivatives_sha256"] = None if listed is None else hashlib.sha256(listed).hexdigest()
                is_own_case = span.stream == self.export["case"]
            else:
                said |= {"entries": span.entries - 1, "head": own["prev"]}
                said["derivatives"] = True if "derivatives" in self.export else None
                is_own_case = True
            wrong = [name for name, value in said.items() if own["data"].get(name) != value]
            if wrong or not is_own_case or own["object"]["kind"] != "export":
                path = f"data/ledger/streams/{span.stream}.jsonl"
                self.report.add("completeness", path, f"this export's own act says otherwise: {', '.join(wrong)}")

    def check_media(self) -> None:
        files = {path for path in self.zip.members if path.startswith("data/media/")}
        listed = [each["path"] for each in self.export["media"]]
        if listed != sorted(set(listed)):
            self.report.add("media", "data/export.json", "media are not in order, or one stands twice")
        for path in sorted(files ^ set(listed)):
            self.report.add("media", path, "an original that export.json does not list, or lists and is not here")
        for each in self.export["media"]:
            path, sha256 = each["path"], each["sha256"]
            if path not in files:
                continue
            if self.digests[path]["sha256"] != sha256 or not path.startswith(f"data/media/{sha256}."):
                self.report.add("media", path, "not the bytes that its name and export.json say")
            elif each["size"] != self.zip.members[path].size:
                self.report.add("media", path, "export.json gives another size")
            elif sha256 not in self.hashes_named:
                self.report.add("media", path, "no act of an item in this package names these bytes")
        missing = len(self.hashes_named - {each["sha256"] for each in self.export["media"]})
        if missing:
            self.report.notes.append(f"{missing} originals are named by acts and are not in this package")
        self._check_redacted()
        if not listed and not self.export.get("derivatives"):
            self.report.skip("media", "the package was made without originals, or its items have none")

    def _check_redacted(self) -> None:
        """Copies that cover a part of the picture: each is named by the act that made it, of an original that an act
        names, too. That the right part is covered no check shows."""
        copies = self.export.get("derivatives", [])
        files = {path for path in self.zip.members if path.startswith("data/derivatives/")}
        listed = [each["path"] for each in copies]
        if listed != sorted(set(listed)):
            self.report.add("media", "data/export.json", "redacted copies are not in order, or one stands twice")
        if copies and self.export["media"]:
            self.report.add("media", "data/export.json", "redacted copies go in place of originals, not beside them")
        for path in sorted(files ^ set(listed)):
            self.report.add("media", path, "a redacted copy that export.json does not list, or lists and is not here")
        for each in copies:
            path, sha256, original = each["path"], each["sha256"], each["input_sha256"]
            if path not in files:
                continue
            if self.digests[path]["sha256"] != sha256 or not path.startswith(f"data/derivatives/{sha256}."):
                self.report.add("media", path, "not the bytes that its name and export.json say")
            elif each["size"] != self.zip.members[path].size:
                self.report.add("media", path, "export.json gives another size")
            elif (sha256, original) not in self.redactions_named or original not in self.hashes_named:
                self.report.add("media", path, "no act of an item in this package made these bytes of that original")
        if copies:
            self.report.notes.append(f"{len(copies)} redacted copies go in place of originals: parts are covered")

    def _opens(self) -> tuple[bool, set[str] | None]:
        """Whether the export opens fields, and which: None, all of them."""
        if not self.own:
            raise Bad("no act of this export is here that says what it opens")
        data = next(iter(self.own.values())).value["data"]
        fields = data.get("fields")
        return data.get("disclosed") is True, None if fields is None else set(fields)

    def check_disclosures(self) -> None:
        path = "data/ledger/disclosures.jsonl"
        is_open, names = self._opens()
        if is_open != (path in self.zip.members):
            raise Bad(
                "what opens sealed fields is missing, or here though this export's own act says that it opens none"
            )
        if not is_open:
            self.report.skip("disclosures", "the export was made without them: sealed fields stay closed")
        due = {
            digest
            for digest, (_, name, commitment, _, _) in self.sealed.items()
            if is_open and (names is None or name in names) and (commitment, name) not in self.erased
        }
        previous = -1
        for number, line in enumerate(self.zip.lines(self.member(path)) if is_open else (), start=1):
            opening = parse_canonical(line)
            require_shape(opening, OPENING, f"line {number}")
            digest = hashlib.sha256(line).hexdigest()
            if digest not in self.sealed or opening["name"] != self.sealed[digest][1]:
                raise Bad(f"line {number}: not what was sealed as '{opening['name'][:40]}' when an act was logged")
            order, name, commitment, _, _ = self.sealed[digest]
            if order <= previous or (names is not None and name not in names):
                raise Bad(f"line {number}: out of place, twice, or of a field that this export does not open")
            previous = order
            due.discard(digest)
            self.opened[commitment, name] = opening["value"]
        for digest in sorted(due)[:FINDINGS_KEPT]:
            _, name, _, stream, seq = self.sealed[digest]
            self.report.add(
                "disclosures", path, f"'{name}' of stream {stream}, act {seq}, is not opened and was not erased"
            )
        self._check_withheld()

    def _check_withheld(self) -> None:
        """What is not shown was erased by a later act of the same stream."""
        for stream, commitment, seq in self.withheld:
            if self.erased.get((commitment, ""), 0) <= seq:
                path = f"data/ledger/streams/{stream}.jsonl"
                self.report.add("chain", path, f"act {seq}: withheld as erased, and no later act erased it")
        if self.withheld:
            self.report.notes.append(f"{len(self.withheld)} acts were erased: what they said is not shown")

    # Reviewers' own signatures: DSSE, in-toto statement v1.

    def check_verdicts(self) -> None:
        is_open, names = self._opens()
        files = {path for path in self.zip.members if path.startswith("data/verdicts/")}
        if not is_open or (names is not None and "rationale" not in names):
            for path in sorted(files):
                self.report.add("verdicts", path, "reviewers' words, though this export does not open them")
            self.report.skip("verdicts", "the export was made without reviewers' words")
            return
        if not self.signed_acts:
            self.report.skip("verdicts", "no act of this package is logged as signed with a reviewer's own key")
        for entry, findings in self.signed_acts:
            path = f"data/verdicts/{entry.value['data'].get('verdict_id')}.dsse.json"
            is_here = path in files
            files.discard(path)
            try:
                if is_here:
                    self._check_envelope(entry, findings, self.read(path))
                elif (entry.commitment, "rationale") not in self.erased:
                    raise Bad("the signed envelope is missing, and its words were not erased")
            except Bad as error:
                self.report.add("verdicts", path, str(error))
        for path in sorted(files):
            self.report.add("verdicts", path, "an envelope that no act names")

    def _check_envelope(self, entry: Entry, findings: str, content: bytes) -> None:
        """Raises Bad unless it is the logged one, its signature the key's, its words the act's, its key bound."""
        act, data = entry.value, entry.value["data"]
        if hashlib.sha256(content).hexdigest() != data["dsse_sha256"]:
            raise Bad("not the envelope that was logged")
        envelope = parse_canonical(content)
        require_shape(envelope, DSSE, "the envelope")
        if len(envelope["signatures"]) != 1:
            raise Bad("an envelope has one signature here")
        require_shape(envelope["signatures"][0], DSSE_SIGNATURE, "the signature")
        public_key = bytes.fromhex(data["public_key"])
        keyid = hashlib.sha256(bytes.fromhex("302a300506032b6570032100") + public_key).hexdigest()
        if not keyid == data["keyid"] == envelope["signatures"][0]["keyid"]:
            raise Bad("the keyid is not that of the key that the act names")
        payload, kind = from_base64(envelope["payload"]), envelope["payloadType"].encode()
        message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
        if not ed25519_verify(public_key, message, from_base64(envelope["signatures"][0]["sig"])):
            raise Bad("the reviewer's signature does not verify")
        statement = parse_canonical(payload)
        stated = statement["predicate"]
        own = {"case": IS_UUID, "rationale": is_text, "findings_sha256": IS_HEX, "time": IS_TIME}
        if not all(name in stated and check(stated[name]) for name, check in own.items()):
            raise Bad("the signed statement is not one of a verdict")
        if self.opened.get((entry.commitment, "rationale"), stated["rationale"]) != stated["rationale"]:
            raise Bad("the signed rationale is not the one that was sealed")
        if stated["case"] != self.export["case"]:
            raise Bad("the signed statement is of another case")
        if entry.stream not in self.partial and stated["findings_sha256"] != findings:
            raise Bad("the signed verdict rests on other findings than those that were logged before it")
        expected = {
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
            },
        }
        if statement != expected:
            raise Bad("the signed statement is not what the act says")
        self._check_binding(entry)

    def _check_binding(self, entry: Entry) -> None:
        """In a package with the case's stream: that another person bound the key to its holder before. Raises Bad."""
        data = entry.value["data"]
        binding = self.bindings.get(data["key_bound"])
        if self.export["scope"] != "case" or (binding is None and self.export["case"] in self.partial):
            self.report.notes.append(f"verdict {data.get('verdict_id')}: its key's binding is not in this package")
            return
        if binding is None:
            raise Bad("the act that is said to have bound its key is not in the case's stream")
        bound, revoked = binding.value["data"], self.revoked.get(data["keyid"], sys.maxsize)
        if any(bound.get(name) != data[name] for name in ("keyid", "alg", "public_key")):
            raise Bad("the act that is said to have bound its key binds another key")
        if (
            bound.get("account") != entry.value["actor"]["id"]
            or binding.value["actor"]["id"] == entry.value["actor"]["id"]
        ):
            raise Bad("its key was bound to another person, or by its own holder")
        if not binding.index < entry.index < revoked:
            raise Bad("its key was not bound yet, or revoked already, when the verdict was logged")

    # --- 8. the seal, and growth --------------------------------------------------------------------------------------

    def check_seal(self) -> None:
        assert self.export
        body = self.read("seal/entry.json")
        value = parse_canonical(body)
        require_shape(value, ENTRY, "the seal")
        require_shape(value["actor"], ACTOR, "the seal's actor")
        if value["type"] != "export.sealed" or value["log"] != self.export["log"]:
            raise Bad("not the act of a seal, or of another log")
        if value["stream"] != self.export["seal_stream"]:
            raise Bad("not in the stream that export.json names")
        if value["object"] != {"kind": "export", "id": self.export["export_id"]}:
            raise Bad("the seal of another export")
        sealed = {
            "manifest_sha256": self.digests["manifest-sha256.txt"]["sha256"],
            "bag_info_sha256": self.digests["bag-info.txt"]["sha256"],
            "tree_size": self.export["tree_size"],
        }
        for name, shown in sealed.items():
            if value["data"].get(name) != shown:
                raise Bad(f"'{name}' is not that of this bag: it was changed after it was sealed")
        own = self.own.get(value["stream"])
        if own is not None:
            is_next = value["seq"] == own.seq + 1
            link = (value["prev"], value["label"]) == (own.commitment, own.value["next"])
            if value["seq"] <= own.seq or is_next != link:
                raise Bad("the seal does not come after this export's own act in the case's stream")
        self._check_seal_proof(body, value)

    def _check_seal_proof(self, body: bytes, value: dict[str, Any]) -> None:
        if self.checkpoint is None:
            raise Bad("there is no signed tree to compare the seal's with")
        leaf = leaf_of(value["label"], hashlib.sha256(body).hexdigest())
        index, hashes, extra, note = parse_proof(self.read("seal/proof.tlog-proof"))
        later = parse_note(note)
        signed_by(later, self.keys)
        if extra != leaf or not self.checkpoint.size <= index < later.size:
            raise Bad("the proof is of another act, or of one that came before the package's tree")
        if root_by(index, later.size, leaf_hash(leaf), hashes) != later.root:
            raise Bad("seal and proof do not lead to the signed root")
        old, hashes, grown_note = parse_grown(self.read("seal/consistency"))
        if old != self.checkpoint.size or grown_note != note or later.origin != self.checkpoint.origin:
            raise Bad("seal/consistency is of other trees than the package's and the seal's")
        require_grown(old, self.checkpoint.root, later.size, later.root, hashes)
        self.report.facts["sealed"] = value["time"]

    def check_growth(self) -> None:
        assert self.export
        names = [
            path
            for path in self.zip.members
            if path.startswith(("data/ledger/checkpoints/", "data/ledger/consistency/"))
        ]
        stamped = sorted({path.split("/")[2] for path in self.zip.members if path.startswith("data/anchors/")})
        if self.checkpoint is None:
            raise Bad("there is no signed tree to compare others with")
        if not stamped:
            self.report.skip("growth", "the package carries no time stamp")
        for size in stamped:
            note = _text(self.read(f"data/anchors/{size}/checkpoint"))
            older = parse_note(note)
            signed_by(older, self.keys)
            if str(older.size) != size:
                raise Bad(f"data/anchors/{size}/checkpoint is a tree of another size")
            if older.size == self.checkpoint.size:
                if older.text != self.checkpoint.text:
                    raise Bad("the time-stamped tree is another one of the same size")
                continue
            path, grown = f"data/ledger/checkpoints/{size}", f"data/ledger/consistency/{size}-{self.checkpoint.size}"
            kept = parse_note(_text(self.read(path)))
            old, hashes, grown_note = parse_grown(self.read(grown))
            if kept.text != older.text or old != older.size or grown_note != self.note:
                raise Bad("checkpoints and consistency are of other trees than the stamped one and the package's")
            require_grown(old, older.root, self.checkpoint.size, self.checkpoint.root, hashes)
            names = [name for name in names if name not in (path, grown)]
            covered = sum(index < older.size for index in self.leaf_at)
            self.report.notes.append(
                f"{covered} of {self.counted} acts are in the tree of size {size} that was time-stamped"
            )
        for path in names:
            self.report.add("growth", path, "a tree that no time stamp in this package is of")

    def _settle_unchecked(self) -> None:
        """A check that found nothing, and did not see all that it speaks of, has not passed."""
        failed = self.report.failed()
        if failed & {"zip"} or not self.export:
            for check in CHECKS:
                if check not in ("zip", "bag"):
                    self.report.skip(check, "the package could not be read")
        if "signature" in failed:
            for check in ("inclusion", "leaves", "completeness", "media", "disclosures", "verdicts", "seal", "growth"):
                self.report.skip(check, "there is no tree that a pinned key signed")
        if failed & {"chain", "inclusion"}:
            for check in ("completeness", "media", "disclosures", "verdicts"):
                self.report.skip(check, "acts are missing or changed")


def verify(
    file: BinaryIO, keys: Sequence[Key], policy: Policy | None = None, *, leaves_optional: bool = False
) -> Report:
    """The report on a package; with no key it is checked under its own, and says so."""
    report = Report(pinned=bool(keys), asks_witnesses=policy is not None)
    try:
        archive = Zip(file)
    except (Bad, struct.error) as error:
        report.add("zip", "", str(error))
        for check in CHECKS:
            report.skip(check, "the zip could not be read")
        return report
    Package(archive, report, keys, policy, lax=leaves_optional).verify()
    return report


# --- the command ------------------------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """Text from the package as a terminal may show it: no control characters."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def describe(report: Report) -> Iterator[str]:
    """The report for people."""
    if not report.pinned:
        yield "UNPINNED: checked with the key that the package itself carries. Whoever made the package chose that key,"
        yield "          so this shows only that the package fits itself. Get the log's key elsewhere and use --key."
        yield ""
    if report.ok:
        yield from (f"{name:<12} {value}" for name, value in report.facts.items())
        yield ""
    for check, what in report.checks().items():
        yield f"{report.result_of(check):<12} {check:<13} {what}"
        if check in report.skipped and check not in report.failed():
            yield f"{'':<26} ({report.skipped[check]})"
    yield ""
    yield from (f"note         {note}" for note in report.notes[:FINDINGS_KEPT])
    yield from (f"not proven   {what}" for what in NOT_PROVEN)
    yield ""
    yield from (f"BAD: {check}: {file}: {reason}" for check, file, reason in report.findings)
    if report.findings_count > len(report.findings):
        yield f"BAD: {report.findings_count - len(report.findings)} more"
    if report.ok:
        yield "OK: as it was logged and sealed" + ("" if report.pinned else ", BY AN UNPINNED KEY")
    else:
        yield "FAILED: this is not the package as it was logged and sealed"


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


def run(options: argparse.Namespace) -> int:
    """Check a package and write the report to standard output; the exit status."""
    if not options.key and not options.unpinned:
        sys.stderr.write("No key: name the log's public key, from another source than this package (--key).\n")
        return 2
    try:
        keys = [read_key(key) for key in options.key]
        policy = None if options.policy is None else parse_policy(options.policy.read_bytes())
        with options.file.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise Bad("this is not a package: not a zip. Nothing was checked.")
            report = verify(file, keys, policy, leaves_optional=options.leaves_optional)
    except (Bad, OSError) as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        return 2
    told = [json.dumps(report.as_json(), indent=2)] if options.json else map(printable, describe(report))
    sys.stdout.write("\n".join(told) + "\n")
    return 0 if report.ok else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("file", type=Path, metavar="PACKAGE.zip")
    parser.add_argument("--key", action="append", default=[], help="The log's pinned key, or a file that holds it.")
    parser.add_argument("--unpinned", action="store_true", help="Check without a key of your own; proves far less.")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="A tlog-policy whose quorum must have cosigned.")
    parser.add_argument("--json", action="store_true", help="Write the report as JSON.")
    parser.add_argument(
        "--leaves-optional", action="store_true", help="Accept a package of a small log without leaves."
    )
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
