"""The formats in which a custody log can be taken as a file. A new one is a module and one place in the tuple."""

from collections.abc import Iterator
from typing import Protocol

from sqlalchemy.orm import Session, sessionmaker

from app.exports.custody_service import CustodyExport
from app.exports.formats import custody_csv, custody_jsonl


class CustodyFormat(Protocol):
    """What a format's module offers."""

    NAME: str
    MEDIA_TYPE: str
    SUFFIX: str

    def write(self, export: CustodyExport, sessions: sessionmaker[Session]) -> Iterator[bytes]:
        """The file in pieces, in constant memory."""
        ...


CUSTODY_FORMATS: tuple[CustodyFormat, ...] = (custody_jsonl, custody_csv)


def custody_format(name: str) -> CustodyFormat:
    return next(each for each in CUSTODY_FORMATS if name == each.NAME)
