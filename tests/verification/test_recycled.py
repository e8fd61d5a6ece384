"""Pictures known from before the event: asked, answered, asked again; and verdicts that copies do not inherit."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.access.actors import Actor
from app.blobs.store import ReadBack, ReadBackOutcome, StoredBlob
from app.fingerprints.finding import Compared
from app.fingerprints.grounds import Explanation, Ground
from app.fingerprints.keeping import store_matches
from app.fingerprints.pair_rules import Settled
from app.fingerprints.service import decide_match, undecided_matches
from app.incidents.rules import IncidentKind, Occurrence
from app.incidents.service import Changes, create_incident, link_evidence, update_incident
from app.kernel.errors import Forbidden
from app.kernel.primitives import Sha256Hex, new_id, sha256_hex
from app.media.acquisition import Acquisition
from app.media.models import Evidence
from app.media.service import ReceivedFile, correct_field, receive_evidence, record_read_back
from app.unit_of_work import UnitOfWork
from app.verification.errors import AnswerDoesNotFit, NoSuchQuestion, RecycledUnanswered
from app.verification.models import RecycledAnswerRow
from app.verification.recycled import Question, questions_of
from app.verification.recycled_notices import JOBS, list_notices
from app.verification.rules import Dimension, RecycledAnswer
from app.verification.service import bytes_to_check
from app.verification.stated import Answer, Stated
from app.verification.suggestions import list_suggestions
from app.worker import Runner, WorkerLimits
from tests.factories import NO_LABELS, commit_in, make_case, make_compared
from tests.verification.bench import Bench, give_up
from tests.verification.test_blind import set_blind
from tests.verification.test_findings import entry_of

EVENT = datetime(2026, 7, 3, 5, tzinfo=UTC)
LONG_BEFORE = datetime(2024, 2, 1, tzinfo=UTC)


def receive(
    bench: Bench, sha256: Sha256Hex, *, case_id: UUID | None = None, actor: Actor | None = None, **stated: Any
) -> UUID:
    """An item on these bytes, compared with its case."""
    given = {"acquired_at": EVENT + timedelta(days=1), **stated}
    acquisition = Acquisition(collector="Olena", method="download", source="a channel", **given)
    file = ReceivedFile(StoredBlob(sha256, 1000, True), b"\xff\xd8\xff\xe0", "a.jpg", "image/jpeg")
    case, by = case_id or bench.case_id, actor or bench.olena
    item = commit_in(
        bench.sessions,
        lambda uow: receive_evidence(uow, by, case, file=file, acquisition=acquisition, labels=dict(NO_LABELS)),
    )
    commit_in(
        bench.sessions,
        lambda uow: record_read_back(uow, item.id, ReadBack(ReadBackOutcome.MATCH, sha256, 1000, None)),
    )
    make_compared(bench.sessions, item.id, sha256)
    return item.id


def done(bench: Bench, act: Callable[..., Any], *arguments: Any, **stated: Any) -> Any:
    return commit_in(bench.sessions, lambda uow: act(uow, *arguments, **stated))


def correct(bench: Bench, item: UUID, field: str, value: datetime) -> None:
    with bench.sessions() as session:
        version = session.get_one(Evidence, item).version
    done(bench, correct_field, bench.olena, item, version=version, field=field, value=value, reason="Misread.")


@pytest.fixture
def sha256() -> Sha256Hex:
    return sha256_hex(new_id().bytes)


def begin(bench: Bench, sha256: Sha256Hex, **stated: Any) -> None:
    """The bench's item is one on these bytes, in verification, with all findings."""
    bench.item = receive(bench, sha256, **{"claimed_from": EVENT, "claimed_to": EVENT + timedelta(hours=1), **stated})
    bench.open(bench.olena)
    bench.find_all(bench.olena)


def decide(bench: Bench, relation: str = "exact_copy") -> list[UUID]:
    with bench.sessions() as session:
        found = undecided_matches(session, bench.item)
    for match in found:
        done(bench, decide_match, bench.olena, match, relation=relation, reason="Same.")
    return found


def compare(bench: Bench, other: Sha256Hex, tier: str, rule: str) -> None:
    """The bench's item and the items of these other bytes are found to be similar, by this rule."""
    ground = Ground(algorithm="orb", version="orb/1", inliers=40, threshold_inliers=12)
    explained: dict[str, Explanation | None] = {str(other): Explanation(tier, [ground], [])}

    def store(uow: UnitOfWork) -> object:
        item = uow.session.get_one(Evidence, bench.item)
        assert item.blob_sha256 is not None
        found = Compared(Settled(Sha256Hex(item.blob_sha256)), rule, frozenset(), explained)
        return store_matches(uow, item, found)

    commit_in(bench.sessions, store)


def asked(bench: Bench, person: Actor | None = None) -> list[Question]:
    """What Olena is asked, or another person."""
    with bench.sessions() as session:
        return questions_of(session, session.get_one(Evidence, bench.item), (person or bench.olena).account_id)


def answer(
    bench: Bench, match: UUID, said: RecycledAnswer = RecycledAnswer.RECYCLED, reason: str | None = None
) -> None:
    bench.find(bench.olena, Dimension.PROVENANCE, recycled=(Answer(match, said, reason),))


def test_submit_when_a_copy_was_acquired_before_the_event_then_refused_until_answered(
    bench: Bench, sha256: Sha256Hex
) -> None:
    older = receive(bench, sha256, acquired_at=LONG_BEFORE)
    begin(bench, sha256)
    [match] = decide(bench)
    [question] = asked(bench)
    assert (question.match_id, question.other_id, question.is_open) == (match, older, True)
    assert (question.earliest.certainly_by, question.earliest.basis) == (LONG_BEFORE, "acquired")
    with pytest.raises(RecycledUnanswered) as refused:
        bench.submit(bench.olena)
    assert refused.value.extra == {"unanswered": [str(match)]}
    answer(bench, match)
    [question] = asked(bench)
    assert question.answer is not None
    assert (question.is_open, question.answer.answer) == (False, "recycled")
    data, _ = entry_of(bench)
    told = {"match": str(match), "answer": "recycled", "basis": "acquired", "earliest_at": "2024-02-01T00:00:00.000Z"}
    assert data["recycled"] == [told]
    bench.submit(bench.olena)


@pytest.mark.parametrize(
    ("other", "is_asked"),
    [
        ({"acquired_at": EVENT - timedelta(seconds=1)}, True),
        ({"acquired_at": EVENT}, False),
        ({"claimed_from": LONG_BEFORE, "claimed_to": EVENT - timedelta(minutes=1)}, True),
        ({"claimed_from": LONG_BEFORE}, True),
        ({"claimed_from": LONG_BEFORE, "claimed_to": EVENT + timedelta(minutes=1)}, False),
        ({}, False),
    ],
)
def test_question_when_the_intervals_touch_then_only_a_certain_before_is_asked(
    bench: Bench, sha256: Sha256Hex, other: dict[str, Any], is_asked: bool
) -> None:
    receive(bench, sha256, **other)
    bench.item = receive(bench, sha256, claimed_from=EVENT)
    assert bool(asked(bench)) is is_asked


def test_question_when_only_an_incident_says_the_time_then_asked_where_the_item_depicts_it(
    bench: Bench, sha256: Sha256Hex
) -> None:
    receive(bench, sha256, acquired_at=LONG_BEFORE)
    bench.item = receive(bench, sha256)
    assert asked(bench) == []
    occurrence = Occurrence(EVENT, EVENT + timedelta(hours=1), "Europe/Kyiv", "Siren log")
    told = {"title": "Strike", "kind": IncidentKind.AIR_STRIKE, "occurrence": occurrence}
    incidents = [done(bench, create_incident, bench.olena, bench.case_id, code=code, **told).id for code in ("A", "B")]
    for incident, depicts in zip(incidents, (False, True), strict=True):
        done(bench, link_evidence, bench.olena, incident, evidence_id=bench.item, depicts=depicts, counted=True)
    [question] = asked(bench)
    assert [event.incident_id for event in question.events] == [incidents[1]]


def test_question_when_the_match_is_decided_to_be_something_else_or_the_date_is_corrected_then_gone(
    bench: Bench, sha256: Sha256Hex
) -> None:
    receive(bench, sha256, acquired_at=LONG_BEFORE)
    bench.item = receive(bench, sha256, claimed_from=EVENT)
    assert len(asked(bench)) == 1
    earlier = LONG_BEFORE - timedelta(days=1)
    correct(bench, bench.item, "claimed_from", earlier)
    assert asked(bench) == []


def test_question_when_the_first_of_two_decides_it_is_something_else_then_the_second_is_asked_as_before(
    bench: Bench, sha256: Sha256Hex
) -> None:
    set_blind(bench, version=1)
    other_bytes = sha256_hex(new_id().bytes)
    older = receive(bench, other_bytes, acquired_at=LONG_BEFORE)
    begin(bench, sha256)
    compare(bench, other_bytes, "likely", "a rule")
    decide(bench, "unrelated")
    assert asked(bench) == []
    assert [question.other_id for question in asked(bench, bench.petro)] == [older]

    bench.submit(bench.olena)
    assert [question.other_id for question in asked(bench, bench.petro)] == [older]
    bench.end_blind(bench.coordinator)
    assert asked(bench, bench.petro) == []


@pytest.mark.thorough
def test_question_when_an_earlier_appearance_comes_after_the_answer_then_open_again_also_once_signed_off(
    bench: Bench, sha256: Sha256Hex
) -> None:
    older = receive(bench, sha256, acquired_at=LONG_BEFORE)
    begin(bench, sha256)
    [match] = decide(bench)
    answer(bench, match, RecycledAnswer.NOT_RECYCLED, "The older date is the channel's birthday.")
    bench.submit(bench.olena)
    bench.concur(bench.petro)
    bench.sign_off(bench.rita)
    state, version = bench.evidence().state, bench.version()
    assert [question.is_open for question in asked(bench)] == [False]
    correct(bench, older, "acquired_at", LONG_BEFORE - timedelta(days=1))
    assert [question.is_open for question in asked(bench)] == [True]
    assert (bench.evidence().state, bench.version()) == (state, version)


@pytest.mark.thorough
def test_sign_off_when_the_date_is_corrected_after_the_submission_then_refused_until_answered(
    bench: Bench, sha256: Sha256Hex
) -> None:
    """A date that is far back while one submits, and is put right afterwards, is no way around the question."""
    receive(bench, sha256, acquired_at=LONG_BEFORE)
    begin(bench, sha256)
    correct(bench, bench.item, "claimed_from", LONG_BEFORE - timedelta(days=1))
    [match] = decide(bench)
    bench.submit(bench.olena)
    correct(bench, bench.item, "claimed_from", EVENT)
    bench.concur(bench.petro)
    with pytest.raises(RecycledUnanswered) as refused:
        bench.sign_off(bench.rita)
    assert refused.value.extra == {"unanswered": [str(match)]}
    version = bench.version()
    with bench.sessions() as session, pytest.raises(RecycledUnanswered):
        bytes_to_check(session, bench.rita, bench.item, version=version)
    bench.return_item(bench.rita)
    bench.take(bench.olena)
    answer(bench, match)
    bench.submit(bench.olena)
    bench.concur(bench.petro)
    bench.sign_off(bench.rita)
    assert bench.evidence().state == "signed_off"


def test_sign_off_when_an_older_copy_came_after_the_submission_then_refused(bench: Bench, sha256: Sha256Hex) -> None:
    begin(bench, sha256)
    bench.submit(bench.olena)
    bench.concur(bench.petro)
    receive(bench, sha256, acquired_at=LONG_BEFORE)
    with pytest.raises(RecycledUnanswered):
        bench.sign_off(bench.rita)
    assert bench.evidence().state == "awaiting_sign_off"


def test_question_when_a_copy_is_in_another_case_then_nothing_is_asked_or_told(bench: Bench, sha256: Sha256Hex) -> None:
    elsewhere = make_case(bench.sessions, bench.coordinator, [])
    receive(bench, sha256, case_id=elsewhere, actor=bench.coordinator, acquired_at=LONG_BEFORE)
    begin(bench, sha256)
    assert asked(bench) == []
    bench.submit(bench.olena)


def test_answer_when_of_no_question_or_by_another_dimension_or_without_reason_then_refused(
    bench: Bench, sha256: Sha256Hex
) -> None:
    receive(bench, sha256)
    begin(bench, sha256)
    [match] = decide(bench)
    for unknown in (match, new_id()):
        with pytest.raises(NoSuchQuestion):
            answer(bench, unknown)
    for dimension, reason in ((Dimension.DATE, "x"), (Dimension.PROVENANCE, None)):
        with pytest.raises(AnswerDoesNotFit):
            Stated(dimension=dimension, recycled=(Answer(match, RecycledAnswer.NOT_RECYCLED, reason),)).require_fit()


def test_answer_row_when_of_another_dimension_then_the_database_refuses(bench: Bench, sha256: Sha256Hex) -> None:
    receive(bench, sha256, acquired_at=LONG_BEFORE)
    begin(bench, sha256)
    [match] = decide(bench)
    dated = bench.find(bench.olena, Dimension.DATE)
    with bench.sessions() as session:
        session.add(
            RecycledAnswerRow(
                finding_id=dated.id, match_id=match, evidence_id=bench.item, answer="recycled", earliest_at=LONG_BEFORE
            )
        )
        with pytest.raises(IntegrityError, match="provenance finding"):
            session.flush()


@pytest.mark.thorough
def test_signed_off_item_when_an_older_copy_arrives_then_coordinators_are_told_once_and_nothing_changes(
    bench: Bench, sha256: Sha256Hex
) -> None:
    begin(bench, sha256)
    bench.submit(bench.olena)
    bench.concur(bench.petro)
    bench.sign_off(bench.rita)
    before = bench.evidence().state, bench.version()
    receive(bench, sha256, acquired_at=LONG_BEFORE)
    job = JOBS[0]
    with bench.sessions() as session:
        waiting = session.scalars(text("SELECT args FROM procrastinate_jobs WHERE task_name = 'appeared'")).all()
    assert waiting == [{"evidence_id": str(bench.item)}]
    for _ in range(2):
        Runner(bench.sessions, None, WorkerLimits()).run(job, None, 0, waiting[0])
    with bench.sessions() as session:
        [notice] = list_notices(session, bench.coordinator, bench.case_id, after=None, limit=10)
        with pytest.raises(Forbidden):
            list_notices(session, bench.petro, bench.case_id, after=None, limit=10)
    assert (notice.evidence_id, notice.earliest_at, notice.basis) == (bench.item, LONG_BEFORE, "acquired")
    assert bench.entry_types()[-2:] == ["evidence.matched", "evidence.questioned"]
    assert (bench.evidence().state, bench.version()) == before
    assert [question.is_open for question in asked(bench)] == [True]


@pytest.mark.thorough
def test_question_of_a_firm_match_when_one_person_says_unrelated_then_stays_until_a_second_does(
    bench: Bench, sha256: Sha256Hex
) -> None:
    other_bytes = sha256_hex(new_id().bytes)
    receive(bench, other_bytes, acquired_at=LONG_BEFORE)
    begin(bench, sha256)
    compare(bench, other_bytes, "same_picture", "a rule")
    [match] = decide(bench, "unrelated")
    decided = {"relation": "unrelated", "reason": "Another square."}
    done(bench, decide_match, bench.olena, match, **decided)
    assert [question.match_id for question in asked(bench)] == [match]
    with pytest.raises(RecycledUnanswered):
        bench.submit(bench.olena)
    done(bench, decide_match, bench.petro, match, **decided)
    assert asked(bench) == []
    done(bench, decide_match, bench.petro, match, relation="potential", reason="The lamp is there after all.")
    done(bench, decide_match, bench.olena, match, **decided)
    assert [question.match_id for question in asked(bench)] == [match]
    answer(bench, match, RecycledAnswer.NOT_RECYCLED, "Another square.")
    bench.submit(bench.olena)


def run_waiting(bench: Bench) -> None:
    """What was enqueued of both kinds, in order, each once."""
    by_name = {job.name: job for job in JOBS}
    query = text("SELECT id, task_name, args FROM procrastinate_jobs WHERE task_name = ANY(:names) AND id > :last")
    last = 0
    while True:
        with bench.sessions() as session:
            rows = session.execute(query, {"names": list(by_name), "last": last}).all()
        if not rows:
            return
        for number, name, arguments in sorted(rows):
            Runner(bench.sessions, None, WorkerLimits()).run(by_name[name], None, 0, arguments)
            last = max(last, number)


def noticed(bench: Bench) -> list[tuple[str, datetime]]:
    with bench.sessions() as session:
        found = list_notices(session, bench.coordinator, bench.case_id, after=None, limit=50)
        return [(notice.kind, notice.earliest_at) for notice in found if notice.evidence_id == bench.item]


def sign_off(bench: Bench) -> None:
    bench.submit(bench.olena)
    bench.concur(bench.petro)
    bench.sign_off(bench.rita)


@pytest.mark.thorough
def test_signed_off_item_when_a_date_is_corrected_then_coordinators_are_told_that_it_is_questioned(
    bench: Bench, sha256: Sha256Hex
) -> None:
    older = receive(bench, sha256)
    begin(bench, sha256)
    decide(bench)
    sign_off(bench)
    run_waiting(bench)
    assert noticed(bench) == []
    correct(bench, older, "acquired_at", LONG_BEFORE)
    run_waiting(bench)
    assert noticed(bench) == [("opened", LONG_BEFORE)]
    assert bench.entry_types()[-1] == "evidence.questioned"
    run_waiting(bench)
    assert len(noticed(bench)) == 1


@pytest.mark.thorough
def test_notice_when_either_item_is_withdrawn_then_is_listed_no_more(bench: Bench, sha256: Sha256Hex) -> None:
    begin(bench, sha256)
    sign_off(bench)
    receive(bench, sha256, acquired_at=LONG_BEFORE)
    run_waiting(bench)
    assert noticed(bench) == [("opened", LONG_BEFORE)]
    give_up(bench.sessions, bench.olena, bench.item)
    assert noticed(bench) == []


@pytest.mark.thorough
def test_signed_off_item_when_an_incident_that_it_shows_is_dated_then_coordinators_are_told(
    bench: Bench, sha256: Sha256Hex
) -> None:
    receive(bench, sha256, acquired_at=LONG_BEFORE)
    begin(bench, sha256, claimed_from=None, claimed_to=None)
    decide(bench)
    sign_off(bench)
    told = {"title": "Strike", "kind": IncidentKind.AIR_STRIKE}
    incident = done(bench, create_incident, bench.olena, bench.case_id, code=str(new_id())[:8], **told).id
    done(bench, link_evidence, bench.olena, incident, evidence_id=bench.item, depicts=True, counted=True)
    run_waiting(bench)
    assert noticed(bench) == []
    dated = Changes(occurrence=Occurrence(EVENT, EVENT, "Europe/Kyiv", "Siren log"))
    done(bench, update_incident, bench.olena, incident, version=1, changes=dated)
    run_waiting(bench)
    assert noticed(bench) == [("opened", LONG_BEFORE)]


@pytest.mark.thorough
def test_verdict_that_rests_on_an_earlier_appearance_when_its_date_is_corrected_then_coordinators_are_told(
    bench: Bench, sha256: Sha256Hex
) -> None:
    older = receive(bench, sha256, acquired_at=LONG_BEFORE)
    begin(bench, sha256)
    [match] = decide(bench)
    answer(bench, match)
    sign_off(bench)
    run_waiting(bench)
    assert noticed(bench) == []
    correct(bench, older, "acquired_at", EVENT + timedelta(days=2))
    run_waiting(bench)
    assert noticed(bench) == [("ended", LONG_BEFORE)]
    data, _ = entry_of(bench, "evidence.questioned")
    assert (data["match"], data["ended"], "basis" in data) == (str(match), True, False)
    assert bench.evidence().state == "signed_off"


def test_answer_when_the_earlier_date_is_a_claimed_one_then_the_entry_does_not_tell_it(
    bench: Bench, sha256: Sha256Hex
) -> None:
    receive(bench, sha256, claimed_from=LONG_BEFORE)
    begin(bench, sha256)
    [match] = decide(bench)
    answer(bench, match, RecycledAnswer.DATE_WRONG, "The clip's own clock says July.")
    data, opened = entry_of(bench)
    assert data["recycled"] == [{"match": str(match), "answer": "date_wrong", "basis": "claimed"}]
    assert opened["recycled_reasons"] == {str(match): "The clip's own clock says July."}


# --- verdicts are not inherited


@pytest.mark.thorough
def test_verdict_when_signed_off_then_suggested_for_copies_and_nothing_of_them_changes(
    bench: Bench, sha256: Sha256Hex
) -> None:
    copy = receive(bench, sha256)
    elsewhere = make_case(bench.sessions, bench.coordinator, [])
    receive(bench, sha256, case_id=elsewhere, actor=bench.coordinator)
    begin(bench, sha256)
    decide(bench)
    rows = text(
        "SELECT (SELECT count(*) FROM findings WHERE evidence_id = :item), (SELECT count(*) FROM verdicts WHERE"
        " evidence_id = :item), (SELECT count(*) FROM finding_drafts WHERE evidence_id = :item),"
        " (SELECT state FROM evidence WHERE id = :item), (SELECT version FROM evidence WHERE id = :item)"
    )

    def standing() -> tuple[Any, ...]:
        with bench.sessions() as session:
            return tuple(session.execute(rows, {"item": copy}).one())

    def suggested(item: UUID) -> list[tuple[UUID, str, str]]:
        with bench.sessions() as session:
            found = list_suggestions(session, bench.petro, item, after=None, limit=10)
            return [(one.evidence_id, one.relation, one.verdict.outcome) for one in found]

    before, entries = standing(), bench.entry_types(copy)
    bench.submit(bench.olena)
    bench.concur(bench.petro)
    assert suggested(copy) == []
    bench.sign_off(bench.rita)
    assert suggested(copy) == [(bench.item, "exact_copy", "verified")]
    assert suggested(bench.item) == []
    assert (standing(), bench.entry_types(copy)) == (before, entries)
    later = receive(bench, sha256)
    assert suggested(later) == [(bench.item, "exact_copy", "verified")]
    assert (before[:3], standing()[:4]) == ((0, 0, 0), before[:4])


@pytest.mark.thorough
def test_likely_match_that_was_said_to_be_nothing_when_it_becomes_firm_then_the_question_is_open_again(
    bench: Bench, sha256: Sha256Hex
) -> None:
    other_bytes = sha256_hex(new_id().bytes)
    receive(bench, other_bytes, acquired_at=LONG_BEFORE)
    begin(bench, sha256)

    compare(bench, other_bytes, "likely", "a rule")
    [question] = asked(bench)
    assert (question.tier, question.is_open) == ("likely", True)
    answer(bench, question.match_id, RecycledAnswer.NOT_RECYCLED, "Another square, another lamp.")
    assert [one.is_open for one in asked(bench)] == [False]

    compare(bench, other_bytes, "likely", "the next rule")
    assert [one.is_open for one in asked(bench)] == [False]
    compare(bench, other_bytes, "same_picture", "the one after")
    [again] = asked(bench)
    assert (again.match_id, again.tier, again.is_open) == (question.match_id, "same_picture", True)
    answer(bench, question.match_id, RecycledAnswer.NOT_RECYCLED, "The older one is dated wrongly.")
    assert [one.is_open for one in asked(bench)] == [False]
