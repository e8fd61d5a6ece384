"""What an answer proves: it comes again as of its tree whatever follows, its digest is of its members, and an old one
is recomputed."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from app.access.rules import Role
from app.cases.policy import Policy
from app.cases.service import change_policy
from app.consent.rules import ConsentScope
from app.facts.stated import Source
from app.facts.words import CasualtyOutcome
from app.figures import service
from app.figures.errors import FigureSuppressed, NotAnAnswer, SeriesTooLong
from app.figures.proof import digest_of
from app.figures.query import read_query
from app.figures.service import Answer, numbers_of
from app.figures.standing import hold_snapshot
from app.figures.verifying import Difference, Kept, Verification, verify_answer
from app.figures.words import By, Measure
from app.incidents.rules import IncidentKind
from app.kernel.errors import NotFound
from tests.factories import make_case, make_person
from tests.figures.desk import Desk, counts


def kept(answer: Answer) -> Kept:
    query = answer.query
    return Kept(
        query.document(),
        query.sha256,
        answer.position.log_id,
        answer.head,
        answer.asked_at,
        numbers_of(answer),
        answer.counted,
    )


def verified(desk: Desk, old: Kept, actor: Any = None) -> Verification:
    with desk.bench.sessions() as session:
        hold_snapshot(session)
        return verify_answer(session, actor or desk.bench.rita, old)


@pytest.mark.parametrize("measure", list(Measure))
def test_digest_when_made_from_the_pages_of_members_then_is_the_answers(desk: Desk, measure: Measure) -> None:
    strike, other, elsewhere = desk.incident(), desk.incident(), desk.incident(IncidentKind.DRONE)
    desk.casualties(strike, 2)
    desk.casualties(other, 3, source=desk.service)
    desk.casualties(elsewhere, 4)
    desk.verified(strike, other)
    desk.verified(elsewhere)
    expected = {"incidents": (3, 2), "items": (2, 1), "casualties": (3, 2)}[measure]
    asked: list[dict[str, Any]] = [{}, {"kind": {"missile_strike"}}]
    for filters, number in zip(asked, expected, strict=True):
        answer = desk.ask(measure, By.KIND, **filters)
        records = desk.members(answer.query)
        assert len(records) == answer.counted.count == number
        assert digest_of(measure, records) == answer.counted.sha256
        assert read_query(answer.query.document()) == answer.query


def test_casualties_when_a_count_is_corrected_later_then_are_equal_as_of_the_tree_before(desk: Desk) -> None:
    incident = desk.incident()
    first = desk.casualties(incident, 5)
    then = desk.ask(Measure.CASUALTIES, By.KIND)
    desk.casualties(incident, 9, supersedes=first.id)
    desk.sign()
    again = desk.ask(Measure.CASUALTIES, By.KIND, at=then.position)
    assert (numbers_of(again), again.counted) == (numbers_of(then), then.counted)
    (now,) = desk.ask(Measure.CASUALTIES).total.ranges or ()
    assert now.minimum == 9


def test_answer_when_anything_follows_then_is_equal_as_of_its_tree_and_another_one_now(desk: Desk) -> None:
    strike = desk.incident()
    item = desk.verified(strike)
    desk.casualties(strike, 2)
    answers = [desk.ask(measure, By.MONTH) for measure in Measure]
    desk.casualties(strike, 9, source=desk.service)
    desk.verified(strike)
    desk.incident()
    desk.reopen(item)
    desk.sign()
    for answer in answers:
        assert verified(desk, kept(answer)).summary == "equal"
        assert desk.ask(answer.query.measure, By.MONTH).counted != answer.counted
        again = desk.ask(answer.query.measure, By.MONTH, at=answer.position)
        assert (numbers_of(again), again.counted, again.head) == (numbers_of(answer), answer.counted, answer.head)


@pytest.mark.thorough
def test_answer_when_altered_then_differs_and_when_of_no_tree_or_question_is_refused(desk: Desk) -> None:
    desk.verified(desk.incident())
    answer = desk.ask(Measure.ITEMS)
    old = kept(answer)
    more = {**old.numbers, "total": {**old.numbers["total"], "count": 17}}
    assert [reason.reason for reason in verified(desk, replace(old, numbers=more)).reasons] == [Difference.ALTERED]
    for wrong in (
        replace(old, head=replace(old.head, root="00" * 32)),
        replace(old, query_sha256="00" * 32),
        replace(old, query={**old.query, "by": "mood"}),
        replace(old, query={**old.query, "filters": {"kind": []}}),
        replace(old, asked_at=old.asked_at + timedelta(days=1)),
    ):
        with pytest.raises(NotAnAnswer):
            verified(desk, wrong)
    outsider = make_person(desk.bench.sessions, "outsider")
    with pytest.raises(NotFound):
        verified(desk, old, outsider)


@pytest.mark.thorough
def test_answer_when_an_item_is_withdrawn_then_differs_by_so_many_for_ever(desk: Desk) -> None:
    strike = desk.incident()
    item, other = desk.verified(strike), desk.verified(strike)
    people = [desk.consent(one) for one in (item, other)]
    held = Source(organisation_id=desk.ngo, evidence_id=item)
    desk.casualties(strike, 4, source=held)
    answers = [desk.ask(Measure.ITEMS, By.INCIDENT), desk.ask(Measure.CASUALTIES), desk.ask(Measure.INCIDENTS)]
    desk.withdraw(item, people[0], ConsentScope.PUBLICATION)
    summaries = [verified(desk, kept(answer)).summary for answer in answers]
    assert summaries == ["differs: withdrawn 1", "differs: withdrawn 1", "equal"]
    assert desk.ask(Measure.ITEMS, at=answers[0].position).total.count == 1
    assert desk.ask(Measure.CASUALTIES).total.ranges == ()
    desk.withdraw(other, people[1])
    assert verified(desk, kept(answers[0])).summary == "differs: withdrawn 2"
    assert desk.members(answers[0].query) == []


@pytest.mark.thorough
def test_copies_when_what_joins_them_is_withdrawn_then_differ(desk: Desk) -> None:
    strike = desk.incident()
    desk.verified(strike, content=b"one")
    middle = desk.verified(strike, content=b"one")
    person = desk.consent(middle)
    answer = desk.ask(Measure.ITEMS)
    assert (answer.total.count, answer.total.collapsed) == (2, 1)
    desk.withdraw(middle, person)
    assert verified(desk, kept(answer)).summary == "differs: withdrawn 1"


def test_answer_when_a_place_is_erased_then_differs_and_says_so(desk: Desk) -> None:
    strike = desk.incident(units=("Ukraine", "Kyiv"))
    answer = desk.ask(Measure.INCIDENTS, By.PLACE)
    assert counts(answer) == {"ukraine": 1}
    desk.erase(strike, "place")
    assert verified(desk, kept(answer)).summary == "differs: erased 1"


def test_members_when_their_number_is_not_given_then_are_not_listed(desk: Desk) -> None:
    few = [desk.incident(IncidentKind.SEXUAL_VIOLENCE) for _ in range(3)]
    desk.casualties(few[0], 2)
    for measure in (Measure.INCIDENTS, Measure.CASUALTIES):
        answer = desk.ask(measure)
        assert (answer.total.count, answer.counted.count) == (None, None)
        with pytest.raises(FigureSuppressed):
            desk.members(desk.query(measure))
    enough = {*few, desk.incident(), desk.incident()}
    answer = desk.ask(Measure.INCIDENTS)
    assert (answer.total.count, answer.counted.count) == (5, 5)
    assert {one for one, _ in desk.members(desk.query(Measure.INCIDENTS))} == enough
    with pytest.raises(FigureSuppressed):
        desk.members(desk.query(Measure.INCIDENTS, kind={"sexual_violence"}))


def test_casualties_when_one_range_alone_is_not_given_then_their_counts_are_not_listed(desk: Desk) -> None:
    """They would give it."""
    few, *others = [desk.incident(IncidentKind.SEXUAL_VIOLENCE), *(desk.incident() for _ in range(4))]
    for incident in (few, *others):
        desk.casualties(incident, 2)
    query = desk.query(Measure.CASUALTIES)
    desk.sign()
    assert len(desk.members(query)) == 5
    desk.casualties(few, 2, outcome=CasualtyOutcome.INJURED)
    answer = desk.ask(Measure.CASUALTIES)
    assert (answer.total.count, answer.suppressed) == (5, 1)
    with pytest.raises(FigureSuppressed):
        desk.members(query)


def test_figure_when_policies_of_its_cases_ask_then_the_strictest_holds_from_when_it_was_set(desk: Desk) -> None:
    bench = desk.bench
    other = make_case(bench.sessions, bench.coordinator, [(bench.rita, Role.RESEARCHER)])
    both = (bench.case_id, other)
    for _ in range(3):
        desk.incident()
    before = desk.sign()
    for case_id, smallest in zip(both, (3, 4), strict=True):
        policy = Policy(smallest_figure=smallest)
        set_policy = partial(change_policy, actor=bench.coordinator, case_id=case_id, version=1, policy=policy)
        desk.commit(set_policy)
    assert desk.ask(Measure.INCIDENTS).total.count == 3
    assert desk.ask(Measure.INCIDENTS, cases=both).total.count is None
    assert desk.ask(Measure.INCIDENTS, cases=both, at=before).total.count == 3


@pytest.mark.parametrize("is_labelled", [True, False], ids=["by its label", "by its incident"])
def test_items_when_few_and_one_is_of_sexual_violence_then_no_number_nor_member_is_given(
    desk: Desk, is_labelled: bool
) -> None:
    """Each way of knowing is enough."""
    kind = IncidentKind.SHOOTING if is_labelled else IncidentKind.SEXUAL_VIOLENCE
    desk.verified(desk.incident(kind), sexual_violence=is_labelled)
    answer = desk.ask(Measure.ITEMS, By.INCIDENT)
    assert [figure.count for figure in (answer.total, *(point.figure for point in answer.series))] == [None, None]
    with pytest.raises(FigureSuppressed):
        desk.members(desk.query(Measure.ITEMS))


def test_series_when_it_has_too_many_points_then_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.incident(IncidentKind.SHOOTING)
    desk.incident(IncidentKind.DRONE)
    monkeypatch.setattr(service, "MAXIMUM_POINTS", 1)
    assert desk.ask(Measure.INCIDENTS, By.CASE).total.count == 2
    with pytest.raises(SeriesTooLong):
        desk.ask(Measure.INCIDENTS, By.KIND)
