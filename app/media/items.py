"""Finding, locking and moving one evidence item: what every service that acts on items begins with."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, select, true
from sqlalchemy.orm import Session, contains_eager

from app.access.actors import Actor
from app.access.rules import RULES, Operation
from app.cases.service import NOWHERE, Grant, authorise, is_of, permit, standing_in, within_reach
from app.kernel.errors import Forbidden, NotFound, VersionMismatch
from app.ledger.event import EntryObject
from app.media.closing import require_open
from app.media.models import Blob, Evidence
from app.media.rules import State, Transition, next_state


def find_evidence(session: Session, actor: Actor, evidence_id: UUID, operation: Operation) -> tuple[Evidence, Grant]:
    """An item and what permits the operation on it. Raises NotFound, Forbidden, CaseClosedToChanges.

    Everything that shows or changes one item begins here: what a withdrawn consent closes is refused with
    ConsentWithdrawn, to members who could read it before.
    """
    if RULES[operation].changes_case:
        reached = within_reach(actor, Evidence.case_id)
        evidence = session.scalar(select(Evidence).where(Evidence.id == evidence_id, reached))
        grant = authorise(session, actor, NOWHERE if evidence is None else evidence.case_id, operation)
        if evidence is None:
            raise NotFound()
    else:
        # In one round trip, with the blob that most readers want next.
        query = _ANYWHERE if actor.organisation_roles else _IN_OWN_CASES
        row = session.execute(query, {"evidence_id": evidence_id, "account_id": actor.account_id}).one_or_none()
        if row is None:
            raise NotFound()
        evidence = row.Evidence
        grant = permit(session, actor, evidence.case_id, operation, row)
    _hold_to_own(evidence, grant)
    require_open(evidence, grant, operation)
    return evidence, grant


def lock_evidence(
    session: Session, actor: Actor, evidence_id: UUID, operation: Operation, *, version: int | None
) -> tuple[Evidence, Grant]:
    """The same, with the row locked until the transaction ends, at the version that the caller read.

    Raises VersionMismatch (412) besides; ``version`` None skips that check.
    """
    # An outsider is refused before anything is locked; and the case comes before its items, for everybody.
    case_id = session.scalar(_CASE_OF, {"evidence_id": evidence_id})
    grant = authorise(session, actor, case_id or NOWHERE, operation)
    evidence = session.scalars(LOCKED, {"evidence_id": evidence_id}).one()
    _hold_to_own(evidence, grant)
    require_open(evidence, grant, operation)
    if version is not None and evidence.version != version:
        raise VersionMismatch(f"The item is at version {evidence.version}. Read it again, then repeat the change.")
    return evidence, grant


def _with_standing(reach: ColumnElement[bool]) -> Select[Evidence, *tuple[Any, ...]]:
    standing = standing_in(bindparam("account_id"), Evidence.case_id)
    query = select(Evidence, *standing).outerjoin(Evidence.blob).options(contains_eager(Evidence.blob))
    return query.where(_IS_IT, reach)


# Nearly every request about an item asks one of these: made anew they would take longer than their answers.
_IS_IT = Evidence.id == bindparam("evidence_id")
_ANYWHERE = _with_standing(true())
_IN_OWN_CASES = _with_standing(is_of(bindparam("account_id"), Evidence.case_id))
_CASE_OF = select(Evidence.case_id).where(_IS_IT)
LOCKED = (  # With its bytes, which every entry about it names.
    select(Evidence)
    .outerjoin(Evidence.blob)
    .options(contains_eager(Evidence.blob))
    .where(_IS_IT)
    .with_for_update(of=Evidence)
    .execution_options(populate_existing=True)
)


def _hold_to_own(evidence: Evidence, grant: Grant) -> None:
    if grant.own_only and grant.account_id not in (evidence.registered_by, evidence.received_by):
        raise Forbidden("Your role permits this on items that you registered or received yourself.")


def move(evidence: Evidence, event: Transition, *, chosen: State | None = None) -> None:
    """Move a locked item to where the event leads, as its next version. Raises WrongState."""
    evidence.state = next_state(State(evidence.state), event, chosen=chosen)
    evidence.version += 1


def entry_object(session: Session, evidence: Evidence) -> EntryObject:
    """The item as an entry names it: with version, and SHA-256 and size of its bytes once there are some."""
    blob = None if evidence.blob_sha256 is None else session.get(Blob, evidence.blob_sha256)
    return EntryObject(
        "evidence",
        evidence.id,
        evidence.version,
        None if blob is None else blob.sha256,
        None if blob is None else blob.size_bytes,
    )
