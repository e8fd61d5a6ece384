"""The separation of persons in the database: raw SQL as the application's role, past every check of the services."""

from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.kernel.errors import constraint_errors
from app.kernel.primitives import new_id
from app.verification.rules import ReviewKind
from tests.support.databases import TestDatabase
from tests.verification.bench import Bench

INSERT_REVIEW = text(
    "INSERT INTO reviews (id, evidence_id, verdict_id, round, kind, leads_to, comment, checked_sha256, reviewer_id,"
    " reviewed_at) SELECT :id, e.id, v.id, e.round, :kind, :leads_to, 'x',"
    " CASE WHEN :kind = 'sign_off' THEN e.blob_sha256 END, :person, now()"
    " FROM evidence e JOIN verdicts v ON v.evidence_id = e.id WHERE e.id = :item ORDER BY v.version DESC LIMIT 1"
)
INSERT_FINDING = text(
    "INSERT INTO findings (id, evidence_id, round, number, dimension, result, confidence, methods, rationale,"
    ' "references", author_id, recorded_at)'
    " SELECT :id, e.id, e.round, 99, 'date', 'established', 'high', '{}', 'x', '{}', :person, now()"
    " FROM evidence e WHERE e.id = :item"
)


def refused_by(bench: Bench, act: Callable[[Session], object]) -> str | None:
    """Which constraint stops the act, at the latest at its commit."""
    with bench.sessions() as session:
        try:
            act(session)
            session.commit()
        except IntegrityError as error:
            name: str | None = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
            return name
    return None


def review_row(bench: Bench, person: Actor, kind: str, leads_to: str) -> Callable[[Session], object]:
    values = {"id": new_id(), "item": bench.item, "kind": kind, "leads_to": leads_to, "person": person.account_id}
    return lambda session: session.execute(INSERT_REVIEW, values)


def move_row(bench: Bench, state: str) -> Callable[[Session], object]:
    """The move alone; its cause is asked for at once, before the commit asks for an entry."""

    def move(session: Session) -> None:
        session.execute(text("SET CONSTRAINTS evidence_verification_moves IMMEDIATE"))
        query = text("UPDATE evidence SET state = :state, version = version + 1 WHERE id = :item")
        session.execute(query, {"state": state, "item": bench.item})

    return move


@pytest.mark.parametrize(
    ("kind", "leads_to"),
    [("concur", "awaiting_sign_off"), ("dissent", "disputed"), ("request_changes", "in_verification")],
)
def test_review_row_when_by_an_author_then_refused(bench: Bench, kind: str, leads_to: str) -> None:
    bench.to_review()
    assert refused_by(bench, review_row(bench, bench.olena, kind, leads_to)) == "exhibit_no_self_review"
    assert constraint_errors["exhibit_no_self_review"].code == "self_review"


def test_review_row_when_by_an_author_of_one_old_finding_then_refused(bench: Bench) -> None:
    bench.open(bench.petro)
    bench.find(bench.petro)
    bench.end(bench.petro)
    bench.to_review(bench.olena)
    assert refused_by(bench, review_row(bench, bench.petro, "concur", "awaiting_sign_off")) == "exhibit_no_self_review"


def test_sign_off_row_when_by_author_or_reviewer_then_refused(bench: Bench) -> None:
    bench.to_sign_off()
    assert refused_by(bench, review_row(bench, bench.olena, "sign_off", "signed_off")) == "exhibit_no_self_review"
    assert refused_by(bench, review_row(bench, bench.petro, "sign_off", "signed_off")) == "exhibit_third_person"


def test_adjudication_row_when_by_the_dissenter_then_refused(bench: Bench) -> None:
    bench.to_review()
    bench.review(bench.sofia, ReviewKind.DISSENT)
    row = review_row(bench, bench.sofia, "adjudicate", "awaiting_sign_off")
    assert refused_by(bench, row) == "exhibit_third_person"


def test_review_row_when_state_does_not_await_it_then_refused(bench: Bench) -> None:
    bench.to_review()
    assert refused_by(bench, review_row(bench, bench.rita, "sign_off", "signed_off")) == "exhibit_review_awaited"
    bench.concur(bench.petro)
    assert refused_by(bench, review_row(bench, bench.rita, "dissent", "disputed")) == "exhibit_review_awaited"


def test_sign_off_row_when_other_bytes_were_checked_then_refused(bench: Bench) -> None:
    bench.to_sign_off()
    query = text(str(INSERT_REVIEW).replace("THEN e.blob_sha256", "THEN sha256('other'::bytea)"))
    values = {
        "id": new_id(),
        "item": bench.item,
        "kind": "sign_off",
        "leads_to": "signed_off",
        "person": bench.rita.account_id,
    }
    assert refused_by(bench, lambda session: session.execute(query, values)) == "exhibit_sign_off_checked"


@pytest.mark.parametrize("state", ["awaiting_peer_review", "awaiting_sign_off", "signed_off", "disputed"])
def test_item_when_moved_on_without_its_rows_then_refused(bench: Bench, state: str) -> None:
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    assert refused_by(bench, move_row(bench, state)) in ("exhibit_move_has_cause", "evidence_state_moves")


def test_item_when_moved_to_sign_off_without_a_review_then_refused(bench: Bench) -> None:
    bench.to_review()
    assert refused_by(bench, move_row(bench, "awaiting_sign_off")) == "exhibit_move_has_cause"
    assert refused_by(bench, move_row(bench, "disputed")) == "exhibit_move_has_cause"
    assert refused_by(bench, move_row(bench, "in_verification")) == "exhibit_move_has_cause"


def test_item_when_signed_off_without_a_third_person_then_refused(bench: Bench) -> None:
    bench.to_sign_off()
    assert refused_by(bench, move_row(bench, "signed_off")) == "exhibit_move_has_cause"


def test_item_when_resubmitted_without_a_new_verdict_then_refused(bench: Bench) -> None:
    bench.to_review()
    bench.review(bench.petro, ReviewKind.REQUEST_CHANGES)
    bench.take(bench.olena)
    assert refused_by(bench, move_row(bench, "awaiting_peer_review")) == "exhibit_move_has_cause"


def test_finding_row_when_item_is_not_in_verification_then_refused(bench: Bench) -> None:
    bench.to_review()
    values = {"id": new_id(), "item": bench.item, "person": bench.petro.account_id}
    act = refused_by(bench, lambda session: session.execute(INSERT_FINDING, values))
    assert act == "exhibit_written_in_verification"


def test_finding_row_when_by_somebody_without_the_lease_then_refused(bench: Bench) -> None:
    bench.open(bench.olena)
    values = {"id": new_id(), "item": bench.item, "person": bench.petro.account_id}
    act = refused_by(bench, lambda session: session.execute(INSERT_FINDING, values))
    assert act == "exhibit_written_by_lease_holder"


def test_finding_row_when_without_an_entry_then_not_committed(bench: Bench) -> None:
    bench.open(bench.olena)
    values = {"id": new_id(), "item": bench.item, "person": bench.olena.account_id}
    assert refused_by(bench, lambda session: session.execute(INSERT_FINDING, values)) == "exhibit_require_entry"


def test_lease_when_changed_without_an_entry_then_not_committed(bench: Bench) -> None:
    bench.open(bench.olena)
    longer = text("UPDATE evidence SET lease_expires_at = now() + interval '9 days' WHERE id = :item")
    assert refused_by(bench, lambda session: session.execute(longer, {"item": bench.item})) == "exhibit_require_entry"


def test_verdict_when_withdrawn_by_another_then_refused(bench: Bench) -> None:
    verdict = bench.to_review()
    query = text("INSERT INTO verdict_withdrawals VALUES (:verdict, :item, :person, now())")
    values = {"verdict": verdict.id, "item": bench.item, "person": bench.petro.account_id}
    assert refused_by(bench, lambda session: session.execute(query, values)) == "exhibit_withdrawn_by_author"


@pytest.mark.parametrize("table", ["findings", "verdicts", "verdict_withdrawals", "reviews"])
def test_rows_when_edited_deleted_or_truncated_then_refused_to_app_and_owner(
    bench: Bench, database: TestDatabase, table: str
) -> None:
    bench.to_review()
    bench.withdraw(bench.olena)
    bench.take(bench.olena)
    bench.submit(bench.olena)
    bench.concur(bench.petro)
    column = "verdict_id" if table == "verdict_withdrawals" else "id"
    statements = [
        f"UPDATE {table} SET evidence_id = evidence_id",
        f"DELETE FROM {table} WHERE {column} IS NOT NULL",
        f"TRUNCATE {table} CASCADE",
    ]
    for statement in statements:
        with psycopg.connect(database.app_url) as application, pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute(statement.encode())
        with psycopg.connect(database.owner_url) as owner, pytest.raises(psycopg.errors.IntegrityError) as refused:
            owner.execute(statement.encode())
        assert refused.value.diag.constraint_name == "exhibit_refuse_change", statement


def test_verdict_row_when_it_names_an_incident_without_link_then_refused(bench: Bench) -> None:
    bench.open(bench.olena)
    query = text(
        "INSERT INTO verdicts (id, evidence_id, round, version, outcome, rationale, incident_id, finding_ids,"
        " policy_version, signature_mode, self_reviewed, author_id, submitted_at)"
        " VALUES (:id, :item, 1, 1, 'verified', 'x', :incident, '{}', 1, 'none', false, :person, now())"
    )
    values = {"id": new_id(), "item": bench.item, "incident": UUID(int=1), "person": bench.olena.account_id}
    assert refused_by(bench, lambda session: session.execute(query, values)) == "exhibit_verdict_incident_linked"


def test_verdict_row_when_it_skips_a_version_or_is_self_reviewed_then_refused(bench: Bench) -> None:
    bench.open(bench.olena)
    query = (
        "INSERT INTO verdicts (id, evidence_id, round, version, outcome, rationale, finding_ids, policy_version,"
        " signature_mode, self_reviewed, author_id, submitted_at)"
        " VALUES (:id, :item, 1, {version}, 'verified', 'x', '{{}}', 1, 'none', {self}, :person, now())"
    )
    values = {"id": new_id(), "item": bench.item, "person": bench.olena.account_id}
    for version, is_self, name in (
        (2, "false", "exhibit_verdict_supersedes_newest"),
        (1, "true", "exhibit_self_review_allowed"),
    ):
        statement = text(query.format(version=version, self=is_self))
        assert refused_by(bench, lambda session, s=statement: session.execute(s, values)) == name  # type: ignore[misc]
