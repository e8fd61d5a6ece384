"""Searching by hashes over HTTP: exactly the items of the asker's cases, and nothing of anybody else's."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.api.health import IN_FILE
from tests import media_samples as samples
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestServer, create_database, drop_database
from tests.support.work import work_of

METADATA = {
    "collector": "Olena Example",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "Public channel",
}
MISSING = "00000000-0000-4000-8000-000000000000"


def small(number: int) -> bytes:
    picture = samples.upright(PHOTOGRAPHS[number]).copy()
    picture.thumbnail((320, 320))
    return samples.encoded(picture)


@dataclass
class Hub:
    """Two cases with one photograph in common; who is in the first one, in the second one, in both."""

    api: Api
    first: Person
    second: Person
    both: Person
    cases: tuple[str, str]
    common: tuple[str, str]
    """The item on the common photograph in each case."""
    secret: str
    """An item of the second case alone."""


@contextmanager
def open_hub(postgres: TestServer, data: Path) -> Iterator[Hub]:
    database = create_database(postgres)
    with running_api(database, data, search_wait_s=0) as api:
        first, second, both = (api.person(name) for name in ("First", "Second", "Both"))
        cases = (api.case(first, verifier=(both,)), api.case(second, verifier=(both,)))
        common = (receive(first, cases[0], small(0)), receive(second, cases[1], small(0)))
        secret = receive(second, cases[1], small(1))
        with work_of(api) as work:
            work.finish()
        yield Hub(api, first, second, both, cases, common, secret)
    with postgres.administration() as owner:
        drop_database(owner, database.name)


@pytest.fixture(scope="module")
def hub(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with open_hub(postgres, tmp_path_factory.mktemp("hub") / "data") as opened:
        yield opened


def receive(person: Person, case_id: str, content: bytes) -> str:
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", content))]
    answer = person.post(f"/v1/cases/{case_id}/evidence", files=form)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def hash_of(person: Person, item: str, view: str = "identity", version: str = "pdq/1") -> str:
    listed = person.get(f"/v1/evidence/{item}/fingerprints", params={"limit": 200}).json()["items"]
    return next(str(one["value"]) for one in listed if (one["version"], one["view"]) == (version, view))


def turned(value: str, bits: int, seed: int = 1) -> str:
    number = int(value, 16)
    for bit in random.Random(seed).sample(range(4 * len(value)), bits):
        number ^= 1 << bit
    return f"{number:0{len(value)}x}"


def search(person: Person, *hashes: str, **more: Any) -> list[dict[str, Any]]:
    answer = person.post("/v1/similar/hashes", json={"algorithm": "pdq/1", "hashes": list(hashes), **more})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["answers"]
    return found


def test_hashes_when_they_are_within_the_radius_then_name_the_item_with_the_distance(hub: Hub) -> None:
    value = hash_of(hub.first, hub.common[0])

    exact, near, far = search(hub.first, value.upper(), turned(value, 31), turned(value, 32), radius_bits=31)

    assert [one["distance_bits"] for one in exact["found"]] == [0]
    assert exact["hash"] == value
    item = near["found"][0]
    assert item["evidence_id"] == hub.common[0]
    assert (item["case_id"], item["distance_bits"], item["view"], item["time_ms"]) == (hub.cases[0], 31, "identity", 0)
    assert far["found"] == []


def test_hashes_when_the_picture_is_mirrored_then_it_is_found_in_its_stored_view(hub: Hub) -> None:
    mirrored = search(hub.first, hash_of(hub.first, hub.common[0], view="mirror"))[0]["found"]
    assert [(one["evidence_id"], one["distance_bits"], one["view"]) for one in mirrored] == [
        (hub.common[0], 0, "mirror")
    ]


def test_hashes_when_of_another_algorithm_then_are_found_by_it(hub: Hub) -> None:
    value = hash_of(hub.first, hub.common[0], version="phash/1")
    found = search(hub.first, value, algorithm="phash/1")[0]["found"]
    assert [one["evidence_id"] for one in found] == [hub.common[0]]


def test_hashes_when_the_asker_is_in_both_cases_then_each_item_comes_once_and_a_limit_says_that_there_is_more(
    hub: Hub,
) -> None:
    value = hash_of(hub.first, hub.common[0])
    assert {one["evidence_id"] for one in search(hub.both, value)[0]["found"]} == set(hub.common)
    one_case = search(hub.both, value, case_ids=[hub.cases[1]])[0]
    assert [one["evidence_id"] for one in one_case["found"]] == [hub.common[1]]
    assert one_case["has_more"] is False
    cut = search(hub.both, value, limit=1)[0]
    assert (len(cut["found"]), cut["has_more"]) == (1, True)


def test_hashes_of_an_item_in_a_foreign_case_when_asked_for_then_are_answered_as_if_it_did_not_exist(hub: Hub) -> None:
    secret = hash_of(hub.second, hub.secret)
    assert search(hub.second, secret)[0]["found"]

    found, unknown = search(hub.first, secret, "0f" * 32, radius_bits=64)

    assert {**found, "hash": ""} == {**unknown, "hash": ""}
    limited = hub.both.post("/v1/tokens", json={"name": "t", "scopes": ["read"], "case_ids": [hub.cases[0]]}).json()
    narrow = hub.api.client(limited["token"])
    asked = narrow.post("/v1/similar/hashes", json={"algorithm": "pdq/1", "hashes": [secret], "radius_bits": 64})
    assert asked.json()["answers"][0] == {"hash": secret, "found": [], "has_more": False}


def test_search_when_it_names_a_case_that_is_not_the_askers_then_is_not_found(hub: Hub) -> None:
    for case_id in (hub.cases[1], MISSING):
        body = {"algorithm": "pdq/1", "hashes": ["00" * 32], "case_ids": [hub.cases[0], case_id]}
        refused = hub.first.post("/v1/similar/hashes", json=body)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


@pytest.mark.thorough
def test_item_when_it_is_not_fingerprinted_yet_then_it_is_not_found_by_what_its_bytes_have_elsewhere(hub: Hub) -> None:
    secret = hash_of(hub.second, hub.secret)
    waiting = receive(hub.first, hub.cases[0], small(1))
    assert search(hub.first, secret)[0]["found"] == []
    with work_of(hub.api) as work:
        work.finish()
    assert [one["evidence_id"] for one in search(hub.first, secret)[0]["found"]] == [waiting]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"algorithm": "whash/1"}, "unknown_algorithm"),
        ({"algorithm": "pdq/999"}, "unknown_algorithm"),
        ({"hashes": ["00" * 31]}, "not_a_hash"),
        ({"hashes": ["0" * 63]}, "invalid_request"),
        ({"hashes": []}, "invalid_request"),
        ({"hashes": ["00" * 32] * 33}, "invalid_request"),
        ({"radius_bits": 65}, "invalid_request"),
        ({"radius_bits": True}, "invalid_request"),
        ({"algorithm": "phash/1", "hashes": ["00" * 8], "radius_bits": 17}, "radius_too_wide"),
        ({"case_ids": []}, "invalid_request"),
    ],
)
def test_search_when_it_cannot_be_answered_then_says_why(hub: Hub, wrong: dict[str, Any], code: str) -> None:
    body = {"algorithm": "pdq/1", "hashes": ["00" * 32], **wrong}
    refused = hub.first.post("/v1/similar/hashes", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


def test_search_when_the_index_waits_for_its_file_then_is_refused_and_readiness_says_so(hub: Hub) -> None:
    services = hub.api.app.state.services
    body = {"algorithm": "pdq/1", "hashes": ["00" * 32]}
    services.index.wait_for_file()
    services.adopter.look(services.sessions)
    refused = hub.first.post("/v1/similar/hashes", json=body)
    assert (refused.status_code, refused.json()["code"]) == (503, "index_not_ready")
    assert int(refused.headers["Retry-After"]) > 0
    search_component = hub.api.client().get("/readyz").json()["components"]["search"]
    assert search_component["status"] == "limited"
    assert "refused" in search_component["detail"]


@pytest.mark.thorough
def test_search_when_the_workers_file_is_there_then_every_process_takes_it_and_goes_on(
    hub: Hub, tmp_path: Path
) -> None:
    services = hub.api.app.state.services
    value = hash_of(hub.first, hub.common[0])
    with work_of(hub.api) as work:
        work.resources.index_keeper._file_from_rows = 0
        work.resources.index_keeper.keep(services.sessions)
    services.adopter.look(services.sessions)
    assert [one["evidence_id"] for one in search(hub.first, value)[0]["found"]] == [hub.common[0]]
    ready = hub.api.client().get("/readyz").json()["components"]["search"]
    assert (ready["status"], ready["detail"]) == ("ready", IN_FILE)
