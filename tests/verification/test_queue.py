"""The queue: to whom which item is offered, in which order, and that nobody's preferences show in anything else."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement, Engine, event, func, select, text

from app.access.actors import Actor
from app.access.rules import Role
from app.cases.policy import Policy
from app.cases.service import change_policy, close_case, revoke_role
from app.kernel.errors import Forbidden, NotFound
from app.kernel.primitives import Sha256Hex
from app.media import viewing
from app.media.errors import ExposureCapReached
from app.media.models import Evidence
from app.media.rules import Priority
from app.media.service import set_labels
from app.verification import assignment
from app.verification.errors import LeasesAtLimit
from app.verification.findings import authors_of, is_author
from app.verification.preferences import Wanted, get_preferences, set_preferences
from app.verification.queue import QueuedItem, list_queue
from app.verification.rules import ReviewKind
from app.verification.work import Work, is_reviewer, person_may, require_person_may, reviewers_of
from tests.factories import NO_LABELS, commit_in, make_case, make_compared, make_item
from tests.verification.bench import Bench


def queue(bench: Bench, actor: Actor, **narrowed: Any) -> list[QueuedItem]:
    asked: dict[str, Any] = {"case_id": None, "act": None, "after": None, "limit": 100, **narrowed}
    with bench.sessions() as session:
        return list(list_queue(session, actor, **asked))


def offered(bench: Bench, actor: Actor) -> str | None:
    """What the queue offers of the bench's item."""
    found = [row.act for row in queue(bench, actor) if row.evidence.id == bench.item]
    return found[0] if found else None


def offers(bench: Bench) -> dict[str, str | None]:
    people = ("coordinator", "olena", "petro", "rita", "sofia", "taras")
    return {name: act for name in people if (act := offered(bench, getattr(bench, name))) is not None}


def prefer(
    bench: Bench, actor: Actor, *languages: str, graphic: str | None = None, without: Sequence[str] = ()
) -> None:
    wanted = Wanted(tuple(languages), graphic, tuple(without))
    commit_in(bench.sessions, lambda uow: set_preferences(uow, actor, wanted))


def labelled(bench: Bench, **labels: Any) -> UUID:
    return make_item(bench.sessions, bench.olena, bench.case_id, labels={**NO_LABELS, **labels})


def assign(bench: Bench, person: Actor) -> None:
    commit_in(
        bench.sessions,
        lambda uow: assignment.assign(
            uow, bench.coordinator, bench.item, version=bench.version(), person_id=person.account_id
        ),
    )


def prioritise(bench: Bench, priority: Priority) -> None:
    commit_in(
        bench.sessions,
        lambda uow: assignment.set_priority(
            uow, bench.coordinator, bench.item, version=bench.version(), priority=priority
        ),
    )


def cap(bench: Bench, items: int) -> None:
    policy = Policy(exposure_items_per_day=items)
    commit_in(
        bench.sessions, lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=1, policy=policy)
    )


def look(bench: Bench, actor: Actor, item: UUID) -> None:
    read: dict[str, Any] = {"act": "viewed", "rendering": "original", "size_bytes": 9, "purpose": "review"}
    commit_in(bench.sessions, lambda uow: viewing.log_reading(uow, actor, item, window_s=900, **read))


# --- to whom


def test_queue_when_an_item_goes_its_way_then_offers_it_to_who_may_take_it_and_says_for_what(bench: Bench) -> None:
    assert offers(bench) == {"olena": "verify", "petro": "verify", "taras": "verify"}
    bench.open(bench.olena)
    assert offers(bench) == {}, "held; and who holds it has it"
    bench.end(bench.olena)
    assert offers(bench) == dict.fromkeys(("olena", "petro", "rita", "sofia", "taras"), "verify")
    bench.to_review()
    assert offers(bench) == dict.fromkeys(("petro", "rita", "sofia", "taras"), "review")
    bench.review(bench.sofia, ReviewKind.DISSENT)
    assert offers(bench) == dict.fromkeys(("rita", "taras"), "adjudicate")
    bench.adjudicate(bench.rita)
    assert offers(bench) == {"taras": "sign_off"}
    bench.sign_off(bench.taras)
    assert offers(bench) == {}


@pytest.mark.thorough
def test_queue_when_a_lease_has_run_out_then_offers_the_item_again(bench: Bench) -> None:
    bench.to_review()
    bench.take(bench.petro)
    assert offers(bench) == {}
    bench.end(bench.petro)
    bench.take(bench.petro, ttl_s=0)
    assert "rita" in offers(bench)


def test_queue_when_an_item_is_assigned_then_offers_it_to_that_person_alone(bench: Bench) -> None:
    assign(bench, bench.petro)
    assert offers(bench) == {"petro": "verify"}
    [row] = queue(bench, bench.petro)
    assert row.is_assigned
    petro = bench.petro.account_id
    commit_in(
        bench.sessions,
        lambda uow: revoke_role(uow, bench.coordinator, bench.case_id, account_id=petro, role=Role.VERIFIER),
    )
    assert set(offers(bench)) == {"olena", "taras"}, "to one who may not any more binds nobody"


@pytest.mark.thorough
def test_queue_when_an_item_has_no_labels_then_offers_it_to_coordinators_to_be_labelled(bench: Bench) -> None:
    bench.item = make_item(bench.sessions, bench.olena, bench.case_id, labels=None)
    assert offers(bench) == {"coordinator": "label"}
    prefer(bench, bench.coordinator, graphic="mild")
    assert offers(bench) == {}, "it may show anything"
    prefer(bench, bench.coordinator, "uk")
    assert offers(bench) == {"coordinator": "label"}
    labels = dict(NO_LABELS)
    commit_in(
        bench.sessions,
        lambda uow: set_labels(uow, bench.coordinator, bench.item, version=bench.version(), labels=labels),
    )
    assert set(offers(bench)) == {"olena", "petro", "taras"}


@pytest.mark.thorough
def test_queue_when_a_break_is_on_then_offers_nothing_of_that_case_and_no_lease_is_given(bench: Bench) -> None:
    other = make_case(bench.sessions, bench.coordinator, [(bench.petro, Role.VERIFIER)])
    elsewhere = make_item(bench.sessions, bench.petro, other, labels=dict(NO_LABELS))
    seen = labelled(bench)
    cap(bench, 1)
    assert len(queue(bench, bench.petro)) == 3
    look(bench, bench.petro, seen)
    assert [row.evidence.id for row in queue(bench, bench.petro)] == [elsewhere]
    with pytest.raises(ExposureCapReached) as refused:
        bench.open(bench.petro)
    assert "break_ends_at" in refused.value.extra
    assert len(queue(bench, bench.taras)) == 2


def test_lease_when_a_break_is_on_then_what_one_holds_is_made_longer_and_done(bench: Bench) -> None:
    bench.open(bench.olena)
    cap(bench, 1)
    look(bench, bench.olena, bench.item)
    bench.take(bench.olena)
    bench.find_all(bench.olena)


def test_queue_when_asked_for_one_case_then_of_that_one_and_an_outsider_learns_nothing(bench: Bench) -> None:
    other = make_case(bench.sessions, bench.coordinator, [(bench.petro, Role.VERIFIER)])
    make_item(bench.sessions, bench.petro, other, labels=dict(NO_LABELS))
    assert [row.evidence.id for row in queue(bench, bench.petro, case_id=bench.case_id)] == [bench.item]
    assert len(queue(bench, bench.petro)) == 2
    with pytest.raises(NotFound):
        queue(bench, bench.olena, case_id=other)
    commit_in(bench.sessions, lambda uow: close_case(uow, bench.coordinator, other, version=1, reason="Done."))
    assert [row.evidence.id for row in queue(bench, bench.petro)] == [bench.item]


@pytest.mark.thorough
def test_queue_when_asked_for_one_act_then_of_that_one(bench: Bench) -> None:
    bench.to_review()
    fresh = labelled(bench)
    assert [row.evidence.id for row in queue(bench, bench.petro, act="review")] == [bench.item]
    assert [row.evidence.id for row in queue(bench, bench.petro, act="verify")] == [fresh]
    assert queue(bench, bench.petro, act="sign_off") == []


@pytest.mark.thorough
def test_conditions_on_persons_when_asked_of_many_items_then_are_the_guards_of_each(bench: Bench) -> None:
    """The queue's conditions, the services' guards and the database's own function say the same of every person."""
    items = [bench.item]
    bench.to_review()
    bench.review(bench.sofia, ReviewKind.DISSENT)
    for person in (bench.olena, bench.petro):
        bench.item = labelled(bench)
        items.append(bench.item)
        bench.open(person)
        bench.to_review(person)
    bench.concur(bench.taras)
    actors = (bench.olena, bench.petro, bench.rita, bench.sofia, bench.taras)
    accounts = [actor.account_id for actor in actors]
    with bench.sessions() as session:

        def holds(condition: ColumnElement[bool], item: UUID) -> bool:
            return session.scalars(select(Evidence.id).where(Evidence.id == item, condition)).first() is not None

        for item, account in itertools.product(items, accounts):
            evidence = session.get_one(Evidence, item)
            wrote = holds(is_author(account), item)
            assert wrote == (account in authors_of(session, item))
            assert wrote == session.scalar(select(func.exhibit_is_author(item, account)))
            assert holds(is_reviewer(account), item) == (account in reviewers_of(session, evidence))
            for work in Work:
                condition = person_may(account, work)
                is_offered = condition is None or holds(condition, item)
                assert is_offered is _passes(session, evidence, account, work)


def _passes(session: Any, evidence: Evidence, person: UUID, work: Work) -> bool:
    try:
        require_person_may(session, evidence, person, work)
    except Forbidden:
        return False
    return True


# --- in which order, and how


@pytest.mark.thorough
def test_queue_when_read_then_by_priority_then_by_waiting_and_pages_hold_each_item_once(bench: Bench) -> None:
    first = bench.item
    second, third = labelled(bench), labelled(bench)
    for item, priority in ((third, Priority.URGENT), (first, Priority.LOW)):
        bench.item = item
        prioritise(bench, priority)
    fourth = labelled(bench)
    whole = [row.evidence.id for row in queue(bench, bench.petro)]
    assert whole == [third, second, fourth, first]
    paged: list[UUID] = []
    place = None
    while rows := queue(bench, bench.petro, after=place, limit=1):
        paged.append(rows[0].evidence.id)
        place = rows[0].place
    assert paged == whole


def test_waiting_since_when_the_state_changes_then_new_and_otherwise_as_it_was(bench: Bench) -> None:
    preserved = bench.evidence().state_since
    bench.open(bench.olena)
    opened = bench.evidence().state_since
    bench.find(bench.olena)
    bench.end(bench.olena)
    assert preserved < opened == bench.evidence().state_since


def test_row_when_a_recording_has_undecided_matches_then_says_its_length_and_how_many(bench: Bench) -> None:
    bench.item = make_item(bench.sessions, bench.olena, bench.case_id, labels=dict(NO_LABELS), is_compared=False)
    sha256 = Sha256Hex(bench.evidence().blob_sha256 or "")
    make_compared(bench.sessions, bench.item, sha256, claims={"duration_ms": 183_000})
    [row] = [row for row in queue(bench, bench.petro) if row.evidence.id == bench.item]
    assert (row.duration_ms, row.kind, row.matches_undecided) == (183_000, "image", 0)


@pytest.mark.thorough
def test_queue_when_over_many_cases_and_items_then_asks_as_few_questions(bench: Bench) -> None:
    few = len(asked_for(bench))
    for _ in range(3):
        case_id = make_case(bench.sessions, bench.coordinator, [(bench.petro, Role.VERIFIER)])
        make_item(bench.sessions, bench.petro, case_id, labels=dict(NO_LABELS))
    many = asked_for(bench)
    assert len(many) == few <= 7, "\n".join(many)


def asked_for(bench: Bench) -> list[str]:
    engine: Engine = bench.sessions.kw["bind"]
    with counted(engine) as statements:
        assert queue(bench, bench.petro)
    return statements


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    sent: list[str] = []

    def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", keep)


# --- preferences


@pytest.mark.parametrize(
    ("labels", "preferences", "is_offered"),
    [
        ({"languages": ["uk", "ru"]}, {"languages": ("uk",)}, True),
        ({"languages": ["ar"]}, {"languages": ("uk",)}, False),
        ({"languages": []}, {"languages": ("uk",)}, True),
        ({}, {"languages": ("uk",)}, True),
        ({"languages": ["ar"]}, {}, True),
        ({"graphic_level": "severe"}, {"graphic": "mild"}, False),
        ({"graphic_level": "mild"}, {"graphic": "mild"}, True),
        ({"graphic_level": "mild"}, {"graphic": "none"}, False),
        ({"child": True}, {"without": ("child",)}, False),
        ({"child": True}, {"without": ("sexual_violence", "distressing_audio")}, True),
        ({"distressing_audio": True}, {"without": ("sexual_violence", "distressing_audio")}, False),
    ],
)
def test_queue_when_a_person_has_preferences_then_offers_what_fits_them(
    bench: Bench, labels: dict[str, Any], preferences: dict[str, Any], is_offered: bool
) -> None:
    item = labelled(bench, **labels)
    prefer(bench, bench.petro, *preferences.pop("languages", ()), **preferences)
    assert (item in [row.evidence.id for row in queue(bench, bench.petro)]) is is_offered
    assert bench.item in [row.evidence.id for row in queue(bench, bench.petro)], "nothing stated, nothing shown"
    assert item in [row.evidence.id for row in queue(bench, bench.taras)], "everybody's own"


def test_preferences_when_set_then_for_their_owner_alone_and_without_an_entry(bench: Bench) -> None:
    with bench.sessions() as session:
        before = session.scalar(text("SELECT count(*) FROM ledger_entries"))
    prefer(bench, bench.petro, "uk", graphic="none", without=("child",))
    prefer(bench, bench.petro, "ar", without=("sexual_violence",))
    with bench.sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM ledger_entries")) == before
        assert get_preferences(session, bench.petro) == Wanted(("ar",), None, ("sexual_violence",))
        assert get_preferences(session, bench.olena) == Wanted()


@pytest.mark.thorough
def test_preferences_when_an_item_is_assigned_against_them_then_nothing_tells_and_its_owner_sees_it(
    bench: Bench,
) -> None:
    """Assigning, opening and taking ask for no preference: a refusal would tell it, and so would an item unseen."""
    bench.item = labelled(bench, child=True)
    prefer(bench, bench.petro, without=("child",))
    assert "petro" not in offers(bench)
    assign(bench, bench.petro)
    assert offers(bench) == {"petro": "verify"}
    bench.open(bench.coordinator, holder_id=bench.petro.account_id)


# --- at the cap, and how much one holds


@pytest.mark.thorough
def test_cap_when_reached_then_what_one_holds_stays_open_until_the_lease_ends(bench: Bench) -> None:
    held, seen = bench.item, labelled(bench)
    bench.open(bench.petro)
    cap(bench, 1)
    look(bench, bench.petro, seen)
    with pytest.raises(ExposureCapReached):
        look(bench, bench.petro, labelled(bench))
    look(bench, bench.petro, held)
    bench.end(bench.petro)
    with pytest.raises(ExposureCapReached):
        commit_in(
            bench.sessions,
            lambda uow: viewing.log_reading(
                uow, bench.petro, held, act="viewed", rendering="frame", size_bytes=9, purpose="review", window_s=900
            ),
        )


@pytest.mark.thorough
def test_leases_when_one_person_holds_as_many_as_the_policy_allows_then_no_more(bench: Bench) -> None:
    policy = Policy(leases_per_person=2)
    commit_in(
        bench.sessions, lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=1, policy=policy)
    )
    first = bench.item
    bench.open(bench.petro)
    bench.item = labelled(bench)
    bench.open(bench.coordinator, holder_id=bench.petro.account_id)
    bench.item = labelled(bench)
    with pytest.raises(LeasesAtLimit):
        bench.open(bench.petro)
    with pytest.raises(LeasesAtLimit):
        bench.open(bench.coordinator, holder_id=bench.petro.account_id)
    bench.item, third = first, bench.item
    bench.take(bench.petro)  # One's own is made longer all the same.
    bench.end(bench.petro)
    bench.item = third
    bench.open(bench.petro)
    bench.item = first
    bench.take(bench.olena)  # Another's number is another's.
