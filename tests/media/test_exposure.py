"""Exposure over HTTP and in the database: counted where content is read, capped, and shown to two kinds of people."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.access.actors import authenticate
from app.media import viewing
from app.media.service import record_read_back
from app.unit_of_work import unit_of_work
from tests.factories import commit_in, make_compared
from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Person

DOGS = PHOTOGRAPHS[0].read_bytes()
LABELS = {"graphic_level": "severe", "child": True}


def look(person: Person, item: dict[str, Any], purpose: str = "verification") -> httpx.Response:
    return person.get(f"/v1/evidence/{item['id']}/content?purpose={purpose}", headers={"Range": "bytes=0-9"})


def set_caps(hub: Hub, **caps: int) -> None:
    path = f"/v1/cases/{hub.case_id}/policy"
    body = {"required_dimensions": ["source"], **caps}
    answer = hub.coordinator.change(path, path, "PUT", json=body)
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in caps} == caps


def own(person: Person) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = person.get("/v1/me/exposure").json()["items"]
    return rows


def of_case(hub: Hub, **query: Any) -> dict[str, Any]:
    answer: dict[str, Any] = hub.coordinator.get(f"/v1/cases/{hub.case_id}/exposure", params=query).json()
    return answer


def test_exposure_when_content_is_read_then_counts_an_item_once_a_day_under_each_label(
    hub: Hub, receive: Receive
) -> None:
    first, second = receive(DOGS, labels=LABELS), receive(DOGS, labels={"graphic_level": "mild"})
    for item in (first, first, second):
        assert look(hub.verifier, item).status_code == 206
    look(hub.verifier, first, "review")
    [row] = own(hub.verifier)
    assert (row["seen_items"], row["minutes"], row["case_id"], row["break_ends_at"]) == (2, 1.0, hub.case_id, None)
    assert row["by_label"] == {
        "child": {"seen_items": 1, "minutes": 0.5},
        "graphic_severe": {"seen_items": 1, "minutes": 0.5},
        "graphic_mild": {"seen_items": 1, "minutes": 0.5},
    }
    assert own(hub.collector) == []
    assert look(hub.collector, receive(DOGS, labels=None)).status_code == 206
    assert own(hub.collector)[0]["by_label"] == {"unlabelled": {"seen_items": 1, "minutes": 0.5}}


def test_exposure_when_nothing_of_content_is_read_then_counts_nothing(hub: Hub, receive: Receive) -> None:
    item = receive(DOGS, labels=LABELS)
    for path in ("", "/renderings", "/frames", "/preview"):
        hub.verifier.get(f"/v1/evidence/{item['id']}{path}")
    hub.verifier.http.head(f"/v1/evidence/{item['id']}/content")
    assert look(hub.auditor, item).status_code == 403
    assert own(hub.verifier) == own(hub.auditor) == []


def test_cap_when_reached_then_content_is_refused_and_says_until_when_and_the_blurred_default_is_not(
    hub: Hub, receive: Receive
) -> None:
    first, second, third = (receive(DOGS, labels=LABELS) for _ in range(3))
    set_caps(hub, exposure_items_per_day=2, break_minutes=60)
    assert [look(hub.verifier, item).status_code for item in (first, second)] == [206, 206]

    refused = look(hub.verifier, third)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "exposure_cap_reached")
    assert problem["break_ends_at"].removesuffix("Z") in problem["detail"]
    assert hub.entries(third["id"], "evidence.downloaded") == 0
    assert look(hub.verifier, first).status_code == 206, "the rest of a viewing that was let in"
    assert look(hub.verifier, first, "review").status_code == 409, "another one"
    assert own(hub.verifier)[0]["break_ends_at"] is not None
    assert own(hub.verifier)[0]["seen_items"] == 2

    preview = hub.verifier.get(f"/v1/evidence/{third['id']}/preview")
    assert preview.json()["code"] == "preview_not_ready", "refused by nothing but the worker that does not run here"
    assert hub.verifier.get(f"/v1/evidence/{third['id']}").status_code == 200
    assert look(hub.coordinator, third).status_code == 206, "a cap is each person's own"


def test_cap_when_reached_then_a_signed_address_is_no_way_around_it(hub: Hub, receive: Receive) -> None:
    item, other = receive(DOGS), receive(DOGS)
    set_caps(hub, exposure_items_per_day=1)
    made = hub.verifier.post(f"/v1/evidence/{other['id']}/content-url", json={"purpose": "verification"}).json()
    assert look(hub.verifier, item).status_code == 206
    assert hub.verifier.get(made["url"]).json()["code"] == "exposure_cap_reached"
    anew = hub.verifier.post(f"/v1/evidence/{other['id']}/content-url", json={"purpose": "verification"})
    assert (anew.status_code, anew.json()["code"]) == (409, "exposure_cap_reached")


def test_own_exposure_when_there_are_caps_then_says_them_and_what_is_left_today(hub: Hub, receive: Receive) -> None:
    assert look(hub.verifier, receive(DOGS)).status_code == 206
    [free] = own(hub.verifier)
    assert [free[name] for name in ("items_per_day", "items_left", "minutes_per_day", "minutes_left")] == [None] * 4
    set_caps(hub, exposure_items_per_day=3, exposure_minutes_per_day=10)
    [row] = own(hub.verifier)
    assert (row["items_per_day"], row["items_left"]) == (3, 2)
    assert (row["minutes_per_day"], row["minutes_left"]) == (10, 9.5)


@pytest.mark.thorough
def test_cap_when_many_requests_come_at_once_then_no_more_are_let_in(hub: Hub, receive: Receive) -> None:
    items = [receive(DOGS) for _ in range(6)]
    set_caps(hub, exposure_items_per_day=2)
    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(lambda item: look(hub.verifier, item).status_code, items))
    assert statuses == [206, 206, 409, 409, 409, 409]
    assert own(hub.verifier)[0]["seen_items"] == 2


def test_count_when_many_requests_come_at_once_then_none_is_lost(hub: Hub, receive: Receive) -> None:
    items = [receive(DOGS, labels=LABELS) for _ in range(4)]
    wanted = [(item, purpose) for item in items for purpose in ("verification", "review")]
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status_code for answer in pool.map(lambda each: look(hub.verifier, *each), wanted)} == {206}
    [row] = own(hub.verifier)
    assert (row["seen_items"], row["by_label"]["child"]) == (4, {"seen_items": 4, "minutes": 2.0})


@pytest.mark.thorough
def test_case_exposure_when_read_by_a_coordinator_then_in_order_of_pseudonym_and_of_no_figure(
    hub: Hub, receive: Receive
) -> None:
    items = [receive(DOGS) for _ in range(3)]
    for person, count in ((hub.verifier, 1), (hub.coordinator, 3), (hub.collector, 2)):
        for item in items[:count]:
            assert look(person, item).status_code == 206
    rows = of_case(hub)["items"]
    assert [row["pseudonym"] for row in rows] == sorted(row["pseudonym"] for row in rows)
    counts = {hub.verifier.id: 1, hub.coordinator.id: 3, hub.collector.id: 2}
    assert {row["account_id"]: row["seen_items"] for row in rows} == counts

    page, paged = of_case(hub, limit=1), []
    while True:
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        page = of_case(hub, limit=1, cursor=page["next_cursor"])
    assert paged == rows
    day = rows[0]["day"]
    assert (of_case(hub, from_day=day, to_day=day)["items"], of_case(hub, to_day="2026-01-01")["items"]) == (rows, [])
    refused = [person.get(f"/v1/cases/{hub.case_id}/exposure").status_code for person in (hub.verifier, hub.stranger)]
    assert refused == [403, 404]
    answer = hub.coordinator.get(f"/v1/cases/{hub.case_id}/exposure?order_by=minutes")
    assert answer.json()["code"] == "unknown_parameter"


def test_recording_when_its_length_is_known_then_counts_it_and_a_frame_before_it_adds_nothing(
    hub: Hub, receive: Receive
) -> None:
    item = receive(DOGS)

    def read(rendering: str) -> int:
        with unit_of_work(hub.api.app.state.services.sessions) as uow:
            actor = authenticate(uow.session, hub.verifier.token)
            act: Any = {"act": "viewed", "rendering": rendering, "size_bytes": 9, "purpose": "verification"}
            viewing.log_reading(uow, actor, UUID(item["id"]), window_s=900, **act)
            uow.commit()
            counted: int = uow.session.scalar(text("SELECT sum(seconds) FROM exposures"))
            return counted

    assert read("frame") == 30
    settle(hub, item, duration_ms=200_000)
    assert [read("original"), read("strip")] == [200, 200]


def settle(hub: Hub, item: dict[str, Any], *, duration_ms: int) -> None:
    """The item is preserved, and decoded as a recording of this length."""
    services, item_id = hub.api.app.state.services, UUID(item["id"])
    commit_in(services.sessions, lambda uow: record_read_back(uow, item_id, services.blobs.reread(item["sha256"])))
    make_compared(services.sessions, item_id, item["sha256"], claims={"duration_ms": duration_ms})


CHANGES = {
    "UPDATE exposures SET seconds = seconds - 1": "exhibit_exposure_rises",
    "UPDATE exposures SET day = day - 1": "exhibit_exposure_rises",
    "UPDATE exposures SET seconds = seconds + 1": "exhibit_require_entry",
    "UPDATE exposures SET last_at = now()": "exhibit_require_entry",
}


def change_rows(hub: Hub, statement: str) -> None:
    with hub.api.app.state.services.sessions() as session:
        session.execute(text(statement))
        session.commit()


def test_exposure_rows_when_changed_by_hand_then_refused(hub: Hub, receive: Receive) -> None:
    """By what says that it rises, and, even where it does, by the viewing's entry that is missing."""
    look(hub.verifier, receive(DOGS))
    for statement, rule in CHANGES.items():
        with pytest.raises(IntegrityError) as refused:
            change_rows(hub, statement)
        assert isinstance(refused.value.orig, psycopg.Error)
        assert refused.value.orig.diag.constraint_name == rule
    assert own(hub.verifier)[0]["seen_items"] == 1
