"""Drafts: their author's alone, no act, and findings with the verdict."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.access.actors import Actor
from app.access.models import Account
from app.access.rules import OrganisationRole
from app.access.service import deactivate_account
from app.erasure.accounts import erase_account_field
from app.erasure.service import Ground
from app.kernel.errors import Forbidden, NotFound, VersionMismatch, WrongState
from app.verification import drafts
from app.verification.errors import DraftsIncomplete, FindingsMissing, LeaseNotHeld, NoDraft, ReferenceNotFound
from app.verification.findings import authors_of, list_findings, standing_findings
from app.verification.models import FindingDraft
from app.verification.references import Reference
from app.verification.rules import Confidence, Dimension, FindingResult, Method
from app.verification.stated import Stated
from tests.factories import commit_in, make_person
from tests.verification.bench import REQUIRED, Bench
from tests.verification.test_service import expire_lease

WHOLE = Stated(
    dimension=Dimension.DATE,
    result=FindingResult.ESTABLISHED,
    confidence=Confidence.HIGH,
    methods=(Method.SHADOW_ANALYSIS,),
    rationale="The shadow of the mast.",
)


def save(bench: Bench, actor: Actor, stated: Stated = WHOLE, version: int | None = None) -> FindingDraft:
    return commit_in(bench.sessions, lambda uow: drafts.save_draft(uow, actor, bench.item, stated, version=version))


def read(bench: Bench, actor: Actor, dimension: Dimension = Dimension.DATE) -> FindingDraft:
    with bench.sessions() as session:
        return drafts.get_draft(session, actor, bench.item, dimension)


def test_draft_when_saved_again_and_again_then_one_row_no_entry_and_nobody_s_finding(bench: Bench) -> None:
    bench.open(bench.olena)
    before = bench.entry_types(), bench.version()
    save(bench, bench.olena, Stated(dimension=Dimension.DATE))
    save(bench, bench.olena, replace(WHOLE, result=None))
    assert save(bench, bench.olena).version == 3
    assert (bench.entry_types(), bench.version()) == before
    assert Stated.of("date", read(bench, bench.olena).content) == WHOLE
    with bench.sessions() as session:
        assert standing_findings(session, bench.item, bench.olena.account_id) == {}
        assert authors_of(session, bench.item) == frozenset()
        assert list_findings(session, bench.olena, bench.item, after=None, limit=10) == []


def test_draft_when_asked_for_by_anybody_else_then_there_is_none(bench: Bench) -> None:
    bench.open(bench.olena)
    save(bench, bench.olena)
    for other in (bench.petro, bench.coordinator, bench.rita):
        with pytest.raises(NoDraft):
            read(bench, other)
        with bench.sessions() as session:
            assert drafts.list_drafts(session, other, bench.item, after=None, limit=10) == []
    with pytest.raises(NotFound):
        read(bench, make_person(bench.sessions, "outsider"))
    with pytest.raises(NoDraft):
        commit_in(bench.sessions, lambda uow: drafts.discard_draft(uow, bench.petro, bench.item, Dimension.DATE))


def test_draft_when_the_version_is_named_then_what_was_saved_elsewhere_is_not_overwritten(bench: Bench) -> None:
    bench.open(bench.olena)
    assert save(bench, bench.olena, version=0).version == 1
    assert save(bench, bench.olena, version=1).version == 2
    for stale in (0, 1, 3):
        with pytest.raises(VersionMismatch):
            save(bench, bench.olena, version=stale)


def test_draft_when_the_lease_ends_then_its_author_reads_it_and_saves_it_with_the_next_lease(bench: Bench) -> None:
    bench.open(bench.olena)
    save(bench, bench.olena)
    expire_lease(bench)
    with pytest.raises(LeaseNotHeld):
        save(bench, bench.olena)
    bench.take(bench.petro)
    mine = replace(WHOLE, rationale="Another view.")
    save(bench, bench.petro, mine)
    assert read(bench, bench.olena).content["rationale"] == WHOLE.rationale
    assert read(bench, bench.petro).content["rationale"] == "Another view."
    bench.end(bench.petro)
    bench.take(bench.olena)
    assert save(bench, bench.olena).version == 2


def test_draft_when_not_in_verification_or_not_the_holder_s_then_refused_by_the_database_too(bench: Bench) -> None:
    with pytest.raises(WrongState):
        save(bench, bench.olena)
    bench.open(bench.olena)
    with pytest.raises(LeaseNotHeld):
        save(bench, bench.petro)
    with pytest.raises(Forbidden):
        save(bench, bench.coordinator)
    values: dict[str, Any] = {"item": bench.item, "person": bench.petro.account_id}
    with bench.sessions() as session, pytest.raises(IntegrityError, match="holder of the lease"):
        session.execute(
            text("INSERT INTO finding_drafts VALUES (gen_random_uuid(), :item, :person, 'date', '{}', 1, now())"),
            values,
        )


def test_submit_when_there_are_drafts_then_they_become_findings_with_their_entries(bench: Bench) -> None:
    bench.open(bench.olena)
    first = bench.find(bench.olena, Dimension.DATE, rationale="Too hasty.")
    for dimension in reversed(REQUIRED):
        save(bench, bench.olena, replace(WHOLE, dimension=dimension))
    before = len(bench.entry_types())
    verdict = bench.submit(bench.olena)
    assert bench.entry_types()[before:] == [
        *["evidence.finding_recorded"] * len(REQUIRED),
        "evidence.submitted",
        "evidence.lease_ended",
    ]
    with bench.sessions() as session:
        rows = list_findings(session, bench.petro, bench.item, after=None, limit=20)
        assert session.scalar(text("SELECT count(*) FROM finding_drafts")) == 0
        assert authors_of(session, bench.item) == {bench.olena.account_id}
    assert [row.dimension for row in rows[1:]] == list(REQUIRED)
    assert set(verdict.finding_ids) == {row.id for row in rows[1:]}
    [dated] = [row for row in rows[1:] if row.dimension == "date"]
    assert dated.supersedes == first.id


def test_submit_when_a_draft_lacks_something_then_refused_named_and_nothing_is_recorded(bench: Bench) -> None:
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    save(bench, bench.olena, replace(WHOLE, rationale=None, confidence=None))
    before = bench.entry_types()
    with pytest.raises(DraftsIncomplete) as refused:
        bench.submit(bench.olena)
    assert refused.value.extra == {"incomplete_drafts": [{"dimension": "date", "missing": ["confidence", "rationale"]}]}
    save(bench, bench.olena, replace(WHOLE, methods=()))
    with pytest.raises(DraftsIncomplete, match="date: methods") as refused:
        bench.submit(bench.olena)
    assert refused.value.extra == {"incomplete_drafts": [{"dimension": "date", "missing": ["methods"]}]}
    nowhere = Reference.of({"kind": "evidence", "evidence_id": UUID(int=7)})
    save(bench, bench.olena, replace(WHOLE, references=(nowhere,)))
    with pytest.raises(ReferenceNotFound) as unknown:
        bench.submit(bench.olena)
    assert unknown.value.extra == {"unknown_references": [str(UUID(int=7))], "dimension": "date"}
    assert "'date'" in unknown.value.detail
    assert str(UUID(int=7)) in unknown.value.detail
    assert bench.entry_types() == before
    commit_in(bench.sessions, lambda uow: drafts.discard_draft(uow, bench.olena, bench.item, Dimension.DATE))
    bench.submit(bench.olena)


def test_submit_when_it_fails_then_the_drafts_are_drafts_still(bench: Bench) -> None:
    bench.open(bench.olena)
    save(bench, bench.olena)
    with pytest.raises(FindingsMissing):
        bench.submit(bench.olena)
    assert read(bench, bench.olena).version == 1


def test_submit_when_another_person_has_drafts_then_they_stay_theirs_and_make_no_author(bench: Bench) -> None:
    bench.open(bench.olena)
    save(bench, bench.olena)
    bench.end(bench.olena)
    bench.take(bench.petro)
    bench.find_all(bench.petro)
    bench.submit(bench.petro)
    with bench.sessions() as session:
        assert authors_of(session, bench.item) == {bench.petro.account_id}
    assert read(bench, bench.olena).version == 1
    bench.concur(bench.olena)


def test_finding_when_recorded_directly_then_its_author_s_draft_on_the_dimension_is_done_with(bench: Bench) -> None:
    bench.open(bench.olena)
    save(bench, bench.olena)
    save(bench, bench.olena, replace(WHOLE, dimension=Dimension.SOURCE))
    bench.find(bench.olena, Dimension.DATE)
    with pytest.raises(NoDraft):
        read(bench, bench.olena)
    assert read(bench, bench.olena, Dimension.SOURCE).version == 1


def test_drafts_when_they_hold_what_is_erased_then_gone_and_others_stay(bench: Bench) -> None:
    bench.open(bench.olena)
    save(bench, bench.olena, replace(WHOLE, rationale='Filmed by "Ivan Example", who…'))
    save(bench, bench.olena, replace(WHOLE, dimension=Dimension.SOURCE))
    with bench.sessions() as session:
        drafts.forget_drafts(session, [bench.item], ['"Ivan Example"', 17, "", "on", {"kind": "metadata"}])
        kept = drafts.list_drafts(session, bench.olena, bench.item, after=None, limit=10)
        assert [row.dimension for row in kept] == ["source"]
        drafts.forget_drafts(session, [bench.case_id], ["mast"])
        assert len(drafts.list_drafts(session, bench.olena, bench.item, after=None, limit=10)) == 1


def test_drafts_when_their_author_s_name_is_erased_then_gone_for_nobody_else_reads_them(bench: Bench) -> None:
    bench.open(bench.olena)
    save(bench, bench.olena)
    administrator = make_person(
        bench.sessions, "administrator", organisation_roles=frozenset({OrganisationRole.ADMINISTRATOR})
    )
    account, ground = bench.olena.account_id, Ground(reason_code="request", authority="Data protection officer")
    with bench.sessions() as session:
        version = session.get_one(Account, account).version
    commit_in(bench.sessions, lambda uow: deactivate_account(uow, administrator, account, version=version))
    commit_in(bench.sessions, lambda uow: erase_account_field(uow, administrator, account, field="name", ground=ground))
    with bench.sessions() as session:
        assert session.scalars(select(FindingDraft)).all() == []


def test_drafts_when_many_seconds_pass_then_listed_in_the_order_of_saving(bench: Bench) -> None:
    bench.open(bench.olena)
    for dimension in (Dimension.SOURCE, Dimension.DATE, Dimension.SOURCE):
        save(bench, bench.olena, replace(WHOLE, dimension=dimension))
    with bench.sessions() as session:
        first, second = drafts.list_drafts(session, bench.olena, bench.item, after=None, limit=10)
        [rest] = drafts.list_drafts(session, bench.olena, bench.item, after=(first.saved_at, first.id), limit=10)
    assert (first.dimension, second.dimension, rest.dimension) == ("date", "source", "source")
    assert second.saved_at - first.saved_at < timedelta(minutes=1)
