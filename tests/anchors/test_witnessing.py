"""The witness client against witnesses over HTTP that answer well, late, wrongly or not at all."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.outgoing import Outgoing
from app.anchors.publication import published_checkpoint
from app.anchors.witnessing import LONGEST_WAIT_S, wait_s, witness_newest
from app.ledger.cosignature import cosignatures_of
from app.ledger.witness_request import SIZE_TYPE, parse_add_checkpoint
from tests.support.web_server import Reply, WebServer
from tests.support.witnesses import HonestWitness, cosign, policy_of, witness_key

Grow = Callable[[int], int]


def state_of(sessions: sessionmaker[Session], number: int = 1) -> tuple[str, str | None, int, int | None]:
    with sessions() as session:
        row = session.execute(
            text("SELECT state, detail, size, alarm_size FROM witnesses WHERE public_key = :key"),
            {"key": witness_key(number).public_key},
        ).one()
    return row.state, row.detail, row.size, row.alarm_size


def ask_again_now(owning: Engine) -> None:
    with owning.begin() as connection:
        connection.execute(text("UPDATE witnesses SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL"))


def cosigned_sizes(sessions: sessionmaker[Session]) -> list[int]:
    with sessions() as session:
        return list(session.scalars(text("SELECT size FROM ledger_cosignatures ORDER BY size")))


def test_witness_when_asked_first_then_cosigns_and_the_note_carries_its_line(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer]
) -> None:
    server = serving(HonestWitness(1).answer)
    policy = policy_of(server)
    size = grow(5)

    assert witness_newest(sessions, policy.witnesses, outgoing) == 1
    assert witness_newest(sessions, policy.witnesses, outgoing) == 0, "asked once a head"

    with sessions() as session:
        published = published_checkpoint(session, policy)
    assert published is not None
    assert published.size == size
    assert [each.key for each in cosignatures_of(published.note, policy.witness_keys)] == [witness_key(1)]
    assert server.requests[0][0] == "/add-checkpoint"
    assert state_of(sessions) == ("cosigning", None, size, None)


def test_witness_when_the_log_grows_then_is_asked_from_where_it_stands(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer]
) -> None:
    server = serving(HonestWitness(1).answer)
    policy = policy_of(server)
    for count in (1, 2, 5, 9):
        grow(count)
        witness_newest(sessions, policy.witnesses, outgoing)

    assert cosigned_sizes(sessions) == [1, 3, 8, 17]
    assert [parse_add_checkpoint(body.decode()).old for _, body in server.requests] == [0, 1, 3, 8]


def test_witness_when_it_names_another_size_then_gets_the_proof_from_there_in_the_same_pass(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer], owning: Engine
) -> None:
    """409: our stored size is gone, as after a restore of a few tables, or on a second installation's first day."""
    server = serving(HonestWitness(1).answer)
    policy = policy_of(server)
    grow(3)
    witness_newest(sessions, policy.witnesses, outgoing)
    with owning.begin() as connection:
        connection.execute(text("DELETE FROM witnesses"))
    grow(4)

    witness_newest(sessions, policy.witnesses, outgoing)

    assert [parse_add_checkpoint(body.decode()).old for _, body in server.requests] == [0, 0, 3]
    assert cosigned_sizes(sessions) == [3, 7]


def test_witness_when_its_answer_is_lost_after_it_stored_then_cosigns_the_same_head_again(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer], owning: Engine
) -> None:
    witness = HonestWitness(1)
    lost = iter([True])

    def answer(body: bytes) -> Reply:
        reply = witness.answer(body)
        reply.cut = next(lost, False)
        return reply

    policy = policy_of(serving(answer))
    size = grow(6)

    witness_newest(sessions, policy.witnesses, outgoing)
    assert state_of(sessions)[:2] == ("unreachable", "connection")
    assert witness_newest(sessions, policy.witnesses, outgoing) == 0, "it is left alone for a while"
    ask_again_now(owning)
    witness_newest(sessions, policy.witnesses, outgoing)

    assert witness.size == size
    assert cosigned_sizes(sessions) == [size]


def test_witness_when_our_commit_fails_after_it_cosigned_then_the_next_pass_makes_it_good(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer], engine: Engine
) -> None:
    policy = policy_of(serving(HonestWitness(1).answer))
    size = grow(6)

    def fail(connection: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("the database went away"))

    event.listen(engine, "commit", fail)
    with pytest.raises(OperationalError):
        witness_newest(sessions, policy.witnesses, outgoing)
    event.remove(engine, "commit", fail)
    assert cosigned_sizes(sessions) == []

    witness_newest(sessions, policy.witnesses, outgoing)

    assert cosigned_sizes(sessions) == [size]


def test_witness_when_it_refuses_the_proof_then_is_an_alarm_and_not_asked_again(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer]
) -> None:
    """422: its tree of that size is not ours. The witness says so with what it holds itself."""
    witness = HonestWitness(1)
    server = serving(witness.answer)
    policy = policy_of(server)
    grow(4)
    witness_newest(sessions, policy.witnesses, outgoing)
    witness.root = bytes(32)
    grow(2)

    witness_newest(sessions, policy.witnesses, outgoing)
    grow(2)
    with sessions.begin() as session:
        session.execute(text("UPDATE witnesses SET next_attempt_at = NULL"))
    assert witness_newest(sessions, policy.witnesses, outgoing) == 0

    assert state_of(sessions)[:2] == ("alarm", "proof_refused")
    assert len(server.requests) == 2


def test_witness_when_it_holds_more_than_the_database_then_is_an_alarm_that_names_the_size(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer]
) -> None:
    policy = policy_of(serving(lambda body: Reply(409, b"1000\n", SIZE_TYPE)))
    grow(4)

    witness_newest(sessions, policy.witnesses, outgoing)

    assert state_of(sessions) == ("alarm", "ahead", 1000, 1000)


def test_witness_when_somebody_handed_it_a_newer_head_meanwhile_then_is_no_alarm(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer]
) -> None:
    """Anybody may hand our heads to a witness; the database has that head by the time that it is looked at again."""

    def answer(body: bytes) -> Reply:
        return Reply(409, f"{grow(3)}\n".encode(), SIZE_TYPE)

    policy = policy_of(serving(answer))
    grow(4)

    witness_newest(sessions, policy.witnesses, outgoing)

    assert state_of(sessions) == ("waiting", None, 7, None)


def test_witness_when_it_claims_another_tree_of_the_same_size_then_is_an_alarm(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer]
) -> None:
    policy = policy_of(serving(lambda body: Reply(409, b"4\n", SIZE_TYPE)))
    grow(4)

    witness_newest(sessions, policy.witnesses, outgoing)

    assert state_of(sessions)[:2] == ("alarm", "other_root")


FAULTS: dict[str, tuple[Reply, str, str]] = {
    "unknown log": (Reply(404), "refusing", "http_404"),
    "unknown key": (Reply(403), "refusing", "http_403"),
    "bad request": (Reply(400), "refusing", "http_400"),
    "overloaded": (Reply(429), "unreachable", "http_429"),
    "broken": (Reply(500), "unreachable", "http_500"),
    "redirecting": (Reply(302, headers={"Location": "http://127.0.0.1:1/"}), "unreachable", "redirect"),
    "huge": (Reply(200, b"x" * 70_000), "unreachable", "answer_too_large"),
    "slow": (Reply(200, b"x" * 1000, trickle_s=0.05), "unreachable", "timeout"),
    "no signature": (Reply(200, b"thank you\n"), "refusing", "bad_answer"),
    "empty": (Reply(200), "refusing", "bad_answer"),
    "not text": (Reply(200, b"\xff\xfe"), "refusing", "bad_answer"),
    "conflict without its type": (Reply(409, b"1000\n", "text/plain"), "refusing", "bad_answer"),
    "conflict without a size": (Reply(409, b"many\n", SIZE_TYPE), "refusing", "bad_answer"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_witness_when_it_does_not_cosign_then_that_is_stored_and_tried_again_later(
    name: str,
    sessions: sessionmaker[Session],
    outgoing: Outgoing,
    grow: Grow,
    serving: Callable[..., WebServer],
    owning: Engine,
) -> None:
    reply, state, detail = FAULTS[name]
    replies = iter([reply])
    witness = HonestWitness(1)
    policy = policy_of(serving(lambda body: next(replies, None) or witness.answer(body)))
    size = grow(4)
    asking = Outgoing(0.5 if reply.trickle_s else 10)  # A busy machine is late with a prompt answer, too.

    witness_newest(sessions, policy.witnesses, asking)
    assert state_of(sessions)[:2] == (state, detail)
    assert cosigned_sizes(sessions) == []
    assert witness_newest(sessions, policy.witnesses, asking) == 0
    ask_again_now(owning)
    witness_newest(sessions, policy.witnesses, asking)

    assert state_of(sessions)[:2] == ("cosigning", None)
    assert cosigned_sizes(sessions) == [size]


def test_witness_when_its_signature_is_wrong_or_anothers_then_nothing_is_stored(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer], owning: Engine
) -> None:
    def wrong(body: bytes) -> Reply:
        note = parse_add_checkpoint(body.decode()).checkpoint
        line = cosign(note, 1)
        return Reply(200, line.replace(line[-10:-4], "AAAAAA").encode())

    def anothers(body: bytes) -> Reply:
        return Reply(200, cosign(parse_add_checkpoint(body.decode()).checkpoint, 3).encode())

    policy = policy_of(serving(wrong), serving(anothers))
    grow(4)

    witness_newest(sessions, policy.witnesses, outgoing)

    assert state_of(sessions, 1)[:2] == ("refusing", "bad_answer")
    assert state_of(sessions, 2)[:2] == ("refusing", "not_its_key")
    assert cosigned_sizes(sessions) == []


def test_witness_when_it_names_ever_other_sizes_then_the_pass_ends(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer]
) -> None:
    sizes = iter([3, 2, 1, 3, 2, 1, 3])
    server = serving(lambda body: Reply(409, f"{next(sizes)}\n".encode(), SIZE_TYPE))
    grow(4)

    witness_newest(sessions, policy_of(server).witnesses, outgoing)

    assert state_of(sessions)[:2] == ("refusing", "changes_its_size")
    assert len(server.requests) == 4


def test_quorum_when_one_of_three_is_down_then_two_are_enough_and_the_newest_with_two_is_published(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer]
) -> None:
    second_is_up = [True]
    second = HonestWitness(2)
    policy = policy_of(
        serving(HonestWitness(1).answer),
        serving(lambda body: second.answer(body) if second_is_up[0] else Reply(503)),
        serving(lambda body: Reply(503)),
        quorum="2",
    )
    published_size = grow(3)
    witness_newest(sessions, policy.witnesses, outgoing)
    second_is_up[0] = False
    grow(3)
    witness_newest(sessions, policy.witnesses, outgoing)

    with sessions() as session:
        published = published_checkpoint(session, policy)
        newest = published_checkpoint(session, None)

    assert published is not None
    assert published.size == published_size
    assert {each.key for each in cosignatures_of(published.note, policy.witness_keys)} == {
        witness_key(1),
        witness_key(2),
    }
    assert newest is not None
    assert newest.size > published_size


def test_publication_when_no_quorum_came_ever_then_publishes_nothing(
    sessions: sessionmaker[Session], grow: Grow, serving: Callable[..., WebServer]
) -> None:
    grow(3)

    with sessions() as session:
        assert published_checkpoint(session, policy_of(serving(lambda body: Reply(503)))) is None


def test_cosignatures_when_changed_or_deleted_then_the_database_refuses(
    sessions: sessionmaker[Session], outgoing: Outgoing, grow: Grow, serving: Callable[..., WebServer], owning: Engine
) -> None:
    policy = policy_of(serving(HonestWitness(1).answer))
    grow(3)
    witness_newest(sessions, policy.witnesses, outgoing)

    for statement in (
        "UPDATE ledger_cosignatures SET timestamp_s = 1",
        "DELETE FROM ledger_cosignatures",
        "TRUNCATE ledger_cosignatures",
    ):
        with pytest.raises(DBAPIError, match="only ever added to"), owning.begin() as connection:
            connection.execute(text(statement))


def test_wait_when_failures_go_on_then_grows_to_its_limit() -> None:
    waits = [wait_s(attempts) for attempts in range(1, 100)]

    assert waits[:4] == [2.0, 4.0, 8.0, 16.0]
    assert waits[-1] == LONGEST_WAIT_S == timedelta(minutes=10).total_seconds()
