"""Which blobs may be similar, and in which frames: what the indexes of hashes and of local features propose.

A picture is asked for by the hashes of all its views, a sequence by each frame's in the eight symmetries, made from its
hash; there a wider radius holds, because frames that run along together are believed at it (``alignment``), and because
a hash that was turned is some bits off.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.fingerprints.algorithms.algorithm import Algorithm
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.alignment import wider_radius
from app.fingerprints.feature_index import FEATURES, Candidate, FeatureQuery
from app.fingerprints.following import FollowingIndex
from app.fingerprints.grounds import Thresholds
from app.fingerprints.models import Fingerprint
from app.fingerprints.prints import Prints
from app.fingerprints.views import Part

INDEX = FollowingIndex({one.version for versions in CATALOG.matching().values() for one in versions})
"""This process's; the worker's chore ``keep_index`` gives it its file."""
FRAME_MINIMUM_QUALITY = 30
FRAMES_IN_SYMMETRIES = 1_000
"""So many frames of a sequence, evenly, are asked for in every symmetry; all of them as they are."""
FRAMES_BY_POINTS = 200
"""So many frames of a sequence, evenly, are asked for by their local features: two look-ups each."""
PARTS_BY_POINTS = 200
"""And so many of the parts of these frames, evenly: one look-up each."""
PICTURES_OF_A_PICTURE = 100
"""So many stored pictures and frames are laid upon a picture, those with the most votes."""
PICTURES_OF_A_FRAME = 20
MOST_BY_CHANCE = 3
"""So many are laid upon a picture of those with no more votes than pictures have that have nothing in common: a copy is
hardly ever among them. Measured: docs/decisions/0076."""
MOMENTS_OF_A_BLOB = 400
MOMENTS_IN_ALL = 1_000
"""Pairs of frames that are laid upon each other for one query, those with the most votes: a minute of one processor at
most, where every frame of a recording is a cut and a page of pictures (50 to 70 ms a pair, 15 to 35 ways; 4 ms without
any part)."""

Each = TypeVar("Each")
Moments = list[tuple[int, int]]


class Proposed(dict[str, Moments]):
    """Blob → frames that may show the same by their points, in the query and in it, the best first; none: by its
    hashes."""

    by_votes: Sequence[str] = ()
    """Of a picture: what its points alone propose, the most votes first. Where those say nothing, the next do not."""

    def only(self, blobs: Collection[str]) -> "Proposed":
        """Those of these blobs."""
        some = Proposed({blob: moments for blob, moments in self.items() if blob in blobs})
        some.by_votes = [blob for blob in self.by_votes if blob in some]
        return some


def proposed(
    session: Session,
    among: Collection[str],
    prints: Prints,
    thresholds: Thresholds,
    catalog: Catalog = CATALOG,
    features: Sequence[LocalFeatures] | None = None,
) -> Proposed:
    """Of these blobs. ``features``: of the query, where they are not all in ``prints``."""
    found: set[str] = set()
    for algorithm, hashes, radius_bits in _asked(prints, thresholds, catalog):
        found |= INDEX.candidates(
            session,
            among,
            algorithm.version,
            hashes,
            radius_bits=radius_bits,
            minimum_quality=FRAME_MINIMUM_QUALITY,
            any_view=True,
        )
    return _with_moments(
        found, _by_points(session, among, prints, features, catalog), is_picture=not prints.is_sequence
    )


def proposed_anywhere(
    session: Session,
    prints: Prints,
    thresholds: Thresholds,
    catalog: Catalog = CATALOG,
    excluding: Collection[str] = (),
) -> Proposed:
    """Of all blobs of all cases, and a few more: what the indexes say, unchecked. By points only the best are named;
    those excluded are not among them, so that they hide no other."""
    found: set[str] = set()
    for algorithm, hashes, radius_bits in _asked(prints, thresholds, catalog):
        near = INDEX.blobs_near(session, algorithm.version, hashes, radius_bits)
        if near is None:
            found = set(session.scalars(select(Fingerprint.blob_sha256).distinct()))
            break
        found |= {digest.hex() for digest in near}
    by_points = _by_points(session, None, prints, None, catalog, excluding)
    return _with_moments(found, by_points, is_picture=not prints.is_sequence)


def _asked(prints: Prints, thresholds: Thresholds, catalog: Catalog) -> Iterator[tuple[Algorithm, list[bytes], int]]:
    for algorithm in (algorithm for versions in catalog.matching().values() for algorithm in versions):
        hashes = [one.value for one in prints.of(algorithm, view=None)]
        radius_bits = thresholds.bits[algorithm.name]
        if prints.is_sequence and algorithm.version == PDQ.version:
            radius_bits = wider_radius(radius_bits)
            hashes += _in_symmetries(_evenly(hashes, FRAMES_IN_SYMMETRIES))
        if hashes:
            yield algorithm, hashes, radius_bits


def _in_symmetries(hashes: Sequence[bytes]) -> list[bytes]:
    if not hashes:
        return []
    values = np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), -1)
    return [row.tobytes() for turned in PDQ.of_values_in_symmetries(values).values() for row in turned]


def _evenly(some: Sequence[Each], limit: int) -> list[Each]:
    if len(some) <= limit:
        return list(some)
    return [some[place * len(some) // limit] for place in range(limit)]


def _by_points(
    session: Session,
    among: Collection[str] | None,
    prints: Prints,
    features: Sequence[LocalFeatures] | None,
    catalog: Catalog,
    excluding: Collection[str] = (),
) -> list[Candidate]:
    own = [one for one in (prints.features if features is None else features) if one.points]
    if catalog.local_features not in FEATURES.versions:
        return []
    times = set(_evenly(sorted({one.time_ms for one in own}), FRAMES_BY_POINTS))
    wholes = [one for one in own if one.time_ms in times and not Part.of(one.view)]
    parts = _evenly([one for one in own if one.time_ms in times and Part.of(one.view)], PARTS_BY_POINTS)
    asked = [FeatureQuery(one.time_ms, one.view, one.points) for one in (*wholes, *parts)]
    limit = PICTURES_OF_A_FRAME if prints.is_sequence else PICTURES_OF_A_PICTURE
    return FEATURES.candidates(session, among, asked, limit, excluding=excluding)


def _without_chance(by_hashes: Collection[str], by_points: Sequence[Candidate]) -> list[Candidate]:
    """The same without the blobs that have no more votes than any two have, but for those with the most."""
    beyond_chance = {one.blob_sha256 for one in by_points if not one.is_by_chance}.union(by_hashes)
    by_chance = dict.fromkeys(one.blob_sha256 for one in by_points if one.blob_sha256 not in beyond_chance)
    kept = beyond_chance.union(islice(by_chance, MOST_BY_CHANCE))
    return [one for one in by_points if one.blob_sha256 in kept]


def _with_moments(by_hashes: Collection[str], by_points: Sequence[Candidate], *, is_picture: bool) -> Proposed:
    found = Proposed({blob: [] for blob in by_hashes})
    if is_picture:
        by_points = _without_chance(found, by_points)
    left = MOMENTS_IN_ALL
    for one in by_points:
        if not left:
            break
        moments = found.setdefault(one.blob_sha256, [])
        moment = (one.query_time_ms, one.time_ms)
        if moment not in moments and len(moments) < MOMENTS_OF_A_BLOB:
            moments.append(moment)
            left -= 1
    if is_picture:
        found.by_votes = [blob for blob in found if blob not in by_hashes]
    return found
