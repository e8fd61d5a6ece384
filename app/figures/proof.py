"""The canonical form of what was counted, which an answer's digest is of. Pure.

The SHA-256 of one line, ``exhibit-figures/v1 <measure>`` and a line feed, and then of every record in the order of its
id: the id's 16 bytes, and its version. Of an item the version is the verdict by which it was verified: the 16 bytes of
its id. Of an incident and of a fact it is a number: 8 bytes, the highest first. So anybody computes it from the pages
of members.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from app.figures.words import Measure

FORM = "exhibit-figures/v1"


@dataclass(frozen=True)
class RecordKind:
    """``name`` as the ledger and the API name the thing; ``digest``: the records' bytes in SQL, over ``r``."""

    name: str
    version: str

    @property
    def digest(self) -> str:
        return f"coalesce(string_agg(uuid_send(r.id) || {self.version}, ''::bytea ORDER BY r.id), ''::bytea)"


RECORDS: Mapping[Measure, RecordKind] = MappingProxyType(
    {
        Measure.INCIDENTS: RecordKind("incident", "int8send(r.version::bigint)"),
        Measure.ITEMS: RecordKind("evidence", "uuid_send(r.version)"),
        Measure.CASUALTIES: RecordKind("casualty_count", "int8send(r.version::bigint)"),
    }
)


def sha256_of(measure: Measure, records: bytes) -> str:
    return hashlib.sha256(f"{FORM} {measure}\n".encode() + records).hexdigest()


def record_bytes(identity: UUID, version: int | UUID) -> bytes:
    return identity.bytes + (version.bytes if isinstance(version, UUID) else version.to_bytes(8, "big"))


def digest_of(measure: Measure, records: Iterable[tuple[UUID, int | UUID]]) -> str:
    """Of all records, in any order."""
    return sha256_of(measure, b"".join(record_bytes(*one) for one in sorted(records, key=lambda one: one[0].bytes)))
