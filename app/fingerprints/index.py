"""Who may be similar: the protocol of a search over fingerprints, and a plain scan behind it.

The scan reads the database itself, so a fingerprint is found by every search that starts after its commit. What it
answers is the meaning of the protocol: ``following`` answers the same, faster.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.fingerprints.decodings import in_force
from app.fingerprints.models import Fingerprint, RuleInForce
from app.fingerprints.search.hamming import scan, words_of
from app.fingerprints.views import IDENTITY
from app.kernel.database import is_among

ROWS_AT_ONCE = 65_536


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


_IN_FORCE = (
    select(Fingerprint.blob_sha256, Fingerprint.value)
    .join(RuleInForce, in_force())
    .where(
        Fingerprint.version == bindparam("rule"),
        is_among(Fingerprint.blob_sha256),
        Fingerprint.quality.is_(None) | (Fingerprint.quality >= bindparam("minimum_quality")),
    )
)
"""Made once: to put it together takes longer than to ask it."""
_UPRIGHT_IN_FORCE = _IN_FORCE.where(Fingerprint.view.endswith(IDENTITY))


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
        query = _IN_FORCE if any_view else _UPRIGHT_IN_FORCE
        asked = {"digests": list(among), "rule": version, "minimum_quality": minimum_quality}
        wanted = words_of(hashes)
        for rows in session.execute(query, asked).partitions(ROWS_AT_ONCE):
            near = scan(words_of([row.value for row in rows]), wanted, radius_bits).rows
            found.update(rows[int(place)].blob_sha256 for place in np.unique(near))
        return found
