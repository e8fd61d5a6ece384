"""Which pictures and frames may show a part of another one: the index of local features, which follows the database.

It proposes by votes (``search.points``); whoever asks lays the pictures upon each other (``geometry``). It holds the
points of every decoding, of the picture as it is and of its parts, each as a set of its own (turned copies are asked
for by the query's other views). Of what
it proposes only what is in force is answered; that is read from the database, as are the points themselves.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from sqlalchemy import and_, exists, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Session

from app.fingerprints.algorithms.local_features import VERSION
from app.fingerprints.following import Follower
from app.fingerprints.models import FingerprintBatch, LocalFeatureSet, RuleInForce
from app.fingerprints.search.files import open_index
from app.fingerprints.search.points import SET, PointBlock, PointRows, PointSide, Voted, block_of, vote
from app.fingerprints.views import IDENTITY, PART
from app.kernel.database import is_one_of

logger = structlog.get_logger("exhibit.index")

READ_AT_START = 2_000
"""So many pictures' and frames' points, 36 MB as they are stored, a process reads into memory when it has no file."""
READ_AT_ONCE = 500
"""Sets, 9 MB."""
ASKED_AGAIN = 4
"""So many times the sets that are wanted are looked at for such as are in force."""


@dataclass(frozen=True, slots=True)
class FeatureQuery:
    """The points of one picture or frame, as they are stored, in one view."""

    time_ms: int
    view: str
    points: bytes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored picture or frame that may show what the query's does."""

    blob_sha256: str
    time_ms: int
    query_time_ms: int
    query_view: str
    votes: int
    """Thousandths: a point that no other picture answers counts 1,000."""
    is_by_chance: bool = False
    """Whether in no view more points agree than do of two pictures that have nothing in common."""


@dataclass(frozen=True)
class OpenedPoints:
    """A file's points."""

    facts: Mapping[str, Any]
    block: PointBlock
    size_bytes: int

    @property
    def rows(self) -> int:
        return len(self.block)


class SetsBeside:
    """The sets that came after the file. One that is read twice is kept once: votes would be otherwise."""

    def __init__(self) -> None:
        self.points = PointSide()
        self._seen: set[tuple[bytes, str]] = set()

    def __len__(self) -> int:
        return len(self.points)

    def add(self, rows: Sequence[Any]) -> None:
        packed, keys = [], []
        for row in rows:
            key = set_key(row)
            if row.points and (key, row.view) not in self._seen:
                self._seen.add((key, row.view))
                keys.append(key)
                packed.append(row.points)
        if keys:
            self.points.add(PointRows.of(packed, np.frombuffer(b"".join(keys), SET)))


def set_key(row: Any) -> bytes:
    """One row of ``search.points.SET``."""
    return np.array((bytes(row.blob), row.decoding, row.time_ms), SET).tobytes()


class FeatureIndex(Follower[OpenedPoints, SetsBeside]):
    """One for a process, and all its threads."""

    name = "features"

    def __init__(self, read_at_start: int = READ_AT_START, read_at_once: int = READ_AT_ONCE) -> None:
        super().__init__([VERSION], read_at_start, read_at_once)

    def candidates(
        self,
        session: Session,
        among: Collection[str] | None,
        sets: Sequence[FeatureQuery],
        limit: int,
        *,
        excluding: Collection[str] = (),
    ) -> list[Candidate]:
        """Of each of the query's pictures or frames, at most ``limit`` of what is stored of these blobs (None: of all
        but those that are excluded), most votes first; what may answer in several views is named in the one that has
        most.

        What was committed before is found, and what the session itself stored. Where there are too many points to be
        read and no file yet, only those of ``among`` are searched: none, where that is None too.
        """
        if not sets or (among is not None and not among):
            return []
        blocks = self.blocks(session)
        if blocks is None:
            blocks = [] if among is None else _blocks_of(session, among)
        allowed = None if among is None else _are_of(blocks, among)
        if among is None and excluding:
            allowed = ~_are_of(blocks, excluding)
        if allowed is not None and not allowed.any():
            return []
        try:
            return self._voted(session, blocks, allowed, sets, limit)
        except IndexError:  # The disk gave other bytes than when the file was opened, and checked.
            with self._lock:
                is_from_file, self._held, self._file = self._file is not None, None, None
            if not is_from_file:
                raise
            logger.error("index_set_aside", index=self.name, has_file=True)
            return self.candidates(session, among, sets, limit, excluding=excluding)

    def _voted(
        self,
        session: Session,
        blocks: Sequence[PointBlock],
        allowed: np.ndarray | None,
        sets: Sequence[FeatureQuery],
        limit: int,
    ) -> list[Candidate]:
        best: dict[tuple[int, str, int], Candidate] = {}
        standing: dict[str, int | None] = {}
        for query in sets:
            found = vote(blocks, query.points, ASKED_AGAIN * limit, allowed)
            for one in _in_force(session, found, limit, standing):
                blob, time_ms = bytes(one.which["blob"]).hex(), int(one.which["time_ms"])
                candidate = Candidate(blob, time_ms, query.time_ms, query.view, one.votes, one.is_by_chance)
                key = (query.time_ms, blob, time_ms)
                best[key] = _in_both(best.get(key, candidate), candidate)
        return _first_of_each(best.values(), limit)

    def blocks(self, session: Session) -> list[PointBlock] | None:
        """All that is searched in, after following; None: the index cannot tell."""
        with self._lock:
            own = self._follow(session)
            if own is None or self._held is None:
                return None
            blocks = [] if self._held.file is None else [self._held.file.block]
            blocks += self._held.side.points.snapshot()
        if own:
            stored = SetsBeside()
            stored.add(session.execute(_own()).all())
            blocks += stored.points.snapshot()
        return blocks

    def _empty(self) -> SetsBeside:
        return SetsBeside()

    def _everything(self) -> Any:
        is_own = exists().where(_belongs(), FingerprintBatch.number.is_(None))
        return sets_query().where(~is_own)

    def _of_batches(self) -> tuple[Any, Any, Any]:
        return LocalFeatureSet, and_(_belongs(), *_is_indexed()), sets_query().selected_columns

    def _add(self, side: SetsBeside, rows: Sequence[Any]) -> None:
        side.add(rows)


FEATURES = FeatureIndex()
"""This process's; the worker's chore ``keep_index`` gives it its file."""


def sets_query() -> Any:
    """Every set that is indexed: ``(blob, decoding, time_ms, points, view)``."""
    blob = type_coerce(LocalFeatureSet.blob_sha256, BYTEA).label("blob")
    columns = (blob, LocalFeatureSet.decoding, LocalFeatureSet.time_ms, LocalFeatureSet.points, LocalFeatureSet.view)
    return select(*columns).where(*_is_indexed())


def open_points(path: Path) -> OpenedPoints:
    """Raises what :func:`search.files.open_index` raises."""
    file = open_index(path)
    return OpenedPoints(file.facts, block_of(file.arrays), file.size_bytes)


def _is_indexed() -> tuple[Any, ...]:
    is_upright = or_(LocalFeatureSet.view == IDENTITY, LocalFeatureSet.view.startswith(f"{PART}."))
    return LocalFeatureSet.version == VERSION, is_upright


def _belongs() -> Any:
    return and_(
        LocalFeatureSet.blob_sha256 == FingerprintBatch.blob_sha256,
        LocalFeatureSet.decoding == FingerprintBatch.decoding,
    )


def _own() -> Any:
    """What the session stored and has not committed."""
    return sets_query().join(FingerprintBatch, _belongs()).where(FingerprintBatch.number.is_(None))


def _blocks_of(session: Session, among: Collection[str]) -> list[PointBlock]:
    """Of some blobs alone, read for one search."""
    query = sets_query().where(is_one_of(LocalFeatureSet.blob_sha256, among))
    stored = SetsBeside()
    stored.add(session.execute(query).all())
    return stored.points.snapshot()


def _are_of(blocks: Sequence[PointBlock], among: Collection[str]) -> np.ndarray:
    """Which sets of all blocks belong to these blobs."""
    wanted = np.array([bytes.fromhex(sha256) for sha256 in among], "S32")
    parts = [np.isin(np.ascontiguousarray(block.rows.sets["blob"]).view("S32"), wanted) for block in blocks]
    return np.concatenate(parts) if parts else np.empty(0, bool)


def _in_force(session: Session, found: Sequence[Voted], limit: int, standing: dict[str, int | None]) -> list[Voted]:
    """The first of these that are in force. ``standing``: of each blob that was asked for before, its decoding that
    is; it is added to."""
    keys = [(bytes(one.which["blob"]).hex(), int(one.which["decoding"])) for one in found]
    unknown = {blob for blob, _ in keys} - standing.keys()
    if unknown:
        query = select(RuleInForce.blob_sha256, RuleInForce.decoding)
        rows = session.execute(query.where(RuleInForce.rule == VERSION, is_one_of(RuleInForce.blob_sha256, unknown)))
        standing |= dict.fromkeys(unknown) | dict(rows.all())
    return [one for one, (blob, decoding) in zip(found, keys, strict=True) if standing[blob] == decoding][:limit]


def _in_both(known: Candidate, other: Candidate) -> Candidate:
    """Of one picture in two views the one that has more votes, and what both say of chance."""
    strongest = other if other.votes > known.votes else known
    return replace(strongest, is_by_chance=known.is_by_chance and other.is_by_chance)


def _first_of_each(candidates: Collection[Candidate], limit: int) -> list[Candidate]:
    """The best of each of the query's pictures or frames, all in one order."""
    taken: dict[int, int] = {}
    first = []
    for one in sorted(candidates, key=lambda c: (-c.votes, c.query_time_ms, c.blob_sha256, c.time_ms)):
        taken[one.query_time_ms] = taken.get(one.query_time_ms, 0) + 1
        if taken[one.query_time_ms] <= limit:
            first.append(one)
    return first
