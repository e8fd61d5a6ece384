"""What is another's and what does not exist are refused by the same questions to the database, in the same order.

Times cannot be compared on a machine that others use; what takes the time can.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from tests.contracts.calls import CALLS, Call
from tests.contracts.world import World

NOT_ASKED = frozenset({"nothing", "release", "transfer", "redaction", "entry"})
"""The world holds no release, transfer or redaction; and that an entry is there, the public tree tells."""
ASKED = [call for call in CALLS if call.on == "case" and call.kind not in NOT_ASKED]
NESTED = {"link": "link_id", "notice": "notice_id", "reviewer_key": "keyid"}
"""Kinds whose address names the object that they are of, too → which parameter is their own."""
PARTS = [call for call in ASKED if call.kind in NESTED]
BESIDE = ("UPDATE tokens", "SELECT fingerprint_batches")
"""Asked once in a while, whatever the request: that the token was used, and by the thread that follows the index."""


@contextmanager
def statements(world: World) -> Iterator[list[tuple[str, int]]]:
    """What the API asks the database meanwhile, and how many rows that gives."""
    engine, asked = world.api.app.state.services.sessions.kw["bind"], list[tuple[str, int]]()

    def remember(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if not statement.startswith(BESIDE):
            asked.append((statement, cursor.rowcount))

    event.listen(engine, "after_cursor_execute", remember)
    try:
        yield asked
    finally:
        event.remove(engine, "after_cursor_execute", remember)


def refused(world: World, call: Call, which: str) -> list[tuple[str, int]]:
    """What is asked until it is refused."""
    outsider = next(caller for caller in world.callers if caller.name == "outsider")
    with statements(world) as asked:
        assert outsider.http.request(**call.request(world, which)).status_code == 404
    return asked


@pytest.mark.contract
@pytest.mark.parametrize("number", range(len(ASKED)), ids=[f"{call.operation}-{call.kind}" for call in ASKED])
def test_refusal_when_of_anothers_object_then_asks_what_the_refusal_of_a_missing_one_asks(
    world: World, number: int
) -> None:
    foreign, missing = (refused(world, ASKED[number], which) for which in ("foreign", "missing"))
    assert [statement for statement, _ in foreign] == [statement for statement, _ in missing]


@pytest.mark.contract
@pytest.mark.parametrize("operation", ["getEvidence", "listFindings", "getIncident", "getMatch", "getTestimony"])
def test_anothers_object_when_refused_then_is_not_even_loaded(world: World, operation: str) -> None:
    call = next(call for call in ASKED if call.operation == operation)
    assert refused(world, call, "foreign") == refused(world, call, "missing")


@pytest.mark.contract
@pytest.mark.parametrize("number", range(len(PARTS)), ids=[f"{call.operation}-{call.kind}" for call in PARTS])
def test_part_of_anothers_object_when_asked_for_under_ones_own_then_is_missing_there(world: World, number: int) -> None:
    call, part = PARTS[number], NESTED[PARTS[number].kind]
    member = next(caller for caller in world.callers if caller.roles.get("A", frozenset()) & call.may)
    assert "B" not in member.roles
    own = world.objects[call.kind]["own"]
    answers = []
    for which in ("foreign", "missing"):
        mixed = {**own, part: world.objects[call.kind][which][part]}
        elsewhere = replace(world, objects={**world.objects, call.kind: {"own": mixed}})
        answers.append(member.http.request(**call.request(elsewhere, "own")))
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * 2
