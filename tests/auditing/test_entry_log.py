"""Files of entries: complete for what was asked, whatever the range, and checked by the verifier alone."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from app.auditing.selection import Filters
from tests.auditing.logs import Desk
from tests.factories import make_case, make_item, make_person


def size_of(desk: Desk) -> int:
    """Of the newest signed tree, once nothing waits for one."""
    with desk.hub.sessions() as session:
        while session.execute(text("SELECT count(*) FROM ledger_queue")).scalar_one():
            session.rollback()
        return int(session.execute(text("SELECT max(size) FROM ledger_checkpoints")).scalar_one())


def lines(content: bytes) -> list[Any]:
    return [json.loads(line) for line in content.splitlines()]


def entries_of(content: bytes) -> list[Any]:
    return [line for line in lines(content) if "v" in line]


def test_log_of_everything_when_taken_then_every_leaf_has_its_entry_and_it_is_proven(shared_desk: Desk) -> None:
    size = size_of(shared_desk)
    taken = shared_desk.take(before=size)
    content = shared_desk.write(taken)
    report = shared_desk.check(content)
    assert report.findings == []
    assert set(report.as_json()["checks"].values()) == {"proven"}
    assert len(entries_of(content)) == size
    assert b'"kind":"leaf"' not in content


@pytest.mark.thorough
@pytest.mark.parametrize("inline_leaves_up_to", [0, 100_000])
def test_log_of_a_case_when_its_range_is_any_then_it_holds_just_its_entries_of_that_range(
    shared_desk: Desk, inline_leaves_up_to: int
) -> None:
    size, case = size_of(shared_desk), shared_desk.hub.case_id
    whole = entries_of(shared_desk.write(shared_desk.take(case=case, before=size)))
    for first, before in ((0, size), (0, 0), (5, 9), (size // 2, size), (size - 1, size), (size, size), (3, 3)):
        taken = shared_desk.take(case=case, first=first, before=before, inline_leaves_up_to=inline_leaves_up_to)
        content = shared_desk.write(taken)
        report = shared_desk.check(content)
        assert report.findings == [], (first, before)
        told = report.as_json()["checks"]["completeness"]
        if inline_leaves_up_to or first == 0:
            assert told == "proven", report.skipped
        shown = entries_of(content)
        assert shown == [entry for entry in whole if entry in shown]
        assert report.facts["entries"] == len(shown)


def test_log_of_one_stream_when_quiet_in_the_range_then_that_is_proven_by_its_next_entry(shared_desk: Desk) -> None:
    item = shared_desk.hub.items[1]
    size = size_of(shared_desk)
    content = shared_desk.write(shared_desk.take(stream=item, first=size, before=size))
    report = shared_desk.check(content)
    assert report.findings == []
    assert report.as_json()["checks"]["completeness"] == "proven"
    assert [line["index"] >= size for line in lines(content) if line.get("kind") == "context"] == [False, True]


def test_logs_of_two_ranges_when_checked_together_then_quiet_streams_of_the_second_are_proven_too(
    shared_desk: Desk,
) -> None:
    size, case = size_of(shared_desk), shared_desk.hub.case_id
    earlier = shared_desk.write(shared_desk.take(case=case, before=size))
    later = shared_desk.write(shared_desk.take(case=case, first=size))
    alone = shared_desk.check(later)
    assert alone.findings == []
    assert "server's word" in alone.skipped["completeness"]
    former = shared_desk.check(earlier)
    together = shared_desk.check(later, former.end)
    assert together.findings == []
    assert together.as_json()["checks"]["completeness"] == "proven"
    gap = shared_desk.write(shared_desk.take(case=case, first=size + 1))
    assert not shared_desk.check(gap, former.end).ok


def test_filters_when_they_narrow_then_others_are_places_and_the_report_says_whose_word_that_is(
    shared_desk: Desk,
) -> None:
    case = shared_desk.hub.case_id
    filters = Filters(types=("evidence.registered",))
    content = shared_desk.write(shared_desk.take(case=case, filters=filters))
    report = shared_desk.check(content)
    assert report.findings == []
    assert {entry["type"] for entry in entries_of(content)} == {"evidence.registered"}
    assert "by the server's word" in report.skipped["completeness"]


@pytest.mark.thorough
def test_times_when_given_then_the_range_is_the_smallest_that_holds_what_was_recorded_then(desk: Desk) -> None:
    size = size_of(desk)
    make_item(desk.hub.sessions, desk.hub.verifier, desk.hub.case_id)
    size_after = size_of(desk)
    with desk.hub.sessions() as session:
        moments = session.scalars(
            text("SELECT recorded_at FROM ledger_entries JOIN ledger_leaves l USING (commitment) ORDER BY l.idx")
        ).all()
    taken = desk.take(filters=Filters(recorded_from=moments[size], recorded_before=moments[size_after - 1]))
    shown = [moment for moment in moments if moments[size] <= moment < moments[size_after - 1]]
    assert taken.places.before - taken.places.first == len(shown)
    assert desk.check(desk.write(taken)).findings == []
    later = desk.take(filters=Filters(recorded_from=moments[-1].replace(year=2999)))
    assert later.places.first == later.places.before
    assert desk.check(desk.write(later)).findings == []


@pytest.mark.thorough
def test_an_actor_when_sought_by_account_or_another_cases_pseudonym_then_no_case_is_joined_to_another(
    desk: Desk,
) -> None:
    hub = desk.hub
    other = make_case(hub.sessions, hub.coordinator)
    size_of(desk)
    with hub.sessions() as session:
        rows = session.execute(text("SELECT account_id, case_id, pseudonym FROM case_pseudonyms")).all()
    pseudonyms = {row.case_id: row.pseudonym for row in rows if row.account_id == hub.coordinator.account_id}
    assert pseudonyms[hub.case_id] != pseudonyms[other]
    found = entries_of(desk.write(desk.take(filters=Filters(actor=pseudonyms[hub.case_id]))))
    assert {entry["actor"]["id"] for entry in found} == {str(pseudonyms[hub.case_id])}
    streams = {entry["stream"] for entry in found}
    assert str(hub.case_id) in streams
    assert str(other) not in streams
    assert entries_of(desk.write(desk.take(filters=Filters(actor=hub.coordinator.account_id)))) == []


def test_a_log_when_taken_then_it_is_an_entry_where_it_shows_entries_of(desk: Desk) -> None:
    hub = desk.hub
    other = make_case(hub.sessions, make_person(hub.sessions, "Zoya"))
    desk.take(case=hub.case_id)
    desk.take()
    desk.take(stream=hub.items[0])
    with hub.sessions() as session:
        taken = session.execute(
            text("SELECT stream_id, count(*) FROM ledger_entries WHERE type = 'export.log_taken' GROUP BY stream_id")
        ).all()
        system = session.execute(text("SELECT system_stream FROM ledger_logs")).scalar_one()
    assert dict(map(tuple, taken)) == {hub.case_id: 3, other: 1, system: 1, hub.items[0]: 1}
