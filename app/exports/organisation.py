"""What the organisation's auditor sees beyond single cases: which there are, and the log of accounts and tokens.

No title, no name, no e-mail address: ids, states, numbers, and entries whose personal fields stay sealed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor, require_organisation_auditor, system_stream
from app.cases.models import Case
from app.exports.custody_service import CustodyPage, TakenFile
from app.exports.custody_streams import Subject, list_entries, lock_streams
from app.exports.ended import find_ended_part
from app.exports.events import ExportCreated
from app.kernel.primitives import new_id
from app.ledger.event import EntryObject
from app.ledger.models import LedgerStream
from app.unit_of_work import UnitOfWork


def list_audited_cases(
    session: Session, actor: Actor, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    """Every case, oldest first: ``id``, ``status``, ``created_at``, and how many ``items`` and ``incidents`` it has."""
    require_organisation_auditor(actor)
    query = (
        select(Case.id, Case.status, Case.created_at, _streams("evidence"), _streams("incident"))
        .order_by(Case.created_at, Case.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(Case.created_at, Case.id) > after)
    return session.execute(query).all()


def _streams(kind: str) -> Any:
    """How many streams of a kind a case has; each item and each incident has one, for ever."""
    counted = select(func.count()).where(LedgerStream.case_id == Case.id, LedgerStream.kind == kind)
    return counted.correlate(Case).scalar_subquery().label("items" if kind == "evidence" else "incidents")


def list_system_custody(session: Session, actor: Actor, *, after: int, limit: int) -> CustodyPage:
    """One page of the installation's own log, in the order in which it was written; sealed fields stay closed."""
    require_organisation_auditor(actor)
    entries = list_entries(session, [system_stream(session)], after=after, actor_id=None, limit=limit)
    return CustodyPage(entries, None)


def take_system_custody_file(
    uow: UnitOfWork, actor: Actor, *, file_format: str, purpose: str, reason: str | None, log_id: int | None = None
) -> TakenFile:
    """Stage ``export.created`` in the installation's own stream, which is locked from here to the commit.

    ``log_id``: what an ended log holds of it. Raises Forbidden, NotFound.
    """
    entry_actor = require_organisation_auditor(actor)
    stream = system_stream(uow.session)
    subject = Subject("system", stream, None)
    export_id = new_id()
    ended = None if log_id is None else find_ended_part(uow.session, subject, log_id)
    if ended is None:
        included, span = lock_streams(uow.session, subject)
    else:
        included, span = ended.spans, ended.spans[0]
    uow.record(
        ExportCreated(
            stream=stream,
            actor=entry_actor,
            object=EntryObject("export", export_id),
            scope=subject.scope,
            format=file_format,
            disclosed=False,
            purpose=purpose,
            reason=reason,
            entries=span.entries,
            head=span.head,
            ended_log=None if ended is None else ended.vkey.name,
        )
    )
    return TakenFile(export_id, subject, False, included, ended)
