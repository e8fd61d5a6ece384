"""Which head is published: the newest that has the quorum, found however long some went on without the others."""

import time
from collections.abc import Callable, Iterable, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.publication import await_quorum, newest_accepted, published_checkpoint
from app.ledger import reading
from app.ledger.policy import Policy, parse_policy
from tests.support.examples import examples
from tests.support.witnesses import witness_key

Sessions = sessionmaker[Session]

ADD_HEADS = text("""
    INSERT INTO ledger_checkpoints (log_id, size, root, note, signed_at)
    SELECT 1, size, sha256(''), '', now() FROM generate_series(1, :sizes) AS size
""")
ADD = text("""
    INSERT INTO ledger_cosignatures (log_id, size, public_key, name, timestamp_s, signature, received_at)
    SELECT 1, size, :key, 'w', 1, decode(repeat('00', 64), 'hex'), now() FROM unnest(CAST(:sizes AS bigint[])) AS size
""")


def policy_of(quorum: str) -> Policy:
    lines = [f"witness w{n} {witness_key(n).encode()}" for n in range(1, 5)]
    return parse_policy("\n".join([*lines, *quorum.split("; "), ""]).encode())


POLICIES = {
    quorum: policy_of(quorum)
    for quorum in (
        "group g 2 w1 w2 w3; quorum g",
        "group g 3 w1 w2 w3 w4; quorum g",
        "quorum w2",
        "group g all w1 w2; group h any w3 w4; group i all g h; quorum i",
        "group g all w1 w2; group h any g w3; quorum h",
    )
}


def cosign(owning: Engine, sizes: int, of_witness: Mapping[int, Iterable[int]]) -> None:
    """A log of so many signed heads, without entries, and who cosigned which: past triggers and keys."""
    with owning.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM ledger_cosignatures"))
        connection.execute(text("DELETE FROM ledger_checkpoints"))
        connection.execute(ADD_HEADS, {"sizes": sizes})
        for number, cosigned in of_witness.items():
            connection.execute(ADD, {"key": witness_key(number).public_key, "sizes": list(cosigned)})


def test_published_note_when_a_cosignature_does_not_verify_then_it_is_left_out(
    sessions: Sessions, grow: Callable[[int], int]
) -> None:
    """A row that did not come through the witness client: whoever checks the note would refuse it over that line."""
    size = grow(3)
    with sessions.begin() as session:
        session.execute(ADD, {"key": witness_key(1).public_key, "sizes": [size]})
    with sessions() as session:
        published = published_checkpoint(session, None)
        kept = reading.latest_checkpoint(session)
    assert published is not None
    assert kept is not None
    assert (published.size, published.note) == (size, kept.note)


def test_quorum_when_awaited_then_until_the_time_is_over_unless_its_witness_went_past_the_tree(
    sessions: Sessions, grow: Callable[[int], int]
) -> None:
    def waited_s(size: int, timeout_s: float) -> float:
        with sessions() as session:
            checkpoint = reading.checkpoint_of(session, size)
        assert checkpoint is not None
        begun = time.monotonic()
        await_quorum(sessions, checkpoint, POLICIES["quorum w2"], timeout_s)
        return time.monotonic() - begun

    first, last = grow(3), grow(2)
    assert waited_s(last, 0.2) >= 0.2
    with sessions.begin() as session:
        session.execute(ADD, {"key": witness_key(2).public_key, "sizes": [last]})
    assert waited_s(first, 20) < 15, "it cosigns no smaller tree any more"


@pytest.mark.parametrize("quorum", POLICIES)
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cosigned=st.fixed_dictionaries({number: st.sets(st.integers(1, 12), max_size=12) for number in range(1, 5)}))
def test_newest_accepted_when_some_are_missing_then_is_what_looking_at_every_head_gives(
    quorum: str, cosigned: dict[int, set[int]], owning: Engine, sessions: Sessions
) -> None:
    policy = POLICIES[quorum]
    cosign(owning, 12, cosigned)

    with sessions() as session:
        found = newest_accepted(session, policy)

    def cosigners(size: int) -> set[bytes]:
        return {witness_key(number).public_key for number, sizes in cosigned.items() if size in sizes}

    every = [size for size in range(1, 13) if policy.is_satisfied_by(cosigners(size))]
    assert found == max(every, default=None)


def test_newest_accepted_when_one_witness_went_on_alone_for_weeks_then_takes_few_looks(
    owning: Engine, sessions: Sessions, engine: Engine
) -> None:
    cosign(owning, 20_000, {1: range(1, 20_001), 2: [3, 7], 3: [7, 15_000, 19_000]})
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))

    with sessions() as session:
        assert newest_accepted(session, POLICIES["group g 2 w1 w2 w3; quorum g"]) == 19_000
        assert newest_accepted(session, POLICIES["quorum w2"]) == 7
        assert newest_accepted(session, POLICIES["group g 3 w1 w2 w3 w4; quorum g"]) == 7
        assert (
            newest_accepted(session, POLICIES["group g all w1 w2; group h any w3 w4; group i all g h; quorum i"]) == 7
        )
    assert len(statements) <= 4 * 3

    cosign(owning, 20_000, {1: range(1, 20_001)})
    with sessions() as session:
        assert newest_accepted(session, POLICIES["group g 2 w1 w2 w3; quorum g"]) is None
