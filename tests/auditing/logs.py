"""Logs of a hub, taken by the services, and the report of the stand-alone verifier on their bytes."""

import io
from dataclasses import dataclass
from uuid import UUID

from app.access.actors import Actor
from app.auditing import entry_log
from app.auditing.entry_log import EntryLog, LogFormat, Range
from app.auditing.log_formats import log_format
from app.auditing.selection import Filters
from app.auditing.verifier import verify_entries
from app.auditing.verifier.verify_entries import End, Report
from app.unit_of_work import unit_of_work
from tests.exports.custody_cases import Hub


@dataclass(frozen=True)
class Desk:
    """An auditor over a hub."""

    hub: Hub
    auditor: Actor

    def take(
        self,
        *,
        case: UUID | None = None,
        stream: UUID | None = None,
        filters: Filters = Filters(),  # noqa: B008 - frozen
        first: int | None = None,
        before: int | None = None,
        log_id: int | None = None,
        inline_leaves_up_to: int = 0,
        file_format: LogFormat = "jsonl",
        actor: Actor | None = None,
    ) -> EntryLog:
        with unit_of_work(self.hub.sessions) as uow:
            staged = entry_log.stage_log(
                uow,
                actor or self.auditor,
                case,
                stream,
                filters,
                Range(first, before, log_id),
                file_format=file_format,
                purpose="audit",
                reason=None,
            )
            receipts = uow.commit()
        return entry_log.await_signed(
            self.hub.sessions, staged, receipts, timeout_s=20, inline_leaves_up_to=inline_leaves_up_to
        )

    def write(self, taken: EntryLog, file_format: LogFormat = "jsonl") -> bytes:
        return b"".join(log_format(file_format).write(taken, self.hub.sessions))

    def check(self, content: bytes, former: End | None = None) -> Report:
        key = verify_entries.parse_key(self.hub.vkey.encode())
        return verify_entries.verify(io.BytesIO(content), [key], former)
