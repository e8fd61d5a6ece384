"""The formats in which an auditor's log can be taken. A new one is a module and one place in the tuple."""

from collections.abc import Iterator
from typing import Protocol

from sqlalchemy.orm import Session, sessionmaker

from app.auditing.entry_log import EntryLog
from app.auditing.formats import entries_csv, entries_jsonl


class EntriesFormat(Protocol):
    """What a format's module offers."""

    NAME: str
    MEDIA_TYPE: str
    SUFFIX: str

    def write(self, entry_log: EntryLog, sessions: sessionmaker[Session]) -> Iterator[bytes]:
        """The file in pieces, in constant memory."""
        ...


LOG_FORMATS: tuple[EntriesFormat, ...] = (entries_jsonl, entries_csv)


def log_format(name: str) -> EntriesFormat:
    return next(each for each in LOG_FORMATS if name == each.NAME)
