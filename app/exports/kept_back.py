"""What a custody log does not show yet: the work of others on items that are verified blind.

Pages show such an entry's place and nothing of the act. A file cannot: its proofs need every line. So it waits, for
whoever might still be a second verifier; anybody else takes it, and the entry of that keeps them from becoming one.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.access.rules import Operation, permission
from app.cases.service import Grant
from app.exports.custody_streams import CustodyEntry
from app.fingerprints.models import Relation
from app.media.blindness import SAYS_NOTHING_OF_WORK, Blind, pending_among
from app.media.models import Evidence
from app.verification.errors import NotShownYet
from app.verification.models import Finding
from app.verification.work import roles_of


def show_to(session: Session, reader: UUID, entries: Sequence[CustodyEntry]) -> list[CustodyEntry]:
    """The same entries; without their body those that the reader (a pseudonym) may not see yet."""
    told = [None if entry.body is None else json.loads(entry.body) for entry in entries]
    pending = pending_among(session, {item for body in told if body is not None for item in _items_of(body)})
    if not pending:
        return list(entries)
    return [
        replace(entry, body=None, is_kept_back=True)
        if body is not None and _is_hidden(body, reader, pending)
        else entry
        for entry, body in zip(entries, told, strict=True)
    ]


def require_shown(session: Session, reader: UUID, body: bytes) -> None:
    """Raises NotShownYet for an entry that a page would not show the reader."""
    told = json.loads(body)
    if _is_hidden(told, reader, pending_among(session, _items_of(told))):
        raise NotShownYet("The entry is of a blind round in which not both have submitted yet.")


def require_file_may_be_taken(session: Session, grant: Grant, streams: Collection[UUID]) -> None:
    """Raises NotShownYet while an item of the file, or one that a decision in it is about, is in a pending blind round,
    for one who may verify in the case by any role that they hold, whatever their token may use, and for one who wrote
    in such a round: both might still change what they say of the item.
    """
    pending = sorted(pending_among(session, set(streams)) | _decided_of_others(session, grant.account_id, streams))
    may_verify = permission(Operation.VERIFY, roles_of(session, grant.case_id, grant.account_id), frozenset())
    if may_verify is None:
        pending = _written_by(session, grant.account_id, pending)
    if pending:
        raise NotShownYet(
            f"Items verified blind, not by both yet: {len(pending)}. Somebody who does not verify may take the file.",
            extra={"evidence_ids": [str(item) for item in pending[:50]]},
        )


def _decided_of_others(session: Session, person: UUID, streams: Collection[UUID]) -> dict[UUID, Blind]:
    """The items in pending blind rounds that a match with one of these items was decided about since, by others."""
    query = select(Relation.evidence_id, Relation.other_id, Relation.decided_at).where(
        Relation.decided_by != person, or_(Relation.evidence_id.in_(streams), Relation.other_id.in_(streams))
    )
    decided = [(item, at) for first, second, at in session.execute(query) for item in (first, second)]
    pending = pending_among(session, {item for item, _ in decided})
    return {item: pending[item] for item, at in decided if item in pending and at >= pending[item].since}


def _written_by(session: Session, person: UUID, evidence_ids: Collection[UUID]) -> list[UUID]:
    """Those of these items in whose present round the person wrote a finding."""
    query = select(Evidence.id).join(Finding, Finding.evidence_id == Evidence.id)
    query = query.where(Evidence.id.in_(evidence_ids), Finding.round == Evidence.round, Finding.author_id == person)
    return sorted(session.scalars(query.distinct()))


def _items_of(body: Mapping[str, Any]) -> set[UUID]:
    """The items whose verification the entry may tell of: its stream's, and the other one that a decision names."""
    named = body["data"].get("evidence") if body["type"] == "evidence.match_decided" else None
    return {UUID(body["stream"])} | (set() if named is None else {UUID(named)})


def _is_hidden(body: Mapping[str, Any], reader: UUID, pending: Mapping[UUID, Blind]) -> bool:
    area, _, act = body["type"].partition(".")
    if area != "evidence" or act in SAYS_NOTHING_OF_WORK or body["actor"]["kind"] == "system":
        return False
    return any(
        _tells_of(body, pending[item], reader, is_own=str(item) == body["stream"])
        for item in _items_of(body)
        if item in pending
    )


def _tells_of(body: Mapping[str, Any], blind: Blind, reader: UUID, *, is_own: bool) -> bool:
    """By the round that the entry names, of its own item's; else by when it was recorded."""
    round_ = body["data"].get("round") if is_own else None
    at = datetime.fromisoformat(body["time"])
    return blind.hides(reader, UUID(body["actor"]["id"]), in_round=round_, at=at)
