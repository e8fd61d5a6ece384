"""Leases of every kind of work, and assignments: who works on an item, for how long, and that it is never two."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.exc import IntegrityError

from app.access.actors import Actor
from app.access.rules import Role
from app.cases.policy import Policy
from app.cases.service import change_policy, revoke_role
from app.kernel.errors import AppError, Forbidden, WrongState, constraint_errors
from app.media.rules import Priority
from app.unit_of_work import unit_of_work
from app.verification import assignment
from app.verification.errors import (
    AssignedToAnother,
    CannotBeAssigned,
    LeaseAtLongest,
    LeaseTaken,
    NotAssigned,
    SelfReview,
    ThirdPersonRequired,
)
from app.verification.leases import open_verification, take_lease
from app.verification.queue import list_queue
from app.verification.rules import ReviewKind
from tests.factories import NO_LABELS, commit_in, make_item, make_person
from tests.verification.bench import Bench


def assign(bench: Bench, person: Actor, by: Actor | None = None) -> None:
    commit_in(
        bench.sessions,
        lambda uow: assignment.assign(
            uow, by or bench.coordinator, bench.item, version=bench.version(), person_id=person.account_id
        ),
    )


def unassign(bench: Bench, by: Actor) -> None:
    commit_in(bench.sessions, lambda uow: assignment.unassign(uow, by, bench.item, version=bench.version()))


def prioritise(bench: Bench, priority: Priority) -> None:
    commit_in(
        bench.sessions,
        lambda uow: assignment.set_priority(
            uow, bench.coordinator, bench.item, version=bench.version(), priority=priority
        ),
    )


def reason_codes(bench: Bench, kind: str) -> list[str]:
    query = text(
        "SELECT convert_from(b.body, 'UTF8')::json -> 'data' ->> 'reason_code' FROM ledger_entries e"
        " JOIN ledger_bodies b ON b.commitment = e.commitment"
        " WHERE e.stream_id = :item AND e.type = :kind ORDER BY e.seq"
    )
    with bench.sessions() as session:
        return list(session.scalars(query, {"item": bench.item, "kind": kind}))


# --- how long


def test_lease_when_extended_then_keeps_its_holder_and_since_when(bench: Bench) -> None:
    bench.open(bench.olena)
    before = bench.evidence()
    after = bench.take(bench.olena, ttl_s=7200)
    assert (after.lease_holder, after.lease_taken_at) == (before.lease_holder, before.lease_taken_at)
    assert before.lease_taken_at is not None
    assert bench.take(bench.olena, ttl_s=1).lease_expires_at == after.lease_expires_at, "never made shorter"


def test_lease_when_extended_to_the_longest_then_no_further(bench: Bench) -> None:
    bench.open(bench.olena)
    longest = bench.take(bench.olena, ttl_s=10**6)
    assert longest.lease_taken_at is not None
    assert longest.lease_expires_at == longest.lease_taken_at + timedelta(hours=24)
    version = bench.version()
    with pytest.raises(LeaseAtLongest) as refused:
        bench.take(bench.olena)
    assert "expires_at" in refused.value.extra
    assert bench.version() == version


def test_lease_when_run_out_then_its_holder_takes_another_and_both_are_entries(bench: Bench) -> None:
    bench.open(bench.olena)
    bench.end(bench.olena)
    bench.take(bench.olena, ttl_s=0)
    ended = bench.evidence().lease_taken_at
    bench.take(bench.olena)
    assert bench.evidence().lease_taken_at != ended
    assert bench.entry_types()[-2:] == ["evidence.lease_ended", "evidence.leased"]
    assert reason_codes(bench, "evidence.lease_ended") == ["given_back", "expired"]


# --- reviews


def test_review_when_leased_by_one_then_no_other_reviews_until_it_ends(bench: Bench) -> None:
    bench.to_review()
    bench.take(bench.petro)
    with pytest.raises(LeaseTaken):
        bench.take(bench.sofia)
    with pytest.raises(LeaseTaken):
        bench.concur(bench.sofia)
    bench.concur(bench.petro)
    assert bench.evidence().lease_holder is None
    assert reason_codes(bench, "evidence.lease_ended") == ["submitted", "reviewed"]


def test_review_when_its_lease_ran_out_then_another_reviews_and_records_that(bench: Bench) -> None:
    bench.to_review()
    bench.take(bench.petro, ttl_s=0)
    bench.concur(bench.sofia)
    assert bench.entry_types()[-2:] == ["evidence.lease_ended", "evidence.concurred"]
    assert reason_codes(bench, "evidence.lease_ended")[-1] == "expired"


def test_review_when_the_author_withdraws_then_its_lease_ends(bench: Bench) -> None:
    bench.to_review()
    bench.take(bench.petro)
    bench.withdraw(bench.olena)
    assert bench.evidence().lease_holder is None
    assert reason_codes(bench, "evidence.lease_ended")[-1] == "withdrawn"
    bench.take(bench.olena)


def test_lease_when_asked_for_by_who_may_not_do_the_work_then_refused(bench: Bench) -> None:
    with pytest.raises(WrongState):
        bench.take(bench.olena)
    bench.to_review()
    with pytest.raises(SelfReview):
        bench.take(bench.olena)
    bench.review(bench.sofia, ReviewKind.DISSENT)
    with pytest.raises(ThirdPersonRequired):
        bench.take(bench.sofia)
    with pytest.raises(Forbidden):
        bench.take(bench.petro)
    bench.take(bench.rita)
    bench.adjudicate(bench.rita)
    with pytest.raises(ThirdPersonRequired):
        bench.take(bench.rita)
    bench.take(bench.taras)
    bench.sign_off(bench.taras)
    with pytest.raises(WrongState):
        bench.take(bench.taras)
    assert reason_codes(bench, "evidence.lease_ended") == ["submitted", "reviewed", "reviewed"]


# --- the database refuses, whatever the services do

SEIZE = text(
    "UPDATE evidence SET lease_holder = :person, lease_expires_at = now() + interval '1 hour', version = version + 1"
    " WHERE id = :item"
)


def seize(bench: Bench, person: Actor, statement: TextClause = SEIZE) -> str:
    """By raw SQL; the name of what refuses it, or ``done``. The entry is not asked for: that is another guard."""
    with bench.sessions() as session:
        try:
            session.execute(statement, {"person": person.account_id, "item": bench.item})
        except IntegrityError as error:
            return str(getattr(getattr(error.orig, "diag", None), "constraint_name", None))
        finally:
            session.rollback()
    return "done"


def test_lease_row_when_another_holds_it_then_refused_until_it_runs_out(bench: Bench) -> None:
    bench.open(bench.olena)
    assert seize(bench, bench.petro) == "exhibit_lease_held"
    assert constraint_errors["exhibit_lease_held"].code == "lease_taken"
    assert seize(bench, bench.olena) == "done"
    bench.end(bench.olena)
    bench.take(bench.olena, ttl_s=0)
    assert seize(bench, bench.petro) == "done"


def test_lease_row_when_two_transactions_write_it_at_once_then_the_second_is_refused(bench: Bench) -> None:
    """The second waits for the first one's commit, then finds the lease held."""
    bench.open(bench.olena)
    bench.end(bench.olena)
    with ThreadPoolExecutor(1) as pool, unit_of_work(bench.sessions) as uow:
        take_lease(uow, bench.sofia, bench.item, ttl_s=60, longest_s=60)
        uow.session.flush()
        waiting = pool.submit(seize, bench, bench.petro)
        until_somebody_waits(bench)
        uow.commit()
        assert waiting.result(timeout=10) == "exhibit_lease_held"
    assert bench.evidence().lease_holder == bench.sofia.account_id


def until_somebody_waits(bench: Bench) -> None:
    while not somebody_waits(bench):
        time.sleep(0.01)


def somebody_waits(bench: Bench) -> bool:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with bench.sessions() as session:
        return bool(session.scalar(query))


def test_act_when_another_is_not_committed_yet_then_waits_before_it_looks(bench: Bench) -> None:
    """What it is decided by is what the first one leaves: also a version that did not exist when it was asked for."""
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    waiting: list[Future[object]] = []

    def concur_meanwhile() -> None:
        bench.ahead = 1
        waiting.append(pool.submit(bench.concur, bench.petro))
        while not (waiting[0].done() or somebody_waits(bench)):
            time.sleep(0.002)
        bench.ahead = 0

    with ThreadPoolExecutor(1) as pool:
        bench.meanwhile = concur_meanwhile
        bench.submit(bench.olena)
        assert waiting[0].exception(timeout=20) is None
    assert bench.evidence().state == "awaiting_sign_off"


def test_limit_of_leases_when_two_items_are_opened_at_once_then_only_one_of_them(bench: Bench) -> None:
    policy = Policy(leases_per_person=1)
    commit_in(
        bench.sessions, lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=1, policy=policy)
    )
    first, second = bench.item, make_item(bench.sessions, bench.olena, bench.case_id, labels=dict(NO_LABELS))
    version = bench.version()
    bench.item = second
    with ThreadPoolExecutor(1) as pool, unit_of_work(bench.sessions) as uow:
        open_verification(uow, bench.olena, first, version=version, ttl_s=60)
        waiting = pool.submit(outcome_of, lambda: bench.open(bench.olena))
        until_somebody_waits(bench)
        uow.commit()
        assert waiting.result(timeout=10) == "leases_at_limit"
    assert bench.evidence().lease_holder is None


def test_review_row_when_another_holds_the_lease_then_refused(bench: Bench) -> None:
    bench.to_review()
    bench.take(bench.petro)
    review = text(
        "INSERT INTO reviews (id, evidence_id, verdict_id, round, kind, leads_to, reviewer_id, reviewed_at)"
        " SELECT gen_random_uuid(), v.evidence_id, v.id, v.round, 'concur', 'awaiting_sign_off', :person, now()"
        " FROM verdicts v WHERE v.evidence_id = :item"
    )
    assert seize(bench, bench.sofia, review) == "exhibit_lease_held"
    assert seize(bench, bench.petro, review) == "done"


def test_lease_when_many_reach_for_it_at_once_then_one_has_it_and_one_entry(bench: Bench) -> None:
    bench.to_review()
    people = (bench.petro, bench.rita, bench.sofia, bench.taras)
    with ThreadPoolExecutor(len(people)) as pool:
        results = list(pool.map(lambda person: outcome_of(lambda: bench.take(person)), people))
    assert sorted(results) == ["done", "lease_taken", "lease_taken", "lease_taken"]
    assert bench.entry_types().count("evidence.leased") == 2


# --- assignment


def test_assignment_when_given_then_only_that_person_takes_the_item_and_it_ends_with_the_work(bench: Bench) -> None:
    assign(bench, bench.petro)
    with pytest.raises(AssignedToAnother):
        bench.open(bench.olena)
    bench.open(bench.petro)
    assert bench.evidence().assigned_to == bench.petro.account_id, "the work has only begun"
    bench.find_all(bench.petro)
    bench.submit(bench.petro)
    assert bench.evidence().assigned_to is None
    assert reason_codes(bench, "evidence.unassigned") == ["submitted"]
    assert bench.entry_types()[4:7] == ["evidence.assigned", "evidence.verification_opened", "evidence.leased"]


def test_assignment_when_of_a_review_then_no_other_reviews(bench: Bench) -> None:
    bench.to_review()
    assign(bench, bench.sofia)
    for act in (lambda: bench.take(bench.petro), lambda: bench.concur(bench.petro)):
        with pytest.raises(AssignedToAnother):
            act()
    bench.concur(bench.sofia)
    assert bench.evidence().assigned_to is None


def test_assignment_when_to_who_may_not_do_the_work_then_refused(bench: Bench) -> None:
    with pytest.raises(CannotBeAssigned):
        assign(bench, make_person(bench.sessions, "stranger"))
    with pytest.raises(CannotBeAssigned):
        assign(bench, bench.coordinator)
    with pytest.raises(Forbidden):
        assign(bench, bench.petro, by=bench.olena)
    bench.to_review()
    with pytest.raises(CannotBeAssigned):
        assign(bench, bench.olena)
    bench.concur(bench.petro)
    with pytest.raises(CannotBeAssigned):
        assign(bench, bench.petro)
    bench.sign_off(bench.rita)
    with pytest.raises(WrongState):
        assign(bench, bench.sofia)


def test_assignment_when_another_works_on_the_item_then_refused_until_that_lease_ends(bench: Bench) -> None:
    bench.open(bench.olena)
    with pytest.raises(LeaseTaken):
        assign(bench, bench.petro)
    assign(bench, bench.olena)
    bench.end(bench.olena)
    assign(bench, bench.petro)
    bench.take(bench.petro)
    assert reason_codes(bench, "evidence.unassigned") == ["reassigned"]


def test_lease_when_its_holder_may_not_do_the_work_any_more_then_holds_nobody_off(bench: Bench) -> None:
    """Somebody who was expelled does not keep what they held from everybody until it runs out."""
    bench.open(bench.olena)
    with pytest.raises(LeaseTaken):
        bench.take(bench.petro)
    commit_in(
        bench.sessions,
        lambda uow: revoke_role(
            uow, bench.coordinator, bench.case_id, account_id=bench.olena.account_id, role=Role.VERIFIER
        ),
    )
    with bench.sessions() as session:
        offered = list_queue(session, bench.petro, case_id=None, act=None, after=None, limit=10)
        assert [each.evidence.id for each in offered] == [bench.item]
    assert bench.take(bench.petro).lease_holder == bench.petro.account_id
    assert bench.entry_types()[-2:] == ["evidence.lease_ended", "evidence.leased"]


def test_assignment_when_ended_by_its_holder_or_a_coordinator_then_anybody_takes_the_item(bench: Bench) -> None:
    with pytest.raises(NotAssigned):
        unassign(bench, bench.coordinator)
    assign(bench, bench.petro)
    with pytest.raises(Forbidden):
        unassign(bench, bench.olena)
    unassign(bench, bench.petro)
    assign(bench, bench.petro)
    unassign(bench, bench.coordinator)
    bench.open(bench.olena)
    assert reason_codes(bench, "evidence.unassigned") == ["given_back", "ended_by_coordinator"]


def test_assignment_when_its_holder_may_not_verify_any_more_then_binds_nobody(bench: Bench) -> None:
    assign(bench, bench.petro)
    commit_in(
        bench.sessions,
        lambda uow: revoke_role(
            uow, bench.coordinator, bench.case_id, account_id=bench.petro.account_id, role=Role.VERIFIER
        ),
    )
    bench.open(bench.olena)
    assert reason_codes(bench, "evidence.unassigned") == ["may_not_any_more"]


def test_lease_row_when_assigned_to_another_then_refused(bench: Bench) -> None:
    bench.open(bench.olena)
    bench.end(bench.olena)
    assign(bench, bench.petro)
    assert seize(bench, bench.olena) == "ck_evidence_leased_as_assigned"
    assert seize(bench, bench.petro) == "done"


def test_priority_when_set_then_an_entry_and_saying_it_again_none(bench: Bench) -> None:
    prioritise(bench, Priority.URGENT)
    version = bench.version()
    prioritise(bench, Priority.URGENT)
    assert (bench.evidence().priority, bench.version()) == (1, version)
    assert bench.entry_types().count("evidence.prioritised") == 1
    bench.to_signed_off()
    with pytest.raises(WrongState):
        prioritise(bench, Priority.LOW)


def test_assignment_and_priority_rows_when_changed_without_an_entry_then_refused(bench: Bench) -> None:
    for change in ("priority = 1", "assigned_to = received_by"):
        with bench.sessions() as session:
            session.execute(text(f"UPDATE evidence SET {change} WHERE id = :item"), {"item": bench.item})
            with pytest.raises(IntegrityError, match="has no custody entry"):
                session.commit()


def outcome_of(act: Callable[[], object]) -> str:
    """``done``, or the code of the refusal."""
    try:
        act()
    except AppError as error:
        return error.code
    return "done"
