"""Who may be similar: the protocol of a search over fingerprints, and a plain scan of a case behind it.

A faster index comes later behind the same protocol. The scan reads the database itself, so a fingerprint is found by
every search that starts after its commit.
"""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.fingerprints.models import Fingerprint
from app.fingerprints.views import IDENTITY
from app.media.models import Evidence
from app.media.rules import FingerprintStatus

ROWS_AT_ONCE = 65_536

Words = np.ndarray[tuple[int, int], np.dtype[np.uint64]]


class Index(Protocol):
    """A search for blobs of a case that have a hash near one of the given hashes."""

    def candidates(
        self,
        session: Session,
        case_id: UUID,
        version: str,
        hashes: Sequence[bytes],
        *,
        radius_bits: int,
        minimum_quality: int,
        any_view: bool,
    ) -> set[str]:
        """SHA-256 of every blob with a hash of this algorithm version at ``radius_bits`` or less.

        ``any_view``: the stored views of pictures count too (for a query that has no views itself).
        """


class ScanIndex:
    """Every hash of the case compared with every query hash: exact, without state, good for thousands of items."""

    def candidates(
        self,
        session: Session,
        case_id: UUID,
        version: str,
        hashes: Sequence[bytes],
        *,
        radius_bits: int,
        minimum_quality: int,
        any_view: bool,
    ) -> set[str]:
        blobs_of_case = select(Evidence.blob_sha256).where(
            Evidence.case_id == case_id, Evidence.fingerprint_status == FingerprintStatus.DONE
        )
        query = select(Fingerprint.blob_sha256, Fingerprint.value).where(
            Fingerprint.version == version,
            Fingerprint.blob_sha256.in_(blobs_of_case),
            Fingerprint.quality.is_(None) | (Fingerprint.quality >= minimum_quality),
        )
        if not any_view:
            query = query.where(Fingerprint.view == IDENTITY)
        found: set[str] = set()
        if not hashes:
            return found
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
