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
    """``name`` as the ledger and the API name the thing; ``bytes``: a record of ``r`` in SQL."""

    name: str
    version: str

    @property
    def bytes(self) -> str:
        return f"uuid_send(r.id) || {self.version}"


RECORDS: Mapping[Measure, RecordKind] = MappingProxyType(
    {
        Measure.INCIDENTS: RecordKind("incident", "int8send(r.version::bigint)"),
        Measure.ITEMS: RecordKind("evidence", "uuid_send(r.version)"),
        Measure.CASUALTIES: RecordKind("casualty_count", "int8send(r.version::bigint)"),
    }
)


def digest_in_sql(measure: Measure) -> str:
    """Of the records ``r``, hexadecimal: the bytes of all of them are many, and stay in the database."""
    records = f"coalesce(string_agg({RECORDS[measure].bytes}, ''::bytea ORDER BY r.id), ''::bytea)"
    return f"encode(sha256(decode('{_title(measure).hex()}', 'hex') || {records}), 'hex')"


def _title(measure: Measure) -> bytes:
    return f"{FORM} {measure}\n".encode()


def record_bytes(identity: UUID, version: int | UUID) -> bytes:
    return identity.bytes + (version.bytes if isinstance(version, UUID) else version.to_bytes(8, "big"))


def digest_of(measure: Measure, records: Iterable[tuple[UUID, int | UUID]]) -> str:
    """Of all records, in any order."""
    in_order = sorted(records, key=lambda one: one[0].bytes)
    return hashlib.sha256(_title(measure) + b"".join(record_bytes(*one) for one in in_order)).hexdigest()
