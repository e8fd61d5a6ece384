"""An auditor's log: entries of a scope as pages, which is no entry, and as a file with its proof, which is one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor, system_stream
from app.access.rules import Operation
from app.auditing import reading as placed
from app.auditing.errors import RangeNotSigned
from app.auditing.events import LogTaken
from app.auditing.reading import Places
from app.auditing.selection import Filters, Scope, asked_sha256, find_scope
from app.cases.service import NOWHERE, authorise
from app.exports.custody_streams import CustodyEntry
from app.exports.errors import CheckpointPending, OwnActsOnly
from app.exports.kept_back import require_file_may_be_taken, show_to
from app.kernel.database import read_session
from app.kernel.errors import NotFound
from app.kernel.primitives import new_id
from app.ledger import log, reading
from app.ledger.checkpoint import VerifierKey
from app.ledger.event import EntryActor, EntryObject
from app.ledger.log import Receipt
from app.ledger.models import LedgerStream
from app.ledger.proof import TlogProof
from app.ledger.reading import SignedCheckpoint
from app.media.models import Evidence
from app.media.rules import BlindState
from app.unit_of_work import UnitOfWork

LogFormat = Literal["jsonl", "csv"]
PAGES_FROM_ONE_QUERY = 200


@dataclass(frozen=True)
class Range:
    """Places as they are asked for; None: from the first leaf, up to the newest signed tree's last, in the current log.
    Times among the filters choose the smallest range that holds what was recorded then."""

    first: int | None = None
    before: int | None = None
    log_id: int | None = None


@dataclass(frozen=True)
class EntryLog:
    """A log whose own entry a signed tree holds: all that its writer needs besides the ledger.

    ``own`` and ``own_proof``: that entry's bytes and place in ``checkpoint``; None of a log that has ended, whose tree
    holds nothing new.
    """

    id: UUID
    scope: Scope
    filters: Filters
    places: Places
    checkpoint: SignedCheckpoint
    vkey: VerifierKey
    time: datetime
    has_leaves: bool = False
    """Whether all leaves of the signed tree go with it: else what stands outside the range is hashes of subtrees."""
    own: bytes | None = None
    own_proof: TlogProof | None = None


@dataclass(frozen=True)
class StagedLog:
    """A log whose entries are staged and not signed yet. ``stream``: where the one stands that the file shows."""

    id: UUID
    scope: Scope
    filters: Filters
    places: Places
    stream: UUID
    ended: SignedCheckpoint | None


def list_entries(
    session: Session,
    actor: Actor,
    case_id: UUID | None,
    stream: UUID | None,
    filters: Filters,
    asked: Range,
    *,
    after: int,
    limit: int,
) -> list[CustodyEntry]:
    """Entries in the order of their places, from ``after`` on. Raises NotFound, Forbidden, RangeNotSigned.

    What is kept back of a blind round shows its place, as on other pages; of entries that a filter picked it shows
    nothing, or the filter would tell what it says.
    """
    scope = find_scope(session, actor, case_id, stream)
    checkpoint = _newest(session, asked.log_id)
    if checkpoint is None:
        return []
    places = _within(asked, checkpoint)
    places = replace(places, first=max(places.first, after))
    reader = NOWHERE if scope.grant is None else scope.entry_actor.id
    found: list[CustodyEntry] = []
    while len(found) < limit:
        rows = placed.list_page(session, scope, filters, places, limit=limit)
        shown = show_to(session, reader, rows)
        found += [each for each in shown if not (filters.reads_bodies and each.is_kept_back)]
        if len(rows) < limit:
            break
        last = rows[-1].log_index
        assert last is not None
        places = replace(places, first=last + 1)
    return found[:limit]


def stage_log(
    uow: UnitOfWork,
    actor: Actor,
    case_id: UUID | None,
    stream: UUID | None,
    filters: Filters,
    asked: Range,
    *,
    file_format: LogFormat,
    purpose: str,
    reason: str | None,
) -> StagedLog:
    """Stage ``export.log_taken`` wherever the log shows entries of. Raises NotFound, Forbidden, OwnActsOnly,
    NotShownYet, RangeNotSigned, CheckpointPending."""
    scope = find_scope(uow.session, actor, case_id, stream)
    require_whole(scope)
    places, ended = places_of(uow.session, filters, asked)
    require_shown(uow.session, actor, scope)
    log_id = new_id()
    told = {
        "object": EntryObject("export", log_id),
        "scope": scope.kind,
        "format": file_format,
        "first": places.first,
        "before": places.before,
        "asked_sha256": asked_sha256(scope.document(), filters.document()),
        "purpose": purpose,
        "reason": reason,
        "ended_log": None if ended is None else _origin(uow.session, ended),
    }
    own = record_taken(uow, actor, scope, filters, places, told)
    return StagedLog(log_id, scope, filters, places, own, ended)


def record_taken(
    uow: UnitOfWork, actor: Actor, scope: Scope, filters: Filters, places: Places, told: dict[str, Any]
) -> UUID:
    """``export.log_taken`` in the scope's own stream, which is given back, and in every case's that it shows
    entries of: whoever reads a case's log sees who took it with others."""
    if scope.kind == "organisation":
        for case_id in placed.cases_with(uow.session, scope, filters, places):
            grant = authorise(uow.session, actor, case_id, Operation.READ_CUSTODY)
            uow.record(LogTaken(stream=case_id, actor=grant.entry_actor, **told))
    elif scope.kind == "stream" and scope.case_id is not None and scope.case_id != scope.stream:
        uow.record(LogTaken(stream=scope.case_id, actor=scope.entry_actor, **told))
    own = scope.stream or scope.case_id or system_stream(uow.session)
    uow.record(LogTaken(stream=own, actor=scope.entry_actor, **told))
    return own


def await_signed(
    sessions: sessionmaker[Session],
    staged: StagedLog,
    receipts: Sequence[Receipt],
    *,
    timeout_s: float,
    inline_leaves_up_to: int,
) -> EntryLog:
    """The log once a signed tree holds its own entry. Raises CheckpointPending."""
    own = next(each for each in receipts if each.stream == staged.stream)
    return signed_log(sessions, staged, own.commitment, timeout_s=timeout_s, inline_leaves_up_to=inline_leaves_up_to)


def signed_log(
    sessions: sessionmaker[Session], staged: StagedLog, commitment: str, *, timeout_s: float, inline_leaves_up_to: int
) -> EntryLog:
    """The same, by its own entry's commitment."""
    checkpoint = staged.ended or reading.wait_for_checkpoint(sessions, [commitment], timeout_s)
    if checkpoint is None:
        raise CheckpointPending("The log's own entry is written, but the ledger's integrator did not sign it in time.")
    with read_session(sessions) as session:
        entry = reading.find_entry(session, commitment)
        assert entry is not None
        proof = None
        if staged.ended is None:
            _, index = reading.signed_place(session, commitment, checkpoint.size)
            proof = reading.proofs_at(session, checkpoint, [index])[0]
        return EntryLog(
            staged.id,
            staged.scope,
            staged.filters,
            staged.places,
            checkpoint,
            reading.key_of(session, checkpoint),
            entry.recorded_at,
            staged.scope.kind != "organisation" and checkpoint.size <= inline_leaves_up_to,
            None if proof is None else entry.body,
            proof,
        )


def places_of(session: Session, filters: Filters, asked: Range) -> tuple[Places, SignedCheckpoint | None]:
    """The range that is asked for, and of a log that has ended its last signed tree.

    Raises RangeNotSigned, CheckpointPending, NotFound.
    """
    newest = _newest(session, asked.log_id)
    if newest is None:
        raise CheckpointPending("Nothing has been signed yet: is the ledger's integrator running?")
    places = _within(asked, newest)
    if filters.recorded_from is not None or filters.recorded_before is not None:
        first, before = placed.recorded_within(session, newest.log_id, filters.recorded_from, filters.recorded_before)
        first = min(max(first, places.first), places.before)
        places = replace(places, first=first, before=max(first, min(before, places.before)))
    return places, newest if newest.log_id != log.installation(session).log_id else None


def require_whole(scope: Scope) -> None:
    """Raises OwnActsOnly."""
    if scope.own_acts_of is not None:
        raise OwnActsOnly("A log file holds everybody's acts. Read your own as pages, without '/file'.")


def require_shown(session: Session, actor: Actor, scope: Scope) -> None:
    """Raises NotShownYet while something in the scope is verified blind by, or might be by, who asks."""
    if scope.kind == "stream" and scope.stream is not None and scope.grant is not None:
        require_file_may_be_taken(session, scope.grant, [scope.stream])
    elif scope.grant is not None:
        streams = session.scalars(select(LedgerStream.id).where(LedgerStream.case_id == scope.case_id))
        require_file_may_be_taken(session, scope.grant, list(streams))
    elif scope.kind == "organisation":
        pending: dict[UUID, list[UUID]] = {}
        blind = select(Evidence.case_id, Evidence.id).where(Evidence.blind == BlindState.PENDING)
        for case_id, item in session.execute(blind):
            pending.setdefault(case_id, []).append(item)
        for case_id, items in sorted(pending.items()):
            require_file_may_be_taken(session, authorise(session, actor, case_id, Operation.READ_CUSTODY), items)


def system_actor(session: Session) -> EntryActor:
    return EntryActor(system_stream(session), "system", None)


def _newest(session: Session, log_id: int | None) -> SignedCheckpoint | None:
    """The newest signed tree of the current log, or of a named one. Raises NotFound."""
    if log_id is not None and log_id > (current := log.installation(session).log_id):
        raise NotFound(f"There is no log {log_id}; the current one is {current}.")
    return reading.latest_checkpoint(session, log_id=log_id)


def _within(asked: Range, checkpoint: SignedCheckpoint) -> Places:
    first = asked.first or 0
    before = checkpoint.size if asked.before is None else asked.before
    if not first <= before <= checkpoint.size:
        raise RangeNotSigned(
            f"The newest signed tree has {checkpoint.size} leaves.", extra={"tree_size": checkpoint.size}
        )
    return Places(checkpoint.log_id, first, before)


def _origin(session: Session, checkpoint: SignedCheckpoint) -> str:
    return reading.key_of(session, checkpoint).name
