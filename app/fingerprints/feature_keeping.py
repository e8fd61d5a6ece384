"""Keeping the index of local features: its file is made anew, and checked, as that of the hashes is.

The file is read from the database as of one moment, so that it holds each set once and exactly what its watermark says.
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.fingerprints.algorithms.local_features import POINT_BYTES
from app.fingerprints.feature_index import FeatureIndex, OpenedPoints, open_points, set_key, sets_query
from app.fingerprints.following import watermark
from app.fingerprints.index_keeping import Check, FileKeeper, Stopped
from app.fingerprints.models import LocalFeatureSet
from app.fingerprints.search.files import writing
from app.fingerprints.search.hamming import Words
from app.fingerprints.search.points import SET, PointBlock, fill, is_answer, near_points, shapes_of, unpacked
from app.kernel.primitives import new_id
from app.kernel.private_files import ensure_private_directory

logger = structlog.get_logger("exhibit.index")

FILE_FROM_POINTS = 200_000
"""Of 400 pictures. The file takes 50 MB beside 90 bytes a point."""
SETS_AT_ONCE = 500
SETS_CHECKED = 4
POINTS_CHECKED = 8
"""Of each of these sets."""


class FeatureKeeper(FileKeeper[OpenedPoints]):
    """Of the local features' index."""

    _counted = "points"
    _index: FeatureIndex

    def __init__(self, index: FeatureIndex, directory: Path, file_from_rows: int = FILE_FROM_POINTS) -> None:
        super().__init__(index, directory, file_from_rows)

    def _read(self) -> OpenedPoints:
        return open_points(self._path)

    def _build(self, session: Session) -> int:
        return build_points_file(session, self._index.versions, self._path, self._stopping)

    def _compare(self, session: Session) -> Check:
        return check_points(session, self._index, self._stopping)


def build_points_file(session: Session, versions: Sequence[str], path: Path, stopping: threading.Event) -> int:
    """Make the file anew of all that is in the database; how many points it has. Takes no memory beside the file's own
    pages and a part's points. Raises OSError, Stopped."""
    session.rollback()
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    number, token = watermark(session)
    held = sets_query().where(LocalFeatureSet.count > 0).subquery()
    sets, size_bytes = session.execute(select(func.count(), func.sum(func.octet_length(held.c.points)))).one()
    points = int(size_bytes or 0) // POINT_BYTES
    facts = {"id": str(new_id()), "number": number, "token": str(token), "versions": sorted(versions)}
    ensure_private_directory(path.parent)
    with writing(path, facts, shapes_of(points, sets)) as arrays:
        at_point = at_set = 0
        for rows in _stored(session, stopping):
            words, turns = unpacked(b"".join(row.points for row in rows))
            counts = [len(row.points) // POINT_BYTES for row in rows]
            to_point, to_set = at_point + len(words), at_set + len(rows)
            arrays["words"][at_point:to_point] = words
            arrays["turns"][at_point:to_point] = turns
            arrays["owners"][at_point:to_point] = np.repeat(np.arange(at_set, to_set, dtype=np.uint32), counts)
            keys = np.frombuffer(b"".join(map(set_key, rows)), np.uint8)
            arrays["sets"][at_set:to_set] = keys.reshape(len(rows), SET.itemsize)
            at_point, at_set = to_point, to_set
        session.rollback()
        fill(arrays)
    return points


def check_points(session: Session, index: FeatureIndex, stopping: threading.Event) -> Check:
    """Compare what answers some stored points, with bits turned by chance, with what comparing every point of the
    database finds. The index is asked afterwards: it then has all that was read."""
    found = Check()
    queries = _queries(session)
    if not len(queries):
        return found
    expected: list[set[tuple[bytes, bytes]]] = [set() for _ in queries]
    for rows in _stored(session, stopping):
        words, _ = unpacked(b"".join(row.points for row in rows))
        keys = np.repeat(np.arange(len(rows)), [len(row.points) // POINT_BYTES for row in rows])
        found.hashes += len(words)
        for number in range(len(queries)):
            for place in np.flatnonzero(is_answer(words, queries[number : number + 1])):
                expected[number].add((set_key(rows[keys[place]]), words[place].tobytes()))
    session.rollback()
    blocks = index.blocks(session)
    if blocks is None:
        return found
    for number, near in enumerate(expected):
        found.queries += 1
        found.missing += len(near - _answered(blocks, queries[number : number + 1]))
    return found


def _answered(blocks: Sequence[PointBlock], query: Words) -> set[tuple[bytes, bytes]]:
    """Set and descriptor of every point that answers."""
    answered = set()
    for block, hits in zip(blocks, near_points(blocks, query), strict=True):
        for row in hits.rows:
            answered.add((block.rows.sets[block.rows.owners[row]].tobytes(), block.rows.words[row].tobytes()))
    return answered


def _queries(session: Session) -> Words:
    """Points of sets chosen by chance, each with a few bits turned."""
    chance = np.random.default_rng()
    chosen = []
    query = sets_query().where(LocalFeatureSet.count > 0).order_by(LocalFeatureSet.blob_sha256)
    for _ in range(SETS_CHECKED):
        somewhere = LocalFeatureSet.blob_sha256 >= chance.bytes(32).hex()
        row = session.execute(query.where(somewhere).limit(1)).first() or session.execute(query.limit(1)).first()
        if row is not None:
            words = unpacked(row.points)[0]
            chosen.append(words[chance.integers(0, len(words), POINTS_CHECKED)])
    if not chosen:
        return np.empty((0, 4), np.uint64)
    bits = np.unpackbits(np.concatenate(chosen).view(np.uint8), axis=1)
    turned = chance.random(bits.shape) < chance.uniform(0, 0.2, (len(bits), 1))
    return np.packbits(bits ^ turned, axis=1).view(np.uint64)


def _stored(session: Session, stopping: threading.Event) -> Iterator[Sequence[Any]]:
    """All sets with points, part by part, as of one moment. Raises Stopped."""
    query = sets_query().where(LocalFeatureSet.count > 0)
    rows = session.execute(query.execution_options(stream_results=True, yield_per=SETS_AT_ONCE))
    for part in rows.partitions():
        if stopping.is_set():
            raise Stopped
        yield part
