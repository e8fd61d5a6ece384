"""The few things every layer needs: time, ids, canonical JSON, digests, page cursors."""

import base64
import hashlib
import json
import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NewType

Sha256Hex = NewType("Sha256Hex", str)
"""A SHA-256 digest as 64 lower-case hexadecimal digits."""

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 7493, section 2.2)."""


def utc_now() -> datetime:
    """The time now, in UTC, cut to the millisecond: the ledger's resolution, so that a row and its entry agree."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def new_id() -> uuid.UUID:
    """A random UUIDv4: it cannot be guessed, and tells neither order nor time."""
    return uuid.uuid4()


def random_hex(size_bytes: int = 32) -> str:
    """Random bytes of the operating system, as lower-case hexadecimal digits."""
    return secrets.token_hex(size_bytes)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and ``Z``: ``2026-01-31T23:59:59.250Z``.

    Raises ValueError for a time without a zone: which moment it means would be a guess.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a zone does not name a moment")
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def sha256_hex(data: bytes) -> Sha256Hex:
    return Sha256Hex(hashlib.sha256(data).hexdigest())


def canonical_json(value: object) -> bytes:
    """RFC 8785 (JCS) bytes of a value built of dict, list, str, int, bool and None.

    Floats are refused, so Python's sorted ``json.dumps`` gives the same bytes as a full JCS serialiser
    (a property test holds that) in a quarter of the time. Object keys must be ASCII, because JCS sorts by UTF-16
    code units and Python by code points.

    Raises ValueError for a float, a key that is not ASCII, an integer beyond 2^53-1 or a lone surrogate.
    """
    _refuse_what_jcs_cannot_hold(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")  # UnicodeEncodeError, a ValueError, for a lone surrogate


def _refuse_what_jcs_cannot_hold(value: object) -> None:
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise ValueError(f"integer beyond 2^53-1: {value}")
    elif isinstance(value, Mapping):
        for key, member in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise ValueError(f"object key is not an ASCII string: {key!r}")
            _refuse_what_jcs_cannot_hold(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            _refuse_what_jcs_cannot_hold(member)
    else:
        raise ValueError(f"not representable in canonical JSON: {type(value).__name__}")


def require_ascii_keys(value: object) -> None:
    """Raises ValueError for an object key that is not ASCII, at any depth: JCS and Python order it differently."""
    if isinstance(value, dict):
        for key, member in value.items():
            if not key.isascii():
                raise ValueError(f"object key is not an ASCII string: {key!r}")
            require_ascii_keys(member)
    elif isinstance(value, list):
        for member in value:
            require_ascii_keys(member)


def encode_cursor(*parts: str | int) -> str:
    """An opaque page cursor: where the next page begins, in the list's own order."""
    return base64.urlsafe_b64encode(canonical_json(list(parts))).decode("ascii").rstrip("=")


def decode_cursor(cursor: str, *kinds: type[str] | type[int]) -> tuple[str | int, ...]:
    """The parts of a cursor made by :func:`encode_cursor`, of the given kinds.

    Raises ValueError when it is not such a cursor.
    """
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        raw = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
        parts = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError("not a cursor of this list") from error
    if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
        raise ValueError("not a cursor of this list")
    # The same bytes again: so it holds no lone surrogate and no integer that a column could not.
    if encode_cursor(*parts) != cursor or any("\x00" in part for part in parts if isinstance(part, str)):
        raise ValueError("not a cursor of this list")
    return tuple(parts)
