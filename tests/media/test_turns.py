"""Who sends many files waits behind who sends one; and what is asked for again waits behind what is new."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from app.jobs import IN_BULK
from app.media.turns import AGAIN, turn_behind
from tests.media.people import METADATA, Hub
from tests.media_samples import text_named_jpg
from tests.support.api import Person
from tests.support.work import Work, work_of

OF_THOSE_THAT_WAIT = "SELECT args->>'evidence_id' FROM procrastinate_jobs WHERE task_name = 'fingerprint'"
IN_ORDER = text(f"{OF_THOSE_THAT_WAIT} AND status = 'todo' ORDER BY priority DESC, id")
PRIORITIES = text(
    "SELECT priority FROM procrastinate_jobs WHERE task_name = 'fingerprint' AND status = 'todo' ORDER BY id"
)


@pytest.fixture
def work(hub: Hub) -> Iterator[Work]:
    with work_of(hub.api) as found:
        yield found


def send(hub: Hub, person: Person, number: int) -> str:
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", text_named_jpg() + bytes([number])))]
    answer = person.post(f"/v1/cases/{hub.case_id}/evidence", files=form)
    assert answer.status_code == 201, answer.text
    item: str = answer.json()["id"]
    return item


def preserve(work: Work, count: int) -> None:
    assert [work.run_one() for _ in range(count)] == ["preserve"] * count


def waiting(hub: Hub) -> list[str]:
    with hub.api.app.state.services.sessions() as session:
        return list(session.scalars(IN_ORDER))


def test_upload_when_another_person_sent_many_then_only_their_first_is_before_it_and_their_second_before_its_second(
    hub: Hub, work: Work
) -> None:
    flood = [send(hub, hub.collector, number) for number in range(5)]
    mine = [send(hub, hub.verifier, 200 + number) for number in range(3)]
    preserve(work, len(flood) + len(mine))

    assert waiting(hub) == [flood[0], mine[0], flood[1], mine[1], *flood[2:4], mine[2], flood[4]]


def test_turn_when_very_many_of_a_person_wait_then_it_is_still_before_what_is_done_in_bulk() -> None:
    turns = [turn_behind(waiting) for waiting in range(1000)]

    assert turns[:9] == [0, -1, -2, -2, -3, -3, -3, -3, -4]
    assert turns == sorted(turns, reverse=True)
    assert turns[-1] > IN_BULK
    assert turns[15] > AGAIN


def test_upload_when_the_persons_earlier_files_are_done_then_its_turn_is_the_first(hub: Hub, work: Work) -> None:
    for number in range(3):
        send(hub, hub.collector, number)
    work.finish()
    send(hub, hub.collector, 200)
    preserve(work, 1)

    with hub.api.app.state.services.sessions() as session:
        assert list(session.scalars(PRIORITIES)) == [0]


@pytest.mark.thorough
def test_decoding_again_when_new_files_wait_then_it_is_after_them_and_takes_nobodys_turn(hub: Hub, work: Work) -> None:
    old = [send(hub, hub.collector, number) for number in range(3)]
    work.finish()
    for item in old:
        path = f"/v1/evidence/{item}"
        headers = {"If-Match": hub.coordinator.get(path).headers["etag"]}
        answer = hub.coordinator.post(f"{path}/decodings", json={"reason": "Once more."}, headers=headers)
        assert answer.status_code == 202, answer.text
    new = send(hub, hub.collector, 200)
    preserve(work, 1)

    assert waiting(hub) == [new, *old]


def test_preserving_when_files_wait_for_the_decoder_then_it_comes_first(hub: Hub, work: Work) -> None:
    send(hub, hub.collector, 0)
    assert work.run_one() == "preserve"
    send(hub, hub.collector, 1)
    assert work.run_one() == "preserve"
