"""Ways past a withdrawal that need more than asking: narrow and dead tokens, manners of HTTP, what was kept before."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.contracts.outward import SEEN, Outward, holds, open_outward
from tests.contracts.outward_walk import Walk, answers, told
from tests.contracts.world import token
from tests.support.databases import TestDatabase
from tests.support.journey import ok


@pytest.fixture
def outward(database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[Outward]:
    with open_outward(database, sessions, tmp_path / "data") as made:
        yield made


@pytest.mark.thorough
def test_outward_paths_when_walked_with_narrow_tokens_then_show_no_more_than_wide_ones(outward: Outward) -> None:
    """Of those who see most of what was withdrawn, and of who holds a role beside that of an auditor."""
    people, case_id = outward.world.people, outward.world.cases["A"]
    limits: dict[str, dict[str, Any]] = {
        f"{scope} alone": {"scopes": [scope]} for scope in ("read", "write", "content")
    }
    limits["as an auditor"] = {"roles": ["auditor"], "case_ids": [case_id]}
    ok(people["coordinator"].put(f"/v1/cases/{case_id}/members/{people['custodian'].id}/auditor"))
    callers = {
        f"{role}, {name}": outward.api.client(token(people[role], **limit))
        for role, name, limit in (
            *(("custodian", name, limit) for name, limit in limits.items()),
            *(("verifier", name, limit) for name, limit in limits.items() if name == "content alone"),
        )
    }
    walk = Walk.of(outward)
    callers["outsider"] = outward.callers["outsider"]  # Who asks for what is public.
    for operation, which, caller, answer in answers(replace(outward, callers=callers)):
        role = "auditor" if caller.endswith("auditor") else caller.split(",")[0]
        walk.look_at(operation, which, caller, answer, role=role)
    assert not walk.wrong, "\n".join(sorted(walk.wrong))
    assert ("listConsents", "custodian, read alone") in walk.allowed
    assert ("listEvidence", "custodian, as an auditor") in walk.seen
    assert not {caller for _, caller in walk.allowed} & {"custodian, write alone", "custodian, as an auditor"}


@pytest.mark.thorough
def test_withdrawn_bytes_when_asked_for_in_any_manner_of_http_then_not_one_nor_their_digest(outward: Outward) -> None:
    path = f"/v1/evidence/{outward.world.objects['evidence']['withdrawn']['evidence_id']}"
    purpose, etag = "purpose=verification", outward.etag
    assert len(etag) > 64
    manners: list[dict[str, str]] = [
        *({}, {"Range": "bytes=0-1"}, {"Range": "bytes=-1"}, {"If-None-Match": etag}, {"If-None-Match": "*"}),
        *({"If-Range": etag, "Range": "bytes=0-1"}, {"If-Match": etag}, {"If-Match": "*"}),
        {"If-Modified-Since": "Wed, 01 Jan 2031 00:00:00 GMT"},
    ]
    addresses = [f"{path}/{each}?{purpose}" for each in ("content", "renderings/thumbnail", "frames/0", "preview")]
    addresses += [f"{path}/preview?step=clear&{purpose}", f"{path}/strip?step=clear&{purpose}", outward.address]
    for caller, client in {**outward.callers, "nobody": outward.api.client()}.items():
        for address in addresses:
            for manner in manners:
                for method in ("GET", "HEAD"):
                    answer = client.request(method, address, headers=manner)
                    place = (caller, method, address, manner)
                    assert answer.status_code in (401, 403, 404, 405), place
                    assert not {"ETag", "Content-Range", "Last-Modified"} & {*map(str.title, answer.headers)}, place
                    assert answer.headers.get("Content-Type", "").startswith("application/problem+json"), place
                    assert etag.strip('"').encode() not in told(answer), place


@pytest.mark.thorough
def test_what_was_kept_when_its_holder_or_token_is_out_then_gives_nothing_more(outward: Outward) -> None:
    """A signed address and a kept answer, of what is open to everybody else."""
    assert outward.bringer is not None
    bringer, people, case_id = outward.bringer, outward.world.people, outward.world.cases["A"]
    incident = f"/v1/incidents/{outward.world.objects['incident']['own']['incident_id']}"
    key = {"Idempotency-Key": "kept"}
    asked = {"code": "I-3", "title": SEEN, "kind": "other"}

    def repeat(client: Any) -> httpx.Response:
        made: httpx.Response = client.post(f"/v1/cases/{case_id}/incidents", json=asked, headers=key)
        return made

    ok(repeat(bringer), 201)
    assert holds(told(repeat(bringer)), SEEN)
    path = f"/v1/evidence/{outward.world.objects['evidence']['neighbour']['evidence_id']}/content-url"
    wide = {"name": "t", "scopes": ["read", "write", "content"]}
    made = ok(bringer.post("/v1/tokens", json=wide), 201)
    parent = outward.api.client(made["token"])
    heir = outward.api.client(ok(parent.post("/v1/tokens", json=wide), 201)["token"])
    addresses = [ok(who.post(path, json={"purpose": "verification"}))["url"] for who in (bringer, heir)]
    anybody = outward.api.client()
    assert [anybody.get(address).status_code for address in addresses] == [200, 200]

    assert bringer.delete(f"/v1/tokens/{made['id']}").status_code in (200, 204)
    for client in (parent, heir):
        assert client.get(incident).status_code == 401
        assert repeat(client).status_code == 401
    assert anybody.get(addresses[1]).status_code in (401, 403, 404)
    assert anybody.get(addresses[0]).status_code == 200

    ok(people["coordinator"].delete(f"/v1/cases/{case_id}/members/{bringer.id}/verifier"))
    for answer in (repeat(bringer), bringer.get(incident), bringer.get(path), anybody.get(addresses[0])):
        assert answer.status_code in (403, 404, 405), answer.text
        assert not holds(told(answer), SEEN)
