"""Matches between cases: members of both see them, coordinators of each are told that there is one, nobody learns
more; and uploading a file tells nobody whether another case has it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import TextClause, text
from sqlalchemy.exc import IntegrityError

from app.fingerprints import jobs as fingerprint_jobs
from app.fingerprints import proposing
from app.fingerprints.decodings import Decoded
from app.fingerprints.events import EvidenceCompared
from app.job_table import JOBS
from app.jobs import enqueue_forgotten
from app.kernel.primitives import Sha256Hex, sha256_hex
from app.media.derivatives import store_files
from app.media.events import EvidenceViewed
from app.media.items import entry_object
from app.media.models import Evidence
from app.media.service import system_actor
from app.unit_of_work import unit_of_work
from tests import media_samples as samples
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api, Person
from tests.support.work import Work, work_of

METADATA = {"collector": "O", "method": "download", "acquired_at": "2026-07-14T09:30:00Z", "source": "A channel"}
PHOTO, OTHER_PHOTO = PHOTOGRAPHS[0], PHOTOGRAPHS[1]
UNLIKE = next(path for path in PHOTOGRAPHS if path.stem == "rocket")


def plain(path: Path) -> bytes:
    """Without what a file claims of itself: that would be an entry of its own."""
    return samples.encoded(Image.fromarray(np.asarray(Image.open(path).convert("RGB"))), quality=80)


class TwoCases:
    """Case ``a`` and ``b`` with a coordinator and a collector each, and somebody who is in both."""

    def __init__(self, api: Api, work: Work) -> None:
        self.api, self.work = api, work
        names = ("coordinator_a", "coordinator_b", "collector_a", "collector_b", "both")
        self.people = {name: api.person(name) for name in names}
        self.a, self.b = (
            api.case(
                self.people[f"coordinator_{case}"],
                collector=(self.people[f"collector_{case}"],),
                verifier=(self.people["both"],),
            )
            for case in "ab"
        )

    def __getattr__(self, name: str) -> Person:
        return self.people[name]

    def receive(self, person: Person, case_id: str, content: bytes) -> dict[str, Any]:
        received = self.send(person, case_id, content)
        self.work.finish()
        return received

    def send(self, person: Person, case_id: str, content: bytes) -> dict[str, Any]:
        """The same, and its jobs wait."""
        form = [("metadata", (None, json.dumps(METADATA))), ("file", ("file", content))]
        answer = person.post(f"/v1/cases/{case_id}/evidence", files=form)
        assert answer.status_code == 201, answer.text
        received: dict[str, Any] = answer.json()
        return received

    def set_policy(self, coordinator: Person, case_id: str, **settings: Any) -> None:
        """What is not named is as in a new case: a change keeps what it leaves out."""
        path = f"/v1/cases/{case_id}/policy"
        body = {"required_dimensions": ["source"], "matching_across_cases": True, **settings}
        assert coordinator.change(path, path, "PUT", json=body).status_code == 200
        self.work.finish()

    def entries(self, stream: str) -> list[dict[str, Any]]:
        query = text(
            "SELECT b.body FROM ledger_bodies b JOIN ledger_entries e USING (commitment) "
            "WHERE e.stream_id = CAST(:stream AS uuid) ORDER BY e.seq"
        )
        with self.api.app.state.services.sessions() as session:
            return [json.loads(bytes(body)) for body in session.scalars(query, {"stream": stream})]


@pytest.fixture
def cases(api: Api) -> Iterator[TwoCases]:
    with work_of(api) as work:
        yield TwoCases(api, work)


def matches(person: Person, item: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = person.get(f"/v1/evidence/{item}/matches").json()["items"]
    return found


def notices(person: Person, case_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = person.get(f"/v1/cases/{case_id}/notices").json()["items"]
    return found


def test_copy_in_another_case_then_members_of_both_see_the_match_and_both_coordinators_are_told(
    cases: TwoCases,
) -> None:
    first = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    second = cases.receive(cases.collector_b, cases.b, samples.recompressed(PHOTO))["id"]

    (seen,) = matches(cases.both, first)
    assert matches(cases.both, second) == [seen]
    sides = [(seen["query_id"], seen["case_id"]), (seen["reference_id"], seen["reference_case_id"])]
    assert sorted(sides) == sorted([(first, cases.a), (second, cases.b)])
    assert cases.both.get(f"/v1/matches/{seen['id']}").json() == seen
    for coordinator, case_id, item in (
        (cases.coordinator_a, cases.a, first),
        (cases.coordinator_b, cases.b, second),
    ):
        (notice,) = notices(coordinator, case_id)
        assert (notice["evidence_id"], notice["tier"], notice["acknowledged_at"]) == (item, "same_picture", None)
        assert set(notice) == {"id", "evidence_id", "tier", "found_at", "still_found", "acknowledged_at", "receipts"}


@pytest.mark.thorough
def test_match_of_two_cases_then_members_of_one_find_nothing_of_it_anywhere(cases: TwoCases) -> None:
    first = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    second = cases.receive(cases.collector_b, cases.b, PHOTO.read_bytes())["id"]
    (seen,) = matches(cases.both, first)

    told = {notice["id"] for notice in notices(cases.coordinator_a, cases.a) + notices(cases.coordinator_b, cases.b)}
    assert len(told) == 2, "either side knows its notice by an id of its own"
    secrets = {cases.a: {second, cases.b, seen["id"]}, cases.b: {first, cases.a, seen["id"]}}
    readers = (
        (cases.coordinator_a, cases.collector_a, cases.a, first),
        (cases.coordinator_b, cases.collector_b, cases.b, second),
    )
    for coordinator, collector, case_id, item in readers:
        assert (coordinator.get(f"/v1/matches/{seen['id']}").status_code, matches(coordinator, item)) == (404, [])
        assert collector.get(f"/v1/cases/{case_id}/notices").status_code == 403
        for person in (coordinator, collector):
            for path in _readable(case_id, item):
                shown = person.get(path).text
                assert not [secret for secret in secrets[case_id] if secret in shown], path
        stored = json.dumps([cases.entries(item), cases.entries(case_id)])
        assert not [secret for secret in secrets[case_id] if secret in stored]
    missing = cases.coordinator_a.get("/v1/matches/00000000-0000-4000-8000-000000000000").json()
    hidden = cases.coordinator_a.get(f"/v1/matches/{seen['id']}").json()
    assert {key: hidden[key] for key in ("code", "title", "status")} == {
        key: missing[key] for key in ("code", "title", "status")
    }


def _readable(case_id: str, item: str) -> list[str]:
    of_item = ("", "/matches", "/relations", "/fingerprints", "/custody", "/claims")
    of_case = ("", "/notices", "/evidence", "/custody", "/members", "/policy")
    return [f"/v1/evidence/{item}{path}" for path in of_item] + [f"/v1/cases/{case_id}{path}" for path in of_case]


@pytest.mark.thorough
def test_match_of_two_cases_then_the_item_that_came_later_has_an_entry_as_if_there_were_none_and_the_first_has_none(
    cases: TwoCases,
) -> None:
    first = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    before = cases.entries(first)
    second = cases.receive(cases.collector_b, cases.b, samples.recompressed(PHOTO))["id"]
    unlike = cases.receive(cases.collector_b, cases.b, plain(UNLIKE))["id"]

    assert cases.entries(first) == before
    told, untold = (
        [one for one in cases.entries(item) if one["actor"]["kind"] == "system"] for item in (second, unlike)
    )
    assert told[-1]["type"] == "evidence.compared"
    assert [(one["type"], set(one["data"])) for one in told] == [(one["type"], set(one["data"])) for one in untold]
    assert told[-1]["data"] == untold[-1]["data"]


@pytest.mark.thorough
def test_uploading_what_another_case_has_and_what_none_has_then_the_uploader_sees_no_difference(
    cases: TwoCases,
) -> None:
    cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())
    cases.receive(cases.collector_b, cases.b, samples.recompressed(OTHER_PHOTO, 30))
    known = cases.receive(cases.collector_b, cases.b, plain(PHOTO))
    unknown = cases.receive(cases.collector_b, cases.b, plain(UNLIKE))

    shown = []
    for received in (known, unknown):
        item = received["id"]
        correction = {"field": "notes", "value": "x", "reason": "y"}
        corrected = cases.collector_b.change(
            f"/v1/evidence/{item}/corrections", f"/v1/evidence/{item}", "POST", json=correction
        )
        assert corrected.status_code == 201, corrected.text
        now = cases.collector_b.get(f"/v1/evidence/{item}").json()
        listed = cases.collector_b.get(f"/v1/evidence/{item}/matches").json()
        seqs = [receipt["seq"] for receipt in received["receipts"] + corrected.json()["receipts"]]
        shown.append((seqs[-1], now["version"], now["fingerprint_status"], now["state"], listed))
    kinds = [[entry["type"] for entry in cases.entries(one["id"])] for one in (known, unknown)]
    assert kinds[0] == kinds[1]
    assert shown[0] == shown[1]
    assert notices(cases.coordinator_b, cases.b), "and yet it was found"


def test_bytes_that_another_case_holds_then_are_decoded_as_new_ones_are_and_nothing_of_it_is_kept(
    cases: TwoCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = list[str]()
    decode = fingerprint_jobs.decode

    def watched(sha256: Sha256Hex, *rest: Any) -> Decoded:
        made = decode(sha256, *rest)
        decoded.append(sha256)
        if len(decoded) == 1:
            return made
        others = [replace(each.rendering, parts=(b"By another release.",)) for each in made.renderings]
        return replace(made, prints=made.prints[:1], renderings=store_files(cases.work.resources.blobs, others))

    monkeypatch.setattr(fingerprint_jobs, "decode", watched)
    content = PHOTO.read_bytes()
    first = cases.receive(cases.collector_a, cases.a, content)
    before = cases.entries(first["id"])
    second = cases.receive(cases.collector_b, cases.b, content)
    assert decoded == [sha256_hex(content)] * 2, "one is done as soon as the other"
    with cases.api.app.state.services.sessions() as session:
        rows = "SELECT encode(sha256, 'hex') FROM blobs UNION SELECT encode(sha256, 'hex') FROM derivatives"
        owned = set(session.scalars(text(rows)))
    assert set(cases.work.resources.blobs.untouched(-1)) == owned, "no file without a row"
    cases.receive(cases.collector_b, cases.b, content)
    assert len(decoded) == 2, "who holds a copy may know it"

    assert cases.entries(first["id"]) == before
    assert cases.collector_b.get(f"/v1/evidence/{second['id']}").json()["fingerprint_status"] == "done"
    with cases.api.app.state.services.sessions() as session:
        assert session.scalars(text("SELECT number FROM decodings")).all() == [1]
        assert session.scalars(text("SELECT DISTINCT decoding FROM fingerprints")).all() == [1]


def test_two_files_when_sent_at_once_then_neither_waits_for_what_the_other_resembles_elsewhere(cases: TwoCases) -> None:
    cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())
    for content in (PHOTO.read_bytes(), plain(UNLIKE)):
        cases.send(cases.collector_b, cases.b, content)
    ran = cases.work.finish()
    assert ran.index("match_across") > max(place for place, name in enumerate(ran) if name == "match")
    assert ran.count("match_across") == 2


def test_item_that_a_worker_finds_uncompared_across_cases_then_it_comes_after_what_is_sent_next(
    cases: TwoCases,
) -> None:
    cases.send(cases.collector_a, cases.a, PHOTO.read_bytes())
    while cases.work.run_one() != "match":
        pass
    with cases.api.app.state.services.sessions.begin() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
    with cases.api.app.state.services.sessions.begin() as session:
        assert [name for name, _ in enqueue_forgotten(session, JOBS)] == ["match_across"]

    cases.send(cases.collector_b, cases.b, plain(UNLIKE))

    assert cases.work.finish() == ["preserve", "fingerprint", "match", "match_across", "match_across"]


def test_comparison_across_cases_when_it_waits_then_the_metrics_tell_for_how_long(cases: TwoCases) -> None:
    def oldest_s() -> float:
        metrics = cases.api.admin.get("/metrics").text
        (line,) = [line for line in metrics.splitlines() if line.startswith("exhibit_jobs_oldest_across_seconds ")]
        return float(line.split()[1])

    cases.send(cases.collector_a, cases.a, PHOTO.read_bytes())
    while cases.work.run_one() != "match":
        assert oldest_s() == 0, "other jobs wait"
    with cases.api.app.state.services.sessions.begin() as session:
        session.execute(text("UPDATE procrastinate_events SET at = at - interval '1 hour'"))
    assert 3600 <= oldest_s() < 3660
    cases.work.finish()
    assert oldest_s() == 0


@pytest.mark.thorough
def test_pair_that_was_compared_across_cases_before_then_its_own_case_reads_it_as_if_it_had_not_been(
    cases: TwoCases,
) -> None:
    cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())
    shown = []
    for photo in (PHOTO, OTHER_PHOTO):  # The first one's bytes are in the other case, the second one's are in none.
        for order in ((0, 1), (1, 0)):
            case_id = cases.api.case(cases.coordinator_b, collector=(cases.collector_b,))
            contents = (samples.recompressed(photo, 60), photo.read_bytes())
            received = {place: cases.receive(cases.collector_b, case_id, contents[place])["id"] for place in order}
            (match,) = [
                one for one in matches(cases.collector_b, received[0]) if one["reference_case_id"] == one["case_id"]
            ]
            shown.append((photo, match["query_id"] == received[0], str(match["grounds"])))
    assert len(set(shown)) == 2, "which of the two is called the query depends on the two files alone"


@pytest.mark.thorough
def test_case_that_opts_out_then_nothing_is_compared_with_it_until_it_takes_part_again(cases: TwoCases) -> None:
    cases.set_policy(cases.coordinator_a, cases.a, matching_across_cases=False)
    first = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    second = cases.receive(cases.collector_b, cases.b, PHOTO.read_bytes())["id"]
    assert (matches(cases.both, first), notices(cases.coordinator_b, cases.b)) == ([], [])

    cases.set_policy(cases.coordinator_a, cases.a)
    cases.work.sweep()
    (seen,) = matches(cases.both, second)
    assert seen["tier"] == "exact"


@pytest.mark.thorough
def test_case_that_opts_out_for_a_while_then_what_came_to_other_cases_meanwhile_is_found_afterwards(
    cases: TwoCases,
) -> None:
    first = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    cases.receive(cases.collector_b, cases.b, OTHER_PHOTO.read_bytes())
    cases.work.sweep()
    cases.set_policy(cases.coordinator_a, cases.a, matching_across_cases=False)
    cases.receive(cases.collector_b, cases.b, PHOTO.read_bytes())
    assert matches(cases.both, first) == []

    cases.set_policy(cases.coordinator_a, cases.a)
    cases.work.sweep()
    (seen,) = matches(cases.both, first)
    assert seen["tier"] == "exact"
    before = cases.entries(first)
    assert cases.work.sweep() == [], "nothing is compared again, and nothing of the other case"
    assert cases.entries(first) == before


@pytest.mark.thorough
def test_many_copies_in_the_other_case_then_one_match_and_one_notice_for_them(cases: TwoCases) -> None:
    for _ in range(3):
        cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())
    second = cases.receive(cases.collector_b, cases.b, samples.recompressed(PHOTO))["id"]

    assert len(matches(cases.both, second)) == 1
    assert len(notices(cases.coordinator_b, cases.b)) == 1


@pytest.mark.thorough
def test_near_copies_in_the_own_case_then_they_hide_nothing_of_another_case(
    cases: TwoCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposing, "PICTURES_OF_A_PICTURE", 1)  # By points: crops are found by them alone.
    whole = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    crop = samples.upright(PHOTO).crop((300, 200, 1100, 900))
    cases.receive(cases.collector_b, cases.b, samples.encoded(crop, quality=90))

    again = cases.receive(cases.collector_b, cases.b, samples.encoded(crop, quality=60))["id"]

    assert whole in {seen[side] for seen in matches(cases.both, again) for side in ("query_id", "reference_id")}


@pytest.mark.thorough
def test_likely_match_across_cases_then_nobody_is_told(cases: TwoCases) -> None:
    cases.set_policy(cases.coordinator_b, cases.b, thresholds={"pdq": 64})
    cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())
    second = cases.receive(cases.collector_b, cases.b, OTHER_PHOTO.read_bytes())["id"]
    assert (matches(cases.both, second), notices(cases.coordinator_b, cases.b)) == ([], [])


@pytest.mark.thorough
def test_match_of_two_cases_then_it_cannot_be_decided_and_does_not_hold_up_a_submission(cases: TwoCases) -> None:
    first = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    cases.receive(cases.collector_b, cases.b, PHOTO.read_bytes())
    (seen,) = matches(cases.both, first)
    refused = cases.both.post(f"/v1/matches/{seen['id']}/decision", json={"relation": "exact_copy", "reason": "x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "match_of_two_cases")
    undecided = cases.both.get(f"/v1/evidence/{first}/matches?undecided=true").json()
    assert undecided["items"] == []
    decision = text(
        "INSERT INTO relations (id, match_id, number, evidence_id, other_id, relation, reason, decided_by, decided_at)"
        " SELECT gen_random_uuid(), id, 1, first_id, second_id, 'exact_copy', 'x', (SELECT min(id::text)::uuid"
        " FROM accounts), now() FROM matches WHERE id = :match"
    )
    with pytest.raises(IntegrityError) as by_sql, cases.api.app.state.services.sessions.begin() as session:
        session.execute(decision, {"match": seen["id"]})
    assert by_sql.value.orig.diag.constraint_name == "exhibit_relation_of_one_case"  # type: ignore[union-attr]


@pytest.mark.thorough
def test_notice_when_acknowledged_then_once_with_an_entry_and_listed_no_longer(cases: TwoCases) -> None:
    first = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    cases.receive(cases.collector_b, cases.b, PHOTO.read_bytes())
    (notice,) = notices(cases.coordinator_a, cases.a)
    path, before = f"/v1/cases/{cases.a}/notices/{notice['id']}/acknowledgement", cases.entries(first)

    done = cases.coordinator_a.put(path)
    assert (done.status_code, done.json()["receipts"][0]["type"]) == (200, "system.notice_acknowledged")
    assert cases.coordinator_a.put(path).json()["receipts"] == []
    assert cases.entries(first) == before, "its readers would learn of the other case"
    entry = cases.entries(done.json()["receipts"][0]["stream"])[-1]
    assert entry["object"] == {"kind": "notice", "id": notice["id"]}
    assert {name: entry["data"][name] for name in ("tier", "found_at")} == {
        "tier": "exact",
        "found_at": f"{notice['found_at'][:-4]}Z",
    }
    assert entry["actor"] == {"id": cases.coordinator_a.id, "kind": "token", "role": "coordinator"}
    assert cases.coordinator_a.get(f"/v1/cases/{cases.a}/notices?unacknowledged=true").json()["items"] == []
    assert cases.coordinator_b.put(path).status_code == 404
    elsewhere = f"/v1/cases/{cases.b}/notices/{notice['id']}/acknowledgement"
    assert cases.coordinator_b.put(elsewhere).status_code == 404


@pytest.mark.thorough
def test_notice_or_match_of_two_cases_by_raw_sql_without_an_entry_then_the_database_refuses(cases: TwoCases) -> None:
    first = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    second = cases.receive(cases.collector_b, cases.b, OTHER_PHOTO.read_bytes())["id"]
    notice = text(
        "INSERT INTO match_notices (id, case_id, evidence_id, other_case_id, tier, found_at) "
        "VALUES (gen_random_uuid(), :a, :first, :b, 'exact', now())"
    )
    wrong_case = text(
        "INSERT INTO matches (id, case_id, first_id, second_id, query_id, tier, found_at) VALUES "
        "(gen_random_uuid(), :a, least(CAST(:first AS uuid), :second), greatest(CAST(:first AS uuid), :second), :first,"
        " 'exact', now())"
    )
    match = text(
        "INSERT INTO matches (id, case_id, other_case_id, first_id, second_id, query_id, tier, found_at) "
        "SELECT gen_random_uuid(), one.case_id, other.case_id, one.id, other.id, one.id, 'exact', now() "
        "FROM evidence one JOIN evidence other ON one.id < other.id"
    )
    values = {"a": cases.a, "b": cases.b, "first": first, "second": second}
    for statement, constraint in (
        (notice, "exhibit_require_entry"),
        (match, "exhibit_require_entry"),
        (wrong_case, "matches_name_their_cases"),
    ):
        with pytest.raises(IntegrityError) as refused, cases.api.app.state.services.sessions.begin() as session:
            session.execute(statement, values)
        assert constraint in str(refused.value.orig.diag.constraint_name)  # type: ignore[union-attr]


@pytest.mark.thorough
def test_loss_or_acknowledgement_by_raw_sql_when_other_entries_are_written_then_the_database_refuses(
    cases: TwoCases,
) -> None:
    """Neither an entry of another type in both items' streams, nor one in an item's stream of what the system's has."""
    items = [
        cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"],
        cases.receive(cases.collector_b, cases.b, samples.recompressed(PHOTO))["id"],
    ]
    loss = text(
        "INSERT INTO match_tiers (match_id, number, first_id, second_id, tier, blob_match, found_at, lost_by) "
        "SELECT id, 2, first_id, second_id, tier, blob_match, now(), 'rule' FROM matches"
    )
    acknowledgement = text(
        "UPDATE match_notices SET acknowledged_by = accounts.id, acknowledged_at = now() FROM accounts "
        "WHERE accounts.name = 'coordinator_a'"
    )
    sessions = cases.api.app.state.services.sessions

    def write(statement: TextClause, event: type[EvidenceViewed | EvidenceCompared], **facts: Any) -> None:
        with unit_of_work(sessions) as uow:
            uow.session.execute(statement)
            for item in items:
                evidence = uow.session.get_one(Evidence, UUID(item))
                about = entry_object(uow.session, evidence)
                uow.record(event(stream=evidence.id, actor=system_actor(uow.session), object=about, **facts))
            uow.commit()

    viewed: dict[str, Any] = {"purpose": "verification", "rendering": "frame", "bytes": 1}
    for statement, event, facts in (
        (loss, EvidenceViewed, viewed),
        (acknowledgement, EvidenceCompared, {"rule": "match/7"}),
    ):
        with pytest.raises(IntegrityError) as refused:
            write(statement, event, **facts)
        assert refused.value.orig.diag.constraint_name == "exhibit_require_entry"  # type: ignore[union-attr]
    write(loss, EvidenceCompared, rule="match/7")
    assert notices(cases.coordinator_a, cases.a)[0]["still_found"] is False


@pytest.mark.thorough
def test_comparison_of_two_cases_when_looked_at_then_either_log_says_that_a_frame_was_and_nothing_pairs_them(
    cases: TwoCases,
) -> None:
    metadata = {**METADATA, "labels": {"graphic_level": "none"}}
    items = []
    for person, case_id, content in (
        (cases.collector_a, cases.a, PHOTO.read_bytes()),
        (cases.collector_b, cases.b, samples.recompressed(PHOTO)),
    ):
        form = [("metadata", (None, json.dumps(metadata))), ("file", ("file", content))]
        items.append(person.post(f"/v1/cases/{case_id}/evidence", files=form).json()["id"])
        cases.work.finish()
    (seen,) = matches(cases.both, items[0])
    look = {"rendering": "comparison", "purpose": "verification"}

    assert cases.both.get(f"/v1/matches/{seen['id']}/comparison.png", params=look).status_code == 200

    viewed = [cases.entries(item)[-1] for item in items]
    assert [(entry["type"], entry["data"]["rendering"]) for entry in viewed] == [("evidence.viewed", "frame")] * 2
    of_a_frame = [entry["data"]["bytes"] for entry in viewed]
    assert of_a_frame == [
        len(cases.both.get(f"/v1/evidence/{item}/frames/0", params={**look, "rendering": "frame"}).content)
        for item in items
    ], "as a look at the frame itself"
    assert viewed == [cases.entries(item)[-1] for item in items], "which is the same look"
    assert len({entry["data"]["request_id"] for entry in viewed}) == 2


def test_comparing_across_cases_twice_then_one_entry(cases: TwoCases) -> None:
    first = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    cases.receive(cases.collector_b, cases.b, PHOTO.read_bytes())
    before = cases.entries(first)
    with cases.api.app.state.services.sessions.begin() as session:
        session.execute(
            text(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args) "
                "VALUES ('exhibit', 'match_across', jsonb_build_object('evidence_id', CAST(:id AS text)))"
            ),
            {"id": first},
        )
    assert cases.work.finish() == ["match_across"]
    assert cases.entries(first) == before


def freed_and_stopped(cases: TwoCases, item: str) -> tuple[str, str]:
    """Put the item's picture on the stop list; the addresses of its frame and of the decision about it."""
    prints = cases.both.get(f"/v1/evidence/{item}/fingerprints").json()["items"]
    (value,) = [one["value"] for one in prints if one["version"] == "pdq/1" and one["view"] == "identity"]
    sent = {"hash_version": "pdq/1", "value": value, "kind": "test_card", "reason": "A test card."}
    frame = cases.api.admin.post("/v1/stop-list", json=sent).json()
    path = f"/v1/stop-list/frames/{frame['id']}"
    return path, f"{path}/decision"


@pytest.mark.thorough
def test_match_of_two_cases_when_it_is_no_longer_found_then_each_side_is_told_of_its_own_and_again_when_it_is(
    cases: TwoCases,
) -> None:
    first = cases.receive(cases.collector_a, cases.a, PHOTO.read_bytes())["id"]
    second = cases.receive(cases.collector_b, cases.b, samples.recompressed(PHOTO))["id"]
    frame, decision = freed_and_stopped(cases, first)
    cases.work.finish()
    cases.work.sweep()

    (seen,) = matches(cases.both, first)
    assert (seen["still_found"], seen["not_found_because"]) == (False, "stop_list")
    sides = ((cases.coordinator_a, cases.a, first), (cases.coordinator_b, cases.b, second))
    for coordinator, case_id, _ in sides:
        (notice,) = notices(coordinator, case_id)
        assert notice["still_found"] is False

    release = {"decision": "release", "reason": "It is not."}
    assert cases.api.admin.change(decision, frame, json=release).status_code == 200
    cases.work.finish()
    cases.work.sweep()
    assert matches(cases.both, second)[0]["still_found"] is True
    for coordinator, case_id, item in sides:
        assert notices(coordinator, case_id)[0]["still_found"] is True
        assert not [
            entry for entry in cases.entries(item) if entry["type"] in ("evidence.matched", "evidence.match_lost")
        ]
    assert cases.work.sweep() == []
