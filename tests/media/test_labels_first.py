"""Labels come before viewing: no read of content gets past an item that nobody has labelled, but for who brought it."""

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media.test_guards import refused_by
from tests.media_samples import PHOTOGRAPHS, mirrored, resized
from tests.support.api import Person
from tests.support.databases import TestDatabase
from tests.support.work import Work, work_of

WITH = "purpose=verification"


@pytest.fixture
def work(hub: Hub) -> Iterator[Work]:
    with work_of(hub.api) as opened:
        yield opened


@pytest.fixture
def unlabelled(hub: Hub, receive: Receive, work: Work) -> dict[str, Any]:
    """An item that matches a labelled one, with the match's id."""
    receive(resized(PHOTOGRAPHS[0], 0.3))
    item = receive(mirrored(PHOTOGRAPHS[0]), labels=None)
    work.finish()
    (match,) = hub.verifier.get(f"/v1/evidence/{item['id']}/matches").json()["items"]
    return {**item, "match": match["id"]}


def reads_of_content(person: Person, item: dict[str, Any]) -> dict[str, httpx.Response]:
    """Every read of an item's content that the API has, done."""
    address = f"/v1/evidence/{item['id']}"
    return {
        "head": person.http.head(f"{address}/content"),
        "content": person.get(f"{address}/content?{WITH}"),
        "content-url": person.post(f"{address}/content-url", json={"purpose": "verification"}),
        "thumbnail": person.get(f"{address}/renderings/thumbnail?{WITH}"),
        "frame": person.get(f"{address}/frames/0?rendering=frame&{WITH}"),
        "softened": person.get(f"{address}/preview?step=softened&{WITH}"),
        "grey": person.get(f"{address}/preview?step=grey&{WITH}"),
        "clear": person.get(f"{address}/preview?step=clear&{WITH}"),
        "comparison": person.get(f"/v1/matches/{item['match']}/comparison.png?rendering=comparison&{WITH}"),
    }


@pytest.mark.thorough
def test_content_when_nobody_has_labelled_the_item_then_no_read_gives_any_until_somebody_has(
    hub: Hub, unlabelled: dict[str, Any]
) -> None:
    for person in (hub.verifier, hub.coordinator):
        refused = reads_of_content(person, unlabelled)
        assert {name: answer.status_code for name, answer in refused.items()} == dict.fromkeys(refused, 409)
        del refused["head"]  # Its answers have no body.
        assert {answer.json()["code"] for answer in refused.values()} == {"labels_missing"}
    kinds = ("evidence.viewed", "evidence.downloaded")
    assert [hub.entries(unlabelled["id"], kind) for kind in kinds] == [0, 0]
    address = f"/v1/evidence/{unlabelled['id']}"
    for path in (f"{address}/preview", f"{address}/frames/0", f"/v1/matches/{unlabelled['match']}/comparison.png"):
        assert hub.verifier.get(path).status_code == 200, path  # Blurred: whoever labels looks at it.

    labelled = hub.coordinator.change(f"{address}/labels", address, "PUT", json={"graphic_level": "severe"})

    assert labelled.status_code == 200
    assert {answer.status_code for answer in reads_of_content(hub.verifier, unlabelled).values()} == {200}


@pytest.mark.thorough
def test_content_when_nobody_has_labelled_the_item_then_who_brought_it_reads_it_also_by_a_signed_address(
    hub: Hub, unlabelled: dict[str, Any]
) -> None:
    read = reads_of_content(hub.collector, unlabelled)
    assert {answer.status_code for answer in read.values()} == {200}
    assert hub.api.client().get(read["content-url"].json()["url"]).status_code == 200


def test_view_in_the_database_when_the_item_has_no_labels_then_refused_but_for_who_brought_it(
    database: TestDatabase, hub: Hub, receive: Receive
) -> None:
    item = receive(PHOTOGRAPHS[0].read_bytes(), labels=None)["id"]
    view = "INSERT INTO evidence_views VALUES (%s, %s, 'viewed', 'original', 'review', now())"
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        people = (hub.verifier, hub.coordinator, hub.collector)
        refusals = [refused_by(owner, view, item, person.id) for person in people]
        assert refusals == ["exhibit_labels_missing", "exhibit_labels_missing", "exhibit_require_entry"]
