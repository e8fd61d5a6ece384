"""A round that two persons verify, neither seeing the other's work until both have submitted."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Role
from app.cases.policy import Policy
from app.cases.service import change_policy, revoke_role
from app.exports.custody_service import get_receipt, list_custody, take_custody_file
from app.exports.custody_streams import Scope
from app.kernel.errors import AppError, WrongState, constraint_errors
from app.kernel.primitives import new_id, utc_now
from app.media.blindness import Blind
from app.migration import downgrade, migrate
from app.unit_of_work import UnitOfWork
from app.verification.agreement import measure_agreement
from app.verification.errors import (
    FindingsMissing,
    LeaseTaken,
    NotShownYet,
    NotTheSecond,
    OutcomesDiffer,
    SecondComesFirst,
    SecondNotBlind,
    SelfReview,
    ThirdPersonRequired,
    VerifiedTwice,
)
from app.verification.findings import list_findings
from app.verification.rules import Adjudication, Dimension, Outcome, ReviewKind
from app.verification.second import list_second_verdicts
from app.verification.service import list_reviews, list_verdicts
from tests.factories import NO_LABELS, add_role, commit_in, make_item
from tests.support.databases import TestDatabase
from tests.verification.bench import Bench
from tests.verification.test_separation import refused_by, review_row

REQUIRED = (Dimension.DATE, Dimension.LOCATION)
SECRET = "The clock in the picture."  # What every finding of the bench says.


@pytest.fixture
def blind(bench: Bench) -> Bench:
    """The bench, in a case that verifies blind."""
    set_blind(bench, version=1)
    return bench


def set_blind(bench: Bench, *, version: int, is_blind: bool = True) -> None:
    policy = Policy(required_dimensions=REQUIRED, blind_double_verification=is_blind)
    commit_in(
        bench.sessions, lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=version, policy=policy)
    )


def to_first_verdict(bench: Bench, outcome: Outcome = Outcome.VERIFIED) -> None:
    """Olena has submitted; nobody has begun the second verification."""
    bench.open(bench.olena)
    for dimension in REQUIRED:
        bench.find(bench.olena, dimension)
    bench.submit(bench.olena, outcome=outcome)


def to_second_verdict(bench: Bench, outcome: Outcome = Outcome.VERIFIED, person: Actor | None = None) -> None:
    """And Petro too."""
    to_first_verdict(bench)
    person = person or bench.petro
    bench.take(person)
    for dimension in REQUIRED:
        bench.find(person, dimension)
    bench.second(person, outcome)


def shown_to(bench: Bench, person: Actor) -> dict[str, int]:
    """How much of the item's verification the person is shown, by resource."""
    page: dict[str, Any] = {"after": None, "limit": 50}
    with bench.sessions() as session:
        custody = list_custody(session, person, "evidence", bench.item, after=0, limit=200)
        return {
            "findings": len(list_findings(session, person, bench.item, **page)),
            "verdicts": len(list_verdicts(session, person, bench.item, **page)),
            "seconds": len(list_second_verdicts(session, person, bench.item, **page)),
            "reviews": len(list_reviews(session, person, bench.item, **page)),
            "entries": sum(
                json.loads(entry.body)["type"] in ("evidence.finding_recorded", "evidence.submitted")
                for entry in custody.entries
                if entry.body is not None
            ),
        }


def nothing() -> dict[str, int]:
    return dict.fromkeys(("findings", "verdicts", "seconds", "reviews", "entries"), 0)


def test_rule_when_asked_then_hides_the_others_work_of_this_round_alone() -> None:
    olena, petro, now = new_id(), new_id(), utc_now()
    rule = Blind(2, now)
    assert rule.hides(petro, olena, in_round=2)
    assert rule.hides(petro, olena, at=now)
    assert rule.hides(petro, olena)
    assert not rule.hides(olena, olena, in_round=2)
    assert not rule.hides(petro, olena, in_round=1)


def test_first_when_at_work_or_submitted_then_nobody_else_is_shown_anything(blind: Bench) -> None:
    blind.open(blind.olena)
    blind.find(blind.olena, Dimension.DATE)
    everybody = (blind.petro, blind.rita, blind.coordinator)
    for person in everybody:
        assert shown_to(blind, person) == nothing()
    blind.find(blind.olena, Dimension.LOCATION)
    blind.submit(blind.olena)
    assert blind.evidence().blind == "pending"
    for person in everybody:
        assert shown_to(blind, person) == nothing()
    assert shown_to(blind, blind.olena) == {**nothing(), "findings": 2, "verdicts": 1, "entries": 3}


def test_second_when_at_work_then_the_first_is_shown_nothing_either_until_both_have_submitted(blind: Bench) -> None:
    to_first_verdict(blind)
    blind.take(blind.petro)
    blind.find(blind.petro, Dimension.DATE)
    assert shown_to(blind, blind.petro) == {**nothing(), "findings": 1, "entries": 1}
    assert shown_to(blind, blind.olena)["findings"] == 2
    assert shown_to(blind, blind.rita) == nothing()
    blind.find(blind.petro, Dimension.LOCATION)
    blind.second(blind.petro)
    everything = {"findings": 4, "verdicts": 1, "seconds": 1, "reviews": 0, "entries": 5}
    assert shown_to(blind, blind.rita) == everything
    own_acts = {**everything, "entries": 2}
    assert shown_to(blind, blind.petro) == own_acts
    assert (blind.evidence().blind, blind.evidence().lease_holder) == ("complete", blind.petro.account_id)


def test_custody_page_when_kept_back_then_shows_the_place_and_the_acts_that_say_nothing(blind: Bench) -> None:
    to_first_verdict(blind)
    with blind.sessions() as session:
        page = list_custody(session, blind.coordinator, "case", blind.case_id, after=0, limit=200)
    kept_back = [entry for entry in page.entries if entry.is_kept_back]
    assert len(kept_back) == 3
    assert all(entry.body is None and entry.stream == blind.item and entry.commitment for entry in kept_back)
    shown = {json.loads(entry.body)["type"] for entry in page.entries if entry.body is not None}
    assert {"evidence.verification_opened", "evidence.leased", "evidence.lease_ended"} <= shown
    assert "evidence.submitted" not in shown


def test_receipt_when_of_the_firsts_work_then_refused_to_others_until_both_have_submitted(blind: Bench) -> None:
    to_first_verdict(blind)
    query = text("SELECT encode(commitment, 'hex') FROM ledger_entries WHERE type = 'evidence.submitted'")
    with blind.sessions() as session:
        commitment = session.scalars(query).one()
        with pytest.raises(NotShownYet):
            get_receipt(session, blind.rita, commitment)


@pytest.mark.parametrize("scope", ["evidence", "case"])
def test_custody_file_when_one_may_verify_then_waits_and_else_is_taken_and_bars_from_being_second(
    blind: Bench, scope: Scope
) -> None:
    to_first_verdict(blind)
    object_id = blind.item if scope == "evidence" else blind.case_id
    with pytest.raises(NotShownYet, match="Items verified blind, not by both yet: 1"):
        commit_in(blind.sessions, lambda uow: custody_file(uow, blind.rita, scope, object_id))
    commit_in(blind.sessions, lambda uow: custody_file(uow, blind.coordinator, scope, object_id))
    add_role(blind.sessions, blind.coordinator, blind.case_id, blind.coordinator, Role.VERIFIER)
    with pytest.raises(SecondNotBlind):
        blind.take(blind.coordinator)


def test_custody_file_when_asked_with_a_token_of_fewer_roles_then_the_roles_of_the_person_count(blind: Bench) -> None:
    """Else the first would see what the second has found so far, and could still withdraw and say the same."""
    to_first_verdict(blind)
    blind.take(blind.petro)
    blind.find(blind.petro, Dimension.DATE)
    add_role(blind.sessions, blind.coordinator, blind.case_id, blind.olena, Role.COORDINATOR)
    narrowed = replace(blind.olena, roles=frozenset({Role.COORDINATOR}))
    with pytest.raises(NotShownYet):
        commit_in(blind.sessions, lambda uow: custody_file(uow, narrowed, "evidence", blind.item))


def test_custody_file_when_the_first_is_no_verifier_any_more_then_waits_for_them_all_the_same(blind: Bench) -> None:
    to_first_verdict(blind)
    add_role(blind.sessions, blind.coordinator, blind.case_id, blind.olena, Role.COORDINATOR)
    olena = blind.olena.account_id
    with blind.sessions() as session:
        held = session.scalars(text("SELECT role FROM case_members WHERE account_id = :olena"), {"olena": olena}).all()
    for role in {*map(Role, held)} - {Role.COORDINATOR}:
        of_role: dict[str, Any] = {"case_id": blind.case_id, "account_id": olena, "role": role}
        commit_in(blind.sessions, partial(revoke_role, actor=blind.coordinator, **of_role))
    with pytest.raises(NotShownYet):
        commit_in(blind.sessions, lambda uow: custody_file(uow, blind.olena, "case", blind.case_id))


def custody_file(uow: UnitOfWork, actor: Actor, scope: Scope, object_id: UUID) -> object:
    return take_custody_file(
        uow,
        actor,
        scope,
        object_id,
        file_format="jsonl",
        is_disclosed=False,
        purpose="court",
        reason=None,
    )


def test_second_when_an_author_or_not_alone_then_refused(blind: Bench) -> None:
    to_first_verdict(blind)
    with pytest.raises(SelfReview):
        blind.take(blind.olena)
    blind.take(blind.petro)
    with pytest.raises(LeaseTaken):
        blind.take(blind.rita)
    with pytest.raises(FindingsMissing) as missing:
        blind.second(blind.petro)
    assert missing.value.extra == {"missing_dimensions": ["date", "location"]}


def test_review_when_the_second_has_not_submitted_then_refused_whatever_it_says(blind: Bench) -> None:
    to_first_verdict(blind)
    for kind in (ReviewKind.CONCUR, ReviewKind.DISSENT, ReviewKind.REQUEST_CHANGES):
        with pytest.raises(SecondComesFirst):
            blind.review(blind.petro, kind)


def test_second_when_outcomes_agree_then_they_alone_conclude_and_are_no_third_person(blind: Bench) -> None:
    to_second_verdict(blind, person=blind.sofia)
    with pytest.raises(NotTheSecond):
        blind.concur(blind.petro)
    with pytest.raises(NotTheSecond):
        blind.take(blind.petro)
    blind.concur(blind.sofia)
    with pytest.raises(ThirdPersonRequired):
        blind.sign_off(blind.sofia)
    blind.sign_off(blind.rita)
    assert blind.evidence().state == "signed_off"


def test_second_when_outcomes_differ_then_only_a_dispute_is_left_and_a_third_decides(blind: Bench) -> None:
    to_second_verdict(blind, Outcome.MISATTRIBUTED, person=blind.sofia)
    with pytest.raises(OutcomesDiffer) as refused:
        blind.concur(blind.sofia)
    assert refused.value.extra == {"outcome": "verified", "second_outcome": "misattributed"}
    blind.review(blind.sofia, ReviewKind.DISSENT)
    with pytest.raises(ThirdPersonRequired):
        blind.adjudicate(blind.sofia)
    blind.adjudicate(blind.rita, Adjudication.BACK)
    blind.take(blind.olena)
    blind.submit(blind.olena, outcome=Outcome.MISATTRIBUTED)
    blind.concur(blind.petro)
    assert blind.evidence().state == "awaiting_sign_off"


def test_outcome_when_changed_back_and_forth_then_the_dispute_stays_until_adjudicated(blind: Bench) -> None:
    """Asking for changes is no way around two views that differ."""
    to_second_verdict(blind, Outcome.MANIPULATED)
    blind.end(blind.petro)
    blind.review(blind.sofia, ReviewKind.REQUEST_CHANGES)
    blind.take(blind.olena)
    blind.submit(blind.olena)
    with pytest.raises(OutcomesDiffer):
        blind.concur(blind.taras)
    blind.review(blind.taras, ReviewKind.DISSENT)
    assert blind.evidence().state == "disputed"


def test_verdict_when_withdrawn_before_the_second_submits_then_the_lease_ends_and_after_it_is_refused(
    blind: Bench,
) -> None:
    to_first_verdict(blind)
    blind.take(blind.petro)
    blind.find(blind.petro, Dimension.DATE)
    blind.withdraw(blind.olena)
    assert (blind.evidence().state, blind.evidence().lease_holder) == ("in_verification", None)
    blind.take(blind.olena)
    blind.submit(blind.olena)
    blind.take(blind.petro)
    blind.find(blind.petro, Dimension.LOCATION)  # What Petro had found on the date stands.
    blind.second(blind.petro)
    with pytest.raises(VerifiedTwice):
        blind.withdraw(blind.olena)


def test_first_when_another_takes_over_then_submits_on_what_they_found_themselves(blind: Bench) -> None:
    blind.open(blind.olena)
    for dimension in REQUIRED:
        blind.find(blind.olena, dimension)
    blind.end(blind.olena)
    blind.take(blind.petro)
    with pytest.raises(FindingsMissing):
        blind.submit(blind.petro)
    for dimension in REQUIRED:
        assert blind.find(blind.petro, dimension).supersedes is None
    blind.submit(blind.petro)
    with pytest.raises(SelfReview):
        blind.take(blind.olena)


def test_round_when_begun_then_is_blind_as_the_policy_said_then_and_no_change_opens_or_closes_it(bench: Bench) -> None:
    bench.open(bench.olena)
    set_blind(bench, version=1)
    assert bench.evidence().blind is None
    bench.item = make_item(bench.sessions, bench.olena, bench.case_id, labels=dict(NO_LABELS))
    bench.open(bench.olena)
    bench.find(bench.olena, Dimension.DATE)
    set_blind(bench, version=2, is_blind=False)
    assert bench.evidence().blind == "pending"
    assert shown_to(bench, bench.rita) == nothing()


def test_item_when_reopened_then_is_verified_in_the_open_since_all_were_shown_the_first_round(blind: Bench) -> None:
    to_second_verdict(blind)
    blind.concur(blind.petro)
    blind.sign_off(blind.rita)
    blind.reopen(blind.coordinator)
    assert (blind.evidence().blind, blind.evidence().round) == (None, 2)
    blind.take(blind.taras)
    blind.submit(blind.taras)  # On Olena's findings, as elsewhere: nobody says that it was blind.
    blind.take(blind.petro)
    with pytest.raises(WrongState):
        blind.second(blind.petro)
    blind.concur(blind.petro)
    blind.sign_off(blind.rita)
    as_of = utc_now()
    with blind.sessions() as session:
        assert measure_agreement(session, blind.coordinator, [blind.case_id], as_of=as_of).rounds == 1


@pytest.mark.thorough
def test_round_when_reopened_blind_by_the_release_before_then_goes_on_in_the_open(
    blind: Bench, database: TestDatabase
) -> None:
    to_second_verdict(blind)
    blind.concur(blind.petro)
    blind.sign_off(blind.rita)
    blind.reopen(blind.coordinator)
    blind.take(blind.olena)
    blind.submit(blind.olena)
    first = make_item(blind.sessions, blind.olena, blind.case_id, labels=dict(NO_LABELS))
    reopened, blind.item = blind.item, first
    blind.open(blind.olena)
    blind.sessions.kw["bind"].dispose()

    downgrade(database.owner_url, "r85_steps")
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE evidence SET blind = 'pending', blind_since = now() WHERE id = %s", [reopened])
    migrate(database.owner_url)

    assert blind.evidence().blind == "pending", "a first round stays blind"
    blind.item = reopened
    assert (blind.evidence().blind, blind.evidence().blind_since) == (None, None)
    blind.concur(blind.petro)


# --- in the database, past the services


def _insert_second_finding(bench: Bench, person: Actor) -> Callable[[Session], object]:
    query = text(
        "INSERT INTO findings (id, evidence_id, round, number, dimension, result, confidence, methods, rationale,"
        ' "references", author_id, recorded_at, place)'
        " SELECT :id, e.id, e.round, 99, 'date', 'established', 'high', '{}', 'x', '{}', :person, now(), 'second'"
        " FROM evidence e WHERE e.id = :item"
    )
    return lambda session: session.execute(query, {"id": new_id(), "item": bench.item, "person": person.account_id})


def _insert_second_verdict(bench: Bench, person: Actor) -> Callable[[Session], object]:
    query = text(
        "INSERT INTO second_verdicts (id, evidence_id, verdict_id, round, outcome, rationale, finding_ids,"
        " policy_version, author_id, submitted_at)"
        " SELECT :id, e.id, v.id, e.round, 'verified', 'x', '{}', 1, :person, now()"
        " FROM evidence e JOIN verdicts v ON v.evidence_id = e.id WHERE e.id = :item"
    )
    return lambda session: session.execute(query, {"id": new_id(), "item": bench.item, "person": person.account_id})


def test_second_rows_when_by_an_author_without_lease_or_findings_then_refused(blind: Bench) -> None:
    blind.open(blind.olena)
    assert refused_by(blind, _insert_second_finding(blind, blind.olena)) == "exhibit_second_awaited"
    for dimension in REQUIRED:
        blind.find(blind.olena, dimension)
    blind.submit(blind.olena)
    assert refused_by(blind, _insert_second_finding(blind, blind.petro)) == "exhibit_written_by_lease_holder"
    blind.take(blind.petro)
    assert refused_by(blind, _insert_second_verdict(blind, blind.petro)) == "exhibit_second_complete"
    assert refused_by(blind, _insert_second_finding(blind, blind.petro)) == "exhibit_require_entry"


def test_second_when_an_author_has_the_lease_after_all_then_refused_by_service_and_database(
    blind: Bench, database: TestDatabase
) -> None:
    """Each wall by itself: the lease that no author is given is put there past the triggers."""
    to_first_verdict(blind)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(
            "UPDATE evidence SET lease_holder = %s, lease_taken_at = now(), lease_expires_at = now() + '1 h' "
            "WHERE id = %s",
            (blind.olena.account_id, blind.item),
        )
    with pytest.raises(SelfReview):
        blind.second(blind.olena)
    with pytest.raises(SelfReview):
        blind.find(blind.olena, Dimension.DATE)
    assert refused_by(blind, _insert_second_finding(blind, blind.olena)) == "exhibit_no_self_review"
    assert refused_by(blind, _insert_second_verdict(blind, blind.olena)) == "exhibit_no_self_review"


def test_review_rows_when_out_of_turn_in_a_blind_round_then_refused(blind: Bench) -> None:
    to_first_verdict(blind)
    row = review_row(blind, blind.petro, "concur", "awaiting_sign_off")
    assert refused_by(blind, row) == "exhibit_second_comes_first"
    blind.take(blind.sofia)
    for dimension in REQUIRED:
        blind.find(blind.sofia, dimension)
    blind.second(blind.sofia, Outcome.EXCLUDED)
    row = review_row(blind, blind.petro, "dissent", "disputed")
    assert refused_by(blind, row) == "exhibit_reviewed_by_second"
    row = review_row(blind, blind.sofia, "concur", "awaiting_sign_off")
    assert refused_by(blind, row) == "exhibit_outcomes_agree"
    withdrawal = text("INSERT INTO verdict_withdrawals SELECT id, evidence_id, author_id, now() FROM verdicts")
    assert refused_by(blind, lambda session: session.execute(withdrawal)) == "exhibit_verified_twice"


def test_second_verdict_row_when_edited_or_deleted_then_refused_to_the_owner_too(
    blind: Bench, database: TestDatabase
) -> None:
    to_first_verdict(blind)
    blind.take(blind.sofia)
    for dimension in REQUIRED:
        blind.find(blind.sofia, dimension)
    blind.second(blind.sofia, Outcome.EXCLUDED)
    with psycopg.connect(database.owner_url) as owner:
        for change in ("UPDATE second_verdicts SET outcome = 'verified'", "DELETE FROM second_verdicts"):
            with pytest.raises(psycopg.errors.IntegrityError) as refused, owner.transaction():
                owner.execute(change)
            assert refused.value.diag.constraint_name == "exhibit_refuse_change"


@pytest.mark.parametrize(
    "change",
    [
        "blind = 'complete'",
        "blind = NULL, blind_since = NULL",
        "blind_since = now()",
        "round = round + 1, blind = NULL",
        "round = round + 1, blind = NULL, blind_since = NULL",
        "round = round + 1, blind_since = now()",
    ],
)
def test_blind_round_when_ended_by_hand_then_refused(blind: Bench, change: str) -> None:
    to_first_verdict(blind)
    query = text(f"UPDATE evidence SET {change} WHERE id = :item")
    refused = refused_by(blind, lambda session: session.execute(query, {"item": blind.item}))
    assert refused == "exhibit_blind_round"


def test_third_person_when_one_began_as_second_and_another_ended_it_then_the_first_of_them_is_none(
    blind: Bench,
) -> None:
    """Whoever wrote as second has seen the item as a verifier, also where their findings became no verdict."""
    to_first_verdict(blind)
    blind.take(blind.taras)
    blind.find(blind.taras, REQUIRED[0])
    blind.end(blind.taras)
    blind.take(blind.petro)
    for dimension in REQUIRED:
        blind.find(blind.petro, dimension)
    blind.second(blind.petro, Outcome.VERIFIED)
    blind.concur(blind.petro)
    with pytest.raises(ThirdPersonRequired):
        blind.take(blind.taras)
    with pytest.raises(ThirdPersonRequired):
        blind.sign_off(blind.taras)
    blind.sign_off(blind.rita)


def test_verdict_row_when_it_rests_on_anothers_findings_in_a_blind_round_then_refused(blind: Bench) -> None:
    blind.open(blind.olena)
    for dimension in REQUIRED:
        blind.find(blind.olena, dimension)
    blind.end(blind.olena)
    blind.take(blind.petro)
    query = text(
        "INSERT INTO verdicts (id, evidence_id, round, version, outcome, rationale, finding_ids, policy_version,"
        " signature_mode, self_reviewed, author_id, submitted_at)"
        " SELECT :id, e.id, e.round, 1, 'verified', 'x', (SELECT array_agg(f.id) FROM findings f"
        " WHERE f.evidence_id = e.id), 2, 'none', false, :person, now() FROM evidence e WHERE e.id = :item"
    )
    values = {"id": new_id(), "item": blind.item, "person": blind.petro.account_id}
    assert refused_by(blind, lambda session: session.execute(query, values)) == "exhibit_first_complete"


def test_beginning_when_written_into_the_future_then_is_the_databases_time(blind: Bench) -> None:
    """What is asked of a person since then would otherwise never be asked."""
    query = text(
        "UPDATE evidence SET round = 1, blind = 'pending', blind_since = '2999-01-01' WHERE id = :item"
        " RETURNING blind_since <= clock_timestamp() AND blind_since > now() - interval '1 minute'"
    )
    with blind.sessions() as session:
        assert session.scalars(query, {"item": blind.item}).one()
        session.rollback()


def test_refusals_when_raised_by_the_database_then_each_is_a_problem_of_its_own() -> None:
    names = (
        "second_awaited",
        "second_is_blind",
        "second_complete",
        "first_complete",
        "second_comes_first",
        "reviewed_by_second",
    )
    for name in (*names, "outcomes_agree", "verified_twice", "blind_round"):
        assert isinstance(constraint_errors[f"exhibit_{name}"], AppError)
