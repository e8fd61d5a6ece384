"""Decisions about matches: what a person says that a found similarity means."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.fingerprints.errors import MatchOfTwoCases, NotAnExactCopy, SameBytes, SubjectNeeded, SubjectNotInMatch
from app.fingerprints.events import MatchDecided
from app.fingerprints.models import Match, Relation
from app.fingerprints.reading import ExplainedMatch, explained
from app.fingerprints.seeing import find_match, of_item
from app.fingerprints.tiers import is_to_decide
from app.kernel.primitives import new_id, utc_now
from app.media.items import entry_object
from app.media.models import Evidence
from app.media.service import REDATED
from app.unit_of_work import UnitOfWork

DIRECTED = ("excerpt_of", "contains", "edited_from")
OF_SAME_BYTES = ("exact_copy", "potential")
"""What may be decided about items with the same bytes: that they are copies is a fact, to be noted now or later."""


def undecided_matches(session: Session, evidence_id: UUID) -> list[UUID]:
    """Matches of the item that are found, and about which nobody decided or deferred anything, the oldest first (no
    permission check)."""
    query = select(Match.id).where(of_item(evidence_id), is_to_decide()).order_by(Match.found_at, Match.id)
    return list(session.scalars(query))


def undecided_counts(session: Session, evidence_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many such matches each of these items has, in one question; items without any are left out."""
    sides = [
        select(column.label("item"), Match.id.label("match")).where(
            column.in_(evidence_ids), Match.other_case_id.is_(None), is_to_decide()
        )
        for column in (Match.first_id, Match.second_id)
    ]
    both = union_all(*sides).subquery()
    return dict(session.execute(select(both.c.item, func.count()).group_by(both.c.item)).all())


def decide_match(
    uow: UnitOfWork,
    actor: Actor,
    match_id: UUID,
    *,
    relation: str,
    reason: str,
    subject_id: UUID | None = None,
) -> ExplainedMatch:
    """A person's decision, superseding earlier ones; ``potential`` defers it. ``subject_id`` is the item of which the
    relation is said, needed where it has a direction.

    Raises MatchOfTwoCases, SubjectNeeded, SubjectNotInMatch, NotAnExactCopy, SameBytes; DecidedMeanwhile by the
    database.
    """
    match, grant = find_match(uow.session, actor, match_id, Operation.VERIFY)
    if match.other_case_id is not None:
        raise MatchOfTwoCases("What a decision says of one item would stand in the other's case too.")
    _require_relation_fits(match, relation)
    subject = _subject_of(match, relation, subject_id)
    number = uow.session.scalar(
        select(func.coalesce(func.max(Relation.number), 0)).where(Relation.match_id == match_id)
    )
    decision = Relation(
        id=new_id(),
        match_id=match_id,
        number=(number or 0) + 1,
        evidence_id=subject,
        other_id=match.second_id if subject == match.first_id else match.first_id,
        relation=relation,
        reason=reason,
        decided_by=grant.account_id,
        decided_at=utc_now(),
    )
    uow.session.add(decision)
    uow.session.flush()
    uow.enqueue(REDATED, evidence_id=str(match.first_id))
    for own, other in ((match.first_id, match.second_id), (match.second_id, match.first_id)):
        evidence = uow.session.get(Evidence, own)
        assert evidence is not None
        uow.record(
            MatchDecided(
                stream=own,
                actor=grant.entry_actor,
                object=entry_object(uow.session, evidence),
                match=match_id,
                evidence=other,
                subject=subject,
                relation=relation,
                number=decision.number,
                reason=reason,
            )
        )
    return explained(uow.session, [match], reader=grant.account_id)[0]


def _require_relation_fits(match: Match, relation: str) -> None:
    """Whether two items have the same bytes is measured, so no decision may say otherwise."""
    if match.tier == "exact" and relation not in OF_SAME_BYTES:
        raise SameBytes("Their SHA-256 is the same. Decide 'exact_copy', or defer it with 'potential'.")
    if match.tier != "exact" and relation == "exact_copy":
        raise NotAnExactCopy("Their SHA-256 differ. 'same_capture' is for copies that were encoded anew.")


def _subject_of(match: Match, relation: str, subject_id: UUID | None) -> UUID:
    if subject_id is None:
        if relation in DIRECTED:
            raise SubjectNeeded(f"Name in 'evidence_id' the item that is '{relation}' the other.")
        return match.query_id
    if subject_id not in (match.first_id, match.second_id):
        raise SubjectNotInMatch("'evidence_id' must be one of the two items of the match.")
    return subject_id
