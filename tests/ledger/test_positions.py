"""Which acts a ledger position holds: whatever the order in which they were begun, committed and integrated."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.primitives import utc_now
from app.ledger import log
from app.ledger.integrator import integrate_batch
from app.ledger.models import LedgerEntry
from app.ledger.positions import (
    BEFORE_ALL,
    AsOfNotSigned,
    AsOfTooLate,
    AsOfUnreadable,
    HistoryBeginsLater,
    Position,
    find_position,
    newest_position,
    standing_at,
)
from tests.ledger.acts import SIGNER, append, integrate_all, make_view, open_log

# The definition in one question over the leaves, which the compact form must agree with.
DEFINED = """
SELECT e.id FROM ledger_entries e WHERE NOT EXISTS (
    SELECT FROM ledger_entries part LEFT JOIN ledger_leaves l ON l.commitment = part.commitment
    WHERE part.act = e.act AND (l.idx IS NULL OR l.idx >= :size))
"""


def held_at(sessions: sessionmaker[Session], position: Position) -> set[int]:
    """The entries whose acts stood then."""
    with sessions() as session:
        return set(session.scalars(select(LedgerEntry.id).where(standing_at(position, LedgerEntry.act))))


def defined_at(owning: Engine, position: Position) -> set[int]:
    with owning.connect() as connection:
        return set(connection.execute(text(DEFINED), {"size": position.size}).scalars())


def newest(sessions: sessionmaker[Session]) -> Position:
    with sessions() as session:
        found = newest_position(session)
    assert found is not None
    return found


def find(sessions: sessionmaker[Session], as_of: str) -> Position:
    with sessions() as session:
        return find_position(session, as_of)


def begin(session: Session) -> int:
    """The number of the session's transaction as an act, taken as a trigger takes it at the first change."""
    return int(session.execute(text("SELECT exhibit_act()")).scalar_one())


def log_in(session: Session, stream: UUID, entries: int = 1) -> None:
    log.append(session, [make_view(stream) for _ in range(entries)], recorded=utc_now())


def test_acts_when_committed_out_of_order_then_each_position_holds_those_signed_by_then(
    sessions: sessionmaker[Session], integrating: Engine
) -> None:
    one, other = open_log(sessions, 2)
    with sessions() as slow, sessions() as quick:
        assert begin(slow) < begin(quick)
        log_in(quick, other)
        quick.commit()
        integrate_all(integrating)
        before = newest(sessions)
        alone = held_at(sessions, before)
        assert len(alone) == 1
        log_in(slow, one)
        slow.commit()
    assert held_at(sessions, before) == alone, "committed, and in no tree yet"
    integrate_all(integrating)
    assert held_at(sessions, before) == alone, "in a later tree"
    assert len(held_at(sessions, newest(sessions))) == 2


def test_act_when_it_comes_into_two_trees_then_it_stands_from_the_second(
    sessions: sessionmaker[Session], integrating: Engine
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(3)])
    with integrating.connect() as connection:
        integrate_batch(connection, SIGNER, limit=2)
    half = newest(sessions)
    assert half.size == 2
    assert held_at(sessions, half) == set()
    integrate_all(integrating)
    assert held_at(sessions, half) == set()
    assert len(held_at(sessions, newest(sessions))) == 3


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 3)),
        st.tuples(st.just("commit"), st.integers(0, 3), st.integers(1, 3)),
        st.tuples(st.just("sign"), st.integers(1, 4)),
    ),
    max_size=25,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_positions_when_acts_come_in_any_order_then_each_holds_what_its_tree_holds_for_ever(
    sessions: sessionmaker[Session], integrating: Engine, owning: Engine, steps: list[tuple[object, ...]]
) -> None:
    streams = open_log(sessions, 4)
    opened: dict[object, Session] = {}
    seen: dict[Position, set[int]] = {}

    def look() -> None:
        for position, held in seen.items():
            assert held_at(sessions, position) == held

    try:
        for step, *rest in steps:
            if step == "sign":
                with integrating.connect() as connection:
                    if integrate_batch(connection, SIGNER, limit=int(str(rest[0]))) is None:
                        continue
                position = newest(sessions)
                seen[position] = held_at(sessions, position)
                assert seen[position] == defined_at(owning, position)
            elif step == "begin" and rest[0] not in opened:
                opened[rest[0]] = sessions()
                begin(opened[rest[0]])
            elif step == "commit" and rest[0] in opened:
                with opened.pop(rest[0]) as session:
                    log_in(session, streams[int(str(rest[0]))], int(str(rest[1])))
                    session.commit()
                look()
    finally:
        for session in opened.values():
            session.close()
    integrate_all(integrating)
    look()


def test_times_when_asked_then_they_stand_for_the_newest_tree_signed_by_then(
    sessions: sessionmaker[Session], integrating: Engine
) -> None:
    (stream,) = open_log(sessions)
    places = []
    for _ in range(2):
        append(sessions, [make_view(stream)])
        integrate_all(integrating)
        places.append(newest(sessions))
    first, second = places
    assert first.stands_from is not None
    assert second.stands_from is not None
    assert find(sessions, second.stands_from.isoformat()) == second
    assert find(sessions, (second.stands_from - timedelta(microseconds=1)).isoformat()) == first
    assert find(sessions, first.stands_from.isoformat().replace("+00:00", "Z")) == first
    assert find(sessions, (first.stands_from - timedelta(days=365)).isoformat()) == BEFORE_ALL
    assert find(sessions, str(first)) == first
    assert find(sessions, "1:0") == BEFORE_ALL
    assert held_at(sessions, BEFORE_ALL) == set()
    with pytest.raises(AsOfTooLate) as refused:
        find(sessions, (second.stands_from + timedelta(seconds=1)).isoformat())
    assert refused.value.extra == {"newest": "1:2"}


def test_clock_when_it_is_set_back_then_a_time_stands_for_the_same_tree_as_before(
    sessions: sessionmaker[Session], integrating: Engine, owning: Engine
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    integrate_all(integrating)
    first = newest(sessions)
    assert first.stands_from is not None
    with owning.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO ledger_checkpoints (log_id, size, root, note, signed_at)
                SELECT 1, 2, root, note, signed_at - interval '1 hour' FROM ledger_checkpoints
            """)
        )
    assert find(sessions, first.stands_from.isoformat()) == first
    assert newest(sessions).stands_from == first.stands_from + timedelta(microseconds=1)


def test_sizes_when_no_tree_had_them_then_the_nearest_are_named(
    sessions: sessionmaker[Session], integrating: Engine
) -> None:
    (stream,) = open_log(sessions)
    for _ in range(2):
        append(sessions, [make_view(stream), make_view(stream)])
        integrate_all(integrating)
    for named, before, after in (("1:3", "1:2", "1:4"), ("1:9007199254740991", "1:4", None), ("2:1", None, None)):
        with pytest.raises(AsOfNotSigned) as refused:
            find(sessions, named)
        assert refused.value.extra == {"signed_before": before, "signed_after": after}


@pytest.mark.parametrize(
    "text_given",
    ["", "yesterday", "2026-11-18", "2026-11-18T12:00:00", "1:", ":4", "01:4", "1:04", "1:-4", "0:4", "1 :4", "1:4 ",
     "2026-13-18T12:00:00Z", "0999-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "1:99999999999999999999"],
)  # fmt: skip
def test_texts_when_they_name_no_position_then_they_are_refused(
    sessions: sessionmaker[Session], text_given: str
) -> None:
    open_log(sessions)
    with pytest.raises(AsOfUnreadable):
        find(sessions, text_given)


def test_time_when_nothing_is_signed_yet_then_it_is_refused(sessions: sessionmaker[Session]) -> None:
    open_log(sessions)
    with pytest.raises(AsOfTooLate):
        find(sessions, "2020-01-01T00:00:00Z")


def test_trees_when_signed_before_acts_were_numbered_then_they_are_refused(
    sessions: sessionmaker[Session], integrating: Engine, owning: Engine
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    integrate_all(integrating)
    with owning.begin() as connection:  # As the migration finds them.
        for change in ("UPDATE ledger_entries SET act = NULL", "UPDATE ledger_positions SET newest_act = 0"):
            table = change.split()[1]
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            connection.execute(text(change))
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    append(sessions, [make_view(stream)])
    integrate_all(integrating)
    with pytest.raises(HistoryBeginsLater) as refused:
        find(sessions, "1:1")
    assert refused.value.extra == {"begins": "1:2"}
    assert find(sessions, "1:2").size == 2


def test_positions_when_somebody_would_write_them_then_the_database_refuses(
    sessions: sessionmaker[Session], integrating: Engine, owning: Engine
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    integrate_all(integrating)
    for statement in (
        "UPDATE ledger_positions SET newest_act = 99",
        "DELETE FROM ledger_positions",
        "TRUNCATE ledger_positions",
        "TRUNCATE ledger_late_acts",
    ):
        with pytest.raises(Exception, match="refused"), owning.begin() as connection:
            connection.execute(text(statement))
