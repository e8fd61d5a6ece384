"""Four eyes: where a case's policy says so, a package is made when another person than the one who asked approves it.

The rule is about persons, not about roles, and holds in the database: who asked never approves, nothing is built nor
taken before, and a decision is made once. Who asked may refuse, to take the request back.
"""

from typing import Literal
from uuid import UUID

from sqlalchemy import select

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import NOWHERE, authorise, pseudonym_of
from app.consent.rules import ConsentScope
from app.exports.errors import ANOTHER_PERSON, ExportAlreadyDecided
from app.exports.events import ExportApproved, ExportRefused
from app.exports.export_service import BUILD_EXPORT, STREAMS_OF_EXPORT, require_consent
from app.exports.models import Export
from app.kernel.errors import NotFound
from app.kernel.primitives import utc_now
from app.ledger.event import EntryObject
from app.unit_of_work import UnitOfWork


def decide_export(
    uow: UnitOfWork, actor: Actor, export_id: UUID, *, decision: Literal["approve", "refuse"], reason: str
) -> Export:
    """An approved package is built by its job, as it was asked for: its streams end where they ended then.

    Raises NotFound, Forbidden, ExportAlreadyDecided, ExportNeedsAnother, DisclosureWithheld for what was withdrawn
    since.
    """
    case_id = uow.session.scalar(select(Export.case_id).where(Export.id == export_id))
    grant = authorise(uow.session, actor, case_id or NOWHERE, Operation.DECIDE_EXPORT)
    export = uow.session.scalar(select(Export).where(Export.id == export_id).with_for_update())
    if export is None:
        raise NotFound()
    if export.state != "awaiting_approval":
        raise ExportAlreadyDecided("It waits for no decision: it was decided about, or needed none.")
    is_approved = decision == "approve"
    if is_approved and export.requested_by == actor.account_id:
        raise ANOTHER_PERSON
    if is_approved and (export.has_media or export.is_redacted or export.disclosed != "none"):
        streams = uow.session.scalars(STREAMS_OF_EXPORT, {"export": export.id}).all()
        require_consent(uow.session, streams, ConsentScope(export.audience))
    export.decision, export.decided_by, export.decided_at = decision, actor.account_id, utc_now()
    export.state = "building" if is_approved else "refused"
    event = ExportApproved if is_approved else ExportRefused
    uow.record(
        event(
            stream=export.case_id,
            actor=grant.entry_actor,
            object=EntryObject("export", export.id),
            second_person=pseudonym_of(uow.session, export.case_id, export.requested_by),
            reason=reason,
        )
    )
    if is_approved:
        uow.enqueue(BUILD_EXPORT, export_id=str(export.id))
    return export
