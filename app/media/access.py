"""May this person receive here? Asked before a file's bytes are taken; the change itself asks again."""

from uuid import UUID

from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import authorise
from app.kernel.errors import VersionMismatch
from app.media.assessment import require_safe_to_collect
from app.media.items import find_evidence
from app.media.rules import State, Transition, next_state


def require_receiving(session: Session, actor: Actor, case_id: UUID) -> None:
    """Raises what :func:`app.media.service.receive_evidence` would, as far as it can be known before the file."""
    authorise(session, actor, case_id, Operation.RECEIVE_EVIDENCE)


def require_receiving_for_lead(session: Session, actor: Actor, evidence_id: UUID, *, version: int) -> None:
    """The same for the file of a lead. Raises NotFound, Forbidden, VersionMismatch, WrongState, CollectingUnsafe."""
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.RECEIVE_EVIDENCE)
    if evidence.version != version:
        raise VersionMismatch(f"The item is at version {evidence.version}. Read it again, then repeat the change.")
    next_state(State(evidence.state), Transition.RECEIVE)
    require_safe_to_collect(session, evidence_id)
