"""What stood then: answers as of a position or a time equal those that were given in that moment, for ever."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.incidents.models import Incident, IncidentVersion
from app.ledger.positions import Position
from app.media.models import Evidence, EvidenceVersion
from app.media.versions import STATED_WITH_BYTES
from tests.as_of.hub import Hub
from tests.support.databases import TestDatabase

NAMES = (
    *("item", "labels", "correct", "open", "take", "end", "find", "decide", "submit", "withdraw", "changes", "concur"),
    *("dissent", "adjudicate", "sign_off", "reopen", "incident", "restate", "link", "unlink", "grade", "standard"),
    *("classify", "member", "policy", "consent", "testify", "assess"),
)


def test_acts_when_listed_then_are_those_that_the_hub_knows(hub: Hub) -> None:
    assert set(NAMES) == set(hub.acts())


MORE = ("member", "policy", "consent", "testify", "assess")
WAY = ("item", "item", "open", "find", "decide", "submit", "concur", "sign_off", "incident", "link", "grade")


def read_again(hub: Hub, as_of: str, before: dict[str, Any]) -> dict[str, Any]:
    """What was read ``before``, as of then: items and incidents that came later are not there."""
    items, incidents = hub.items, hub.incidents
    hub.items = [each for each in items if f"/v1/evidence/{each}" in before]
    hub.incidents = [each for each in incidents if f"/v1/incidents/{each}" in before]
    try:
        return hub.read(as_of)
    finally:
        hub.items, hub.incidents = items, incidents


@pytest.mark.thorough
@settings(max_examples=2, phases=(Phase.generate,), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.sampled_from((*NAMES, *WAY)), st.integers(0, 2)), min_size=25, max_size=40),
    signed=st.sets(st.integers(10, 30), max_size=2),
)
def test_reads_when_any_acts_follow_then_as_of_each_position_they_are_what_they_were(
    hub: Hub, steps: list[tuple[str, int]], signed: set[int]
) -> None:
    seen: dict[Position, dict[str, Any]] = {}
    for number, (name, which) in enumerate(steps):
        hub.try_to(name, which)
        if number in signed:
            seen[hub.sign()] = hub.read()
    seen[hub.sign()] = hub.read()
    for position, before in seen.items():
        assert position.stands_from is not None
        assert read_again(hub, position.stands_from.isoformat(), before) == before, position


def test_the_way_to_a_grading_when_walked_then_each_step_is_read_as_it_was(hub: Hub) -> None:
    """So that the property does not hold by refusals: here nothing is refused."""
    seen: dict[Position, dict[str, Any]] = {}
    hub.items.clear()
    hub.add_incident()
    hub.add_item()
    for names in (("labels", "correct", "open"), ("find", "submit"), ("concur", "sign_off", "link"),
                  ("restate", "grade", "standard", "classify"), MORE, ("item", "decide", *MORE),
                  ("unlink", "reopen", "grade", "classify", *MORE)):  # fmt: skip
        for name in names:
            assert hub.try_to(name, 0), name
        seen[hub.sign()] = hub.read()
    for position, before in seen.items():
        assert read_again(hub, str(position), before) == before
    assert len({str(each[f"/v1/evidence/{hub.items[0]}"]["state"]) for each in seen.values()}) == 3
    case, incident = f"/v1/cases/{hub.bench.case_id}", f"/v1/incidents/{hub.incidents[0]}"
    for path in (f"{case}/members", f"{case}/policy", f"{incident}/testimonies"):
        assert len({str(each[path]) for each in seen.values()}) > 2, path
    matches = [each[f"/v1/evidence/{hub.items[0]}/matches"] for each in seen.values()]
    assert [len(each) for each in matches[-3:]] == [0, 1, 1]


def test_versions_when_compared_with_what_may_change_then_they_have_it_all(database: TestDatabase) -> None:
    """A column that is added to an item or incident, and may be updated, is kept in its versions too."""
    stated_once = {"external_reference", *STATED_WITH_BYTES}
    for model, versions in ((Incident, IncidentVersion), (Evidence, EvidenceVersion)):
        with psycopg.connect(database.owner_url) as owner:
            rows = owner.execute(
                "SELECT column_name FROM information_schema.column_privileges WHERE table_schema = 'public'"
                " AND table_name = %s AND grantee = 'exhibit_app' AND privilege_type = 'UPDATE'",
                [model.__tablename__],
            )
            updatable = {name for (name,) in rows.fetchall()}
        assert updatable
        fixed = {"id", "case_id", "registered_by", "registered_at", "lead_address", "lead_claim", *stated_once}
        if model is Evidence:
            fixed |= {"erased", "closed_at"}  # Nothing of a version can be erased; what is closed now is closed.
        assert updatable - fixed <= set(versions.__table__.columns.keys()), model
