"""Searches by a file: who may ask and read, what is kept of them, and for how long.

A search writes no entry: it changes nothing, and reads no content. Its row says who asked in which cases, and not what
was asked; it is deleted when its answer has expired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.models import Account
from app.cases.models import CaseMember
from app.cases.service import visible_cases
from app.fingerprints.errors import NoSuchSearch, TooManySearches
from app.fingerprints.finding import SETTLED
from app.fingerprints.models import TIERS
from app.fingerprints.similar_models import SimilarSearch
from app.kernel.database import HexDigest, is_one_of
from app.kernel.primitives import Sha256Hex, utc_now
from app.media.closing import is_open
from app.media.models import Evidence
from app.media.turns import turn_of_search
from app.unit_of_work import UnitOfWork

SEARCH_SIMILAR = "search_similar"
WAITS_FOR = timedelta(hours=6)
"""A search that no worker came to in this time is given up; so long its file may lie."""
KEPT_FOR = timedelta(minutes=15)
MOST_PENDING = 4
"""Of one person at a time: each is a file on the disk and a turn at the decoder."""
MOST_RESULTS = 200
"""Blobs in a result: the strongest."""


@dataclass(frozen=True)
class Question:
    """What a search is to find, and where."""

    case_ids: Sequence[UUID]
    thresholds: Mapping[str, int]
    tier: str
    most: int


@dataclass(frozen=True)
class SimilarItem:
    """An item that resembles the file. What explains it calls the file the query."""

    evidence_id: UUID
    case_id: UUID
    tier: str
    grounds: Sequence[Mapping[str, Any]]
    segments: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Answer:
    """A search as its asker may see it now; ``has_more``: more items than were asked for."""

    search: SimilarSearch
    items: list[SimilarItem]
    has_more: bool


def require_place(session: Session, actor: Actor) -> int:
    """How many searches of the asker wait. Raises TooManySearches."""
    query = select(func.count()).where(
        SimilarSearch.account_id == actor.account_id,
        SimilarSearch.status == "pending",
        SimilarSearch.expires_at > utc_now(),
    )
    waiting = session.scalar(query) or 0
    if waiting >= MOST_PENDING:
        raise TooManySearches(f"At most {MOST_PENDING} may wait. Take their answers, or end one.")
    return waiting


def begin_search(
    uow: UnitOfWork, actor: Actor, search_id: UUID, *, sha256: Sha256Hex, question: Question
) -> SimilarSearch:
    """Have the file of this id searched with (no permission check: see ``similar.searched_cases``). Raises
    TooManySearches."""
    # One after the other, so that the count holds.
    uow.session.execute(select(Account.id).where(Account.id == actor.account_id).with_for_update(key_share=True))
    waiting = require_place(uow.session, actor)
    now = utc_now()
    search = SimilarSearch(
        id=search_id,
        account_id=actor.account_id,
        case_ids=list(question.case_ids),
        thresholds=dict(question.thresholds),
        tier=question.tier,
        most=question.most,
        sha256=sha256,
        status="pending",
        created_at=now,
        expires_at=now + WAITS_FOR,
    )
    uow.session.add(search)
    uow.enqueue_at(turn_of_search(waiting), SEARCH_SIMILAR, search_id=str(search_id))
    return search


def get_search(session: Session, actor: Actor, search_id: UUID) -> Answer:
    """Raises NoSuchSearch: also for another person's, and one that has expired."""
    search = _own(session, actor, search_id)
    items = _visible_items(session, actor, search, search.case_ids, search.most + 1)
    return Answer(search, items[: search.most], has_more=len(items) > search.most)


def found_in_case(session: Session, actor: Actor, search_id: UUID, case_id: UUID) -> tuple[str, bool, list[UUID]]:
    """A search's status, whether it covers the case, and the items of that case that it found, however many were asked
    for. Raises NoSuchSearch."""
    search = _own(session, actor, search_id)
    if case_id not in search.case_ids:
        return search.status, False, []
    return search.status, True, [one.evidence_id for one in _visible_items(session, actor, search, [case_id], None)]


def is_pending(session: Session, search_id: UUID) -> bool:
    query = select(SimilarSearch.id).where(SimilarSearch.id == search_id, SimilarSearch.status == "pending")
    return session.scalar(query) is not None


def end_search(session: Session, actor: Actor, search_id: UUID) -> None:
    """Forget it now. The caller removes its file. Raises NoSuchSearch."""
    _own(session, actor, search_id)
    session.execute(delete(SimilarSearch).where(SimilarSearch.id == search_id))


def finish_search(search: SimilarSearch, status: str, **facts: Any) -> None:
    """Answered or given up: the digest goes, and the time runs after which all of it does."""
    search.status = status
    search.sha256 = None
    search.finished_at = utc_now()
    search.expires_at = search.finished_at + KEPT_FOR
    for name, value in facts.items():
        setattr(search, name, value)


def forget_expired(session: Session) -> int:
    """Delete what has expired; how many searches."""
    gone = session.scalars(
        delete(SimilarSearch).where(SimilarSearch.expires_at <= utc_now()).returning(SimilarSearch.id)
    )
    return len(gone.all())


def waiting_searches(session: Session) -> list[UUID]:
    """The ids of those that wait, the oldest first."""
    query = select(SimilarSearch.id).where(SimilarSearch.status == "pending", SimilarSearch.expires_at > utc_now())
    return list(session.scalars(query.order_by(SimilarSearch.created_at, SimilarSearch.id)))


def cases_to_search(session: Session, search: SimilarSearch) -> list[UUID]:
    """Those of its cases of which the asker is a member still."""
    query = select(CaseMember.case_id).where(
        CaseMember.account_id == search.account_id, CaseMember.case_id.in_(search.case_ids)
    )
    return sorted(session.scalars(query.distinct()))


def holds_copy(session: Session, sha256: str, case_ids: Sequence[UUID]) -> bool:
    """Whether an item of these cases has these bytes."""
    query = select(Evidence.id).where(Evidence.blob_sha256 == sha256, Evidence.case_id.in_(case_ids), is_open())
    return session.scalar(query.limit(1)) is not None


def is_wanted(tier: str, weakest: str) -> bool:
    return TIERS.index(tier) <= TIERS.index(weakest)


def _own(session: Session, actor: Actor, search_id: UUID) -> SimilarSearch:
    search = session.get(SimilarSearch, search_id)
    if search is None or search.account_id != actor.account_id or search.expires_at <= utc_now():
        raise NoSuchSearch("It is over, or none of yours: answers are kept for a quarter of an hour.")
    return search


def _visible_items(
    session: Session, actor: Actor, search: SimilarSearch, case_ids: Sequence[UUID], most: int | None
) -> list[SimilarItem]:
    """By strength, then in the order of their registration; of those of the cases that the asker may read now, with
    this token. Copies of the same bytes are items at once; what resembles is one when it is
    fingerprinted itself."""
    result = {str(one["blob_sha256"]): one for one in search.result or []}
    if not result:
        return []
    by_strength = list(result)
    exact = [blob for blob, one in result.items() if one["tier"] == "exact"]
    query = (
        select(Evidence.blob_sha256, Evidence.id, Evidence.case_id)
        .where(
            is_one_of(Evidence.blob_sha256, by_strength),
            Evidence.case_id.in_(case_ids),
            Evidence.case_id.in_(visible_cases(actor)),
            is_open(),
            or_(
                Evidence.blob_sha256.in_(exact),
                Evidence.fingerprint_status.in_(SETTLED),
                Evidence.settled_decoding > 0,
            ),
        )
        .order_by(
            func.array_position(literal(by_strength, ARRAY(HexDigest)), Evidence.blob_sha256),
            Evidence.registered_at,
            Evidence.id,
        )
        .limit(most)
    )
    found = [(row, result[str(row.blob_sha256)]) for row in session.execute(query)]
    return [SimilarItem(row.id, row.case_id, one["tier"], one["grounds"], one["segments"]) for row, one in found]
