"""Gradings, standards and classifications: what each needs, that nothing is edited, and the entry of each."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.api.grading_shapes import grading_shape
from app.gradings.bases import verdicts_by_id
from app.gradings.errors import (
    AdjudicationIncomplete,
    AnotherStands,
    BasisUnfit,
    NothingToWithdraw,
    SourcesMissing,
    UnknownTerm,
    WithdrawalStatesSomething,
)
from app.gradings.models import Grading
from app.gradings.present import present_of
from app.gradings.rules import Decision, Grade, Qualifier, StatedGrading
from app.kernel.errors import Forbidden
from app.kernel.primitives import new_id
from tests.gradings.conftest import Court
from tests.verification.bench import give_up

SCHOOL = "rome_statute:8(2)(b)(ix)"
VERDICT = Decision("International Criminal Court, Trial Chamber VIII", "ICC-01/12-01/15-171", date(2016, 9, 27))


def data_of(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry["data"].items() if name != "request_id"}


# --- gradings


def test_corroborated_when_two_origins_are_signed_off_then_recorded_with_what_it_rests_on(court: Court) -> None:
    made = court.grade(Grade.CORROBORATED)
    assert (made.number, made.origins_at_least, made.origins_at_most) == (1, 2, 2)
    assert len(made.verdict_ids) == 4, "also the misattributed one, which is no origin of it"
    entry = court.entries()[-1]
    assert entry["type"] == "incident.graded"
    assert data_of(entry) == {
        "grading_id": str(made.id),
        "number": 1,
        "grade": "corroborated",
        "verdicts": [str(verdict) for verdict in made.verdict_ids],
        "origins_at_least": 2,
        "origins_at_most": 2,
        "other_source_count": 0,
        "policy_version": 1,
    }
    assert set(entry["sealed"]) == {"rationale"}


def test_grading_when_an_item_is_withdrawn_then_stands_and_tells_nothing_of_its_verdict(court: Court) -> None:
    made = court.grade(Grade.CORROBORATED)
    give_up(court.bench.sessions, court.bench.rita, court.items["first"])
    with court.bench.sessions() as session:
        shown = verdicts_by_id(session, made.verdict_ids)
        told = grading_shape(session.get_one(Grading, made.id), shown)
    assert court.items["first"] not in {basis.evidence_id for basis in told.rests_on}
    assert (len(told.rests_on), told.rests_on_closed, told.grade) == (3, 1, "corroborated")


@pytest.mark.parametrize("grade", [Grade.CORROBORATED, Grade.CONFIRMED])
def test_grade_when_it_rests_on_copies_of_one_recording_then_refused_with_the_count(court: Court, grade: Grade) -> None:
    with pytest.raises(SourcesMissing) as refused:
        court.grade(grade, None, "first", "copy", "wrong")
    assert refused.value.extra == {"origins_at_least": 1, "other_sources": 0, "needed": 2}
    assert "incident.graded" not in court.bench.entry_types(court.incident)


def test_grade_when_a_source_beyond_the_evidence_is_named_then_it_counts_apart_and_is_sealed(court: Court) -> None:
    made = court.grade(Grade.CORROBORATED, None, "first", "copy", other=("The hospital's director, by telephone",))
    assert (made.origins_at_least, made.other_source_count) == (1, 1)
    assert set(court.entries()[-1]["sealed"]) == {"rationale", "other_sources"}
    assert data_of(court.entries()[-1])["other_source_count"] == 1


def test_single_source_when_nothing_supports_the_incident_then_refused_and_discounted_is_not(court: Court) -> None:
    with pytest.raises(SourcesMissing):
        court.grade(Grade.SINGLE_SOURCE, None, "wrong")
    assert court.grade(Grade.DISCOUNTED, None, "wrong").origins_at_most == 0


def test_grade_when_an_item_is_unlinked_or_verified_again_then_it_rests_on_it_no_more(court: Court) -> None:
    court.unlink("second")
    with pytest.raises(BasisUnfit):
        court.grade(Grade.SINGLE_SOURCE, None, "second")
    court.bench.item = court.items["copy"]
    court.bench.reopen(court.bench.rita)
    with pytest.raises(BasisUnfit):
        court.grade(Grade.SINGLE_SOURCE, None, "copy")
    assert len(court.grade(Grade.SINGLE_SOURCE).verdict_ids) == 2


def test_grade_when_another_was_stated_meanwhile_then_told(court: Court) -> None:
    first = court.grade(Grade.UNDER_VERIFICATION)
    second = court.grade(Grade.CORROBORATED, first)
    for before in (None, first):
        with pytest.raises(AnotherStands):
            court.grade(Grade.CONTESTED, before)
    assert (second.number, second.supersedes) == (2, first.id)


def test_grading_when_withdrawn_then_none_stands_until_stated_anew(court: Court) -> None:
    first = court.grade(Grade.CORROBORATED)
    withdrawn = court.grade(None, first)
    assert court.entries()[-1]["data"]["reason_code"] == "withdrawn"
    assert "grade" not in court.entries()[-1]["data"]
    with court.bench.sessions() as session:
        assert present_of(session, [court.incident])[court.incident].grading is None
    with pytest.raises(NothingToWithdraw):
        court.grade(None, withdrawn)
    anew = court.grade(Grade.CONTESTED, withdrawn)
    with court.bench.sessions() as session:
        present = present_of(session, [court.incident])[court.incident].grading
    assert present is not None
    assert present.id == anew.id


def test_withdrawal_when_there_is_nothing_or_it_states_something_then_refused(court: Court) -> None:
    with pytest.raises(NothingToWithdraw):
        court.grade(None)
    first = court.grade(Grade.CONTESTED)
    with pytest.raises(WithdrawalStatesSomething):
        court.grade(None, first, other=("A report",))


def test_grade_when_stated_by_a_verifier_or_a_legal_analyst_then_forbidden(court: Court) -> None:
    for actor in (court.bench.olena, court.lena, court.bench.coordinator):
        with pytest.raises(Forbidden):
            court.state(StatedGrading(Grade.CONTESTED, "x", None), actor)


# --- standards of proof


def test_standard_when_stated_then_names_the_grading_that_stood_and_the_vocabulary(court: Court) -> None:
    grading = court.grade(Grade.CORROBORATED)
    made = court.standard("reasonable_grounds_to_believe")
    assert data_of(court.entries()[-1]) == {
        "standard_id": str(made.id),
        "number": 1,
        "standard": "reasonable_grounds_to_believe",
        "vocabulary": "standards_of_proof/1",
        "grading": str(grading.id),
    }
    higher = court.standard("clear_and_convincing", made)
    withdrawn = court.standard(None, higher)
    assert [made.number, higher.number, withdrawn.number] == [1, 2, 3]
    with pytest.raises(AnotherStands):
        court.standard("balance_of_probabilities", made)


def test_standard_when_the_code_is_unknown_then_refused(court: Court) -> None:
    with pytest.raises(UnknownTerm):
        court.standard("pretty_sure")


# --- classifications


def test_classifications_when_stated_then_stand_beside_each_other_until_superseded(court: Court) -> None:
    alleged = court.classify(Qualifier.ALLEGED, SCHOOL)
    other = court.classify(Qualifier.ASSESSED, "additional_protocol_1:52")
    decided = court.classify(Qualifier.ADJUDICATED, SCHOOL, supersedes=alleged, decision=VERDICT)
    entry = court.entries()[-1]
    assert entry["data"]["decided_on"] == "2016-09-27"
    assert set(entry["sealed"]) == {"rationale", "body", "decision_reference"}
    with court.bench.sessions() as session:
        present = present_of(session, [court.incident])[court.incident].classifications
    assert [each.id for each in present] == [other.id, decided.id]
    court.classify(None, supersedes=other)
    with court.bench.sessions() as session:
        present = present_of(session, [court.incident])[court.incident].classifications
    assert [each.id for each in present] == [decided.id]


def test_classification_when_its_parts_do_not_fit_together_then_refused(court: Court) -> None:
    with pytest.raises(UnknownTerm):
        court.classify(Qualifier.ASSESSED, "rome_statute:8(2)(b)(xxx)")
    with pytest.raises(AdjudicationIncomplete):
        court.classify(Qualifier.ASSESSED)
    with pytest.raises(AdjudicationIncomplete):
        court.classify(Qualifier.ADJUDICATED, SCHOOL)
    with pytest.raises(AdjudicationIncomplete):
        court.classify(Qualifier.ALLEGED, SCHOOL, decision=VERDICT)
    made = court.classify(Qualifier.ASSESSED, SCHOOL)
    with pytest.raises(WithdrawalStatesSomething):
        court.classify(None, SCHOOL, supersedes=made)


def test_classification_when_what_it_supersedes_does_not_stand_then_refused(court: Court) -> None:
    made = court.classify(Qualifier.ALLEGED, SCHOOL)
    withdrawn = court.classify(None, supersedes=made)
    with pytest.raises(AnotherStands):
        court.classify(Qualifier.ASSESSED, SCHOOL, supersedes=made)
    with pytest.raises(NothingToWithdraw):
        court.classify(Qualifier.ASSESSED, SCHOOL, supersedes=withdrawn)
    court.incident = court.new_incident("I-2")
    with pytest.raises(AnotherStands):
        court.classify(Qualifier.ASSESSED, SCHOOL, supersedes=withdrawn)


# --- past the services

INSERT = """
INSERT INTO gradings (id, incident_id, number, grade, rationale, verdict_ids, origins_at_least, origins_at_most,
    other_sources, other_source_count, policy_version, supersedes, author_id, recorded_at)
VALUES (:id, :incident, :number, :grade, 'x', :verdicts, :origins, :origins, '{}', 0, :policy, :supersedes, :author,
    now())
"""


def test_grading_rows_when_written_past_the_services_then_refused(court: Court) -> None:
    made = court.grade(Grade.CORROBORATED)
    fitting: dict[str, Any] = {
        "number": 2,
        "grade": "corroborated",
        "verdicts": list(made.verdict_ids),
        "origins": 2,
        "policy": 1,
        "supersedes": made.id,
        "author": court.bench.rita.account_id,
    }
    assert court.refused_by(INSERT, **fitting) == "exhibit_require_entry", "all else fits"
    for change, constraint in (
        ({"origins": 1}, "ck_gradings_sources_suffice"),
        ({"verdicts": [], "origins": 2}, "ck_gradings_origins_of_bases"),
        ({"verdicts": [new_id()], "grade": "contested", "origins": 0}, "exhibit_grading_bases"),
        ({"grade": None, "origins": 0}, "exhibit_grading_bases"),
        ({"policy": 2}, "exhibit_grading_policy"),
        ({"number": 3}, "exhibit_supersedes_standing"),
        ({"supersedes": None}, "ck_gradings_supersedes_the_one_before"),
        ({"grade": "true"}, "ck_gradings_grade_word"),
    ):
        assert court.refused_by(INSERT, **{**fitting, **change}) == constraint, change
    court.unlink("second")
    assert court.refused_by(INSERT, **fitting) == "exhibit_grading_bases"


@pytest.mark.parametrize("table", ["gradings", "standards_of_proof", "classifications"])
def test_rows_when_changed_or_deleted_past_the_services_then_refused(court: Court, table: str) -> None:
    court.grade(Grade.CORROBORATED)
    court.standard("reasonable_grounds_to_believe")
    court.classify(Qualifier.ASSESSED, SCHOOL)
    assert court.refused_by(f"UPDATE {table} SET rationale = 'another'") == "exhibit_refuse_change"
    erase = f"UPDATE {table} SET rationale = '[erased]', erased = ARRAY['rationale']"
    assert court.refused_by(erase) == "exhibit_require_erasure"


def test_classification_rows_when_written_past_the_services_then_refused(court: Court) -> None:
    made = court.classify(Qualifier.ASSESSED, SCHOOL)
    insert = (
        "INSERT INTO classifications (id, incident_id, number, qualifier, provisions, vocabulary, decided_on,"
        " rationale, grading_id, supersedes, author_id, recorded_at) VALUES (:id, :incident, 2, :qualifier,"
        " :provisions, 'provisions/1', :decided, 'x', :grading, :supersedes, :author, now())"
    )
    fitting: dict[str, Any] = {
        "qualifier": "assessed",
        "provisions": [SCHOOL],
        "decided": None,
        "grading": None,
        "supersedes": made.id,
        "author": court.lena.account_id,
    }
    assert court.refused_by(insert, **fitting) == "exhibit_require_entry", "all else fits"
    for change, constraint in (
        ({"qualifier": "adjudicated"}, "ck_classifications_decision_of_adjudicated"),
        ({"decided": date(2016, 9, 27)}, "ck_classifications_decision_of_adjudicated"),
        ({"provisions": []}, "ck_classifications_provisions_named"),
        ({"qualifier": None}, "ck_classifications_provisions_named"),
        ({"incident": court.new_incident("I-2")}, "exhibit_supersedes_standing"),
    ):
        assert court.refused_by(insert, **{**fitting, **change}) == constraint, change
    court.grade(Grade.CORROBORATED)
    assert court.refused_by(insert, **fitting) == "exhibit_grading_standing"
    court.classify(None, supersedes=made)
    again = {**fitting, "grading": _grading(court)}
    assert court.refused_by(insert.replace(":incident, 2", ":incident, 3"), **again) == "uq_classifications_supersedes"


def _grading(court: Court) -> UUID:
    with court.bench.sessions() as session:
        found: UUID = session.execute(text("SELECT id FROM gradings")).scalar_one()
        assert session.get(Grading, found) is not None
        return found
