"""A blind round for which there is no second: ended with a reason, reviewed as any other, and told for ever."""

import pytest
from sqlalchemy import text

from app.access.rules import Role
from app.kernel.errors import Forbidden, WrongState
from app.kernel.primitives import utc_now
from app.media.reading import get_evidence
from app.media.rules import BlindState, State, Transition, events_from
from app.verification.agreement import measure_agreement
from app.verification.errors import LeaseTaken, SelfReview
from app.verification.rules import ReviewKind
from app.verification.service import list_reviews
from tests.factories import add_role
from tests.verification.bench import Bench
from tests.verification.test_blind import blind, nothing, shown_to, to_first_verdict, to_second_verdict
from tests.verification.test_separation import refused_by, review_row

__all__ = ["blind"]


def reviews(bench: Bench) -> list[tuple[str, str | None]]:
    with bench.sessions() as session:
        rows = list_reviews(session, bench.petro, bench.item, after=None, limit=50)
        return [(row.kind, row.comment) for row in rows]


def test_blind_round_when_ended_then_is_shown_reviewed_as_any_other_and_no_agreement_counts_it(blind: Bench) -> None:
    to_first_verdict(blind)
    assert shown_to(blind, blind.petro) == nothing()

    blind.end_blind(blind.coordinator)

    assert (blind.evidence().blind, blind.evidence().state) == ("ended", "awaiting_peer_review")
    assert shown_to(blind, blind.petro)["verdicts"] == 1
    blind.concur(blind.petro)
    blind.sign_off(blind.rita)
    assert reviews(blind)[0] == ("end_blind", "Everybody else has left the case.")
    blind.reopen(blind.coordinator)
    assert reviews(blind)[0][0] == "end_blind"  # For ever, also when the item's present round is another.
    assert "evidence.blind_ended" in blind.entry_types()
    with blind.sessions() as session:
        figures = measure_agreement(session, blind.coordinator, [blind.case_id], as_of=utc_now())
    assert figures.rounds == 0


def test_blind_round_when_ended_then_the_author_may_still_withdraw_and_submit_anew(blind: Bench) -> None:
    to_first_verdict(blind)
    blind.end_blind(blind.rita)
    blind.withdraw(blind.olena)
    blind.take(blind.olena)
    blind.submit(blind.olena)
    assert (blind.evidence().blind, blind.evidence().state) == ("ended", "awaiting_peer_review")
    blind.concur(blind.petro)


def test_end_when_by_an_author_or_a_verifier_or_while_a_second_is_at_work_then_refused(blind: Bench) -> None:
    to_first_verdict(blind)
    with pytest.raises(Forbidden):
        blind.end_blind(blind.petro)
    add_role(blind.sessions, blind.coordinator, blind.case_id, blind.olena, Role.RESEARCHER)
    with pytest.raises(SelfReview):
        blind.end_blind(blind.olena)
    row = review_row(blind, blind.olena, "end_blind", "awaiting_peer_review")
    assert refused_by(blind, row) == "exhibit_no_self_review"
    blind.take(blind.petro)
    with pytest.raises(LeaseTaken):
        blind.end_blind(blind.coordinator)


def test_end_when_the_first_has_not_submitted_then_refused(blind: Bench) -> None:
    blind.open(blind.olena)
    with pytest.raises(WrongState):
        blind.end_blind(blind.coordinator)


def test_end_when_both_have_submitted_then_refused_also_by_the_database(blind: Bench) -> None:
    to_second_verdict(blind)
    blind.end(blind.petro)
    with pytest.raises(WrongState):
        blind.end_blind(blind.coordinator)
    row = review_row(blind, blind.coordinator, "end_blind", "awaiting_peer_review")
    assert refused_by(blind, row) == "exhibit_blind_round"


def test_round_when_called_ended_without_a_reason_on_record_then_refused(blind: Bench) -> None:
    to_first_verdict(blind)
    query = text("UPDATE evidence SET blind = 'ended', version = version + 1 WHERE id = :item")
    assert refused_by(blind, lambda session: session.execute(query, {"item": blind.item})) == "exhibit_blind_round"


def test_events_when_a_blind_round_awaits_its_second_then_no_review_is_offered(blind: Bench) -> None:
    to_first_verdict(blind)
    with blind.sessions() as session:
        offered = get_evidence(session, blind.petro, blind.item).possible_events
        coordinators = get_evidence(session, blind.coordinator, blind.item).possible_events
    assert offered == [Transition.WITHDRAW]
    assert coordinators == [Transition.END_BLIND]
    reviewed = [kind.transition for kind in (ReviewKind.REQUEST_CHANGES, ReviewKind.CONCUR, ReviewKind.DISSENT)]
    for state in (None, BlindState.COMPLETE, BlindState.ENDED):
        assert events_from(State.AWAITING_PEER_REVIEW, state) == [Transition.WITHDRAW, *reviewed]
