"""The index of hashes in an API process: it takes the file that a worker on this machine makes, and follows on from it.

The file is mapped, so all processes share one copy in memory. Whoever makes it anew renames it into its place: the next
look takes it while searches go on in the old one, whose mapping ends with the last search in it. Nothing here makes,
checks or removes a file; a worker does (``index_keeping``).
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.fingerprints.following import FollowingIndex, is_of_this_database
from app.fingerprints.index_keeping import Signature
from app.fingerprints.search.block import read_blocks
from app.fingerprints.search.files import NotAnIndex
from app.kernel.database import read_session

logger = structlog.get_logger("exhibit.index")

LOOK_EVERY_S = 10.0
MOST_BESIDE = 1_000_000
"""Hashes that a process holds beside the file, each 64 bytes, or the file's own number where that is more: without a
worker nobody makes the file anew, and memory has an end."""


@dataclass(frozen=True)
class Standing:
    """What the last look found."""

    is_ready: bool
    rows_in_file: int = 0
    rows_beside: int = 0


class Adopter:
    """Keeps one API process's index by the file in one directory."""

    def __init__(self, index: FollowingIndex, directory: Path, most_beside: int = MOST_BESIDE) -> None:
        self._index = index
        self._path = directory / "fingerprints"
        self._most_beside = most_beside
        self._seen: Signature | None = None
        self._looking = threading.Lock()
        self._standing: Standing | None = None

    @property
    def standing(self) -> Standing | None:
        """None before the first look."""
        return self._standing

    def look(self, sessions: sessionmaker[Session]) -> None:
        """Take a file that is new, and read what was committed since; the next search has the less to read."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            with read_session(sessions) as session:
                self._take(session)
                self._standing = self._follow(session)
        except SQLAlchemyError as error:
            logger.warning("index_not_followed", kind=type(error).__name__)
        finally:
            self._looking.release()

    def _follow(self, session: Session) -> Standing:
        sizes = self._index.sizes(session)
        if sizes is None:
            return Standing(is_ready=False)
        if sizes.rows_beside > max(self._most_beside, sizes.rows_in_file):
            logger.error("index_outgrew_its_file", rows_beside=sizes.rows_beside, rows_in_file=sizes.rows_in_file)
            self._index.wait_for_file()
            return Standing(is_ready=False)
        return Standing(True, sizes.rows_in_file, sizes.rows_beside)

    def _take(self, session: Session) -> None:
        try:
            found = os.stat(self._path)
            seen = (found.st_ino, found.st_size, found.st_mtime_ns)
            if seen == self._seen:
                return
            opened = read_blocks(self._path)
        except FileNotFoundError:
            return
        except (NotAnIndex, OSError) as error:
            logger.error("index_file_refused", reason=str(error) if isinstance(error, NotAnIndex) else "unreadable")
            return
        self._seen = seen
        if set(opened.facts["versions"]) == set(self._index.versions) and is_of_this_database(session, opened.facts):
            self._index.adopt(opened)
            logger.info("index_taken", index=opened.facts["id"], size_bytes=opened.size_bytes)
        else:
            logger.warning("index_file_refused", reason="of another database, other versions, or found wanting")
