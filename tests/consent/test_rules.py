"""What stands of what people consented to: the pure rule, and the database's own working out of the same acts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.consent.rules import ConsentAct, ConsentScope, Stated, permits, withdrawn_with
from app.media.closing import is_closed
from tests.support.databases import TestDatabase

NOON = datetime(2026, 7, 14, 12, tzinfo=UTC)
OTHERS = [scope for scope in ConsentScope if scope is not ConsentScope.VERIFICATION]


def given_by(subject: str, *scopes: ConsentScope, until: datetime | None = None) -> Stated:
    return Stated(ConsentAct.GIVEN, subject, frozenset({ConsentScope.VERIFICATION, *scopes}), NOON, until)


def withdrawn_by(subject: str, *scopes: ConsentScope) -> Stated:
    return Stated(ConsentAct.WITHDRAWN, subject, withdrawn_with(scopes), NOON)


def test_scope_when_nobody_was_asked_then_no_consent_is_the_ground_and_it_stands() -> None:
    assert permits([], ConsentScope.PUBLICATION, NOON)


def test_scope_when_one_of_two_persons_lacks_it_then_does_not_stand() -> None:
    acts = [given_by("a", ConsentScope.PUBLICATION), given_by("b")]
    assert not permits(acts, ConsentScope.PUBLICATION, NOON)
    assert permits(acts, ConsentScope.VERIFICATION, NOON)


def test_item_when_its_end_has_come_then_is_closed_from_that_moment_on() -> None:
    assert not is_closed(NOON, NOON - timedelta(microseconds=1))
    assert is_closed(NOON, NOON)
    assert not is_closed(None, NOON)


def test_verification_when_withdrawn_then_takes_everything_with_it() -> None:
    acts = [given_by("a", *OTHERS), withdrawn_by("a", ConsentScope.VERIFICATION)]
    assert not any(permits(acts, scope, NOON) for scope in ConsentScope)


def test_scope_when_withdrawn_then_the_others_stay_and_a_new_consent_opens_it_again() -> None:
    acts = [given_by("a", ConsentScope.PUBLICATION), withdrawn_by("a", ConsentScope.PUBLICATION)]
    assert permits(acts, ConsentScope.VERIFICATION, NOON)
    assert not permits(acts, ConsentScope.PUBLICATION, NOON)
    assert permits([*acts, given_by("a", ConsentScope.PUBLICATION)], ConsentScope.PUBLICATION, NOON)


def test_consent_when_over_by_its_date_then_stands_no_more() -> None:
    acts = [given_by("a", until=NOON + timedelta(days=1))]
    assert permits(acts, ConsentScope.VERIFICATION, NOON)
    assert not permits(acts, ConsentScope.VERIFICATION, NOON + timedelta(days=1))


@st.composite
def stated_acts(draw: st.DrawFn) -> list[Stated]:
    made = []
    for hour in range(draw(st.integers(0, 6))):
        at = NOON + timedelta(hours=hour)
        subject = draw(st.sampled_from(["a", "b"]))
        scopes = frozenset(draw(st.sets(st.sampled_from(list(ConsentScope)), min_size=1)))
        if draw(st.booleans()):
            until = draw(st.none() | st.integers(0, 12).map(lambda hours: NOON + timedelta(hours=hours)))
            made.append(Stated(ConsentAct.GIVEN, subject, scopes | {ConsentScope.VERIFICATION}, at, until))
        else:
            made.append(Stated(ConsentAct.WITHDRAWN, subject, withdrawn_with(scopes), at))
    return made


@pytest.fixture
def owner(database: TestDatabase) -> Iterator[psycopg.Connection]:
    """With the triggers that do not concern what stands out of the way."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        for trigger in ("consents_need_entry",):
            connection.execute(f"ALTER TABLE consents DISABLE TRIGGER {trigger}".encode())
        connection.execute("ALTER TABLE consents DROP CONSTRAINT fk_consents_stream_id_ledger_streams")
        connection.execute("ALTER TABLE consents DROP CONSTRAINT fk_consents_recorded_by_accounts")
        yield connection


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stated_acts(), st.integers(-1, 13))
def test_database_when_given_the_same_acts_then_says_as_the_rule_does(
    owner: psycopg.Connection, acts: list[Stated], hour: int
) -> None:
    item, at = uuid4(), NOON + timedelta(hours=hour, minutes=30)
    for number, act in enumerate(acts, 1):
        _insert(owner, item, number, act)
    rows = owner.execute(
        "SELECT scope, bool_and(stands_until IS NULL OR %s < stands_until) FROM consent_standing "
        "WHERE item_id = %s GROUP BY scope",
        [at, item],
    )
    said = {str(scope): True for scope in ConsentScope} | dict(rows.fetchall())
    assert said == {str(scope): permits(acts, scope, at) for scope in ConsentScope}


def _insert(owner: psycopg.Connection, item: UUID, number: int, act: Stated) -> None:
    given_how = "written" if act.act is ConsentAct.GIVEN else None
    owner.execute(
        "INSERT INTO consents (id, item_id, stream_id, number, act, subject_id, subject_kind, scopes, obtained, "
        "stated_on, valid_until, recorded_by, recorded_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, 'source', %s, %s, '2026-07-14', %s, %s, %s)",
        [uuid4(), item, item, number, act.act, UUID(int=ord(act.subject)), sorted(act.scopes), given_how,
         act.valid_until, uuid4(), act.recorded_at],
    )  # fmt: skip
