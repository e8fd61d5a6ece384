"""One act and its bytes: event → entry body → commitment → leaf. Pure; docs/ledger.md "Entry, commitment, label, leaf".

An event is what a service records: a class in ``<domain>/events`` whose fields become the entry's ``data`` (ids, enums,
hashes, numbers, times) or, when declared with :func:`sealed`, salted digests whose opening line lies apart.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar, Literal, NewType, cast
from uuid import UUID

from app.kernel.primitives import MAX_SAFE_INTEGER, canonical_json, format_time, random_hex, require_ascii_keys

ENTRY_VERSION = "custody-entry/v1"
LEAF_PREFIX = "custody-leaf/v1"
BODY_LIMIT_BYTES = 60_000
INTEGER_DIGITS = 17
"""Of 2^53-1 and its sign; what is longer need not be read to be refused."""

StreamKind = Literal["system", "case", "evidence", "incident"]
ActorKind = Literal["user", "token", "system"]
HexHash = NewType("HexHash", str)
"""32 bytes as 64 lower-case hexadecimal digits."""


@dataclass(frozen=True)
class EntryActor:
    """Who acted: a pseudonym (per case), and the role that permitted the act."""

    id: UUID
    kind: ActorKind
    role: str | None


@dataclass(frozen=True)
class EntryObject:
    """What was acted on. ``sha256`` and ``size`` (bytes) are those of the bytes at the time of the act."""

    kind: str
    id: UUID
    version: int | None = None
    sha256: str | None = None
    size: int | None = None


def sealed(**options: Any) -> Any:
    """A field whose value is personal: the entry holds a salted digest, the value's disclosure lies apart."""
    return field(metadata={"sealed": True}, **options)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One act in one stream, as a service states it. Subclasses set ``TYPE`` and add their fields.

    Fields left ``None`` are absent from the entry. Enums, UUIDs, times and tuples become JSON by themselves.
    """

    TYPE: ClassVar[str]

    stream: UUID
    actor: EntryActor
    object: EntryObject
    occurred: datetime | None = None
    """When it happened, if that is not when it was recorded."""

    purpose: str | None = None
    authority: str | None = None
    reason_code: str | None = None
    on_behalf_of: UUID | None = None
    request_id: UUID | None = None
    """None: the request's own. Of an act in two cases either entry has an id that says nothing of the other."""

    reason: str | None = sealed(default=None)
    note: str | None = sealed(default=None)

    def facts(self) -> dict[str, Any]:
        """The fields that are not personal, as JSON values."""
        return self._values(is_sealed=False)

    def personal(self) -> dict[str, Any]:
        """The fields to be sealed, as JSON values."""
        return self._values(is_sealed=True)

    def _values(self, *, is_sealed: bool) -> dict[str, Any]:
        frame = {"stream", "actor", "object", "occurred"}
        return {
            f.name: to_json(getattr(self, f.name))
            for f in dataclasses.fields(self)
            if f.name not in frame
            and f.metadata.get("sealed", False) is is_sealed
            and getattr(self, f.name) is not None
        }


def to_json(value: Any) -> Any:
    """A value as canonical JSON can hold it.

    Raises ValueError for a float: write numbers with a unit as integers or text.
    """
    if isinstance(value, Enum):
        return to_json(value.value)
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(member) for key, member in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        members = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [to_json(member) for member in members]
    raise ValueError(f"an entry cannot hold a {type(value).__name__}")


@dataclass(frozen=True)
class Disclosure:
    """The line that opens one sealed field; its SHA-256 is the digest in the entry."""

    field: str
    line: bytes

    @property
    def digest(self) -> HexHash:
        return HexHash(hashlib.sha256(self.line).hexdigest())


def seal(name: str, value: Any, *, salt: str) -> Disclosure:
    """``JCS {"name", "salt", "value"}``: 32 random bytes of salt, so that a short value cannot be found by trying."""
    return Disclosure(name, canonical_json({"name": name, "salt": salt, "value": value}))


@dataclass(frozen=True)
class Continued:
    """A stream's last entry in an earlier log: that log's origin, the entry's number and its commitment (hex)."""

    log: str
    seq: int
    commitment: str


@dataclass(frozen=True)
class Link:
    """Where a stream's next entry goes: its number, the commitment before it (hex, "" at 1) and its label (hex).

    ``continues``: only of a stream that an earlier log began, at 1: where it ended there.
    """

    seq: int
    prev: str
    label: str
    continues: Continued | None = None


def first_link(stream: UUID) -> Link:
    return Link(1, "", hashlib.sha256(f"custody-stream/v1 {stream}".encode("ascii")).hexdigest())


@dataclass(frozen=True)
class Entry:
    """One sealed entry: the body's exact bytes and what follows from them."""

    stream: UUID
    seq: int
    label: str
    next: str
    type: str
    body: bytes
    disclosures: tuple[Disclosure, ...]

    @cached_property
    def commitment(self) -> HexHash:
        return commit(self.body)

    @property
    def following(self) -> Link:
        return Link(self.seq + 1, self.commitment, self.next)


def seal_event(
    event: Event,
    link: Link,
    *,
    log: str,
    recorded: datetime,
    request_id: str | None = None,
    draw: Callable[[], str] = random_hex,
) -> Entry:
    """The entry of an event at its place in its stream. Raises ValueError when the body outgrows 60,000 bytes.

    ``draw`` gives 32 fresh random bytes in hexadecimal: a salt for each sealed field, then ``next``, then ``salt``.
    """
    disclosures = tuple(seal(name, value, salt=draw()) for name, value in sorted(event.personal().items()))
    data = event.facts()
    if request_id is not None:
        data.setdefault("request_id", request_id)
    if link.continues is not None:
        data["continues"] = dataclasses.asdict(link.continues)
    following = draw()
    body = canonical_json(
        {
            "v": ENTRY_VERSION,
            "log": log,
            "stream": str(event.stream),
            "seq": link.seq,
            "prev": link.prev,
            "label": link.label,
            "next": following,
            "salt": draw(),
            "time": format_time(recorded),
            "occurred": format_time(event.occurred or recorded),
            "type": event.TYPE,
            "actor": {"id": str(event.actor.id), "kind": event.actor.kind, "role": event.actor.role},
            "object": _members(event.object),
            "data": data,
            "sealed": {d.field: d.digest for d in disclosures},
        }
    )
    if len(body) > BODY_LIMIT_BYTES:
        raise ValueError(f"entry body of {len(body)} bytes exceeds {BODY_LIMIT_BYTES}")
    return Entry(event.stream, link.seq, link.label, following, event.TYPE, body, disclosures)


def _members(acted_on: EntryObject) -> dict[str, Any]:
    members = {
        "kind": acted_on.kind,
        "id": str(acted_on.id),
        "version": acted_on.version,
        "sha256": acted_on.sha256,
        "size": acted_on.size,
    }
    return {name: value for name, value in members.items() if value is not None}


def commit(body: bytes) -> HexHash:
    """The commitment: ``sha256sum`` of the entry's line without its newline."""
    return HexHash(hashlib.sha256(body).hexdigest())


def leaf(label: str, commitment: str) -> bytes:
    """The public leaf: random-looking, so that it tells nothing of any case."""
    return f"{LEAF_PREFIX} {label} {commitment}".encode("ascii")


class NotAnEntry(ValueError):
    """The bytes are not a canonical entry body; the message says what differs."""


_TOP_LEVEL = {
    *("v", "log", "stream", "seq", "prev", "label", "next", "salt"),
    *("time", "occurred", "type", "actor", "object", "data", "sealed"),
}


def parse_body(body: bytes) -> dict[str, Any]:
    """The entry of exactly these bytes. Strict: one canonical spelling, no duplicate or unknown field, no float.

    Raises NotAnEntry.
    """
    if len(body) > BODY_LIMIT_BYTES:
        raise NotAnEntry(f"body of {len(body)} bytes exceeds {BODY_LIMIT_BYTES}")
    value = _parse_canonical(body)
    if not isinstance(value, dict) or value.keys() != _TOP_LEVEL:
        raise NotAnEntry("unknown or missing top-level field")
    if value["v"] != ENTRY_VERSION:
        raise NotAnEntry(f"version is not {ENTRY_VERSION}")
    return cast(dict[str, Any], value)


def _parse_canonical(body: bytes) -> Any:
    """As fast as the strictness allows: an audit reads every body of the log.

    What the value written anew cannot show is refused while it is read (numbers) or afterwards (keys whose order Python
    and JCS see differently; text without other than ASCII has none). The comparison shows the rest: a key given twice,
    spaces, another order, escapes, a lone surrogate, minus zero.
    """
    try:
        text = body.decode("utf-8")
        value = _DECODER.decode(text)
        if not text.isascii():
            require_ascii_keys(value)
        is_canonical = _ENCODER.encode(value) == text
    except (ValueError, RecursionError) as error:
        raise NotAnEntry(f"not canonical JSON: {error}") from error
    if not is_canonical:
        raise NotAnEntry("not the canonical spelling of its own value")
    return value


def _exact_integer(text: str) -> int:
    number = int(text) if len(text) <= INTEGER_DIGITS else MAX_SAFE_INTEGER + 1
    if abs(number) > MAX_SAFE_INTEGER:
        raise ValueError("integer beyond 2^53-1")
    return number


def _no_floats(text: str) -> Any:
    raise ValueError(f"not an integer: {text[:40]}")


_DECODER = json.JSONDecoder(parse_int=_exact_integer, parse_float=_no_floats, parse_constant=_no_floats)
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)
