"""When witnesses' contradiction ends the log (docs/decisions/0013).

A witness's 409 and 422 are not signed, and one that lies or is broken must not stop everybody's work. But what
``/checkpoint`` showed had the policy's quorum: of a log that was put back, or goes on differently, a whole quorum holds
trees that it lacks. So only a quorum's word ends it; the integrator, which alone may, halts it then.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.anchors.logs import current_log
from app.anchors.models import Witness
from app.anchors.witnessing import AHEAD, OTHER_ROOT, PROOF_REFUSED, logger
from app.ledger.policy import Policy

HOLDS_ANOTHER_TREE = (AHEAD, OTHER_ROOT, PROOF_REFUSED)
"""Alarms that say: it holds a tree that is not in this log. TREE_DAMAGED is a fault that we find in ourselves."""


def judge_alarms(session: Session, policy: Policy) -> bool:
    """Mark the witnesses whose alarms end the log, and no others; whether they do.

    Asked anew in every pass, because alarms are taken back by an operator, and the policy may be another one.
    """
    rows = session.scalars(
        select(Witness)
        .filter_by(log_id=current_log(session), state="alarm")
        .order_by(Witness.public_key)
        .with_for_update()
    ).all()
    against = {row.public_key for row in rows if row.detail in HOLDS_ANOTHER_TREE}
    members = {key.public_key for key in policy.witness_keys}
    is_quorum = policy.quorum is not None and policy.is_satisfied_by(against & members)
    for row in rows:
        ends_log = is_quorum and row.public_key in against & members
        if ends_log and not row.ends_log:
            logger.error("witness_ends_the_log", witness=row.name, detail=row.detail, witness_size=row.size)
        row.ends_log = ends_log
    return is_quorum
