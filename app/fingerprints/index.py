"""Who may be similar: the protocol of a search over fingerprints, and a plain scan behind it.

A faster index comes later behind the same protocol. The scan reads the database itself, so a fingerprint is found by
every search that starts after its commit.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
from sqlalchemy import any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.fingerprints.decodings import in_force
from app.fingerprints.models import Fingerprint, RuleInForce
from app.fingerprints.views import IDENTITY
from app.kernel.database import HexDigest

ROWS_AT_ONCE = 65_536

Words = np.ndarray[tuple[int, int], np.dtype[np.uint64]]


class Index(Protocol):
    """A search for blobs that have a hash near one of the given hashes."""

    def candidates(
        self,
        session: Session,
        among: Collection[str],
        version: str,
        hashes: Sequence[bytes],
        *,
        radius_bits: int,
        minimum_quality: int,
        any_view: bool,
    ) -> set[str]:
        """SHA-256 of every blob among these with a hash of this algorithm version at ``radius_bits`` or less.

        ``any_view``: the stored views of pictures count too (for a query that has no views itself).
        """


class ScanIndex:
    """Every hash of these blobs compared with every query hash: exact, without state, good for thousands of items."""

    def candidates(
        self,
        session: Session,
        among: Collection[str],
        version: str,
        hashes: Sequence[bytes],
        *,
        radius_bits: int,
        minimum_quality: int,
        any_view: bool,
    ) -> set[str]:
        found: set[str] = set()
        if not hashes or not among:
            return found
        wanted_blobs = literal(sorted(among), ARRAY(HexDigest))
        query = select(Fingerprint.blob_sha256, Fingerprint.value).join(RuleInForce, in_force())
        query = query.where(
            Fingerprint.version == version,
            Fingerprint.blob_sha256 == any_(wanted_blobs),
            Fingerprint.quality.is_(None) | (Fingerprint.quality >= minimum_quality),
        )
        if not any_view:
            query = query.where(Fingerprint.view == IDENTITY)
        wanted = _words(hashes)
        for rows in session.execute(query).partitions(ROWS_AT_ONCE):
            stored = _words([row.value for row in rows])
            is_near = np.zeros(len(rows), np.bool_)
            for one in wanted:
                is_near |= np.bitwise_count(stored ^ one).sum(axis=1, dtype=np.uint16) <= radius_bits
            found.update(rows[int(place)].blob_sha256 for place in np.nonzero(is_near)[0])
        return found


def _words(hashes: Sequence[bytes]) -> Words:
    """Rows of 64-bit words; a hash that is no whole number of them is padded alike everywhere."""
    width = -(-len(hashes[0]) // 8) * 8
    joined = b"".join(value.ljust(width, b"\0") for value in hashes)
    return np.frombuffer(joined, np.uint64).reshape(len(hashes), width // 8)
