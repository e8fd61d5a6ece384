"""``exhibit ledger anchor-now`` and ``exhibit ledger witnesses``: what an operator may ask of the asking loops."""

import argparse
import sys
import time
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.configuration import configured_authorities, read_policy
from app.anchors.logs import current_log
from app.anchors.models import Anchor, Witness
from app.anchors.stamping import open_round
from app.anchors.standing import witness_states
from app.kernel.database import open_engine, read_session, session_factory
from app.kernel.database_roles import application_url
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from app.ledger.policy import Policy

LOOK_EVERY_S = 0.5


def anchor_now(settings: Settings, options: argparse.Namespace) -> int:
    """Ask all authorities for a stamp over the newest head, and wait for the worker to bring it: 0 when all confirmed.

    Raises Misconfigured when no authority is set.
    """
    authorities = configured_authorities(settings)
    if not authorities:
        raise Misconfigured("EXHIBIT_TSA_FILE is not set: there is nobody to ask.")
    engine = open_engine(application_url(settings), pool_size=1)
    try:
        sessions = session_factory(engine)
        with sessions.begin() as session:
            checkpoint = open_round(session, authorities, period_s=0)
        if checkpoint is None:
            sys.stdout.write("Nothing was signed since the last round but its own entries; its anchors:\n")
        return _await_settled(sessions, time.monotonic() + options.wait)
    finally:
        engine.dispose()


def _await_settled(sessions: sessionmaker[Session], deadline: float) -> int:
    while True:
        with read_session(sessions) as session:
            anchors = _newest_round(session)
        is_late = time.monotonic() >= deadline
        if is_late or all(anchor.state == "confirmed" for anchor in anchors):
            break
        time.sleep(LOOK_EVERY_S)
    for anchor in anchors:
        told = anchor.reason if anchor.stamped_at is None else f"{anchor.stamped_at:%Y-%m-%dT%H:%M:%SZ}"
        sys.stdout.write(
            f"{anchor.size} {anchor.authority} {anchor.state} {told or 'not tried yet: is a worker up?'}\n"
        )
    return 0 if all(anchor.state == "confirmed" for anchor in anchors) else 1


def _newest_round(session: Session) -> Sequence[Anchor]:
    log_id = current_log(session)
    newest = select(Anchor.size).filter_by(log_id=log_id).order_by(Anchor.requested_at.desc()).limit(1)
    wanted = select(Anchor).filter_by(log_id=log_id).where(Anchor.size == newest.scalar_subquery())
    found = session.scalars(wanted.order_by(Anchor.authority)).all()
    session.expunge_all()  # They are read on after the session.
    return found


def show_witnesses(settings: Settings, options: argparse.Namespace) -> int:
    """How it stands with each witness; 1 when one contradicts the log. ``--retry NAME`` has it asked again.

    Raises Misconfigured without a policy, or for a name that is not in it.
    """
    policy = read_policy(settings)
    if policy is None:
        raise Misconfigured("EXHIBIT_WITNESS_POLICY is not set: there are no witnesses.")
    engine = open_engine(application_url(settings), pool_size=1)
    try:
        sessions = session_factory(engine)
        if options.retry is not None:
            with sessions.begin() as session:
                _retry(session, policy, options.retry)
        with read_session(sessions) as session:
            states = witness_states(session, policy)
            for each in states:
                failed = f", {each.attempts} attempts failed" if each.attempts else ""
                sys.stdout.write(f"{each.name} {each.state} at {each.size} {each.detail or ''}{failed}\n")
            known = {each.public_key for each in states}
            for key in policy.witness_keys:
                if key.public_key not in known:
                    sys.stdout.write(f"{key.name} was never asked\n")
            return 1 if any(each.state == "alarm" for each in states) else 0
    finally:
        engine.dispose()


def _retry(session: Session, policy: Policy, name: str) -> None:
    keys = [key.public_key for key in policy.witness_keys if key.name == name]
    wanted = select(Witness).where(Witness.log_id == current_log(session), Witness.public_key.in_(keys))
    found = session.scalars(wanted.with_for_update()).all()
    if not found:
        raise Misconfigured(f"There is no witness {name!r} that was asked already.")
    for witness in found:
        witness.state, witness.detail, witness.alarm_size, witness.ends_log = "waiting", None, None, False
        witness.attempts, witness.next_attempt_at = 0, None
