"""What the log shows outsiders of its heads: the newest checkpoint that the policy accepts, with its cosignatures."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.logs import current_log
from app.kernel.database import read_session
from app.ledger import reading
from app.ledger.checkpoint import NoteInvalid, split_note
from app.ledger.cosignature import Cosignature, WitnessKey, require_cosigned
from app.ledger.policy import Policy
from app.ledger.reading import Reader, SignedCheckpoint

LOOK_EVERY_S = 0.1

# One look into the index (log_id, public_key, size) for each witness.
_NEWEST_OF_EACH = text("""
    SELECT k.key, c.size FROM unnest(CAST(:keys AS bytea[])) AS k (key)
    CROSS JOIN LATERAL (
        SELECT size FROM ledger_cosignatures WHERE log_id = :log AND public_key = k.key AND size < :below
        ORDER BY size DESC LIMIT 1
    ) c
""")
_COSIGNERS = text("SELECT public_key FROM ledger_cosignatures WHERE log_id = :log AND size = :size")
_PASSED = text("SELECT DISTINCT public_key FROM ledger_cosignatures WHERE log_id = :log AND size > :size")
_OF_SIZE = text("""
    SELECT public_key, name, timestamp_s, signature FROM ledger_cosignatures
    WHERE log_id = :log AND size = :size ORDER BY name, public_key
""")


def published_checkpoint(
    session: Session, policy: Policy | None, *, log_id: int | None = None
) -> SignedCheckpoint | None:
    """The newest checkpoint whose cosignatures make up the policy's quorum, its note with all cosignatures it has.

    Without a policy, or when that asks for no quorum, the newest one. None: nothing is signed, or no quorum came ever.
    Of the current log, unless ``log_id`` names an earlier one.
    """
    if policy is None or policy.quorum is None:
        newest = reading.latest_checkpoint(session, log_id=log_id)
        return None if newest is None else with_cosignatures(session, newest)
    size = newest_accepted(session, policy, log_id=log_id)
    found = None if size is None else reading.checkpoint_of(session, size, log_id=log_id)
    return None if found is None else with_cosignatures(session, found)


def newest_accepted(session: Session, policy: Policy, *, log_id: int | None = None) -> int | None:
    """The size of the newest checkpoint with a quorum.

    No head above ``reached`` has one, because too few witnesses went that far. So a look jumps over all that some of
    them cosigned without the rest: there are as many looks as changes in who was there, and one on ordinary days. The
    policy is asked, not what an earlier one made of the cosignatures.
    """
    below, keys = 2**63 - 1, [key.public_key for key in policy.witness_keys]
    this_log = current_log(session) if log_id is None else log_id
    while True:
        rows = session.execute(_NEWEST_OF_EACH, {"log": this_log, "below": below, "keys": keys})
        newest = {bytes(row.key): int(row.size) for row in rows}
        reached = _reached(policy, newest)
        if reached is None:
            return None
        cosigners = session.scalars(_COSIGNERS, {"log": this_log, "size": reached})
        if policy.is_satisfied_by(set(map(bytes, cosigners))):
            return reached
        below = reached


def _reached(policy: Policy, newest: Mapping[bytes, int]) -> int | None:
    """The largest size that a quorum of the witnesses has come to or gone past."""
    for size in sorted(set(newest.values()), reverse=True):
        if policy.is_satisfied_by({key for key, held in newest.items() if held >= size}):
            return size
    return None


def await_quorum(
    sessions: sessionmaker[Session], checkpoint: SignedCheckpoint, policy: Policy | None, timeout_s: float
) -> SignedCheckpoint:
    """The checkpoint with the cosignatures it has as soon as they are a quorum, or as they are after ``timeout_s``.

    Also at once when a witness went past it: none cosigns a smaller tree after a larger one. Holds no connection while
    it sleeps.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        with read_session(sessions) as session:
            cosigners = {each.key.public_key for each in cosignatures_of(session, checkpoint)}
            is_done = policy is None or policy.is_satisfied_by(cosigners) or _is_passed(session, checkpoint, policy)
            if is_done or time.monotonic() >= deadline:
                return with_cosignatures(session, checkpoint)
        time.sleep(LOOK_EVERY_S)


def _is_passed(session: Session, checkpoint: SignedCheckpoint, policy: Policy) -> bool:
    """Whether so many witnesses cosigned a larger tree that the rest is no quorum."""
    passed = set(session.scalars(_PASSED, {"log": checkpoint.log_id, "size": checkpoint.size}))
    left = {key.public_key for key in policy.witness_keys} - set(map(bytes, passed))
    own = {each.key.public_key for each in cosignatures_of(session, checkpoint)}
    return not policy.is_satisfied_by(left | own)


def with_cosignatures(session: Reader, checkpoint: SignedCheckpoint) -> SignedCheckpoint:
    """The checkpoint with the lines of all who cosigned it at the end of its note, in the order of their names."""
    lines = [f"{each.encode()}\n" for each in cosignatures_of(session, checkpoint)]
    return replace(checkpoint, note=checkpoint.note + "".join(lines))


def cosignatures_of(session: Reader, checkpoint: SignedCheckpoint) -> list[Cosignature]:
    """Those kept of it that verify: a row that somebody wrote past the witness client is shown to nobody, for whoever
    checks a note refuses it over one bad line."""
    rows = session.execute(_OF_SIZE, {"log": checkpoint.log_id, "size": checkpoint.size})
    signed, _ = split_note(checkpoint.note)
    return [each for row in rows if (each := _verified(row, signed)) is not None]


def _verified(row: Row[Any], text: str) -> Cosignature | None:
    try:
        found = Cosignature(WitnessKey(row.name, row.public_key), row.timestamp_s, row.signature)
        require_cosigned(found, text)
    except NoteInvalid:
        return None
    return found
