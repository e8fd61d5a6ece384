"""The verification of an item by its services, on a real database: each guard, and what each act leaves."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.access.actors import Actor
from app.access.rules import Role
from app.blobs.store import ReadBackOutcome
from app.cases.policy import Policy
from app.cases.service import change_policy
from app.incidents.rules import PlacePrecision
from app.kernel.errors import AppError, Forbidden, NotFound, VersionMismatch, WrongState
from app.kernel.primitives import utc_now
from app.media.errors import LabelsMissing
from app.verification import service
from app.verification.errors import (
    CannotHoldLease,
    FindingsMissing,
    FingerprintsPending,
    IncidentNotLinked,
    IntegrityMismatch,
    IntegrityNotVerifiable,
    IntegrityUnchecked,
    LeaseNotHeld,
    LeaseTaken,
    NotTheAuthor,
    PrecisionDoesNotFit,
    SelfReview,
    ThirdPersonRequired,
)
from app.verification.findings import list_findings
from app.verification.rules import Adjudication, Dimension, ReviewKind, TimePrecision
from tests.factories import NO_LABELS, add_role, commit_in, make_item, make_person
from tests.verification.bench import REQUIRED, Bench


def test_verification_when_done_by_three_persons_then_signed_off_and_every_act_is_an_entry(bench: Bench) -> None:
    bench.to_signed_off()
    assert bench.evidence().state == "signed_off"
    assert bench.entry_types() == [
        "evidence.collected",
        "evidence.labelled",
        "evidence.preserved",
        "evidence.fingerprinted",
        "evidence.verification_opened",
        "evidence.leased",
        *["evidence.finding_recorded"] * len(REQUIRED),
        "evidence.submitted",
        "evidence.lease_ended",
        "evidence.concurred",
        "evidence.integrity_checked",
        "evidence.signed_off",
    ]


# --- opening and leases


def test_open_when_labels_are_missing_then_refused(bench: Bench) -> None:
    bench.item = make_item(bench.sessions, bench.olena, bench.case_id, labels=None)
    with pytest.raises(LabelsMissing):
        bench.open(bench.olena)
    assert bench.evidence().state == "preserved"


def test_open_when_not_preserved_yet_then_refused(bench: Bench) -> None:
    bench.item = make_item(bench.sessions, bench.olena, bench.case_id, is_preserved=False)
    with pytest.raises(WrongState):
        bench.open(bench.olena)


def test_open_when_coordinator_names_a_verifier_then_that_person_has_the_lease(bench: Bench) -> None:
    opened = bench.open(bench.coordinator, holder_id=bench.petro.account_id)
    assert (opened.lease_holder, opened.round) == (bench.petro.account_id, 1)
    bench.find(bench.petro)


def test_open_when_holder_may_not_verify_then_refused(bench: Bench) -> None:
    stranger = make_person(bench.sessions, "stranger")
    with pytest.raises(CannotHoldLease):
        bench.open(bench.coordinator, holder_id=stranger.account_id)
    with pytest.raises(CannotHoldLease):
        bench.open(bench.coordinator)


def test_open_when_a_verifier_names_somebody_else_then_forbidden(bench: Bench) -> None:
    with pytest.raises(Forbidden):
        bench.open(bench.olena, holder_id=bench.petro.account_id)


def test_open_when_actor_is_an_outsider_then_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.open(make_person(bench.sessions, "outsider"))


def test_lease_when_held_by_another_then_refused_until_it_runs_out(bench: Bench) -> None:
    bench.open(bench.olena)
    with pytest.raises(LeaseTaken):
        bench.take(bench.petro)
    expire_lease(bench)
    assert bench.take(bench.petro).lease_holder == bench.petro.account_id
    assert bench.entry_types()[-2:] == ["evidence.lease_ended", "evidence.leased"]
    with pytest.raises(LeaseNotHeld):
        bench.find(bench.olena)


def test_lease_when_taken_again_by_its_holder_then_longer(bench: Bench) -> None:
    bench.open(bench.olena)
    until = bench.evidence().lease_expires_at
    assert until is not None
    longer = bench.take(bench.olena, ttl_s=7200).lease_expires_at
    assert longer is not None
    assert longer > until


def test_lease_when_run_out_then_its_holder_neither_finds_nor_submits(bench: Bench) -> None:
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    expire_lease(bench)
    with pytest.raises(LeaseNotHeld):
        bench.find(bench.olena)
    with pytest.raises(LeaseNotHeld):
        bench.submit(bench.olena)


def test_lease_when_ended_by_coordinator_then_free_and_by_another_verifier_forbidden(bench: Bench) -> None:
    bench.open(bench.olena)
    with pytest.raises(Forbidden):
        bench.end(bench.petro)
    bench.end(bench.coordinator)
    assert bench.evidence().lease_holder is None
    with pytest.raises(LeaseNotHeld):
        bench.end(bench.coordinator)


def test_lease_when_given_back_then_others_take_it(bench: Bench) -> None:
    bench.open(bench.olena)
    bench.end(bench.olena)
    bench.take(bench.petro)
    assert bench.entry_types()[-2:] == ["evidence.lease_ended", "evidence.leased"]


def test_lease_when_two_reach_for_it_at_once_then_one_has_it(bench: Bench) -> None:
    bench.open(bench.olena)
    bench.end(bench.olena)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda actor: outcome_of(lambda: bench.take(actor)), (bench.petro, bench.rita)))
    assert sorted(results) == ["done", "lease_taken"]


# --- findings


def test_finding_when_written_again_then_the_newer_supersedes_and_both_stay(bench: Bench) -> None:
    bench.open(bench.olena)
    first = bench.find(bench.olena, Dimension.DATE)
    second = bench.find(bench.olena, Dimension.DATE, rationale="The shadow says ten.")
    assert (first.supersedes, second.supersedes, second.number) == (None, first.id, 2)
    with bench.sessions() as session:
        rows = list_findings(session, bench.petro, bench.item, after=None, limit=10)
    assert [row.rationale for row in rows] == ["The clock in the picture.", "The shadow says ten."]


def test_finding_when_not_in_verification_then_refused(bench: Bench) -> None:
    with pytest.raises(WrongState):
        bench.find(bench.olena)
    bench.to_review()
    with pytest.raises(WrongState):
        bench.find(bench.olena)


def test_finding_when_precision_belongs_to_another_dimension_then_refused(bench: Bench) -> None:
    bench.open(bench.olena)
    with pytest.raises(PrecisionDoesNotFit):
        bench.find(bench.olena, Dimension.DATE, place_precision=PlacePrecision.EXACT)
    with pytest.raises(PrecisionDoesNotFit):
        bench.find(bench.olena, Dimension.LOCATION, time_precision=an_hour())
    bench.find(bench.olena, Dimension.DATE, time_precision=an_hour())
    bench.find(bench.olena, Dimension.LOCATION, place_precision=PlacePrecision.EXACT)


# --- submitting


def test_submit_when_a_required_dimension_is_missing_then_named(bench: Bench) -> None:
    bench.open(bench.olena)
    for dimension in REQUIRED[:-1]:
        bench.find(bench.olena, dimension)
    with pytest.raises(FindingsMissing) as refused:
        bench.submit(bench.olena)
    assert refused.value.extra == {"missing_dimensions": [REQUIRED[-1]]}


def test_submit_when_policy_asks_for_less_then_less_is_enough(bench: Bench) -> None:
    policy = Policy(required_dimensions=("date",))
    commit_in(
        bench.sessions, lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=1, policy=policy)
    )
    bench.open(bench.olena)
    bench.find(bench.olena, Dimension.DATE)
    assert bench.submit(bench.olena).policy_version == 2


def test_submit_when_the_search_for_the_same_footage_still_runs_then_refused(bench: Bench) -> None:
    labels: dict[str, object] = {**NO_LABELS}
    bench.item = make_item(bench.sessions, bench.olena, bench.case_id, labels=labels, is_compared=False)
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    with pytest.raises(FingerprintsPending):
        bench.submit(bench.olena)
    assert bench.evidence().state == "in_verification"


def test_submit_when_another_holds_the_lease_then_refused(bench: Bench) -> None:
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    with pytest.raises(LeaseNotHeld):
        bench.submit(bench.petro)


def test_submit_when_incident_is_not_linked_then_refused(bench: Bench) -> None:
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    with pytest.raises(IncidentNotLinked):
        bench.submit(bench.olena, incident_id=bench.case_id)


def test_submit_when_version_is_stale_then_412(bench: Bench) -> None:
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    with pytest.raises(VersionMismatch):
        bench.submit(bench.olena, version=bench.version() - 1)


def test_submit_when_repeated_after_changes_then_next_version_supersedes_and_old_findings_stand(bench: Bench) -> None:
    first = bench.to_review()
    bench.review(bench.petro, ReviewKind.REQUEST_CHANGES)
    bench.take(bench.olena)
    second = bench.submit(bench.olena)
    assert (second.version, second.supersedes, second.round) == (2, first.id, 1)
    assert second.finding_ids == first.finding_ids


# --- withdrawing and reviewing


def test_withdraw_when_by_author_before_review_then_back_and_lease_is_free(bench: Bench) -> None:
    bench.to_review()
    with pytest.raises(NotTheAuthor):
        bench.withdraw(bench.petro)
    bench.withdraw(bench.olena)
    evidence = bench.evidence()
    assert (evidence.state, evidence.lease_holder) == ("in_verification", None)
    with bench.sessions() as session:
        [stated] = service.list_verdicts(session, bench.petro, bench.item, after=None, limit=5)
    assert stated.is_withdrawn


def test_withdraw_when_reviewed_then_refused(bench: Bench) -> None:
    bench.to_sign_off()
    with pytest.raises(WrongState):
        bench.withdraw(bench.olena)


@pytest.mark.parametrize("kind", [ReviewKind.CONCUR, ReviewKind.DISSENT, ReviewKind.REQUEST_CHANGES])
def test_review_when_by_the_author_then_refused(bench: Bench, kind: ReviewKind) -> None:
    bench.to_review()
    with pytest.raises(SelfReview):
        bench.review(bench.olena, kind)


def test_review_when_author_wrote_only_one_finding_in_it_then_refused(bench: Bench) -> None:
    bench.open(bench.petro)
    bench.find(bench.petro)
    bench.end(bench.petro)
    bench.to_review(bench.olena)
    with pytest.raises(SelfReview):
        bench.concur(bench.petro)


def test_review_when_author_of_an_earlier_round_then_refused(bench: Bench) -> None:
    bench.to_signed_off()
    bench.reopen(bench.coordinator)
    bench.take(bench.petro)
    bench.submit(bench.petro)
    with pytest.raises(SelfReview):
        bench.concur(bench.olena)


def test_review_when_author_gets_another_role_then_still_refused(bench: Bench) -> None:
    bench.to_review()
    add_role(bench.sessions, bench.coordinator, bench.case_id, bench.olena, Role.RESEARCHER)
    with pytest.raises(SelfReview):
        bench.concur(bench.olena)
    bench.concur(bench.petro)
    with pytest.raises(SelfReview):
        bench.sign_off(bench.olena)


def test_review_when_two_decide_at_once_then_one_wins(bench: Bench) -> None:
    bench.to_review()
    version = bench.version()
    deciders = ((bench.petro, ReviewKind.CONCUR), (bench.taras, ReviewKind.DISSENT))

    def decide(pair: tuple[Actor, ReviewKind]) -> str:
        return outcome_of(lambda: bench.review(pair[0], pair[1], version=version))

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(decide, deciders)) == ["done", "version_mismatch"]
    assert sum(kind in ("evidence.concurred", "evidence.dissented") for kind in bench.entry_types()) == 1


def test_review_when_of_an_older_submission_then_it_does_not_count_for_the_new_one(bench: Bench) -> None:
    bench.to_sign_off()
    bench.return_item(bench.rita)
    bench.take(bench.olena)
    bench.submit(bench.olena)
    assert bench.evidence().state == "awaiting_peer_review"
    with pytest.raises(WrongState):
        bench.sign_off(bench.rita)


# --- disputes


def test_dispute_when_adjudicated_by_a_third_person_then_to_sign_off(bench: Bench) -> None:
    bench.to_review()
    bench.review(bench.sofia, ReviewKind.DISSENT)
    with pytest.raises(ThirdPersonRequired):
        bench.adjudicate(bench.sofia)
    with pytest.raises(Forbidden):
        bench.adjudicate(bench.petro)
    bench.adjudicate(bench.rita)
    with pytest.raises(ThirdPersonRequired):
        bench.sign_off(bench.rita)
    bench.sign_off(bench.taras)
    assert bench.evidence().state == "signed_off"


def test_dispute_when_sent_back_then_in_verification_in_the_same_round(bench: Bench) -> None:
    bench.to_review()
    bench.review(bench.petro, ReviewKind.DISSENT)
    bench.adjudicate(bench.rita, Adjudication.BACK)
    evidence = bench.evidence()
    assert (evidence.state, evidence.round, evidence.lease_holder) == ("in_verification", 1, None)


# --- signing off


def test_sign_off_when_by_the_reviewer_then_refused(bench: Bench) -> None:
    bench.to_review()
    bench.concur(bench.taras)
    with pytest.raises(ThirdPersonRequired):
        bench.sign_off(bench.taras)
    bench.sign_off(bench.rita)


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (ReadBackOutcome.MISMATCH, IntegrityMismatch),
        (ReadBackOutcome.NOT_VERIFIABLE, IntegrityNotVerifiable),
    ],
)
def test_sign_off_when_bytes_are_not_confirmed_then_refused(
    bench: Bench, outcome: ReadBackOutcome, error: type[AppError]
) -> None:
    bench.to_sign_off()
    with pytest.raises(error):
        bench.sign_off(bench.rita, outcome)
    assert bench.evidence().state == "awaiting_sign_off"


def test_sign_off_when_other_bytes_were_checked_then_refused(bench: Bench) -> None:
    bench.to_sign_off()
    check = bench.check()
    bench_item, bench.item = bench.item, make_item(bench.sessions, bench.olena, bench.case_id)
    foreign = bench.check()
    bench.item = bench_item
    assert foreign.sha256 != check.sha256
    with pytest.raises(IntegrityUnchecked):
        bench._moved(service.sign_off, bench.rita, check=foreign)


def test_return_when_reason_given_then_in_verification_and_free(bench: Bench) -> None:
    bench.to_sign_off()
    bench.return_item(bench.rita)
    evidence = bench.evidence()
    assert (evidence.state, evidence.round, evidence.lease_holder) == ("in_verification", 1, None)


def test_reopen_when_done_then_next_round_and_the_old_verdict_stays(bench: Bench) -> None:
    bench.to_signed_off()
    with pytest.raises(Forbidden):
        bench.reopen(bench.petro)
    bench.reopen(bench.coordinator)
    evidence = bench.evidence()
    assert (evidence.state, evidence.round) == ("in_verification", 2)
    with bench.sessions() as session:
        [stated] = service.list_verdicts(session, bench.petro, bench.item, after=None, limit=5)
    assert stated.is_signed_off


def test_reopen_when_earlier_reviewer_signs_the_next_round_then_allowed(bench: Bench) -> None:
    bench.to_review()
    bench.concur(bench.taras)
    bench.sign_off(bench.rita)
    bench.reopen(bench.rita)
    bench.take(bench.olena)
    bench.submit(bench.olena)
    bench.concur(bench.petro)
    bench.sign_off(bench.taras)
    assert bench.evidence().state == "signed_off"


def test_entries_when_people_wrote_then_words_and_accounts_are_not_in_clear(bench: Bench) -> None:
    bench.to_signed_off()
    # In the system stream accounts go by their own ids; it is no case's.
    query = (
        "SELECT body FROM ledger_bodies JOIN ledger_entries USING (commitment)"
        " WHERE stream_id <> (SELECT system_stream FROM ledger_logs)"
    )
    with bench.sessions() as session:
        bodies = b"".join(bytes(body) for body in session.connection().exec_driver_sql(query).scalars())
    assert b"evidence.signed_off" in bodies
    assert b"All of it fits" not in bodies
    for person in (bench.olena, bench.petro, bench.rita):
        assert str(person.account_id).encode() not in bodies


def an_hour() -> TimePrecision:
    now = utc_now()
    return TimePrecision(now - timedelta(hours=1), now, "Europe/Kyiv", "Upload time")


def expire_lease(bench: Bench) -> None:
    """The holder gives the lease back and takes one that ends at once."""
    holder = bench.evidence().lease_holder
    person = next(actor for actor in (bench.olena, bench.petro) if actor.account_id == holder)
    bench.end(person)
    bench.take(person, ttl_s=0)


def outcome_of(act: Callable[[], object]) -> str:
    """``done``, or the code of the refusal."""
    try:
        act()
    except AppError as error:
        return error.code
    return "done"
