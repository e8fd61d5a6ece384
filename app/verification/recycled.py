"""Recycled footage: a match whose pictures are known from before the event asks a question that has to be answered.

The event's time is what the item claims of itself, and what is known of the incidents that it is linked to as showing
them. Times are intervals: asked is only where the pictures were certainly there (the latest that the other's time may
mean) before the event can have begun. Questions are computed whenever they are asked for, from the case's own items
alone; so a corrected date, a new link or a decision about a match opens or ends one at once. What is kept is answers:
each holds for the appearance that it was given to, and an earlier one asks again; so does a match that has become
firm, of which it was said as a likely one that it is nothing. That a firm match shows something else is no word of one
person: it ends the question when two have decided so, or as an answer, which goes through review and sign-off.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.fingerprints.appearances import Appearance, Basis, first_certain_of
from app.fingerprints.groups import load_connected
from app.fingerprints.models import FIRM_TIERS, Match, MatchTier, Relation
from app.fingerprints.origins import APART
from app.fingerprints.seeing import between_open, of_item
from app.fingerprints.tiers import last_tiers_and_losses
from app.incidents.models import Incident, IncidentEvidence
from app.media.blindness import seen_by
from app.media.items import find_evidence
from app.media.models import Evidence
from app.media.rules import BlindState
from app.media.service import corrections_of, current_values
from app.verification.errors import RecycledUnanswered
from app.verification.models import Finding, RecycledAnswerRow
from app.verification.rules import RecycledAnswer


@dataclass(frozen=True)
class EventTime:
    """When that happened which the item is said to show; ``incident_id`` None: as the item itself is claimed."""

    from_: datetime
    to: datetime
    incident_id: UUID | None = None


@dataclass(frozen=True)
class Question:
    match_id: UUID
    other_id: UUID
    """The other item of the match."""
    found_at: datetime
    earliest: Appearance
    """Of the other item, or of a copy of it that the item has no match with itself."""
    events: tuple[EventTime, ...]
    """Those before which it was."""
    answer: RecycledAnswerRow | None
    """The last that was given, also when an earlier appearance has come since."""
    tier: str
    """Of the match, now."""
    is_surer: bool = False
    """The match was a likely one when it was answered that its pictures are no earlier use of these."""

    @property
    def told_at(self) -> datetime | None:
        """The appearance's time as an entry may tell it openly: a claimed date is sealed where it was stated."""
        return None if self.earliest.basis is Basis.CLAIMED else self.earliest.certainly_by

    @property
    def is_open(self) -> bool:
        return self.answer is None or self.answer.earliest_at > self.earliest.certainly_by or self.is_surer


def list_questions(
    session: Session, actor: Actor, evidence_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Question]:
    """In the order in which the matches were found. Raises GroupTooLarge."""
    evidence, grant = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    asked = questions_of(session, evidence, grant.account_id)
    return [one for one in asked if after is None or (one.found_at, one.match_id) > after][:limit]


def require_answered(session: Session, evidence: Evidence, person: UUID) -> None:
    """By what the person may see. Raises RecycledUnanswered, which names the matches."""
    unanswered = [question for question in questions_of(session, evidence, person) if question.is_open]
    if unanswered:
        raise RecycledUnanswered(
            f"Matches with pictures from before the event, unanswered: {len(unanswered)}. Answer each in a finding on "
            "'provenance'.",
            extra={"unanswered": [str(question.match_id) for question in unanswered]},
        )


def questions_of(session: Session, evidence: Evidence, reader: UUID | None) -> list[Question]:
    """All of the item, answered ones too, in the order of its matches, by the decisions and with the answers that the
    reader may see: of a pending blind round their own; None: the system, which sees all (no permission check)."""
    events = _event_times(session, evidence)
    matches, tiers = _matches_in_question(session, evidence.id, reader) if events else ([], {})
    if not matches:
        return []
    items = _items_by_match(session, evidence, matches, reader)
    known = first_certain_of(session, {item for each in items.values() for item in each})
    answers = _last_answers(session, evidence.id, reader)
    asked = []
    for match in matches:
        earliest = min((known[item] for item in items[match.id] if item in known), key=lambda one: one.certainly_by)
        before = tuple(event for event in events if earliest.certainly_by < event.from_)
        if before:
            other, now = _other(match, evidence.id), tiers.get(match.id)
            answer, answered_at = answers.get(match.id, (None, None))
            is_surer = answered_at is not None and _is_surer(now, answer, answered_at)
            tier = match.tier if now is None else now.tier
            asked.append(Question(match.id, other, match.found_at, earliest, before, answer, tier, is_surer))
    return asked


def answered_as_recycled(
    session: Session, evidence_id: UUID, *, besides: Collection[Question]
) -> list[tuple[RecycledAnswerRow, UUID]]:
    """The last answers of an item which say that it is recycled by an appearance about which nothing is asked any more,
    with the other item: its date, the event's, or what was decided of the match has changed (no permission check).

    Not where a withdrawal closes the other item: then nothing more is known of it.
    """
    asked = {question.match_id for question in besides}
    answers = [row for row, _ in _last_answers(session, evidence_id, None).values()]
    ended = {row.match_id: row for row in answers if row.match_id not in asked}
    recycled = [key for key, row in ended.items() if row.answer == RecycledAnswer.RECYCLED]
    matches = session.scalars(select(Match).where(Match.id.in_(recycled), between_open()).order_by(Match.id))
    return [(ended[match.id], _other(match, evidence_id)) for match in matches]


def _event_times(session: Session, evidence: Evidence) -> list[EventTime]:
    values = current_values(evidence, corrections_of(session, evidence.id))
    found = []
    if values["claimed_from"] is not None:
        found.append(EventTime(values["claimed_from"], values["claimed_to"] or values["claimed_from"]))
    incidents = session.execute(
        select(Incident.occurred_from, Incident.occurred_to, Incident.id)
        .join(IncidentEvidence, IncidentEvidence.incident_id == Incident.id)
        .where(
            IncidentEvidence.evidence_id == evidence.id,
            IncidentEvidence.unlinked_at.is_(None),
            IncidentEvidence.depicts,
            Incident.occurred_from.is_not(None),
        )
        .order_by(Incident.occurred_from, Incident.id)
    )
    for begins, ends, incident_id in incidents:
        assert begins is not None
        found.append(EventTime(begins, ends or begins, incident_id))
    return found


def _matches_in_question(
    session: Session, evidence_id: UUID, reader: UUID | None
) -> tuple[list[Match], dict[UUID, MatchTier]]:
    """Of the item's own case, but for those that were decided, as far as the reader may see, to show something else:
    by one person where the match is a likely one, by two where it is firm; and for those that are no longer found,
    where the reader sees no decision. And the tiers that changed."""
    query = select(Match).where(of_item(evidence_id), between_open()).order_by(Match.found_at, Match.id)
    matches = session.scalars(query).all()
    tiers, lost = last_tiers_and_losses(session, [match.id for match in matches])
    gone = lost.keys() - _decided(session, lost, reader)
    apart = _held_apart_by(session, [match.id for match in matches], reader)

    def is_apart(match: Match) -> bool:
        tier = tiers[match.id].tier if match.id in tiers else match.tier
        return len(apart.get(match.id, ())) >= (2 if tier in FIRM_TIERS else 1)

    return [match for match in matches if match.id not in gone and not is_apart(match)], tiers


def _is_seen_by(reader: UUID | None) -> ColumnElement[bool]:
    """Of a decision."""
    pending = select(Evidence.id).where(
        Evidence.id.in_((Relation.evidence_id, Relation.other_id)),
        Evidence.blind == BlindState.PENDING,
        Evidence.blind_since <= Relation.decided_at,
    )
    return true() if reader is None else or_(Relation.decided_by == reader, ~pending.exists())


def _decided(session: Session, match_ids: Collection[UUID], reader: UUID | None) -> set[UUID]:
    """Those about which somebody decided, as far as the reader may see."""
    if not match_ids:
        return set()
    query = select(Relation.match_id).where(Relation.match_id.in_(match_ids), _is_seen_by(reader))
    return set(session.scalars(query))


def _held_apart_by(session: Session, match_ids: Collection[UUID], reader: UUID | None) -> dict[UUID, set[UUID]]:
    """Who decided of a match that its items show something else, since anybody last decided otherwise."""
    query = select(Relation.match_id, Relation.relation, Relation.decided_by)
    query = query.where(Relation.match_id.in_(match_ids), _is_seen_by(reader)).order_by(Relation.number)
    found: dict[UUID, set[UUID]] = {}
    for match_id, relation, person in session.execute(query):
        if relation in APART:
            found.setdefault(match_id, set()).add(person)
        else:
            found.pop(match_id, None)
    return found


def _items_by_match(
    session: Session, evidence: Evidence, matches: Sequence[Match], reader: UUID | None
) -> dict[UUID, list[UUID]]:
    """The other item of each match, and the copies of it that have no match with this one; each once."""
    others = {match.id: _other(match, evidence.id) for match in matches}
    known = load_connected(session, evidence.case_id, [evidence.id], is_all=reader is None, reader=reader)
    lineage = known.lineage
    taken = {evidence.id, *others.values()}
    by_capture: dict[int, list[UUID]] = {}
    for number, item in enumerate(lineage.items):
        by_capture.setdefault(lineage.stated.capture_of[number], []).append(item.id)
    found = {}
    for match_id, other in others.items():
        # Items that were decided to be apart from this one are not connected with it, and have no copies here.
        capture = lineage.stated.capture_of[lineage.number_of[other]] if other in lineage.number_of else None
        copies = [] if capture is None else by_capture[capture]
        further = [item for item in copies if item not in taken]
        taken.update(further)
        found[match_id] = [other, *further]
    return found


def _is_surer(now: MatchTier | None, answer: RecycledAnswerRow | None, answered_at: datetime) -> bool:
    """Whether the match has become firm since it was answered that it is nothing: that was said of a likely one."""
    denied = answer is not None and answer.answer == RecycledAnswer.NOT_RECYCLED
    return denied and now is not None and now.tier in FIRM_TIERS and now.found_at > answered_at


def _last_answers(
    session: Session, evidence_id: UUID, reader: UUID | None
) -> dict[UUID, tuple[RecycledAnswerRow, datetime]]:
    """With the time at which each was given."""
    query = (
        select(RecycledAnswerRow, Finding.recorded_at)
        .join(Finding, Finding.id == RecycledAnswerRow.finding_id)
        .join(Evidence, Evidence.id == Finding.evidence_id)
        .where(RecycledAnswerRow.evidence_id == evidence_id)
    )
    if reader is not None:
        query = query.where(seen_by(reader, author=Finding.author_id, in_round=Finding.round))
    return {row.match_id: (row, given_at) for row, given_at in session.execute(query.order_by(Finding.number))}


def _other(match: Match, evidence_id: UUID) -> UUID:
    return match.second_id if match.first_id == evidence_id else match.first_id
