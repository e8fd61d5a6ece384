"""Keeping the index: its file is made anew in the background, and what it finds is compared with the database.

Every worker does this now and then, for the file that lies in its data directory. While a file is made, and until it is
taken, searches go on with the one before; whoever has that one mapped keeps it. A file that is damaged, or of another
database or state, is not taken, and made anew. An index that missed something is set aside by every process with its
next search: the scan answers until a new file is there.
"""

import fcntl
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.fingerprints.following import (
    Follower,
    FollowingIndex,
    Taken,
    hashes_query,
    is_of_this_database,
    watermark,
)
from app.fingerprints.models import Fingerprint, IndexCheck
from app.fingerprints.search.block import DIGEST_BYTES, Digests, Opened, Rows, read_blocks, write_blocks
from app.fingerprints.search.files import NotAnIndex
from app.fingerprints.search.hamming import Words, distances_bits, words_of
from app.kernel.database import read_session
from app.kernel.primitives import new_id, utc_now
from app.kernel.private_files import ensure_private_directory

logger = structlog.get_logger("exhibit.index")

KEEP_EVERY_S = 20.0
CHECK_EVERY = timedelta(hours=6)
FILE_FROM_ROWS = 20_000
"""Up to here comparing one by one is as fast."""

SHARE_BESIDE = 0.1
"""The file is made anew when so much of it came after it."""

ROWS_AT_ONCE = 65_536
QUERIES_A_VERSION = 16
CHECKED_RADIUS_BITS = 31

Signature = tuple[int, int, int]

F = TypeVar("F", bound=Taken)


class Stopped(Exception):
    """The process ends."""


class FileKeeper(ABC, Generic[F]):
    """Keeps one process's index, by the file in one directory. What the file holds, the subclass says."""

    _counted: ClassVar[str]
    """What a file's rows are, in the log."""

    def __init__(self, index: Follower[F, Any], directory: Path, file_from_rows: int) -> None:
        self._index = index
        self._path = directory / index.name
        self._file_from_rows = file_from_rows
        self._seen: Signature | None = None
        self._stopping = threading.Event()

    @abstractmethod
    def _read(self) -> F:
        """Raises what :func:`search.files.open_index` raises."""

    @abstractmethod
    def _build(self, session: Session) -> int:
        """Make the file anew; how many rows it has. Raises OSError, Stopped."""

    @abstractmethod
    def _compare(self, session: Session) -> "Check":
        """What the index finds, beside what comparing everything in the database finds. Raises Stopped."""

    def stop(self) -> None:
        """End what is going on in another thread, soon: it takes minutes where there are many hashes."""
        self._stopping.set()

    def keep(self, sessions: sessionmaker[Session]) -> dict[str, Any]:
        """One look: take a file that is new, make one when it is due, check when that is due; what was done."""
        try:
            return self._keep(sessions)
        except Stopped:
            return {}

    def _keep(self, sessions: sessionmaker[Session]) -> dict[str, Any]:
        done: dict[str, Any] = {}
        with read_session(sessions) as session:
            if self._take(session):
                done["taken"] = True
            sizes = self._index.sizes(session)
            session.rollback()
            if sizes is None or sizes.rows_beside > max(self._file_from_rows, SHARE_BESIDE * sizes.rows_in_file):
                with alone(self._path) as is_alone:
                    if is_alone:
                        done[self._counted] = self._build(session)
                        self._take(session)
                        sizes = self._index.sizes(session)
        if sizes is not None and self._is_check_due(sessions, sizes.id):
            done |= self._check(sessions, sizes.id)
        return done

    def _take(self, session: Session) -> bool:
        """Take the file when it is another one than before, and this database's."""
        try:
            found = os.stat(self._path)
            seen = (found.st_ino, found.st_size, found.st_mtime_ns)
            if seen == self._seen:
                return False
            opened = self._read()
        except FileNotFoundError:
            return False
        except (NotAnIndex, OSError) as error:
            logger.error("index_file_refused", reason=str(error) if isinstance(error, NotAnIndex) else "unreadable")
            self._path.unlink(missing_ok=True)
            return False
        self._seen = seen
        is_fit = set(opened.facts["versions"]) == set(self._index.versions) and is_of_this_database(
            session, opened.facts
        )
        if not is_fit:
            logger.warning("index_file_refused", reason="of another database, other versions, or found wanting")
            return False
        self._index.adopt(opened)
        return True

    def _is_check_due(self, sessions: sessionmaker[Session], index_id: UUID) -> bool:
        with read_session(sessions) as session:
            newest = session.scalar(select(func.max(IndexCheck.at)).where(IndexCheck.index_id == index_id))
        return newest is None or utc_now() - newest >= CHECK_EVERY

    def _check(self, sessions: sessionmaker[Session], index_id: UUID) -> dict[str, Any]:
        with read_session(sessions) as session:
            found = self._compare(session)
        if not found.queries:
            return {}
        with sessions.begin() as session:
            session.add(
                IndexCheck(
                    id=new_id(),
                    index_id=index_id,
                    name=self._index.name,
                    at=utc_now(),
                    hashes=found.hashes,
                    queries=found.queries,
                    missing=found.missing,
                )
            )
        if found.missing:
            logger.error("index_missed", index=str(index_id), missing=found.missing, queries=found.queries)
        return {"checked": found.queries, "missing": found.missing}


class Keeper(FileKeeper[Opened]):
    """Of the hashes' index."""

    _counted = "hashes"
    _index: FollowingIndex

    def __init__(self, index: FollowingIndex, directory: Path, file_from_rows: int = FILE_FROM_ROWS) -> None:
        super().__init__(index, directory, file_from_rows)

    def _read(self) -> Opened:
        return read_blocks(self._path)

    def _build(self, session: Session) -> int:
        return build_file(session, self._index.versions, self._path, self._stopping)

    def _compare(self, session: Session) -> "Check":
        found = Check()
        for version in self._index.versions:
            check_version(session, self._index, version, found, self._stopping)
        return found


@dataclass
class Check:
    """What a check came to."""

    hashes: int = 0
    queries: int = 0
    missing: int = 0


@dataclass
class _Gathered:
    """One version's rows while they are read; neighbours of one blob share its digest."""

    words: list[Words] = field(default_factory=list)
    owners: list[np.ndarray] = field(default_factory=list)
    blobs: list[Digests] = field(default_factory=list)
    count: int = 0

    def add(self, words: Words, blobs: Digests) -> None:
        is_new = np.concatenate([[True], (blobs[1:] != blobs[:-1]).any(axis=1)])
        self.words.append(words)
        self.owners.append((np.cumsum(is_new) - 1 + self.count).astype(np.uint32))
        self.blobs.append(blobs[is_new])
        self.count += int(is_new.sum())

    def rows(self) -> Rows:
        return Rows(np.concatenate(self.words), np.concatenate(self.owners), np.concatenate(self.blobs))


def build_file(session: Session, versions: Sequence[str], path: Path, stopping: threading.Event) -> int:
    """Make the file anew of all that is in the database; how many hashes it has. Raises OSError, Stopped."""
    number, token = watermark(session)
    gathered: dict[str, _Gathered] = {}
    for version, words, blobs in _stored(session, versions, stopping):
        gathered.setdefault(version, _Gathered()).add(words, blobs)
    session.rollback()
    parts = {version: found.rows() for version, found in gathered.items()}
    facts = {"id": str(new_id()), "number": number, "token": str(token), "versions": sorted(versions)}
    ensure_private_directory(path.parent)
    write_blocks(path, facts, parts)
    return sum(len(rows.words) for rows in parts.values())


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether no other process makes the file; then none does until the block ends. What one that was killed left
    half made is removed."""
    ensure_private_directory(path.parent)
    with open(os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600), "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        for left_over in path.parent.glob(f".{path.name}.*"):
            left_over.unlink()
        yield True


def check_version(
    session: Session, index: FollowingIndex, version: str, found: Check, stopping: threading.Event
) -> None:
    """Compare what the index finds near some hashes, which are a few bits away from stored ones, with what comparing
    every hash of the database finds. The index is asked afterwards: it then has all that was read."""
    queries = _queries(session, version)
    if not queries:
        return
    asked = words_of(queries)
    expected: list[set[bytes]] = [set() for _ in queries]
    for _, words, blobs in _stored(session, [version], stopping):
        found.hashes += len(words)
        for number, near in enumerate(expected):
            is_near = distances_bits(words, asked[number : number + 1]) <= CHECKED_RADIUS_BITS
            near.update(digest.tobytes() for digest in blobs[is_near])
    session.rollback()
    for query, near in zip(queries, expected, strict=True):
        answered = index.blobs_near(session, version, [query], CHECKED_RADIUS_BITS)
        if answered is not None:
            found.queries += 1
            found.missing += len(near - answered)


def _queries(session: Session, version: str) -> list[bytes]:
    """Stored hashes of blobs chosen by chance, each with up to so many bits turned as are searched for."""
    chance = np.random.default_rng()
    queries = []
    for _ in range(QUERIES_A_VERSION):
        query = select(Fingerprint.value).where(Fingerprint.version == version).order_by(Fingerprint.blob_sha256)
        somewhere = Fingerprint.blob_sha256 >= chance.bytes(32).hex()
        stored = session.scalar(query.where(somewhere).limit(1)) or session.scalar(query.limit(1))
        if stored is not None:
            bits = np.unpackbits(np.frombuffer(stored, np.uint8))
            turned = chance.choice(len(bits), int(chance.integers(CHECKED_RADIUS_BITS + 1)), replace=False)
            bits[turned] ^= 1
            queries.append(np.packbits(bits).tobytes())
    return queries


def _stored(
    session: Session, versions: Sequence[str], stopping: threading.Event
) -> Iterator[tuple[str, Words, Digests]]:
    """All hashes of these versions, part by part, with their blobs; as of one moment. Raises Stopped."""
    rows = session.execute(hashes_query(versions).execution_options(stream_results=True, yield_per=ROWS_AT_ONCE))
    for part in rows.partitions():
        if stopping.is_set():
            raise Stopped
        of_version: dict[str, list[Any]] = {}
        for row in part:
            of_version.setdefault(row.version, []).append(row)
        for version, found in of_version.items():
            blobs = np.frombuffer(b"".join(row.blob for row in found), np.uint8).reshape(len(found), DIGEST_BYTES)
            yield version, words_of([row.value for row in found]), blobs
