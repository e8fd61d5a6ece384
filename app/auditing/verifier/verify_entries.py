"""Check a file of ledger entries (exhibit-entries/v1) offline. One file, Python 3.11 or newer, no other package.

    python3 -I verify_entries.py FILE.jsonl [NEXT.jsonl …] --key 'NAME+HASH+KEY'   (or --key FILE-WITH-THE-KEY; several
                                                                                    after a rotation)

Get the log's key from somewhere else than the file: it decides whom you trust. Exit status: 0 every check passed, 1
something is not as it was logged (each finding names its line), 2 it could not be checked: no key, no such file, or
another kind of file (a custody file, which verify_custody.py checks, or a table).

How to read this file. The log is a public tree (RFC 6962) whose root is signed (section 2). A leaf names one entry: its
one-time label, and the SHA-256 of the entry's line. The file has one line for every leaf of a range: the entry itself,
or its place in its stream where nobody asked for it or its body was erased, or the leaf alone where it is of a stream
that was not asked for. With the hashes of what stands before and after the range these leaves give the signed root
(section 3): so no leaf of the range is left out, added or moved. A leaf alone does not say whose it is. But every entry
announces the label of its stream's next one: so, from where a stream stood before the range, it is seen that none of
the leaves that are shown alone is its next entry (section 4). That it stood there is seen by its next entry, in the
range or after it; of a stream that has none, by all leaves of the log, which a file of a small log holds, or by the
file before. Of several files, such as those of one month after the other, it is checked that each begins where the
one before ends, in one and the same tree, and that every stream stands there as it did.
"""

import argparse
import base64
import binascii
import hashlib
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BufferedReader
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
FORMAT = "exhibit-entries/v1"
HEADER_MARKS = (b'{"about":"Entries of a custody ledger', b"exhibit-entries/")
"""How a file's first line begins, and what stands in it: one of them tells even a damaged file from others."""
CUSTODY_MARKS = (b"exhibit-custody/", b"exhibit-receipt/")
HEADER = {
    "kind": one_of("header"), "format": one_of(FORMAT), "about": is_text, "log_id": IS_UUID, "time": IS_TIME,
    "log": is_text, "tree_size": natural(1), "vkey_not_a_source_of_trust": is_text, "scope": is_object,
    "asked": is_object, "first": natural(0), "before": natural(0), "own_entry": one_of("shown", "in_a_later_log"),
    "outside": one_of("leaves", "hashes"),
}  # fmt: skip
SCOPE = {"kind": one_of("organisation", "case", "stream"), "id": IS_UUID}
ASKED = {
    "actor": IS_UUID, "object": IS_UUID, "types": is_list, "view": one_of("access"), "recorded_from": IS_TIME,
    "recorded_before": IS_TIME,
}  # fmt: skip
ENTRY = {
    "v": one_of("custody-entry/v1"), "log": is_text, "stream": IS_UUID, "seq": natural(1),
    "prev": lambda value: value == "" or IS_HEX(value), "label": IS_HEX, "next": IS_HEX, "salt": IS_HEX,
    "time": IS_TIME, "occurred": IS_TIME, "type": is_text, "actor": is_object, "object": is_object,
    "data": is_object, "sealed": is_object,
}  # fmt: skip
WITHHELD = {
    "withheld": one_of("erased", "not_asked"), "stream": IS_UUID, "seq": natural(1), "label": IS_HEX, "next": IS_HEX,
    "commitment": IS_HEX,
}  # fmt: skip
PLACE = {"index": natural(0), "hashes": is_list}
LEAF_LINE = re.compile(rb'\{"kind":"leaf","leaf":"(custody-leaf/v1 ([0-9a-f]{64}) [0-9a-f]{64})"\}')
LINE_LIMIT = 1024 * 1024

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


# --- 3. the tree (RFC 6962, section 2.1) ------------------------------------------------------------------------------


def leaf_of(label: str, commitment: str) -> bytes:
    return f"custody-leaf/v1 {label} {commitment}".encode("ascii")


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def cover(start: int, end: int) -> list[int]:
    """The levels of the complete subtrees that make up these leaves, from left to right."""
    levels = []
    while start < end:
        room = (end - start).bit_length() - 1
        level = room if start == 0 else min(room, (start & -start).bit_length() - 1)
        levels.append(level)
        start += 1 << level
    return levels


class Tree:
    """The leaves from 0 up to ``size``, as the hashes of their complete subtrees, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[bytes] = []

    def append(self, hash_: bytes, level: int = 0) -> None:
        """The next complete subtree of this level, or the next leaf."""
        size = self.size >> level
        while size & 1:
            hash_ = hashlib.sha256(b"\x01" + self.peaks.pop() + hash_).digest()
            size >>= 1
        self.peaks.append(hash_)
        self.size += 1 << level

    def extend(self, hashes: Any, start: int, end: int) -> None:
        """Exactly the subtrees between two sizes. Raises Bad."""
        levels = cover(start, end)
        if not isinstance(hashes, list) or len(hashes) != len(levels) or not all(map(IS_HEX, hashes)):
            raise Bad(f"not the {len(levels)} hashes of the leaves {start} up to {end}")
        for hash_, level in zip(hashes, levels, strict=True):
            self.append(bytes.fromhex(hash_), level)

    def root(self) -> bytes:
        root = self.peaks[-1] if self.peaks else hashlib.sha256(b"").digest()
        for left in reversed(self.peaks[:-1]):
            root = node_hash(left, root)
        return root


def root_by(index: int, size: int, leaf: bytes, hashes: Any) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2). Raises Bad."""
    if not isinstance(hashes, list) or len(hashes) > 63 or not all(map(IS_HEX, hashes)) or index >= size:
        raise Bad("not a place in the signed tree and its proof")
    at, last, current = index, size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    for sibling in map(bytes.fromhex, hashes):
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


# --- 4. the report, and the file --------------------------------------------------------------------------------------

CHECKS = {
    "signature": "the pinned key signed this tree: its size and root hash",
    "file": "every line is canonical, the sections are in order, and the end is there",
    "range": "the leaves of the range, all of them, are those of the signed tree",
    "entries": "every entry that is shown is, byte for byte, the logged one of its leaf",
    "chain": "numbers, predecessors and one-time labels of each stream fit",
    "completeness": "no entry of what was asked for is among the leaves that are shown alone or withheld",
    "request": "the log's own entry says that just this was asked for",
}
NOT_PROVEN = (
    "that what a person stated is true",
    "anything that stands outside the range",
    "that the log shows everybody the same tree: compare the checkpoint with another party's",
)
FINDINGS_KEPT = 50
REGISTRATIONS = ("evidence.registered", "incident.registered")


@dataclass
class Report:
    """What was found in one file."""

    pinned: bool
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    findings_count: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    end: "End | None" = None

    @property
    def ok(self) -> bool:
        return self.findings_count == 0

    def add(self, check: str, where: str, reason: str) -> None:
        self.findings_count += 1
        self.failed.add(check)
        if len(self.findings) < FINDINGS_KEPT:
            self.findings.append((check, where, reason))

    failed: set[str] = field(default_factory=set)

    def result_of(self, check: str) -> str:
        if check in self.failed:
            return "FAILED"
        if check in self.skipped:
            return "not checked"
        return "proven" if self.pinned and self.ok else "passed"

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "pinned": self.pinned,
            "file": self.facts,
            "checks": {check: self.result_of(check) for check in CHECKS},
            "not_checked": self.skipped,
            "notes": self.notes,
            "not_proven": list(NOT_PROVEN),
            "findings": [dict(zip(("check", "where", "reason"), each, strict=True)) for each in self.findings],
            "findings_count": self.findings_count,
        }


@dataclass
class End:
    """Where a range ends, the root of all leaves before that place, and the label that each stream awaits there; None:
    it is not proven that they do."""

    size: int
    root: bytes
    awaited: dict[str, str] | None


@dataclass
class Due:
    """Where a stream stands: what its next entry must bear. ``is_shown``: its last entry's body was there."""

    seq: int
    commitment: str
    label: str
    is_shown: bool


def first_label(stream: str) -> str:
    return hashlib.sha256(b"custody-stream/v1 " + stream.encode("ascii")).hexdigest()


class EntriesFile:
    """One pass over the lines."""

    def __init__(self, file: BinaryIO, keys: Sequence[Key], report: Report, former: End | None) -> None:
        self.file, self.keys, self.report, self.former = file, keys, report, former
        self.digest = hashlib.sha256()
        self.lines = 0
        self.header: dict[str, Any] = {}
        self.scope: dict[str, Any] = {}
        self.asked: dict[str, Any] = {}
        self.root = b""
        self.tree = Tree()
        self.due: dict[str, Due] = {}
        self.later: set[str] = set()
        self.stood: set[str] = set()
        self.registered: set[str] = set()
        self.seen: set[str] = set()
        self.alone: set[bytes] = set()
        self.labels: set[bytes] = set()
        self.counts = {"entries": 0, "leaves": 0, "withheld": 0}
        self.not_asked = self.erased = self.outside = 0
        self.is_continued = False

    # Lines ------------------------------------------------------------------------------------------------------------

    def line(self) -> bytes:
        """The next line without its newline. Raises Bad at the end, and for what is no line."""
        line = self.file.readline(LINE_LIMIT)
        if not line.endswith(b"\n"):
            raise Bad("the file ends here" if len(line) < LINE_LIMIT else "a line is too long")
        self.last, self.lines = line, self.lines + 1
        return line[:-1]

    def value(self, kind: str) -> dict[str, Any]:
        """The next line, which must be of this kind. Raises Bad."""
        value = parse_canonical(self.line())
        if not isinstance(value, dict) or value.get("kind") != kind:
            raise Bad(f"not the line '{kind}' that belongs here")
        self.digest.update(self.last)
        return value

    def verify(self) -> None:
        """Every check; what makes the rest unreadable ends it."""
        try:
            self._head()
            self._own()
            self._before()
            self._context()
            self._range()
            self._after()
            self._tail()
        except Bad as error:
            self.report.add("file", f"line {self.lines}", str(error))
            for check in CHECKS:
                if check not in ("file", "signature"):
                    self.report.skipped.setdefault(check, "the file could not be read to its end")
            return
        self._settle()

    def _head(self) -> None:
        header = self.value("header")
        require_shape(header, HEADER, "the header")
        self.header, self.scope, self.asked = header, header["scope"], header["asked"]
        require_shape(self.scope, SCOPE, "scope", frozenset({"id"}))
        require_shape(self.asked, ASKED, "asked", frozenset(ASKED))
        if ("id" in self.scope) == (self.scope["kind"] == "organisation"):
            raise Bad("a scope of one object names it, one of all names none")
        if not header["first"] <= header["before"] <= header["tree_size"]:
            raise Bad("no range of the tree")
        self.report.facts.update(
            {name: header[name] for name in ("log", "log_id", "time", "tree_size", "scope", "asked", "first", "before")}
        )
        note = self.value("checkpoint").get("note")
        if not isinstance(note, str):
            raise Bad("the checkpoint has no note")
        try:
            checkpoint = parse_note(note)
            keys = self.keys or [parse_key(header["vkey_not_a_source_of_trust"])]
            signed_by(checkpoint, keys)
            if (checkpoint.origin, checkpoint.size) != (header["log"], header["tree_size"]):
                raise Bad("the header names another log or size than the signed tree head")
            self.root = checkpoint.root
        except Bad as error:
            self.report.add("signature", "checkpoint", str(error))

    def _own(self) -> None:
        """The entry by which this log was taken or made."""
        header = self.header
        if header["own_entry"] != "shown":
            self.report.skipped["request"] = "of a log that has ended: its own entry stands in a later log"
            return
        shown = self.value("own")
        try:
            require_shape(shown, {"kind": is_text, "entry": is_object, **PLACE}, "own")
            value, line = shown["entry"], canonical(shown["entry"])
            self._entry_shape(value)
            self._prove(line, value["label"], shown)
            data, document = value["data"], {"asked": self.asked, "scope": self.scope}
            told = [data.get("scope"), data.get("first"), data.get("before"), data.get("asked_sha256"), value["time"]]
            digest = hashlib.sha256(canonical(document)).hexdigest()
            stands = [self.scope["kind"], header["first"], header["before"], digest, header["time"]]
            if value["type"] not in ("export.log_taken", "export.log_made") or told != stands:
                raise Bad("the log's own entry tells of another log than the header")
            if value["object"].get("id") != header["log_id"] or data.get("format") != "jsonl":
                raise Bad("the log's own entry is of another file")
        except Bad as error:
            self.report.add("request", "own", str(error))

    def _entry_shape(self, value: dict[str, Any]) -> None:
        require_shape(value, ENTRY, "the entry")
        if value["log"] != self.header["log"]:
            raise Bad("an entry of another log")
        if not IS_UUID(value["actor"].get("id")) or not IS_UUID(value["object"].get("id")):
            raise Bad("its actor or object is not as the format says")

    def _prove(self, line: bytes, label: str, place: dict[str, Any]) -> None:
        leaf = leaf_of(label, hashlib.sha256(line).hexdigest())
        self._prove_leaf(leaf, place)

    def _prove_leaf(self, leaf: bytes, place: dict[str, Any]) -> None:
        if root_by(place["index"], self.header["tree_size"], leaf, place["hashes"]) != self.root:
            raise Bad("entry and proof do not lead to the signed root")

    # What stands outside the range ------------------------------------------------------------------------------------

    def _before(self) -> None:
        """The leaves before the range, or the hashes that stand for them."""
        first = self.header["first"]
        if self.header["outside"] == "hashes":
            self.tree.extend(self.value("tree_before").get("hashes"), 0, first)
        while self.tree.size < first:
            alone = LEAF_LINE.fullmatch(self.line())
            if alone is None:
                raise Bad("not the leaf that belongs here")
            self._take_alone(alone[2])
            self.tree.append(hashlib.sha256(b"\x00" + alone[1]).digest())
            self.digest.update(self.last)

    def _take_alone(self, label: bytes, *, is_after: bool = False) -> None:
        """Of a leaf that is shown alone. One label on two leaves would be a stream with two histories."""
        self.counts["leaves"] += 1
        known = bytes.fromhex(label.decode())
        if known in self.alone or known in self.labels:
            self.report.add("chain", f"leaf {self.tree.size}", "its label is used twice")
        (self.labels if is_after else self.alone).add(known)

    def _context(self) -> None:
        """Where streams stand when the range begins."""
        self.line()
        open_stream: str | None = None
        while (
            self.last.startswith((b'{"entry":', b'{"commitment":', b'{"hashes":')) and b'"kind":"context"' in self.last
        ):
            value = parse_canonical(self.last[:-1])
            self.digest.update(self.last)
            if self.scope["kind"] == "organisation":
                raise Bad("a log of everything needs nothing from outside the range")
            open_stream = self._take_context(value, open_stream)
            self.line()
        if open_stream is not None:
            self.report.add("chain", open_stream, "no proof of its last entry before the range")

    def _take_context(self, value: dict[str, Any], open_stream: str | None) -> str | None:
        """Takes one line; gives back its stream while a proof of its place is still awaited."""
        place: dict[str, Any] = {name: value.pop(name) for name in ("index", "hashes") if name in value}
        value.pop("kind")
        shown: dict[str, Any] = value
        is_shown = isinstance(value.get("entry"), dict)
        if is_shown:
            require_shape(value, {"entry": is_object}, "context")
            shown = value["entry"]
            self._entry_shape(shown)
            commitment = hashlib.sha256(canonical(shown)).hexdigest()
        else:
            require_shape(value, WITHHELD, "context")
            commitment = value["commitment"]
        stream: str = shown["stream"]
        try:
            if open_stream not in (None, stream):
                raise Bad("the stream before it has no proof of its last entry")
            self._place_context(stream, shown, commitment, place, is_shown=is_shown)
        except Bad as error:
            self.report.add("chain", f"{stream} {shown['seq']}", str(error))
        return None if place else stream

    def _place_context(
        self, stream: str, shown: dict[str, Any], commitment: str, place: dict[str, Any], *, is_shown: bool
    ) -> None:
        """One entry outside the range. Raises Bad."""
        is_whole = self.scope["kind"] == "case" and stream == self.scope["id"]
        if place:
            require_shape(place, PLACE, "context")
            self._prove_leaf(leaf_of(shown["label"], commitment), place)
            if self.header["first"] <= place["index"] < self.header["before"]:
                raise Bad("it stands within the range")
        is_after = bool(place) and place["index"] >= self.header["before"]
        if stream in self.due:
            self._follow(self.due[stream], shown)
        elif (is_whole or is_after) and (shown["seq"], shown["label"]) != (1, first_label(stream)):
            raise Bad("not the first entry of its stream")
        if is_after:
            self.later.add(stream)
        else:
            self._stands(stream, shown, commitment, is_shown=is_shown)

    def _follow(self, due: Due, shown: dict[str, Any]) -> None:
        """Raises Bad unless it is the stream's next entry."""
        if (shown["seq"], shown["label"]) != (due.seq + 1, due.label):
            raise Bad(f"not the entry that follows number {due.seq}: one is missing, or the label is another one")
        if "prev" in shown and shown["prev"] != due.commitment:
            raise Bad(f"its predecessor is another one than number {due.seq}")

    def _stands(self, stream: str, shown: dict[str, Any], commitment: str, *, is_shown: bool) -> None:
        """The stream stands at this entry now; what it registers is known from here on."""
        self.due[stream] = Due(shown["seq"], commitment, shown["next"], is_shown)
        if is_shown and self.scope["kind"] == "case" and stream == self.scope["id"]:
            if shown["type"] in REGISTRATIONS:
                self.registered.add(shown["object"]["id"])
            if shown["seq"] == 1 and "continues" in shown["data"]:
                self.is_continued = True

    # The range --------------------------------------------------------------------------------------------------------

    def _range(self) -> None:
        """One line for every leaf; the first of them is read already."""
        append, before = self.tree.append, self.header["before"]
        is_all = self.scope["kind"] == "organisation"
        self._join()
        while self.tree.size < before:
            line = self.last[:-1]
            alone = LEAF_LINE.fullmatch(line)
            if alone is not None:
                leaf = alone[1]
                self._take_alone(alone[2])
                if is_all:
                    self.report.add("completeness", f"leaf {self.tree.size}", "a leaf without its entry")
            else:
                leaf = self._take(line)
            self.digest.update(self.last)
            append(hashlib.sha256(b"\x00" + leaf).digest())
            self._join()
            self.line()
        self._end = (self.tree.size, self.tree.root())

    def _take(self, line: bytes) -> bytes:
        """An entry, or the place of one; its leaf. Raises Bad for a line that is neither."""
        value = parse_canonical(line)
        is_shown = isinstance(value, dict) and "v" in value
        if is_shown:
            self._entry_shape(value)
            commitment = hashlib.sha256(line).hexdigest()
            self.counts["entries"] += 1
        else:
            require_shape(value, WITHHELD, "the withheld entry")
            commitment = value["commitment"]
            self.counts["withheld"] += 1
        where = f"leaf {self.tree.size} ({value['stream']} {value['seq']})"
        for check, take in (("chain", self._link), ("entries", self._fit)):
            try:
                take(value, commitment, is_shown)
            except Bad as error:
                self.report.add(check, where, str(error))
        label = bytes.fromhex(value["label"])
        if label in self.alone or label in self.labels:
            self.report.add("chain", where, "its label is used twice")
        self.labels.add(label)
        return leaf_of(value["label"], commitment)

    def _link(self, value: dict[str, Any], commitment: str, is_shown: bool) -> None:
        stream = value["stream"]
        self.seen.add(stream)
        if stream in self.later:
            raise Bad("an entry after the range follows the one before it: nothing of the stream is in between")
        due = self.due.get(stream)
        self._stands(stream, value, commitment, is_shown=is_shown)
        if due is not None:
            self._follow(due, value)
        elif value["seq"] == 1:
            if value["label"] != first_label(stream) or value.get("prev", "") != "":
                raise Bad("not how a stream begins")
        elif self.scope["kind"] != "organisation":
            raise Bad("nothing shows where its stream stood before the range")

    def _fit(self, value: dict[str, Any], _: str, is_shown: bool) -> None:
        """Whether it is what was asked for."""
        asked = self.asked
        narrows = any(name in asked for name in ("actor", "object", "types"))
        if self.scope["kind"] == "stream" and value["stream"] != self.scope["id"]:
            raise Bad("an entry of another stream than was asked for")
        if not is_shown:
            self.not_asked += value["withheld"] == "not_asked"
            self.erased += value["withheld"] == "erased"
            if value["withheld"] == "not_asked" and not narrows:
                raise Bad("withheld as not asked for, though everything was")
            return
        actor, acted_on = asked.get("actor"), asked.get("object")
        if actor not in (None, value["actor"]["id"]) or acted_on not in (None, value["object"]["id"]):
            raise Bad("an entry of another actor or object than was asked for")
        if value["type"] not in asked.get("types", [value["type"]]):
            raise Bad("an entry of another type than was asked for")
        if not asked.get("recorded_from", "") <= value["time"] < asked.get("recorded_before", "~"):
            self.outside += 1

    def _join(self) -> None:
        """Where the file before ends: all leaves up to there must be the same, and every stream stand as it did."""
        former = self.former
        if former is None or self.tree.size != former.size:
            return
        self.former = None
        if self.tree.root() != former.root:
            self.report.add("range", f"leaf {former.size}", "the tree before is another one than the former file's")
        if former.awaited is None:
            return
        for stream, due in self.due.items():
            if former.awaited.get(stream, first_label(stream)) == due.label:
                self.stood.add(stream)
            else:
                self.report.add("chain", stream, "it stands elsewhere than at the end of the former file")

    # The end ----------------------------------------------------------------------------------------------------------

    def _after(self) -> None:
        """The first line after the range is read already."""
        end, size = self.header["before"], self.header["tree_size"]
        if self.header["outside"] == "hashes":
            value = parse_canonical(self.last[:-1])
            if not isinstance(value, dict) or value.get("kind") != "tree_after":
                raise Bad("not the line 'tree_after' that belongs here")
            self.tree.extend(value.get("hashes"), end, size)
            self.digest.update(self.last)
            self.line()
        while self.tree.size < size:
            alone = LEAF_LINE.fullmatch(self.last[:-1])
            if alone is None:
                raise Bad("not the leaf that belongs here")
            self._take_alone(alone[2], is_after=True)
            self.tree.append(hashlib.sha256(b"\x00" + alone[1]).digest())
            self.digest.update(self.last)
            self.line()
        if self.tree.root() != self.root and "signature" not in self.report.failed:
            self.report.add("range", "tree", "the leaves do not lead to the signed root: one is changed, or left out")

    def _tail(self) -> None:
        hashed = self.digest.hexdigest()
        lines = self.lines - 1
        trailer = parse_canonical(self.last[:-1])
        if trailer != {"kind": "trailer", "lines": lines, "sha256": hashed, **self.counts}:
            raise Bad("the trailer counts or hashes other lines than are here")
        if self.file.read(1):
            raise Bad("something follows the trailer")
        if self.former is not None:
            raise Bad(f"not the file that follows: leaf {self.former.size}, where the former ends, is not in its range")

    def _settle(self) -> None:
        report = self.report
        report.facts.update(self.counts)
        self._complete()
        if "signature" in report.failed:
            for check in ("range", "entries", "completeness", "request"):
                report.skipped.setdefault(check, "there is no tree that a pinned key signed")
        elif "range" in report.failed:
            for check in ("entries", "completeness"):
                report.skipped.setdefault(check, "the leaves are not those of the signed tree")
        is_proven = report.ok and "completeness" not in report.skipped and self.scope["kind"] != "organisation"
        awaited = {stream: due.label for stream, due in self.due.items()}
        report.end = End(*self._end, awaited if is_proven else None)
        if self.erased:
            report.notes.append(f"{self.erased} entries were erased: of them the place alone is here")
        if self.outside:
            report.notes.append(f"{self.outside} entries stand between those of the times asked for, and are shown too")
        if self.counts["leaves"]:
            report.notes.append(
                f"{self.counts['leaves']} leaves are shown alone: of other streams, or outside the range"
            )

    def _complete(self) -> None:
        """Of every stream that was asked for: its next label is not among the leaves that are shown alone."""
        report, scope = self.report, self.scope
        if scope["kind"] != "organisation":
            streams = {scope["id"]} | (self.registered if scope["kind"] == "case" else set())
            if self.is_continued:
                streams |= self.seen
                report.skipped["completeness"] = (
                    "the case began in an earlier log, where its first items are registered"
                )
            if self.not_asked:  # What registers streams may be withheld.
                streams |= self.seen
            for stream in sorted(self.seen - streams):
                report.add("completeness", stream, "a stream that the case does not register")
            self._complete_streams(sorted(streams - (self.later - self.seen)))
        if self.not_asked:
            report.skipped["completeness"] = (
                f"{self.not_asked} entries are withheld as not asked for, by the server's word: take the file without "
                "actor, object, type and view, and look for yourself"
            )

    def _complete_streams(self, streams: Sequence[str]) -> None:
        report, quiet = self.report, 0
        for stream in streams:
            due = self.due.get(stream)
            if due is None:
                report.add("completeness", stream, "nothing shows where this stream stands")
            elif bytes.fromhex(due.label) in self.alone:
                report.add("completeness", stream, f"its entry {due.seq + 1} is shown as a leaf alone")
            elif not due.is_shown:
                why = f"entry {due.seq} of {stream} is withheld, so nothing binds what it announces"
                report.skipped.setdefault("completeness", why)
            else:
                quiet += not (self.header["outside"] == "leaves" or stream in self.seen or stream in self.stood)
        if quiet:
            why = f"{quiet} streams have no entry in the range and none after it, by the server's word: "
            report.skipped.setdefault("completeness", why + "name the file of the range before, too")


def verify(file: BinaryIO, keys: Sequence[Key], former: End | None = None) -> Report:
    """The report on one file; with no key it is checked under its own, and says so. ``former``: where the one before it
    ends."""
    report = Report(pinned=bool(keys))
    EntriesFile(file, keys, report, former).verify()
    return report


# --- the command ------------------------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """Text from the file as a terminal may show it: no control characters."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def describe(report: Report) -> Iterator[str]:
    """The report for people."""
    if not report.pinned:
        yield "UNPINNED: checked with the key that the file itself carries. Whoever made the file chose that key, so"
        yield "          this shows only that the file fits itself. Get the log's key elsewhere and use --key."
        yield ""
    if report.ok:
        yield from (f"{name:<12} {canonical(value).decode()}" for name, value in report.facts.items())
        yield ""
    for check, what in CHECKS.items():
        yield f"{report.result_of(check):<12} {check:<13} {what}"
        if check in report.skipped and check not in report.failed:
            yield f"{'':<26} ({report.skipped[check]})"
    yield ""
    yield from (f"note         {note}" for note in report.notes)
    yield from (f"not proven   {what}" for what in NOT_PROVEN)
    yield ""
    yield from (f"BAD: {check}: {where}: {reason}" for check, where, reason in report.findings)
    if report.findings_count > len(report.findings):
        yield f"BAD: {report.findings_count - len(report.findings)} more"
    if report.ok:
        yield "OK: as it was logged" + ("" if report.pinned else ", BY AN UNPINNED KEY")
    else:
        yield "FAILED: this is not as it was logged"


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


def require_entries(path: Path, file: BufferedReader) -> None:
    """Raises Bad for another kind of file: it is not one that was changed. What is cut off is no other kind."""
    first = file.peek(LINE_LIMIT).partition(b"\n")[0]
    if HEADER_MARKS[1] in first or first.startswith(HEADER_MARKS[0]) or (first and HEADER_MARKS[0].startswith(first)):
        return
    told = "is it the CSV reading copy?"
    if any(mark in first for mark in CUSTODY_MARKS):
        told = "it is a custody file or a receipt: verify_custody.py checks it"
    raise Bad(f"{path}: this is not a file of entries ({told}): its first line is no such header. Nothing was checked.")


def run(options: argparse.Namespace) -> int:
    """Check the files and write the reports to standard output; the exit status."""
    if not options.key and not options.unpinned:
        sys.stderr.write("No key: name the log's public key, from another source than these files (--key).\n")
        return 2
    reports: list[Report] = []
    try:
        keys = [read_key(key) for key in options.key]
        with ExitStack() as opened:
            files = [opened.enter_context(path.open("rb")) for path in options.file]
            for path, file in zip(options.file, files, strict=True):
                require_entries(path, file)
            for file in files:
                reports.append(verify(file, keys, reports[-1].end if reports else None))
    except (Bad, OSError) as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        return 2
    for earlier, later in itertools.pairwise(reports):
        if any(earlier.facts.get(name) != later.facts.get(name) for name in ("log", "scope")):
            later.add("request", "header", "the file before is of another log or scope")
    if options.json:
        sys.stdout.write(json.dumps([report.as_json() for report in reports], indent=2) + "\n")
    else:
        for path, report in zip(options.file, reports, strict=True):
            told = [*([str(path), ""] if len(reports) > 1 else []), *describe(report), ""]
            sys.stdout.write("\n".join(map(printable, told)))
    return 0 if all(report.ok for report in reports) else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("file", type=Path, nargs="+", metavar="FILE.jsonl")
    parser.add_argument("--key", action="append", default=[], help="The log's pinned key, or a file that holds it.")
    parser.add_argument("--unpinned", action="store_true", help="Check without a key of your own; proves far less.")
    parser.add_argument("--json", action="store_true", help="Write the reports as JSON.")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
