"""Witnesses in the logs of months: the note of the signed tree has the cosignatures that it had by then."""

import json
from pathlib import Path

from app.auditing import making
from app.ledger.cosignature import cosignatures_of
from tests.auditing.logs import Desk
from tests.auditing.test_schedules import Resources, begin, later, logs_of, run_jobs, schedule
from tests.support.witnesses import keep_cosignatures, witness_key

KEYS = [witness_key(number) for number in (1, 2)]


def note_in(content: bytes) -> str:
    return str(json.loads(content.splitlines()[1])["note"])


def cosigned_log(desk: Desk, directory: Path) -> bytes:
    """A month's log, in whose tree both witnesses had signed when it was made."""
    resources = Resources(directory)
    made = schedule(desk, desk.auditor, None)
    begin(desk, later(1))
    with desk.hub.sessions() as session:
        (arguments,) = making.waiting(session)
        plan = making.plan(session, log_id=arguments["log_id"])
    assert plan is not None
    keep_cosignatures(desk.hub.sessions, plan.own, 1, 2)
    run_jobs(desk, resources)
    (log,) = logs_of(desk, made)
    content = resources.bytes_of(log)
    resources.packages.close()
    return content


def test_months_log_when_its_tree_was_cosigned_then_carries_that_and_proves_itself(desk: Desk, tmp_path: Path) -> None:
    content = cosigned_log(desk, tmp_path)
    assert [each.key for each in cosignatures_of(note_in(content), KEYS)] == KEYS
    assert desk.check(content).findings == []
