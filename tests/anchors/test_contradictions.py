"""Whose word ends the log: a quorum's. One witness that lies, or is broken, is an alarm and stops nobody's work."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.contradictions import judge_alarms
from app.anchors.loop import witnessing
from app.anchors.outgoing import Outgoing
from app.anchors.publication import published_checkpoint
from app.anchors.standing import witness_standing
from app.ledger import halting, integrator
from app.ledger.log import LedgerHalted
from app.ledger.policy import Policy, parse_policy
from app.ledger.record import LogBehindRecord
from app.ledger.witness_request import SIZE_TYPE
from tests.ledger.acts import SIGNER, append, make_view, scalar
from tests.support.web_server import Reply, WebServer
from tests.support.witnesses import HonestWitness, policy_of, witness_key

Serving = Callable[..., WebServer]
Sessions = sessionmaker[Session]
Grow = Callable[[int], int]


def ahead(_: bytes) -> Reply:
    return Reply(409, b"1000\n", SIZE_TYPE)


def halt_if_told(engine: Engine) -> bool:
    """What a running integrator does with its next batch; whether that halts the log."""
    with engine.connect() as connection:
        try:
            integrator.integrate_batch(connection, SIGNER)
        except LogBehindRecord as behind:
            halting.halt(connection, behind)
            return True
    return False


def test_alarm_when_one_of_three_lies_then_is_loud_and_everything_goes_on(
    sessions: Sessions,
    outgoing: Outgoing,
    grow: Grow,
    integrating: Engine,
    serving: Serving,
    capsys: pytest.CaptureFixture[str],
) -> None:
    policy = policy_of(serving(ahead), serving(HonestWitness(2).answer), serving(HonestWitness(3).answer), quorum="2")
    grow(4)
    witnessing(policy)(sessions, outgoing)

    assert not halt_if_told(integrating)
    size = grow(3)
    witnessing(policy)(sessions, outgoing)

    with sessions() as session:
        standing = witness_standing(session, policy)
        published = published_checkpoint(session, policy)
    assert not standing.is_ready
    assert standing.detail == "a witness contradicts the log: witness.example/w1: ahead"
    assert published is not None
    assert published.size == size
    assert scalar(integrating, "SELECT count(*) FROM ledger_halts") == 0
    told = capsys.readouterr().out
    assert "witness_contradicts_the_log" in told
    assert "witness_ends_the_log" not in told


def test_alarm_when_two_of_three_are_ahead_then_halts_the_log_and_names_them(
    sessions: Sessions, outgoing: Outgoing, grow: Grow, integrating: Engine, stream: UUID, serving: Serving
) -> None:
    """As after a restore when the record beside the key was put back, too: nothing more is signed or taken."""
    policy = policy_of(serving(ahead), serving(HonestWitness(2).answer), serving(ahead), quorum="2")
    size = grow(4)
    witnessing(policy)(sessions, outgoing)

    assert halt_if_told(integrating)

    with pytest.raises(LedgerHalted):
        append(sessions, [make_view(stream)])
    reason = str(scalar(integrating, "SELECT reason FROM ledger_halts"))
    assert "witness.example/w1 one of 1000 leaves, witness.example/w3 one of 1000 leaves" in reason
    assert "w2" not in reason
    assert scalar(integrating, "SELECT held_size FROM ledger_halts") == size
    assert not halt_if_told(integrating), "once"


def test_alarm_when_the_log_outgrew_the_lost_part_then_a_quorums_other_trees_halt_it_too(
    sessions: Sessions, outgoing: Outgoing, grow: Grow, integrating: Engine, serving: Serving
) -> None:
    """After a restore that lost little, the log may be the larger one again before a witness is asked: 422."""
    witnesses = [HonestWitness(1), HonestWitness(2)]
    policy = policy_of(*(serving(witness.answer) for witness in witnesses))
    grow(4)
    witnessing(policy)(sessions, outgoing)
    for witness in witnesses:
        witness.root = bytes(32)
    grow(2)

    witnessing(policy)(sessions, outgoing)

    assert halt_if_told(integrating)
    assert "witness.example/w1 another of 4" in str(scalar(integrating, "SELECT reason FROM ledger_halts"))


def test_alarm_when_any_one_is_a_quorum_then_one_is_enough(
    sessions: Sessions, outgoing: Outgoing, grow: Grow, integrating: Engine, serving: Serving
) -> None:
    policy = policy_of(serving(ahead), serving(HonestWitness(2).answer), quorum="any")
    grow(4)
    witnessing(policy)(sessions, outgoing)

    assert halt_if_told(integrating)


def test_alarm_when_no_quorum_is_asked_for_then_halts_nothing(
    sessions: Sessions, outgoing: Outgoing, grow: Grow, integrating: Engine, serving: Serving
) -> None:
    first, second = serving(ahead), serving(ahead)
    lines = [f"witness w{n} {witness_key(n).encode()} {each.base_url}" for n, each in ((1, first), (2, second))]
    policy = parse_policy("\n".join([*lines, "quorum none", ""]).encode())
    grow(4)
    witnessing(policy)(sessions, outgoing)

    assert not halt_if_told(integrating)
    with sessions() as session:
        assert not witness_standing(session, policy).is_ready


NESTED = "group hubs all w1 w2\ngroup courts any w3 w4\ngroup both all hubs courts\nquorum both\n"


def nested_policy() -> Policy:
    lines = [f"witness w{n} {witness_key(n).encode()}" for n in range(1, 5)]
    return parse_policy(("\n".join(lines) + "\n" + NESTED).encode())


@pytest.mark.parametrize(
    ("contradicting", "ends"),
    [((1, 2), False), ((3, 4), False), ((1, 3, 4), False), ((1, 2, 3), True), ((1, 2, 4), True), ((1, 2, 5), False)],
)
def test_alarm_when_groups_are_nested_then_counts_as_the_policy_does(
    contradicting: tuple[int, ...], ends: bool, sessions: Sessions, grow: Grow, owning: Engine
) -> None:
    """w5 is in no policy any more."""
    grow(1)
    add_alarms(owning, *contradicting)

    with sessions.begin() as session:
        assert judge_alarms(session, nested_policy()) is ends

    assert scalar(owning, "SELECT count(*) FROM witnesses WHERE ends_log") == (len(contradicting) if ends else 0)


def add_alarms(owning: Engine, *numbers: int, detail: str = "ahead") -> None:
    statement = text("""
        INSERT INTO witnesses (log_id, public_key, name, size, state, detail, alarm_size, attempts, updated_at)
        VALUES (1, :key, :name, 1000, 'alarm', :detail, 1000, 1, now())
    """)
    with owning.begin() as connection:
        for number in numbers:
            key = witness_key(number)
            connection.execute(statement, {"key": key.public_key, "name": key.name, "detail": detail})


def test_alarm_when_we_cannot_prove_our_own_growth_then_is_nobodys_word_against_the_log(
    sessions: Sessions, grow: Grow, owning: Engine
) -> None:
    grow(1)
    add_alarms(owning, 1, 2, 3, detail="tree_damaged")

    with sessions.begin() as session:
        assert not judge_alarms(session, nested_policy())


def test_alarm_when_the_policy_or_an_operator_takes_it_back_then_it_ends_nothing_any_more(
    sessions: Sessions, grow: Grow, integrating: Engine, owning: Engine
) -> None:
    grow(1)
    add_alarms(owning, 1, 2, 3)
    with sessions.begin() as session:
        assert judge_alarms(session, nested_policy())
    stricter = parse_policy(
        "\n".join(f"witness w{n} {witness_key(n).encode()}" for n in range(1, 5)).encode()
        + b"\ngroup all-of-them all w1 w2 w3 w4\nquorum all-of-them\n"
    )
    with sessions.begin() as session:
        assert not judge_alarms(session, stricter)

    assert not halt_if_told(integrating)
    with pytest.raises(DBAPIError, match="only_an_alarm_ends_log"), owning.begin() as connection:
        connection.execute(text("UPDATE witnesses SET state = 'waiting', ends_log = true"))
