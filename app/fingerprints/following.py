"""The index that follows the database: who searches first reads what was committed since, then looks in memory.

What it holds is a file with tables (``search``), where there is one, and what came after it. The watermark is the
number of the newest batch that it has (:class:`FingerprintBatch`): a search reads the batches above it with its own
session, and so finds every fingerprint that was committed before it began, whichever process stored it.

The index proposes, the database disposes: of the blobs that it finds near, and that are asked for, the hashes are read
and compared again by :class:`ScanIndex`, which knows what is in force, its quality and its view. What the index holds
beyond that costs time and changes no answer. Where it cannot answer (it is another database's, it was found wanting, or
too much would have to be read first) the scan alone does.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy import BigInteger, Uuid, and_, bindparam, exists, or_, select, true, type_coerce
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Session

from app.fingerprints.index import Index, ScanIndex
from app.fingerprints.models import Fingerprint, FingerprintBatch, IndexCheck
from app.fingerprints.search.block import DIGEST_BYTES, Opened, SideBlock, side_blobs_near
from app.fingerprints.search.hamming import words_of
from app.kernel.primitives import new_id

logger = structlog.get_logger("exhibit.index")

READ_AT_START = 200_000
"""So many hashes a process reads into memory when it has no file; with more, it scans until there is one."""

READ_AT_ONCE = 100_000
"""Hashes, or more where one batch has more."""


class Taken(Protocol):
    """What an open file holds."""

    @property
    def facts(self) -> Mapping[str, Any]: ...

    @property
    def rows(self) -> int: ...


class Beside(Protocol):
    """What came after it."""

    def __len__(self) -> int: ...


F = TypeVar("F", bound=Taken)
S = TypeVar("S", bound=Beside)


@dataclass
class Held(Generic[F, S]):
    """What the index has: everything up to a watermark."""

    number: int
    token: UUID
    id: UUID
    """The file's; without a file, this process's own."""
    side: S
    file: F | None = None

    @property
    def rows_in_file(self) -> int:
        return 0 if self.file is None else self.file.rows

    @property
    def rows_beside(self) -> int:
        return len(self.side)


class Sizes(NamedTuple):
    id: UUID
    rows_in_file: int
    rows_beside: int


class Follower(ABC, Generic[F, S]):
    """One for a process, and all its threads. Of what it follows, the subclass says."""

    name: ClassVar[str]
    """Of the file, and of the checks."""

    def __init__(self, versions: Collection[str], read_at_start: int, read_at_once: int) -> None:
        self.versions = tuple(sorted(versions))
        self._read_at_start = read_at_start
        self._read_at_once = read_at_once
        self._lock = threading.Lock()
        self._file: F | None = None
        self._held: Held[F, S] | None = None
        self._is_waiting = False
        """There is more to read than one should, and no file."""

    @abstractmethod
    def _empty(self) -> S:
        """What is beside the file before anything came."""

    @abstractmethod
    def _everything(self) -> Any:
        """The rows of these versions, with a ``blob`` column."""

    @abstractmethod
    def _of_batches(self) -> tuple[Any, Any, Any]:
        """The table, how its rows belong to a batch, and those of its columns that are read. One is ``blob``."""

    @abstractmethod
    def _add(self, side: S, rows: Sequence[Any]) -> None:
        """Rows as read by :meth:`_everything` or with a batch."""

    def adopt(self, opened: F) -> None:
        """Search in this file from now on, and go on from its watermark."""
        with self._lock:
            self._file = opened
            self._held = None
            self._is_waiting = False

    def wait_for_file(self) -> None:
        """Hold nothing, and answer nothing, until :meth:`adopt`: what would be held without one is too much."""
        with self._lock:
            self._file = self._held = None
            self._is_waiting = True

    def sizes(self, session: Session) -> Sizes | None:
        """After following; None where it could not, for want of a file."""
        with self._lock:
            is_followed = self._follow(session) is not None
            held = self._held
            return Sizes(held.id, held.rows_in_file, held.rows_beside) if is_followed and held is not None else None

    def _follow(self, session: Session) -> set[bytes] | None:
        """Read what was committed since; the blobs of which the session itself has stored hashes and not committed
        them. None where it cannot. The caller holds the lock."""
        for _ in range(3):
            if self._held is None and not self._begin(session):
                return None
            assert self._held is not None
            own = self._read_on(session, self._held)
            if own is not None:
                return own
            logger.warning("index_set_aside", index=str(self._held.id), has_file=self._held.file is not None)
            self._held = self._file = None
        return None

    def _set_aside(self, held: Held[F, S]) -> None:
        logger.error("index_set_aside", index=str(held.id), has_file=held.file is not None)
        with self._lock:
            if self._held is held:
                self._held = self._file = None

    def _begin(self, session: Session) -> bool:
        """From the file, else from nothing, where that is not too much to read."""
        if self._file is not None:
            facts = self._file.facts
            self._held = Held(facts["number"], UUID(facts["token"]), UUID(facts["id"]), self._empty(), self._file)
            return True
        if self._is_waiting:
            return False
        number, token = watermark(session)
        rows = session.execute(self._everything().limit(self._read_at_start + 1)).all()
        self._is_waiting = len(rows) > self._read_at_start
        if self._is_waiting:
            logger.info("index_waits_for_its_file", more_than=self._read_at_start)
            return False
        self._held = Held(number, token, new_id(), self._empty())
        self._add(self._held.side, rows)
        return True

    def _read_on(self, session: Session, held: Held[F, S]) -> set[bytes] | None:
        """See :meth:`_follow`. None: the index is of another database or state, or was found wanting.

        The first row read is the watermark's own. A batch that may be cut off by the limit is left for the next round.
        """
        own: set[bytes] = set()
        limit = self._read_at_once
        while True:
            asked = {"held_number": held.number, "held_index": held.id, "most_rows": limit}
            rows = session.execute(self._batches, asked).all()
            if not rows or rows[0].number != held.number or rows[0].token != held.token or rows[0].is_wanting:
                return None
            own |= {row.stored_of for row in rows if row.number is None}
            whole = [row for row in rows[1:] if row.number is not None]
            is_cut = len(rows) == limit
            if is_cut and whole and rows[-1].number is not None:
                whole = [row for row in whole if row.number != whole[-1].number]
            self._add(held.side, [row for row in whole if row.blob is not None])
            if whole:
                held.number, held.token = whole[-1].number, whole[-1].token
            if not is_cut:
                return own
            if not whole:
                limit *= 4

    @cached_property
    def _batches(self) -> Any:
        """The batch of the watermark, those above it with their rows, and those of the session's own transaction.

        One statement with parameters: to put it together takes longer than to ask it. The rows are asked for batch by
        batch, whatever the planner thinks of it: by its guesses it read all fingerprints there are for each search
        (``OFFSET 0`` keeps it from turning this into a join).
        """
        table, belongs, columns = self._of_batches()
        number, index = bindparam("held_number", type_=BigInteger), bindparam("held_index", type_=Uuid)
        of_batch = select(*columns).select_from(table).where(belongs, FingerprintBatch.number > number)
        stored = of_batch.correlate(FingerprintBatch).offset(0).lateral("stored")
        return (
            select(
                FingerprintBatch.number,
                FingerprintBatch.token,
                type_coerce(FingerprintBatch.blob_sha256, BYTEA).label("stored_of"),
                *stored.c,
                _is_wanting(index).label("is_wanting"),
            )
            .outerjoin(stored, true())
            .where(or_(FingerprintBatch.number >= number, FingerprintBatch.number.is_(None)))
            .order_by(FingerprintBatch.number.asc().nulls_last())
            .limit(bindparam("most_rows", type_=BigInteger))
        )


class HashSides:
    """The hashes of each version that came after the file."""

    def __init__(self) -> None:
        self.of_version: dict[str, SideBlock] = {}

    def __len__(self) -> int:
        return sum(map(len, self.of_version.values()))


class FollowingIndex(Follower[Opened, HashSides]):
    """Of hashes."""

    name = "fingerprints"

    def __init__(
        self, versions: Collection[str], read_at_start: int = READ_AT_START, read_at_once: int = READ_AT_ONCE
    ) -> None:
        super().__init__(versions, read_at_start, read_at_once)
        self._scan: Index = ScanIndex()

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
        """As ``index.Index`` says; exactly what :class:`ScanIndex` answers."""
        if not hashes or not among:
            return set()
        near = self.blobs_near(session, version, hashes, radius_bits)
        left = among if near is None else {digest.hex() for digest in near}.intersection(among)
        return self._scan.candidates(
            session,
            left,
            version,
            hashes,
            radius_bits=radius_bits,
            minimum_quality=minimum_quality,
            any_view=any_view,
        )

    def blobs_near(
        self, session: Session, version: str, hashes: Sequence[bytes], radius_bits: int
    ) -> set[bytes] | None:
        """SHA-256 of every blob that has a hash at ``radius_bits`` or less, in force or not, and of some that have
        none. None: the index cannot tell."""
        if version not in self.versions:
            return None
        with self._lock:
            own = self._follow(session)
            if own is None or self._held is None:
                return None
            held = self._held
            block = None if held.file is None else held.file.blocks.get(version)
            beside = held.side.of_version.get(version)
            side = None if beside is None else beside.snapshot()
        queries = words_of(hashes)
        try:
            found = own if block is None else own | block.blobs_near(queries, radius_bits)
        except IndexError:  # The disk gave other bytes than when the file was opened, and checked.
            self._set_aside(held)
            return None
        return found if side is None else found | side_blobs_near(side, queries, radius_bits)

    def _empty(self) -> HashSides:
        return HashSides()

    def _everything(self) -> Any:
        return hashes_query(self.versions)

    def _of_batches(self) -> tuple[Any, Any, Any]:
        belongs = and_(
            Fingerprint.blob_sha256 == FingerprintBatch.blob_sha256,
            Fingerprint.decoding == FingerprintBatch.decoding,
            Fingerprint.version.in_(self.versions),
        )
        return Fingerprint, belongs, hashes_query(self.versions).selected_columns

    def _add(self, side: HashSides, rows: Sequence[Any]) -> None:
        of_version: dict[str, list[Any]] = {}
        for row in rows:
            of_version.setdefault(row.version, []).append(row)
        for version, found in of_version.items():
            words = words_of([row.value for row in found])
            blobs = np.frombuffer(b"".join(row.blob for row in found), np.uint8).reshape(len(found), DIGEST_BYTES)
            side.of_version.setdefault(version, SideBlock(words.shape[1])).add(words, blobs)


def watermark(session: Session) -> tuple[int, UUID]:
    """The newest batch. Whatever is read by a later statement holds everything up to it."""
    query = select(FingerprintBatch.number, FingerprintBatch.token).where(FingerprintBatch.number.is_not(None))
    number, token = session.execute(query.order_by(FingerprintBatch.number.desc()).limit(1)).one()
    assert number is not None
    return number, token


def hashes_query(versions: Collection[str]) -> Any:
    """Every hash of these versions: ``(version, blob, value)``."""
    blob = type_coerce(Fingerprint.blob_sha256, BYTEA).label("blob")
    return select(Fingerprint.version, blob, Fingerprint.value).where(Fingerprint.version.in_(versions))


def is_of_this_database(session: Session, facts: Mapping[str, Any]) -> bool:
    """Whether a file was made of this database, at a state that it has passed, and was not found wanting since."""
    made_of = select(FingerprintBatch.number).where(
        FingerprintBatch.number == facts["number"], FingerprintBatch.token == UUID(facts["token"])
    )
    return session.scalar(made_of) is not None and not session.scalar(select(_is_wanting(UUID(facts["id"]))))


def _is_wanting(index_id: Any) -> Any:
    return exists().where(IndexCheck.index_id == index_id, IndexCheck.missing > 0)
