"""Searching for what is near something that is not kept: by hashes, in the process that was asked.

The index knows the hashes of all cases; what it finds is asked of the database again, for the cases that the asker may
read alone. So an answer holds nothing of other cases, and a count of nothing but what it shows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import authorise, visible_cases
from app.fingerprints.algorithms.algorithm import Algorithm
from app.fingerprints.algorithms.catalog import CATALOG
from app.fingerprints.decodings import in_force
from app.fingerprints.errors import IndexNotReady, NotAHash, RadiusTooWide, UnknownAlgorithm
from app.fingerprints.following import FollowingIndex
from app.fingerprints.models import Fingerprint, RuleInForce
from app.fingerprints.search.hamming import distances_bits, scan, words_of
from app.fingerprints.views import IDENTITY
from app.kernel.database import is_one_of
from app.media.closing import is_open
from app.media.models import Evidence
from app.media.rules import FingerprintStatus

WIDEST_SHARE = 4
"""A search answers up to a quarter of a hash's bits: of PDQ 64."""
ROWS_AT_ONCE = 16_384

SEARCHABLE: dict[str, Algorithm] = {one.version: one for versions in CATALOG.matching().values() for one in versions}
"""The algorithm versions that are searched for, by version."""


@dataclass(frozen=True, slots=True)
class NearHash:
    """The stored hash of an item that is nearest to one that was asked for."""

    evidence_id: UUID
    case_id: UUID
    distance_bits: int
    view: str
    time_ms: int
    quality: int | None


@dataclass(frozen=True)
class HashAnswer:
    """The items near one hash, the nearest first; ``has_more``: there are others."""

    items: list[NearHash]
    has_more: bool


def searched_cases(session: Session, actor: Actor, case_ids: Collection[UUID] | None) -> list[UUID]:
    """The cases that a search covers: those named, each of which the asker may read, or all such.

    Raises NotFound for one that is not the asker's, as everywhere, and Forbidden.
    """
    if case_ids is None:
        return sorted(session.scalars(visible_cases(actor)))
    for case_id in sorted(set(case_ids)):
        authorise(session, actor, case_id, Operation.READ_METADATA)
    return sorted(set(case_ids))


def algorithm_of(version: str, hashes: Sequence[bytes], radius_bits: int | None) -> tuple[Algorithm, int]:
    """The algorithm, and the radius in bits (by default the distance that matches). Raises UnknownAlgorithm, NotAHash,
    RadiusTooWide."""
    algorithm = SEARCHABLE.get(version)
    if algorithm is None:
        raise UnknownAlgorithm(f"Searched are: {', '.join(sorted(SEARCHABLE))}.")
    size_bytes = -(-algorithm.bits // 8)
    if any(len(value) != size_bytes for value in hashes):
        raise NotAHash(f"A hash of {version} has {2 * size_bytes} hexadecimal digits.")
    widest_bits = algorithm.bits // WIDEST_SHARE
    if radius_bits is not None and radius_bits > widest_bits:
        raise RadiusTooWide(f"Of {version} at most {widest_bits} bits.", extra={"widest_bits": widest_bits})
    return algorithm, algorithm.threshold_bits if radius_bits is None else radius_bits


def search_hashes(
    session: Session,
    index: FollowingIndex,
    version: str,
    hashes: Sequence[bytes],
    *,
    radius_bits: int,
    case_ids: Collection[UUID],
    limit: int,
) -> list[HashAnswer]:
    """For each hash the items of these cases that have a stored one at ``radius_bits`` or less, in whatever view: at
    most ``limit``, the nearest first. Exact. No permission check: see :func:`searched_cases`. Raises IndexNotReady."""
    near = index.blobs_near(session, version, hashes, radius_bits)
    if near is None:
        raise IndexNotReady("It is being taken, or made anew, just now.", headers={"Retry-After": "20"})
    items = _items_on(session, [digest.hex() for digest in near], case_ids)
    nearest = _nearest(session, version, hashes, radius_bits, list(items))
    return [
        _answer([(found, item) for blob, found in of_one.items() for item in items[blob]], limit) for of_one in nearest
    ]


_Found = tuple[int, bool, int, str, int | None]
"""Distance, whether it is in another view, time, view, quality: the least is the nearest."""


def _items_on(
    session: Session, blobs: Collection[str], case_ids: Collection[UUID]
) -> dict[str, list[tuple[UUID, UUID]]]:
    """The fingerprinted items of these cases on these blobs: ``(id, case)`` by blob. Not one that waits for its first
    fingerprints: those that its bytes have already would tell that another case holds them."""
    if not blobs or not case_ids:
        return {}
    query = select(Evidence.blob_sha256, Evidence.id, Evidence.case_id).where(
        is_one_of(Evidence.blob_sha256, blobs),
        Evidence.case_id.in_(case_ids),
        is_open(),
        or_(Evidence.fingerprint_status == FingerprintStatus.DONE, Evidence.settled_decoding > 0),
    )
    items: dict[str, list[tuple[UUID, UUID]]] = {}
    for blob, evidence_id, case_id in session.execute(query.order_by(Evidence.registered_at, Evidence.id)):
        assert blob is not None
        items.setdefault(blob, []).append((evidence_id, case_id))
    return items


def _nearest(
    session: Session, version: str, hashes: Sequence[bytes], radius_bits: int, blobs: Sequence[str]
) -> list[dict[str, _Found]]:
    """For each hash, by blob, the nearest in force; of a long video a part of its many hashes at a time."""
    nearest: list[dict[str, _Found]] = [{} for _ in hashes]
    if not blobs:
        return nearest
    asked = words_of(hashes)
    query = (
        select(Fingerprint.blob_sha256, Fingerprint.value, Fingerprint.view, Fingerprint.time_ms, Fingerprint.quality)
        .join(RuleInForce, in_force())
        .where(Fingerprint.version == version, is_one_of(Fingerprint.blob_sha256, blobs))
        .execution_options(stream_results=True, yield_per=ROWS_AT_ONCE)
    )
    for rows in session.execute(query).partitions():
        words = words_of([row.value for row in rows])
        hits = scan(words, asked, radius_bits)
        distances = distances_bits(words[hits.rows], asked[hits.queries])
        for number, place, distance in zip(hits.queries, hits.rows, distances, strict=True):
            row = rows[int(place)]
            found = (int(distance), row.view != IDENTITY, row.time_ms, row.view, row.quality)
            known = nearest[int(number)]
            if row.blob_sha256 not in known or found[:4] < known[row.blob_sha256][:4]:
                known[row.blob_sha256] = found
    return nearest


def _answer(found: list[tuple[_Found, tuple[UUID, UUID]]], limit: int) -> HashAnswer:
    found.sort(key=lambda one: (one[0][:4], one[1][0]))
    items = [_near_hash(*one) for one in found[:limit]]
    return HashAnswer(items, has_more=len(found) > limit)


def _near_hash(found: _Found, item: tuple[UUID, Any]) -> NearHash:
    distance_bits, _, time_ms, view, quality = found
    evidence_id, case_id = item
    return NearHash(evidence_id, case_id, distance_bits, view, time_ms, quality)
