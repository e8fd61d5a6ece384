"""Preserved bytes are decoded again on request: what is better is in force, what is worse takes nothing away."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from app.job_table import JOBS, Resources
from app.media.jail.decoder import Decoder
from app.media.jail.limits import DecodeLimits
from app.media.limits import limits_by_format
from app.worker import GaveUp, Runner, WorkerLimits
from tests import media_samples as samples
from tests.media.people import METADATA, Hub
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api, Person
from tests.support.databases import TestDatabase
from tests.support.work import Work

DOGS = PHOTOGRAPHS[0]
TINY = DecodeLimits(jpeg_pixels=1000)
"""Under which no photograph is decoded."""


@pytest.fixture(scope="module")
def generous() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


@pytest.fixture(scope="module")
def tight() -> Iterator[Decoder]:
    with Decoder(TINY) as decoder:
        yield decoder


class Bench(Hub):
    """A case whose jobs are worked with one decoder or another."""

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self.custodian = api.person("Custodian")
        path = f"/v1/cases/{self.case_id}/members/{self.custodian.id}/custodian"
        assert self.coordinator.put(path).status_code == 200

    def receive(self, content: bytes, case_id: str | None = None) -> str:
        form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", content))]
        item: str = self.collector.post(f"/v1/cases/{case_id or self.case_id}/evidence", files=form).json()["id"]
        return item

    def finish(self, decoder: Decoder) -> list[str]:
        return Work(self.api, decoder).finish()

    def item(self, item: str) -> dict[str, Any]:
        found: dict[str, Any] = self.verifier.get(f"/v1/evidence/{item}").json()
        return found

    def claims(self, item: str) -> dict[str, Any]:
        found: dict[str, Any] = self.verifier.get(f"/v1/evidence/{item}/claims").json()
        return found

    def request(self, item: str, person: Person | None = None, **headers: str) -> Any:
        path = f"/v1/evidence/{item}"
        version = f'"{self.item(item)["version"]}"'
        return (person or self.coordinator).post(
            f"{path}/decodings",
            json={"reason": "The limit is another one now."},
            headers={"If-Match": version, **headers},
        )

    def prints(self, item: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.verifier.get(f"/v1/evidence/{item}/fingerprints?limit=100").json()["items"]
        return found

    def matches(self, item: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.verifier.get(f"/v1/evidence/{item}/matches?undecided=true").json()["items"]
        return found

    def rows(self, statement: str) -> list[Any]:
        with self.api.app.state.services.sessions() as session:
            return list(session.execute(text(statement)))


@pytest.fixture
def bench(api: Api) -> Bench:
    return Bench(api)


def test_limits_when_read_by_any_account_then_they_name_each_format_and_outcome(bench: Bench) -> None:
    shown = bench.stranger.get("/v1/limits").json()

    by_type = {one["media_type"]: one for one in shown["formats"]}
    assert len(by_type) == len(limits_by_format(DecodeLimits()))
    assert (by_type["image/jpeg"]["pixels"], by_type["image/png"]["pixels"]) == (268_000_000, 128_000_000)
    assert (by_type["video/mp4"]["cpu_s"], by_type["video/mp4"]["frames"]) == (1800, 200_000)
    further = {name: (one["frames"], one["sequence_pixels"]) for name, one in by_type.items() if "image" in name}
    assert {name for name, limit in further.items() if limit != (256, 600_000_000)} == {"image/bmp"}
    assert further["image/bmp"] == (None, None)
    assert by_type["video/mp4"]["sequence_pixels"] is None
    assert {"limit_time", "limit_memory", "limit_pixels", "policy_violation"} <= {
        one["outcome"] for one in shown["outcomes"]
    }


@pytest.mark.thorough
def test_item_that_hit_a_limit_when_it_is_offered_under_a_higher_one_then_it_is_fingerprinted_and_its_matches_found(
    bench: Bench, tight: Decoder, generous: Decoder
) -> None:
    seen = bench.receive(samples.recompressed(DOGS, 60))
    bench.finish(generous)
    limited = bench.receive(DOGS.read_bytes())
    bench.finish(tight)
    before = bench.item(limited)
    assert (before["fingerprint_status"], before["decoding"]["outcome"]) == ("undecodable", "limit_pixels")
    assert "at most 1000 are decoded" in before["decoding"]["reason"]
    assert before["decoding"]["limits"]["pixels"] == 1000

    answer = bench.request(limited)
    assert (answer.status_code, answer.json()["fingerprint_status"]) == (202, "pending")
    assert answer.json()["receipts"][0]["type"] == "evidence.decoding_requested"
    assert bench.finish(generous) == ["fingerprint", "match", "match_across"]

    after = bench.item(limited)
    assert (after["fingerprint_status"], after["state"]) == ("done", "preserved")
    assert (after["decoding"]["outcome"], after["decoding"]["kept_outcome"]) == ("decoded", None)
    assert after["decoding"]["decoder"] != before["decoding"]["decoder"], "another limit is another decoder"
    (match,) = bench.matches(limited)
    assert {match["query_id"], match["reference_id"]} == {limited, seen}
    assert bench.entries(limited, "evidence.fingerprinted") == 2


@pytest.mark.thorough
def test_item_that_is_signed_off_when_decoding_again_finds_a_match_then_its_state_stays_and_the_match_is_undecided(
    bench: Bench, database: TestDatabase, tight: Decoder, generous: Decoder
) -> None:
    seen = bench.receive(samples.recompressed(DOGS))
    bench.finish(generous)
    signed = bench.receive(DOGS.read_bytes())
    bench.finish(tight)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE evidence SET state = 'signed_off' WHERE id = %s", [signed])

    assert bench.request(signed).status_code == 202
    bench.finish(generous)

    assert (bench.item(signed)["state"], bench.item(signed)["fingerprint_status"]) == ("signed_off", "done")
    (match,) = bench.matches(signed)
    assert {match["query_id"], match["reference_id"]} == {signed, seen}
    assert match["decision"] is None
    assert bench.entries(signed, "evidence.decoding_requested") == 1
    assert bench.entries(signed, "evidence.fingerprinted") == 2
    assert [bench.entries(one, "evidence.matched") for one in (signed, seen)] == [1, 1]


@pytest.mark.thorough
def test_decoder_that_is_worse_then_what_was_found_stays_in_force_and_the_item_says_both(
    bench: Bench, tight: Decoder, generous: Decoder
) -> None:
    item = bench.receive(DOGS.read_bytes())
    bench.finish(generous)
    prints = bench.prints(item)
    bench.request(item)
    bench.finish(tight)

    found = bench.item(item)
    assert (found["fingerprint_status"], bench.prints(item)) == ("done", prints)
    assert (found["decoding"]["outcome"], found["decoding"]["kept_outcome"]) == ("limit_pixels", "decoded")
    assert found["fingerprint_reason"].startswith("limit_pixels: ")
    assert "stays in force" in found["fingerprint_reason"]
    assert found["claims"]["width"] > 0
    other = bench.receive(samples.recompressed(DOGS, 60))
    bench.finish(generous)
    assert len(bench.matches(other)) == 1, "it is matched by what is in force"
    assert bench.rows("SELECT number, outcome FROM decodings ORDER BY decoded_at")[:2] == [
        (1, "decoded"),
        (2, "limit_pixels"),
    ]


@pytest.mark.thorough
def test_decoding_that_is_given_up_then_the_item_keeps_what_it_had_and_says_so(bench: Bench, generous: Decoder) -> None:
    item = bench.receive(DOGS.read_bytes())
    bench.finish(generous)
    bench.request(item)
    services = bench.api.app.state.services
    runner = Runner(services.sessions, Resources(services.settings, services.blobs, generous), WorkerLimits())
    (job,) = (job for job in JOBS if job.name == "fingerprint")
    with pytest.raises(GaveUp):
        runner.run(job, None, WorkerLimits().attempts, {"evidence_id": item})

    found = bench.item(item)
    assert found["fingerprint_status"] == "done"
    assert found["fingerprint_reason"].startswith("failed: worker_lost. What an earlier decoding gave (decoded)")
    entry = bench.coordinator.get(f"/v1/evidence/{item}/custody", params={"limit": 200}).json()["items"][-1]
    assert entry["type"] == "evidence.fingerprinted"
    assert (entry["data"]["outcome"], entry["data"]["kept_outcome"]) == ("failed", "decoded")
    assert entry["data"]["fingerprints"] > 0


@pytest.mark.thorough
def test_item_that_is_decoded_again_when_another_arrives_meanwhile_then_it_is_found_with_what_it_has(
    bench: Bench, generous: Decoder
) -> None:
    item = bench.receive(DOGS.read_bytes())
    bench.finish(generous)
    bench.request(item)
    with bench.api.app.state.services.sessions.begin() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
    other = bench.receive(samples.recompressed(DOGS, 60))
    bench.finish(generous)

    assert bench.item(item)["fingerprint_status"] == "pending"
    assert bench.item(item)["claims"], "what it had is shown"
    assert len(bench.matches(other)) == 1


@pytest.mark.thorough
def test_items_of_two_cases_on_the_same_bytes_then_each_has_its_entry_of_the_new_decoding(
    bench: Bench, tight: Decoder, generous: Decoder
) -> None:
    second_case = bench.api.case(bench.coordinator, collector=(bench.collector,), verifier=(bench.verifier,))
    items = [bench.receive(DOGS.read_bytes()), bench.receive(DOGS.read_bytes(), second_case)]
    bench.finish(tight)
    bench.request(items[0])
    assert Work(bench.api, generous).run_one() == "fingerprint"
    assert bench.claims(items[1])["outcome"] == "limit_pixels", "as long as its own entry says so"
    bench.finish(generous)

    assert bench.claims(items[1])["outcome"] == "decoded"
    assert [bench.item(item)["fingerprint_status"] for item in items] == ["done", "done"]
    assert [bench.entries(item, "evidence.fingerprinted") for item in items] == [2, 2]
    assert [bench.entries(item, "evidence.decoding_requested") for item in items] == [1, 0]


@pytest.mark.thorough
def test_request_when_refused_then_it_says_why(bench: Bench, generous: Decoder) -> None:
    item = bench.receive(DOGS.read_bytes())
    assert bench.request(item).json()["code"] == "wrong_state", "it is not yet read back"
    bench.finish(generous)
    assert bench.request(item, bench.verifier).status_code == 403
    assert bench.request(item, bench.stranger).status_code == 404
    first = bench.request(item, bench.custodian, **{"Idempotency-Key": "a-key-of-mine-0001"})
    assert first.status_code == 202
    assert bench.request(item).json()["code"] == "decoding_under_way"
    stale = bench.coordinator.post(f"/v1/evidence/{item}/decodings", json={"reason": "x"}, headers={"If-Match": '"1"'})
    assert stale.json()["code"] == "version_mismatch"
