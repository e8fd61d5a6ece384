"""A case of one verifier: what they declared they review themselves, where the installation allows it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.access.actors import system_stream
from app.access.rules import Role
from app.cases.service import grant_role, revoke_role
from app.kernel.errors import constraint_errors
from app.kernel.primitives import Sha256Hex, new_id, utc_now
from app.unit_of_work import UnitOfWork, unit_of_work
from app.verification.errors import SelfReview, SelfReviewNotAllowed
from app.verification.rules import ReviewKind
from app.verification.self_review import declare_setting
from app.verification.service import review
from app.verification.statements import VERDICT_PREDICATE, VerdictStatement
from tests.factories import add_role, commit_in, make_case, make_item
from tests.verification.bench import Bench
from tests.verification.test_leases import outcome_of, until_somebody_waits
from tests.verification.test_separation import refused_by, review_row


@pytest.fixture
def alone(bench: Bench) -> Bench:
    """The bench in a case where Olena alone may verify; coordinators may not."""
    members = [(bench.olena, Role.VERIFIER), (bench.olena, Role.RESEARCHER)]
    bench.case_id = make_case(bench.sessions, bench.coordinator, members)
    bench.item = make_item(bench.sessions, bench.olena, bench.case_id)
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    return bench


def allow(bench: Bench, *, is_allowed: bool = True) -> None:
    commit_in(bench.sessions, lambda uow: declare_setting(uow, is_allowed=is_allowed))


def test_setting_when_it_differs_at_a_start_then_is_an_entry_and_else_none(bench: Bench) -> None:
    allow(bench, is_allowed=False)
    assert "system.settings_changed" not in system_types(bench)
    for is_allowed in (True, True, False, False):
        allow(bench, is_allowed=is_allowed)
    assert system_types(bench).count("system.settings_changed") == 2


def system_types(bench: Bench) -> list[str]:
    with bench.sessions() as session:
        stream = system_stream(session)
    return bench.entry_types(stream)


@pytest.mark.thorough
def test_verdict_when_declared_and_allowed_then_its_only_verifier_reviews_and_signs_it_off(alone: Bench) -> None:
    allow(alone)
    verdict = alone.submit(alone.olena, self_reviewed=True)
    assert verdict.self_reviewed
    with pytest.raises(SelfReview):
        alone.review(alone.olena, ReviewKind.DISSENT)
    alone.take(alone.olena)
    alone.concur(alone.olena)
    alone.take(alone.olena)
    alone.sign_off(alone.olena)
    assert alone.evidence().state == "signed_off"


def test_verdict_when_not_declared_then_its_author_never_reviews_it(alone: Bench) -> None:
    allow(alone)
    alone.submit(alone.olena)
    with pytest.raises(SelfReview):
        alone.concur(alone.olena)
    row = review_row(alone, alone.olena, "concur", "awaiting_sign_off")
    assert refused_by(alone, row) == "exhibit_no_self_review"


def test_declaration_when_not_allowed_or_not_alone_then_refused(alone: Bench) -> None:
    with pytest.raises(SelfReviewNotAllowed):
        alone.submit(alone.olena, self_reviewed=True)
    allow(alone)
    add_role(alone.sessions, alone.coordinator, alone.case_id, alone.petro, Role.RESEARCHER)
    with pytest.raises(SelfReviewNotAllowed):
        alone.submit(alone.olena, self_reviewed=True)
    assert constraint_errors["exhibit_self_review_allowed"].code == "self_review_not_allowed"


def test_review_when_another_may_verify_by_now_or_the_setting_was_taken_back_then_refused(alone: Bench) -> None:
    allow(alone)
    alone.submit(alone.olena, self_reviewed=True)
    row = review_row(alone, alone.olena, "concur", "awaiting_sign_off")
    assert refused_by(alone, row) == "exhibit_require_entry", "the entry alone is missing"
    allow(alone, is_allowed=False)
    assert refused_by(alone, row) == "exhibit_no_self_review"
    allow(alone)
    add_role(alone.sessions, alone.coordinator, alone.case_id, alone.petro, Role.VERIFIER)
    assert refused_by(alone, row) == "exhibit_no_self_review"
    with pytest.raises(SelfReview):
        alone.concur(alone.olena)
    alone.concur(alone.petro)
    row = review_row(alone, alone.olena, "sign_off", "signed_off")
    assert refused_by(alone, row) == "exhibit_no_self_review"


def test_review_when_another_is_made_verifier_at_the_same_time_then_one_waits_for_the_other(alone: Bench) -> None:
    allow(alone)
    alone.submit(alone.olena, self_reviewed=True)
    acts: dict[str, Callable[[UnitOfWork], object]] = {
        "concur": lambda uow: review(
            uow, alone.olena, alone.item, version=alone.version(), kind=ReviewKind.CONCUR, comment=None
        ),
        "grant": lambda uow: grant_role(
            uow, alone.coordinator, alone.case_id, account_id=alone.petro.account_id, role=Role.VERIFIER
        ),
    }

    def waits_for(first: str, second: str) -> str:
        with ThreadPoolExecutor(1) as pool, unit_of_work(alone.sessions) as uow:
            acts[first](uow)
            uow.session.flush()
            waiting = pool.submit(outcome_of, lambda: commit_in(alone.sessions, acts[second]))
            until_somebody_waits(alone)
            uow.commit()
            return waiting.result(timeout=10)

    assert waits_for("grant", "concur") == "self_review"
    commit_in(
        alone.sessions,
        lambda uow: revoke_role(
            uow, alone.coordinator, alone.case_id, account_id=alone.petro.account_id, role=Role.VERIFIER
        ),
    )
    assert waits_for("concur", "grant") == "done"
    with pytest.raises(SelfReview):
        alone.sign_off(alone.olena)


def test_statement_when_self_reviewed_then_says_so_and_else_is_as_it_was() -> None:
    def predicate(*, self_reviewed: bool) -> dict[str, object]:
        statement = VerdictStatement(
            case_id=new_id(), evidence_id=new_id(), evidence_sha256=Sha256Hex("0" * 64), outcome="verified",
            rationale="x", incident_id=None, round=1, version=1, supersedes=None, findings_sha256=Sha256Hex("1" * 64),
            reviewer=new_id(), key_bound="2" * 64, time=utc_now(), self_reviewed=self_reviewed,
        )  # fmt: skip
        document = json.loads(statement.payload())
        assert document["predicateType"] == VERDICT_PREDICATE
        told: dict[str, object] = document["predicate"]
        return told

    assert predicate(self_reviewed=True)["self_reviewed"] is True
    assert "self_reviewed" not in predicate(self_reviewed=False)
