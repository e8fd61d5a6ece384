"""What the auditor's interface leaves in the ledger: logs taken as files, schedules, and the logs made by them."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.ledger.event import Event


@dataclass(frozen=True, kw_only=True)
class LogTaken(Event):
    """In the case's stream (in every case's that it shows entries of, and the installation's, for a log of all), and
    in the one stream that it is of.

    ``first`` and ``before``: its places in the tree, the last one excluded. ``asked_sha256``: of the canonical JSON of
    its scope and filters, as the file's header has them.
    """

    TYPE: ClassVar[str] = "export.log_taken"
    scope: str
    format: str
    first: int
    before: int
    asked_sha256: str
    schedule: UUID | None = None
    """Of a log that a schedule made: which one."""
    ended_log: str | None = None
    """The origin of the ended log whose places these are; None: the log of this entry."""


@dataclass(frozen=True, kw_only=True)
class LogMade(Event):
    """A schedule made the log of one month and stored it; nobody was shown it yet. By the system, for a person."""

    TYPE: ClassVar[str] = "export.log_made"
    scope: str
    format: str
    first: int
    before: int
    asked_sha256: str
    schedule: UUID
    month: str
    ended_log: str | None = None


@dataclass(frozen=True, kw_only=True)
class LogScheduled(Event):
    TYPE: ClassVar[str] = "export.scheduled"
    scope: str
    format: str
    asked_sha256: str
    day: int
    time_zone: str
    first_month: str


@dataclass(frozen=True, kw_only=True)
class LogUnscheduled(Event):
    TYPE: ClassVar[str] = "export.unscheduled"
