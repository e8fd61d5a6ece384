"""From uploaded files to explained matches and decisions, over HTTP and through the jobs."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import text

from app.fingerprints.service import undecided_matches
from tests import media_samples as samples
from tests.api.test_round_trips import statements
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api, Person
from tests.support.work import Work, work_of

METADATA = {
    "collector": "Olena Example",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "Public channel",
}
PHOTO = PHOTOGRAPHS[0]
NOBODY = "00000000-0000-4000-8000-000000000000"


class Bench:
    """A case with a verifier, and the work of its jobs."""

    def __init__(self, api: Api, work: Work) -> None:
        self.api, self.work = api, work
        self.verifier = api.person("Olena Verifier")
        self.collector = api.person("Petro Collector")
        self.coordinator = api.person("Coordinator")
        self.case_id = api.case(self.coordinator, verifier=(self.verifier,), collector=(self.collector,))

    def receive(self, *files: bytes, case_id: str | None = None, person: Person | None = None) -> list[str]:
        """The items' ids, after their jobs ran."""
        ids = []
        for content in files:
            form = [("metadata", (None, json.dumps(METADATA))), ("file", ("file", content))]
            answer = (person or self.verifier).post(f"/v1/cases/{case_id or self.case_id}/evidence", files=form)
            assert answer.status_code == 201, answer.text
            ids.append(answer.json()["id"])
        self.work.finish()
        return ids

    def item(self, evidence_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.verifier.get(f"/v1/evidence/{evidence_id}").json()
        return found

    def matches(self, evidence_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.verifier.get(f"/v1/evidence/{evidence_id}/matches").json()["items"]
        return found

    def entry_types(self, stream: str) -> list[str]:
        with self.api.app.state.services.sessions() as session:
            query = text("SELECT type FROM ledger_entries WHERE stream_id = :stream ORDER BY seq")
            return list(session.scalars(query, {"stream": stream}))


@pytest.fixture
def bench(api: Api) -> Iterator[Bench]:
    with work_of(api) as work:
        yield Bench(api, work)


def test_photograph_after_its_jobs_is_preserved_fingerprinted_and_previewed(bench: Bench) -> None:
    (item_id,) = bench.receive(PHOTO.read_bytes())

    item = bench.item(item_id)
    assert (item["state"], item["fingerprint_status"], item["version"]) == ("preserved", "done", 3)
    prints = bench.verifier.get(f"/v1/evidence/{item_id}/fingerprints").json()["items"]
    assert {row["algorithm"] for row in prints} == {"pdq", "phash", "dhash", "whash", "colorhash", "orb"}
    assert len([row for row in prints if row["algorithm"] == "pdq"]) == 16, "in eight symmetries, and with folded tones"
    assert bench.entry_types(item_id) == [
        "evidence.collected",
        "evidence.preserved",
        "evidence.fingerprinted",
        "evidence.derived",  # The working picture.
        "evidence.derived",  # The preview.
        "evidence.derived",  # The thumbnail.
    ]
    preview = bench.verifier.get(f"/v1/evidence/{item_id}/preview")
    assert (preview.status_code, preview.headers["Content-Type"]) == (200, "image/jpeg")


def test_item_when_it_is_settled_with_a_match_then_its_job_asks_so_often(bench: Bench) -> None:
    """Each statement is a round trip under the case's lock, or makes everybody else wait for the database."""
    bench.receive(PHOTO.read_bytes())
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("file", samples.recompressed(PHOTO)))]
    assert bench.verifier.post(f"/v1/cases/{bench.case_id}/evidence", files=form).status_code == 201
    asked: dict[str, list[str]] = {}
    with statements(bench.api) as sent:
        while (name := bench.work.run_one()) is not None:
            asked[name] = sent[sum(map(len, asked.values())) :]

    assert len(asked["match"]) <= 64, "of which some are of an index that begins in this process"
    assert len([one for one in asked["match"] if "FROM ledger_logs ORDER BY" in one]) == 1, "whose the system stream is"


def test_recompressed_copy_is_the_same_picture_by_pdq(bench: Bench) -> None:
    original, copy = bench.receive(PHOTO.read_bytes(), samples.recompressed(PHOTO))

    (match,) = bench.matches(original)
    assert match["tier"] == "same_picture"
    assert {match["query_id"], match["reference_id"]} == {copy, original}
    ground = match["grounds"][0]
    assert (ground["algorithm"], ground["version"], ground["transformation"]) == ("pdq", "pdq/1", "identity")
    assert ground["distance_bits"] <= ground["threshold_bits"] == 31
    assert bench.matches(copy) == [match]
    assert "evidence.matched" in bench.entry_types(original)
    assert "evidence.matched" in bench.entry_types(copy)


@pytest.mark.thorough
def test_cropped_copy_is_the_same_picture_by_points_that_lie_alike_and_says_where(bench: Bench) -> None:
    original, copy = bench.receive(PHOTO.read_bytes(), samples.cropped(PHOTO, 0.10))

    (match,) = bench.matches(original)
    ground = match["grounds"][0]
    assert (match["tier"], ground["algorithm"]) == ("same_picture", "orb")
    assert ground["inliers"] >= ground["threshold_inliers"] == 12
    is_inside = [0 < place < 1000 for corner in ground["outline"] for place in corner]
    assert set(is_inside) == {match["query_id"] == copy}, "the crop lies inside the whole, the whole around the crop"
    assert len(ground["points"]) == min(40, ground["inliers"])
    assert match["explanation"].startswith(f"Local features: {ground['inliers']} points agree")


@pytest.mark.thorough
def test_mirrored_copy_is_found_and_says_so(bench: Bench) -> None:
    original, _ = bench.receive(PHOTO.read_bytes(), samples.mirrored(PHOTO))

    (match,) = bench.matches(original)
    assert (match["tier"], match["grounds"][0]["transformation"]) == ("same_picture", "mirror")


@pytest.mark.thorough
def test_other_photographs_do_not_match(bench: Bench) -> None:
    ids = bench.receive(*(path.read_bytes() for path in PHOTOGRAPHS))

    assert [bench.matches(item_id) for item_id in ids] == [[] for _ in ids]


@pytest.mark.thorough
def test_same_bytes_are_an_exact_match_and_decoded_once(bench: Bench) -> None:
    first, second = bench.receive(PHOTO.read_bytes(), PHOTO.read_bytes())

    (match,) = bench.matches(first)
    assert (match["tier"], match["rule"]) == ("exact", None)
    assert bench.item(second)["fingerprint_status"] == "done"


@pytest.mark.thorough
def test_video_and_its_excerpt_match_with_their_segments(bench: Bench) -> None:
    whole, excerpt = bench.receive(samples.excerpt(0.0, 8.0), samples.excerpt(3.0, 7.0))

    (match,) = bench.matches(excerpt)
    assert (match["tier"], {match["query_id"], match["reference_id"]}) == ("same_picture", {excerpt, whole})
    segment = match["segments"][0]
    shift_ms = segment["reference_start_ms"] - segment["query_start_ms"]
    shift_ms *= 1 if match["query_id"] == excerpt else -1
    assert abs(shift_ms - 3000) <= 150, match["segments"]


@pytest.mark.thorough
def test_still_of_a_video_is_found_whichever_comes_first(bench: Bench) -> None:
    frame = samples.encoded(Image.fromarray(samples.first_frame(2.0, 8.0)), quality=90)
    still, video = bench.receive(frame, samples.excerpt(0.0, 6.0))
    (match,) = bench.matches(still)

    side = "query" if match["query_id"] == video else "reference"
    segment = match["segments"][0]
    assert segment[f"{side}_start_ms"] <= 2000 <= segment[f"{side}_end_ms"] + 2000


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (samples.text_named_jpg(), "undecodable: by its first bytes this is none of the image and video formats"),
        (samples.truncated_jpeg(fraction=0.0), "undecodable: the file ends early: nothing of the picture is there"),
    ],
    ids=["text", "truncated"],
)
def test_damaged_photograph_is_preserved_and_flagged_undecodable_with_the_reason_in_words(
    bench: Bench, content: bytes, reason: str
) -> None:
    (item_id,) = bench.receive(content)

    item = bench.item(item_id)
    assert (item["state"], item["fingerprint_status"]) == ("preserved", "undecodable")
    assert item["fingerprint_reason"].startswith(reason)
    with bench.api.app.state.services.sessions() as session:
        query = text(
            "SELECT convert_from(body, 'UTF8') FROM ledger_bodies JOIN ledger_entries USING (commitment)"
            " WHERE stream_id = :stream AND type = 'evidence.fingerprinted'"
        )
        (entry,) = session.scalars(query, {"stream": item_id}).all()
    assert '"outcome":"undecodable"' in entry
    assert reason not in entry
    preview = bench.verifier.get(f"/v1/evidence/{item_id}/preview")
    assert (preview.status_code, preview.json()["code"]) == (404, "no_preview")


@pytest.mark.thorough
def test_photograph_of_which_the_end_is_missing_is_found_to_be_the_whole_one_and_says_what_is_missing(
    bench: Bench,
) -> None:
    body = samples.recompressed(PHOTO, 88)
    whole, part = bench.receive(PHOTO.read_bytes(), body[: len(body) * 19 // 20])

    item = bench.item(part)
    assert (item["state"], item["fingerprint_status"]) == ("preserved", "done")
    assert item["fingerprint_reason"].startswith("partial: the file ends early: about ")
    assert bench.verifier.get(f"/v1/evidence/{part}/preview").status_code == 200
    (match,) = bench.matches(part)
    assert {match["query_id"], match["reference_id"]} == {whole, part}


@pytest.mark.thorough
def test_case_policy_overrides_the_threshold(bench: Bench) -> None:
    policy = {"required_dimensions": ["source"], "thresholds": {"pdq": 0}}
    answer = bench.coordinator.change(
        f"/v1/cases/{bench.case_id}/policy", f"/v1/cases/{bench.case_id}/policy", "PUT", json=policy
    )
    assert answer.status_code == 200, answer.text
    original, _ = bench.receive(PHOTO.read_bytes(), samples.recompressed(PHOTO, 10))

    (match,) = bench.matches(original)
    assert "pdq" not in {ground["algorithm"] for ground in match["grounds"]}
    assert "pdq/1<=0" in match["rule"]


@pytest.mark.thorough
def test_two_copies_fingerprinted_at_once_find_each_other(bench: Bench) -> None:
    files = [samples.recompressed(PHOTO, quality) for quality in (40, 55, 70, 85)]
    ids = []
    for content in files:
        form = [("metadata", (None, json.dumps(METADATA))), ("file", ("file", content))]
        ids.append(bench.verifier.post(f"/v1/cases/{bench.case_id}/evidence", files=form).json()["id"])
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(bench.work.finish) for _ in range(4)]:
            future.result()

    assert [len(bench.matches(item_id)) for item_id in ids] == [3, 3, 3, 3]


@pytest.mark.thorough
def test_fingerprint_job_that_runs_twice_leaves_one_result(bench: Bench) -> None:
    first, second = bench.receive(PHOTO.read_bytes(), samples.recompressed(PHOTO))
    before = bench.entry_types(second)
    with bench.api.app.state.services.sessions.begin() as session:
        session.execute(
            text(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES"
                " ('exhibit', 'fingerprint', jsonb_build_object('evidence_id', CAST(:id AS text)))"
            ),
            {"id": second},
        )
    bench.work.finish()

    assert bench.entry_types(second) == before
    assert len(bench.matches(first)) == 1


def decide(bench: Bench, match_id: str, person: Person | None = None, **decision: Any) -> Any:
    return (person or bench.verifier).post(f"/v1/matches/{match_id}/decision", json=decision)


@pytest.mark.thorough
def test_decision_is_recorded_in_both_streams_and_superseded_by_a_later_one(bench: Bench) -> None:
    original, copy = bench.receive(PHOTO.read_bytes(), samples.recompressed(PHOTO))
    match_id = bench.matches(original)[0]["id"]
    sessions = bench.api.app.state.services.sessions
    with sessions() as session:
        assert [str(found) for found in undecided_matches(session, UUID(original))] == [match_id]

    deferred = decide(bench, match_id, relation="potential", reason="The poster has to answer first.")
    decided = decide(bench, match_id, relation="same_capture", reason="The same frame.")

    assert (deferred.status_code, decided.status_code) == (201, 201)
    assert [receipt["type"] for receipt in decided.json()["receipts"]] == ["evidence.match_decided"] * 2
    with sessions() as session:
        assert undecided_matches(session, UUID(original)) == []
    (relation,) = bench.verifier.get(f"/v1/evidence/{copy}/relations").json()["items"]
    assert (relation["relation"], relation["number"]) == ("same_capture", 2)
    assert bench.verifier.get(f"/v1/matches/{match_id}").json()["decision"]["relation"] == "same_capture"
    assert bench.entry_types(copy).count("evidence.match_decided") == 2


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("decision", "code"),
    [
        ({"relation": "excerpt_of", "reason": "x"}, "subject_needed"),
        ({"relation": "exact_copy", "reason": "x"}, "not_an_exact_copy"),
        ({"relation": "contains", "reason": "x", "evidence_id": NOBODY}, "subject_not_in_match"),
        ({"relation": "twin", "reason": "x"}, "invalid_request"),
        ({"relation": "unrelated"}, "invalid_request"),
    ],
)
def test_decision_that_cannot_be_is_refused(bench: Bench, decision: dict[str, Any], code: str) -> None:
    original, _ = bench.receive(PHOTO.read_bytes(), samples.recompressed(PHOTO))
    match_id = bench.matches(original)[0]["id"]

    answer = decide(bench, match_id, **decision)

    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "relation", ["same_capture", "excerpt_of", "contains", "edited_from", "same_event_other_camera", "unrelated"]
)
def test_decision_about_the_same_bytes_that_denies_the_fact_is_refused(bench: Bench, relation: str) -> None:
    first, _ = bench.receive(samples.text_named_jpg(), samples.text_named_jpg())
    match_id = bench.matches(first)[0]["id"]

    answer = decide(bench, match_id, relation=relation, reason="x", evidence_id=first)

    assert (answer.status_code, answer.json()["code"]) == (422, "same_bytes")
    assert bench.matches(first)[0]["decision"] is None


@pytest.mark.thorough
def test_decision_about_the_same_bytes_may_be_deferred_and_then_be_exact_copy(bench: Bench) -> None:
    first, _ = bench.receive(samples.text_named_jpg(), samples.text_named_jpg())
    match_id = bench.matches(first)[0]["id"]

    answers = [decide(bench, match_id, relation=relation, reason="x") for relation in ("potential", "exact_copy")]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert bench.matches(first)[0]["decision"]["relation"] == "exact_copy"


@pytest.mark.thorough
def test_decision_by_a_collector_or_an_outsider_is_refused(bench: Bench) -> None:
    original, _ = bench.receive(PHOTO.read_bytes(), samples.recompressed(PHOTO))
    match_id = bench.matches(original)[0]["id"]
    stranger = bench.api.person("Stranger")

    by_collector = decide(bench, match_id, bench.collector, relation="unrelated", reason="x")
    by_stranger = decide(bench, match_id, stranger, relation="unrelated", reason="x")

    assert (by_collector.status_code, by_stranger.status_code) == (403, 404)
    assert stranger.get(f"/v1/matches/{match_id}").status_code == 404
    assert stranger.get(f"/v1/evidence/{original}/matches").status_code == 404
