"""Who may verify second in a blind round, and what has been done in it: for leases, reviews and the queue.

Who sees what is ``app.media.blindness``; the same guards stand in the database (migration ``blind``).
"""

from uuid import UUID

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from app.cases.models import CasePseudonym
from app.cases.service import current_policy
from app.kernel.errors import WrongState
from app.kernel.primitives import utc_now
from app.ledger.models import LedgerEntry
from app.media.blindness import pending_blind
from app.media.models import Evidence
from app.media.rules import BlindState, State
from app.verification.errors import NotTheSecond, SecondNotBlind
from app.verification.models import Finding, Review, SecondVerdict, Verdict
from app.verification.rules import Place, ReviewKind, SecondView, require_blind_review


def begin_round(session: Session, evidence: Evidence) -> None:
    """The next round of a locked item: the first is blind if the case's policy asks for it now, a reopened one never.

    A reopened item's earlier work was shown to everybody, so nobody could verify it without having seen.
    """
    with session.no_autoflush:  # Round and blindness change in one statement: the trigger compares them.
        _, policy = current_policy(session, evidence.case_id)
    is_blind = policy.blind_double_verification and evidence.round == 0
    evidence.round += 1
    evidence.blind = BlindState.PENDING if is_blind else None
    evidence.blind_since = utc_now() if is_blind else None


def is_awaiting_second(evidence: Evidence) -> bool:
    """Whether a second person may take the item now."""
    return evidence.state == State.AWAITING_PEER_REVIEW and pending_blind(evidence) is not None


# A package of another's, made in this round of what holds the item: the download stands in the case's stream.
_TOOK_PACKAGE = text("""
    SELECT EXISTS (
        SELECT FROM ledger_entries taken JOIN case_pseudonyms p ON p.pseudonym = taken.actor_id
            JOIN ledger_entries made ON made.object_id = taken.object_id AND made.type = 'export.created'
        WHERE taken.stream_id = :case AND taken.type = 'export.downloaded' AND taken.recorded_at >= :since
            AND p.case_id = :case AND p.account_id = :person
            AND made.stream_id = :item AND made.recorded_at >= :since
    )
""")

# A log of the whole case, or of all cases: taking it is an entry in the case's stream; of one item, in the item's.
_TOOK_LOG = text("""
    SELECT EXISTS (
        SELECT FROM ledger_entries taken JOIN case_pseudonyms p ON p.pseudonym = taken.actor_id
            LEFT JOIN ledger_bodies b ON b.commitment = taken.commitment
        WHERE taken.type = 'export.log_taken' AND taken.recorded_at >= :since
            AND p.case_id = :case AND p.account_id = :person
            AND (taken.stream_id = :item
                OR taken.stream_id = :case AND (b.body IS NULL
                    OR CAST(convert_from(b.body, 'UTF8') AS jsonb) #>> '{data,scope}' <> 'stream'))
    )
""")


def require_still_blind(session: Session, evidence: Evidence, person: UUID) -> None:
    """Nobody is second who took the custody log as a file in this round: in that the first's work stands.

    Raises SecondNotBlind.
    """
    pseudonym = select(CasePseudonym.pseudonym).where(
        CasePseudonym.case_id == evidence.case_id, CasePseudonym.account_id == person
    )
    took_file = select(LedgerEntry.seq).where(
        LedgerEntry.stream_id == evidence.id,
        LedgerEntry.type == "export.created",
        LedgerEntry.recorded_at >= evidence.blind_since,
        LedgerEntry.actor_id.in_(pseudonym),
    )
    shown = {"item": evidence.id, "case": evidence.case_id, "since": evidence.blind_since, "person": person}
    took_other = session.scalar(_TOOK_PACKAGE, shown) or session.scalar(_TOOK_LOG, shown)
    if took_other or session.scalar(select(took_file.exists())):
        raise SecondNotBlind("You took a file of the item's custody log in this round.")


def place_of_work(evidence: Evidence) -> Place:
    """Whose work a finding or draft of now belongs to. Raises WrongState."""
    if evidence.state == State.IN_VERIFICATION:
        return Place.FIRST
    if evidence.state == State.AWAITING_PEER_REVIEW and pending_blind(evidence) is not None:
        return Place.SECOND
    raise WrongState(
        f"Findings are written in verification. The item is '{evidence.state}'.", extra={"state": evidence.state}
    )


def require_may_review(session: Session, evidence: Evidence, person: UUID) -> None:
    """That the person may do what a blind round awaits: be the second, or conclude as the second.

    Raises SecondNotBlind, NotTheSecond; what else a review asks, the caller has asked.
    """
    if is_awaiting_second(evidence):
        require_still_blind(session, evidence, person)
    elif session.scalar(select(is_anothers_to_conclude(person)).where(Evidence.id == evidence.id)):
        raise NotTheSecond("It was verified twice: who verified it second concurs or dissents.")


def is_anothers_to_conclude(person: UUID) -> ColumnElement[bool]:
    """Whether the item's present verdict was verified twice by another than this person: a condition on Evidence."""
    return (
        select(SecondVerdict.id)
        .where(SecondVerdict.evidence_id == Evidence.id, SecondVerdict.round == Evidence.round)
        .where(SecondVerdict.author_id != person)
        .where(~select(Verdict.id).where(Verdict.supersedes == SecondVerdict.verdict_id).exists())
        .correlate(Evidence)
        .exists()
    )


def seconds_of(session: Session, evidence: Evidence) -> frozenset[UUID]:
    """Whoever wrote a finding as the second in the present round (no permission check)."""
    query = select(Finding.author_id).where(
        Finding.evidence_id == evidence.id, Finding.round == evidence.round, Finding.place == Place.SECOND
    )
    return frozenset(session.scalars(query))


def is_second(person: UUID) -> ColumnElement[bool]:
    """The same as a condition on :class:`Evidence`."""
    wrote = select(Finding.id).where(Finding.evidence_id == Evidence.id, Finding.round == Evidence.round)
    return wrote.where(Finding.place == Place.SECOND, Finding.author_id == person).exists()


def require_reviewable(session: Session, evidence: Evidence, verdict: Verdict, kind: ReviewKind, person: UUID) -> None:
    """What a blind round asks of a peer review. Raises SecondComesFirst, NotTheSecond, OutcomesDiffer."""
    if evidence.blind in (None, BlindState.ENDED):
        return
    own = session.scalar(
        select(SecondVerdict).where(SecondVerdict.evidence_id == evidence.id, SecondVerdict.round == evidence.round)
    )
    adjudicated = select(Review.id).where(
        Review.evidence_id == evidence.id, Review.round == evidence.round, Review.kind == ReviewKind.ADJUDICATE
    )
    require_blind_review(
        kind,
        person,
        verdict=verdict.id,
        outcome=verdict.outcome,
        second=None if own is None else SecondView(own.author_id, own.verdict_id, own.outcome),
        is_adjudicated=bool(session.scalar(select(adjudicated.exists()))),
    )
