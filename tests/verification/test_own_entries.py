"""No finding, verdict or review without the entry of that very act by that very person; and no review of one's own past
a verifier who comes at the same moment. Raw SQL as the application's role, with two connections where two race."""

import threading
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.access.actors import Actor
from app.access.rules import Role
from app.cases.events import MemberGranted
from app.cases.service import pseudonym_of
from app.kernel.primitives import new_id
from app.ledger.event import EntryActor, EntryObject, Event
from app.media.events import EvidenceDownloaded
from app.media.items import entry_object
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork, unit_of_work
from app.verification.events import Concurred, FindingRecorded, Submitted
from tests.verification.bench import Bench
from tests.verification.test_leases import until_somebody_waits
from tests.verification.test_self_review import allow, alone
from tests.verification.test_separation import INSERT_FINDING, INSERT_REVIEW

__all__ = ["alone"]

INSERT_VERDICT = text(
    "INSERT INTO verdicts (id, evidence_id, round, version, outcome, rationale, finding_ids, policy_version,"
    " signature_mode, self_reviewed, author_id, submitted_at)"
    " SELECT :id, e.id, e.round, 1, 'verified', 'x',"
    " (SELECT array_agg(f.id ORDER BY f.id) FROM findings f WHERE f.evidence_id = e.id), 1, 'none', false, :person,"
    " now() FROM evidence e WHERE e.id = :item"
)


def entry(uow: UnitOfWork, bench: Bench, actor: Actor, kind: type[Event], **facts: Any) -> None:
    """Stage an entry in the item's stream, by this person, whatever else happens."""
    pseudonym = pseudonym_of(uow.session, bench.case_id, actor.account_id)
    item = entry_object(uow.session, uow.session.get_one(Evidence, bench.item))
    by: Mapping[str, Any] = {"actor": EntryActor(pseudonym, "user", "verifier"), "object": item}
    uow.record(kind(stream=bench.item, **by, **facts))


def looked(uow: UnitOfWork, bench: Bench, actor: Actor) -> None:
    entry(uow, bench, actor, EvidenceDownloaded, rendering="original", bytes=10, purpose="verification")


def found(uow: UnitOfWork, bench: Bench, actor: Actor) -> None:
    stated = {"round": 1, "dimension": "date", "result": "established", "confidence": "high", "methods": ()}
    entry(uow, bench, actor, FindingRecorded, finding_id=new_id(), rationale="x", **stated)


def submitted(uow: UnitOfWork, bench: Bench, actor: Actor) -> None:
    stated = {"round": 1, "outcome": "verified", "verdict_version": 1, "supersedes": None, "incident": None}
    stated |= {"signature_mode": "none", "self_reviewed": False, "rationale": "x"}
    entry(uow, bench, actor, Submitted, verdict_id=new_id(), **stated)


def concurred(uow: UnitOfWork, bench: Bench, actor: Actor) -> None:
    stated = {"round": 1, "verdict_id": new_id(), "review_id": new_id(), "judged": new_id()}
    entry(uow, bench, actor, Concurred, **stated)


Staged = Callable[[UnitOfWork, Bench, Actor], None]


def refused_by(bench: Bench, statement: Any, person: Actor, staged: Staged, recorder: Actor, **more: Any) -> str | None:
    """By which constraint a row is refused that comes with this entry of this person's."""
    values = {"id": new_id(), "item": bench.item, "person": person.account_id, **more}
    try:
        with unit_of_work(bench.sessions) as uow:
            uow.session.execute(statement, values)
            staged(uow, bench, recorder)
            uow.commit()
    except IntegrityError as refused:
        name: str | None = getattr(getattr(refused.orig, "diag", None), "constraint_name", None)
        return name
    return None


def test_finding_row_when_its_entry_is_of_another_act_or_person_then_not_committed(bench: Bench) -> None:
    bench.open(bench.olena)
    assert refused_by(bench, INSERT_FINDING, bench.olena, looked, bench.olena) == "exhibit_own_entry"
    assert refused_by(bench, INSERT_FINDING, bench.olena, found, bench.petro) == "exhibit_own_entry"
    assert refused_by(bench, INSERT_FINDING, bench.olena, found, bench.olena) is None


def test_verdict_row_when_its_entry_is_of_another_act_or_person_then_not_committed(bench: Bench) -> None:
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    assert refused_by(bench, INSERT_VERDICT, bench.olena, looked, bench.olena) == "exhibit_own_entry"
    assert refused_by(bench, INSERT_VERDICT, bench.olena, found, bench.olena) == "exhibit_own_entry"
    assert refused_by(bench, INSERT_VERDICT, bench.olena, submitted, bench.petro) == "exhibit_own_entry"


def test_review_row_when_its_entry_is_of_another_act_or_person_then_not_committed(bench: Bench) -> None:
    bench.to_review()
    concur = {"kind": "concur", "leads_to": "awaiting_sign_off"}
    assert refused_by(bench, INSERT_REVIEW, bench.petro, looked, bench.petro, **concur) == "exhibit_own_entry"
    assert refused_by(bench, INSERT_REVIEW, bench.petro, concurred, bench.olena, **concur) == "exhibit_own_entry"
    dissent = {"kind": "dissent", "leads_to": "disputed"}
    assert refused_by(bench, INSERT_REVIEW, bench.petro, concurred, bench.petro, **dissent) == "exhibit_own_entry"


INSERT_MEMBER = text("INSERT INTO case_members VALUES (:case, :person, 'verifier', now())")


def add_member(uow: UnitOfWork, bench: Bench) -> None:
    """As the application's role might, past the service that holds the case."""
    uow.session.execute(INSERT_MEMBER, {"case": bench.case_id, "person": bench.petro.account_id})
    by = EntryActor(pseudonym_of(uow.session, bench.case_id, bench.coordinator.account_id), "user", "coordinator")
    member: UUID = pseudonym_of(uow.session, bench.case_id, bench.petro.account_id)
    case = EntryObject("case", bench.case_id, 1)
    uow.record(MemberGranted(stream=bench.case_id, actor=by, object=case, account=member, role=Role.VERIFIER, name="P"))


def test_own_review_row_when_a_verifier_is_added_at_the_same_moment_then_one_waits_for_the_other(alone: Bench) -> None:
    allow(alone)
    alone.submit(alone.olena, self_reviewed=True)
    reviewed: dict[str, Any] = {"id": new_id(), "item": alone.item, "person": alone.olena.account_id}
    reviewed |= {"kind": "concur", "leads_to": "awaiting_sign_off"}
    outcome: list[str] = []

    def concur() -> None:
        with alone.sessions() as session:
            try:
                session.execute(INSERT_REVIEW, reviewed)
                outcome.append("passed")
            except IntegrityError as refused:
                outcome.append(str(refused.orig.diag.constraint_name))  # type: ignore[union-attr]
            session.rollback()

    with unit_of_work(alone.sessions) as uow:
        add_member(uow, alone)
        uow.session.flush()
        reviewing = threading.Thread(target=concur)
        reviewing.start()
        waited = threading.Thread(target=until_somebody_waits, args=(alone,), daemon=True)
        waited.start()
        waited.join(timeout=2)
        uow.commit()
    reviewing.join(timeout=10)
    assert outcome == ["exhibit_no_self_review"]
