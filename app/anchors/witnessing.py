"""The witness client (c2sp.org/tlog-witness, add-checkpoint): has each witness of the policy cosign the newest head.

One pass: read, ask all witnesses side by side without a transaction, store each answer in one of its own. What a crash
leaves: at most a cosignature that the witness gave and we lost; asked again, it answers 409 with the size that it
holds, and then cosigns the same tree once more.

A witness that contradicts the log (422, another root, a larger tree than the database holds) is an alarm: stored,
shown, and not asked again until an operator has looked; a quorum of them ends the log (``contradictions``).
Everything else passes by itself and is tried again.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from app.anchors import models
from app.anchors.outgoing import Answer, NotReached, Outgoing
from app.kernel.database import read_session
from app.kernel.primitives import utc_now
from app.ledger import reading
from app.ledger.checkpoint import NoteInvalid, split_note
from app.ledger.cosignature import Cosignature, parse_cosignature_lines
from app.ledger.log import CLOSING_TYPE
from app.ledger.policy import PolicyWitness
from app.ledger.reading import NotInLog, SignedCheckpoint
from app.ledger.witness_request import SIZE_TYPE, AddCheckpoint, parse_size

ANSWER_LIMIT_BYTES = 64 * 1024
CONFLICTS_LIMIT = 3
"""So often in one pass a witness may name another size than the one it named before."""
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 600.0
AT_ONCE = 8

FILES_AT_ONCE = 20
FILE_WAITS_S = 30.0
"""No custody file waits longer than this for its witnesses."""

AHEAD = "ahead"
OTHER_ROOT = "other_root"
PROOF_REFUSED = "proof_refused"
TREE_DAMAGED = "tree_damaged"

logger = structlog.get_logger("exhibit.witnesses")

_FILE_HEAD = text("""
    SELECT c.size FROM ledger_checkpoints c
    JOIN ledger_leaves l ON l.log_id = c.log_id AND l.idx = c.size - 1 JOIN ledger_entries e USING (commitment)
    WHERE c.log_id = :log AND c.size < :newest AND e.type = :type
        AND c.signed_at > clock_timestamp() - make_interval(secs => :fresh_s)
        AND c.size > (SELECT coalesce(max(w.size), 0) FROM witnesses w WHERE w.log_id = :log)
    ORDER BY c.size LIMIT 1
""")

Prove = Callable[[int, int], list[bytes]]
"""(old, new) → the consistency proof between two sizes of the log. Raises NotInLog."""


@dataclass(frozen=True)
class Known:
    """What is stored of a witness: the size it holds, and how often in a row asking it failed."""

    size: int = 0
    attempts: int = 0


@dataclass(frozen=True)
class Outcome:
    """What one witness's answers came to. ``state`` is a word of ``models.WITNESS_STATES``."""

    state: str
    detail: str | None
    size: int
    alarm_size: int | None = None
    cosignature: Cosignature | None = None


@dataclass(frozen=True)
class _Task:
    witness: PolicyWitness
    known: Known


def witness_newest(sessions: sessionmaker[Session], witnesses: Sequence[PolicyWitness], outgoing: Outgoing) -> int:
    """One pass over the witnesses that have an address; how many were asked. Needs to be alone: hold the lock.

    On the way to the newest head it stops at those in which a custody file's entries are their streams' last ones: a
    file carries its own head, and no witness cosigns a smaller tree after a larger one.
    """
    asked = 0
    for _ in range(FILES_AT_ONCE):
        with read_session(sessions) as session:
            newest = reading.latest_checkpoint(session)
            head = newest and (_head_of_file(session, newest) or newest)
            tasks = [] if head is None else _due(session, head, witnesses, utc_now())
        if head is None or newest is None or not tasks:
            break
        _ask_all(sessions, head, tasks, outgoing)
        asked += len(tasks)
        if head.size == newest.size:
            break
    return asked


def _head_of_file(session: Session, newest: SignedCheckpoint) -> SignedCheckpoint | None:
    """The first fresh head that ends with a custody file's entries and that no witness has seen or gone past."""
    parameters = {"log": newest.log_id, "newest": newest.size, "type": CLOSING_TYPE, "fresh_s": FILE_WAITS_S}
    size = session.scalar(_FILE_HEAD, parameters)
    return None if size is None else reading.checkpoint_of(session, size, log_id=newest.log_id)


def _ask_all(
    sessions: sessionmaker[Session], checkpoint: SignedCheckpoint, tasks: Sequence[_Task], outgoing: Outgoing
) -> None:
    if not tasks:
        return

    def ask_one(task: _Task) -> tuple[_Task, Outcome]:
        return task, _ask(sessions, checkpoint, task, outgoing)

    with ThreadPoolExecutor(min(AT_ONCE, len(tasks)), thread_name_prefix="witness") as threads:
        for task, outcome in threads.map(ask_one, tasks):
            with sessions.begin() as session:
                store_outcome(session, checkpoint, task.witness, task.known, outcome)


def _due(
    session: Session, checkpoint: SignedCheckpoint, witnesses: Sequence[PolicyWitness], now: datetime
) -> list[_Task]:
    log_id = checkpoint.log_id
    states = {row.public_key: row for row in session.scalars(select(models.Witness).filter_by(log_id=log_id))}
    of_this_size = select(models.Cosignature.public_key).filter_by(log_id=log_id, size=checkpoint.size)
    done = set(session.scalars(of_this_size))
    tasks = []
    for witness in witnesses:
        state = states.get(witness.key.public_key)
        if witness.url is None or witness.key.public_key in done:
            continue
        if state is None:
            tasks.append(_Task(witness, Known()))
        elif state.state != "alarm" and (state.next_attempt_at is None or state.next_attempt_at <= now):
            tasks.append(_Task(witness, Known(state.size, state.attempts)))
    return tasks


def _ask(sessions: sessionmaker[Session], checkpoint: SignedCheckpoint, task: _Task, outgoing: Outgoing) -> Outcome:
    def prove(old: int, new: int) -> list[bytes]:
        with read_session(sessions) as session:
            return reading.consistency_proof(session, old, new, log_id=checkpoint.log_id)

    def send(request: AddCheckpoint) -> Answer:
        url = f"{(task.witness.url or '').rstrip('/')}/add-checkpoint"
        body = request.encode().encode()
        return outgoing.post(url, body, content_type="text/plain; charset=utf-8", limit_bytes=ANSWER_LIMIT_BYTES)

    outcome = ask(checkpoint, task.witness, task.known.size, prove, send)
    if outcome.detail == AHEAD:
        # Somebody else may have handed it a head that was signed since this pass began: that is no restore.
        with read_session(sessions) as session:
            newest = reading.latest_checkpoint(session, log_id=checkpoint.log_id)
        if newest is not None and newest.size >= outcome.size:
            return replace(outcome, state="waiting", detail=None, alarm_size=None)
    return outcome


def ask(
    checkpoint: SignedCheckpoint,
    witness: PolicyWitness,
    known_size: int,
    prove: Prove,
    send: Callable[[AddCheckpoint], Answer],
) -> Outcome:
    """One witness, until it cosigned or refused: at most CONFLICTS_LIMIT + 1 calls."""
    old = min(known_size, checkpoint.size)
    try:
        for _ in range(CONFLICTS_LIMIT + 1):
            hashes = prove(old, checkpoint.size) if 0 < old < checkpoint.size else []
            answer = send(AddCheckpoint(old, tuple(hashes), checkpoint.note))
            if answer.status != 409:
                return _judge(answer, checkpoint, witness, old)
            held = _held_size(answer)
            if held > checkpoint.size:
                return Outcome("alarm", AHEAD, held, alarm_size=held)
            if held == old:  # It was asked from exactly there: so its tree of that size is another one.
                return Outcome("alarm", OTHER_ROOT, held)
            if held == 0:
                logger.warning("witness_holds_nothing", witness=witness.key.name, size=old)
            old = held
    except NotReached as error:
        return Outcome("unreachable", error.code, old)
    except NoteInvalid:
        return Outcome("refusing", "bad_answer", old)
    except NotInLog:
        return Outcome("alarm", TREE_DAMAGED, old)
    return Outcome("refusing", "changes_its_size", old)


def _held_size(answer: Answer) -> int:
    if answer.media_type != SIZE_TYPE:
        raise NoteInvalid(f"an answer 409 is of the type {SIZE_TYPE}")
    return parse_size(_text(answer))


def _judge(answer: Answer, checkpoint: SignedCheckpoint, witness: PolicyWitness, old: int) -> Outcome:
    """An answer that is no 409. Raises NoteInvalid when it should be cosignatures and is not."""
    if answer.status == 422:
        return Outcome("alarm", PROOF_REFUSED, old)
    if answer.status != 200:
        state = "refusing" if 400 <= answer.status < 500 and answer.status not in (408, 425, 429) else "unreachable"
        return Outcome(state, f"http_{answer.status}", old)
    signed, _ = split_note(checkpoint.note)
    found = parse_cosignature_lines(_text(answer), signed, [witness.key])
    if not found:
        return Outcome("refusing", "not_its_key", old)
    return Outcome("cosigning", None, checkpoint.size, cosignature=found[0])


def _text(answer: Answer) -> str:
    try:
        return answer.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteInvalid("the answer is not UTF-8") from error


def store_outcome(
    session: Session, checkpoint: SignedCheckpoint, witness: PolicyWitness, known: Known, outcome: Outcome
) -> None:
    """Keep a cosignature and how it stands with the witness; told twice, it is kept once."""
    log_id, now = checkpoint.log_id, utc_now()
    if outcome.cosignature is not None:
        session.execute(
            insert(models.Cosignature)
            .values(
                log_id=log_id,
                size=checkpoint.size,
                public_key=witness.key.public_key,
                name=witness.key.name,
                timestamp_s=outcome.cosignature.timestamp_s,
                signature=outcome.cosignature.signature,
                received_at=now,
            )
            .on_conflict_do_nothing()
        )
    is_well = outcome.state in ("cosigning", "waiting")
    attempts = 0 if is_well else known.attempts + 1
    state = {
        "name": witness.key.name,
        "size": outcome.size,
        "state": outcome.state,
        "detail": outcome.detail,
        "alarm_size": outcome.alarm_size,
        "ends_log": False,
        "attempts": attempts,
        "next_attempt_at": None if is_well else now + timedelta(seconds=wait_s(attempts)),
        "updated_at": now,
    }
    kept = insert(models.Witness).values(log_id=log_id, public_key=witness.key.public_key, **state)
    session.execute(kept.on_conflict_do_update(index_elements=["log_id", "public_key"], set_=state))
    _tell(witness, known, outcome, checkpoint)


def wait_s(attempts: int) -> float:
    """How long to leave it alone after so many failures in a row."""
    return min(FIRST_WAIT_S * 2.0 ** min(attempts - 1, 30), LONGEST_WAIT_S)


def _tell(witness: PolicyWitness, known: Known, outcome: Outcome, checkpoint: SignedCheckpoint) -> None:
    facts = {"witness": witness.key.name, "size": checkpoint.size, "detail": outcome.detail}
    if outcome.state == "alarm":
        logger.error("witness_contradicts_the_log", witness_size=outcome.size, **facts)
    elif outcome.state in ("unreachable", "refusing"):
        logger.warning("witness_did_not_cosign", state=outcome.state, attempt=known.attempts + 1, **facts)
    elif known.attempts:
        logger.info("witness_cosigns_again", **facts)
