"""The verifier: uploads on a bad line, finds where pictures came up before, verifies, is contradicted, is signed off.

Over HTTP only, on a product with all its processes, and with real photographs and videos (``tests/assets``).
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.media_samples import (
    ASSETS,
    VIDEO,
    cropped,
    encoded,
    excerpt,
    first_frame,
    recompressed,
    text_named_jpg,
    truncated_jpeg,
)
from tests.support.api import Api, Person
from tests.support.journey import (
    METADATA,
    NO_LABELS,
    all_pages,
    form,
    ok,
    received,
    refused,
    send_and_hang_up,
    settled,
    upload,
)

TEMPLE = ASSETS / "temple.jpg"
RAILWAY = ASSETS / "railway.jpg"
DOGS = ASSETS / "messenger-dogs.jpg"
ROCKET = ASSETS / "rocket.jpg"
EXCERPT_S = (8.0, 14.0)
STILL_S = 10.0

REQUIRED = ("provenance", "source", "date", "location", "content", "technical")
VERDICT = {"outcome": "verified", "rationale": "Place and date are established independently."}


@dataclass(frozen=True)
class Corps:
    """A case and its people."""

    api: Api
    case_id: str
    kateryna: Person
    olena: Person
    petro: Person
    rita: Person
    sofia: Person

    def sharing(self, content: bytes) -> list[dict[str, Any]]:
        """The case's items on these bytes."""
        digest = hashlib.sha256(content).hexdigest()
        return all_pages(self.olena, f"/v1/cases/{self.case_id}/evidence", sha256=digest)

    def move(self, person: Person, item_id: str, **body: Any) -> httpx.Response:
        path = f"/v1/evidence/{item_id}"
        return person.change(f"{path}/transitions", version_of=path, json=body)

    def find(self, person: Person, item_id: str, dimension: str, **stated: Any) -> httpx.Response:
        body = {
            "dimension": dimension,
            "result": "established",
            "confidence": "high",
            "methods": ["landmark_match"],
            "rationale": "Roof and steps stand as in the reference.",
            **stated,
        }
        return person.post(f"/v1/evidence/{item_id}/findings", json=body)

    def decide(self, person: Person, match: dict[str, Any], relation: str) -> httpx.Response:
        body = {"relation": relation, "reason": "Compared side by side."}
        return person.post(f"/v1/matches/{match['id']}/decision", json=body)

    def complete(self, author: Person, item_id: str) -> dict[str, Any]:
        """Every required finding and the submission; the answer to it."""
        for dimension in REQUIRED:
            ok(self.find(author, item_id, dimension), 201)
        submitted: dict[str, Any] = ok(self.move(author, item_id, event="submit", verdict=VERDICT))
        return submitted


@pytest.fixture(scope="module")
def corps(hub: Api) -> Corps:
    names = ("Kateryna", "Olena", "Petro", "Rita", "Sofia")
    kateryna, olena, petro, rita, sofia = (hub.person(name) for name in names)
    case_id = hub.case(kateryna, verifier=(olena, petro), researcher=(rita, sofia))
    return Corps(hub, case_id, kateryna, olena, petro, rita, sofia)


@dataclass(frozen=True)
class Footage:
    """The ids of six items: a photograph saved again and cropped, a video, an excerpt of it and a still from it."""

    photograph: str
    recompressed: str
    cropped: str
    video: str
    excerpt: str
    still: str

    def others(self, *own: str) -> set[str]:
        return set(vars(self).values()) - set(own)


@pytest.fixture(scope="module")
def footage(corps: Corps) -> Footage:
    """All of it uploaded at once, fingerprinted by the worker."""
    still = encoded(Image.fromarray(first_frame(STILL_S, STILL_S + 0.1)), quality=85)
    files = {
        "photograph": ("IMG_0001.jpg", TEMPLE.read_bytes()),
        "recompressed": ("forwarded.jpg", recompressed(TEMPLE)),
        "cropped": ("cropped.jpg", cropped(TEMPLE)),
        "video": ("whole.mp4", VIDEO.read_bytes()),
        "excerpt": ("part.mp4", excerpt(*EXCERPT_S)),
        "still": ("screenshot.jpg", still),
    }
    with ThreadPoolExecutor(3) as pool:
        ids = dict(
            zip(
                files,
                pool.map(lambda file: received(corps.olena, corps.case_id, file[1], file[0]), files.values()),
                strict=True,
            )
        )
    for item in settled(corps.olena, *ids.values()):
        assert (item["state"], item["fingerprint_status"]) == ("preserved", "done")
    return Footage(**ids)


def matches_of(person: Person, item_id: str) -> dict[str, dict[str, Any]]:
    """The item's matches by the other item."""
    found = all_pages(person, f"/v1/evidence/{item_id}/matches", limit=1)
    return {match["reference_id"] if match["query_id"] == item_id else match["query_id"]: match for match in found}


# --- on a bad line ----------------------------------------------------------------------------------------------------


def test_upload_when_the_line_breaks_half_way_then_the_repeated_one_makes_one_item(corps: Corps) -> None:
    content = RAILWAY.read_bytes()
    for share in (0.1, 0.7):
        send_and_hang_up(corps.olena, corps.case_id, content, "IMG_1054.JPG", key="railway-1", share=share)
    assert corps.sharing(content) == []

    first = upload(corps.olena, corps.case_id, content, "IMG_1054.JPG", key="railway-1")
    again = upload(corps.olena, corps.case_id, content, "IMG_1054.JPG", key="railway-1")

    item = ok(first, 201)
    assert ok(again, 201) == item
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [found["id"] for found in corps.sharing(content)] == [item["id"]]
    assert item["sha256"] == hashlib.sha256(content).hexdigest()
    assert item["size_bytes"] == len(content)


def test_upload_when_only_the_answer_is_lost_then_the_repeated_one_gives_it(corps: Corps) -> None:
    content = ROCKET.read_bytes()
    send_and_hang_up(corps.olena, corps.case_id, content, "rocket.jpg", key="rocket-1", share=1)

    item = ok(upload(corps.olena, corps.case_id, content, "rocket.jpg", key="rocket-1"), 201)

    assert [found["id"] for found in corps.sharing(content)] == [item["id"]]
    refused(
        upload(corps.olena, corps.case_id, content + b"x", "rocket.jpg", key="rocket-1"), 422, "idempotency_key_reused"
    )


def test_upload_when_the_bytes_came_before_then_it_is_a_second_item_reported_as_an_exact_copy(corps: Corps) -> None:
    content = (ASSETS / "table.jpg").read_bytes()
    first = ok(upload(corps.olena, corps.case_id, content, "table.jpg"), 201)
    second = ok(upload(corps.petro, corps.case_id, content, "from-another-channel.jpg", collector="Petro"), 201)

    assert first["duplicates"] == []
    assert [copy["id"] for copy in second["duplicates"]] == [first["id"]]
    assert (second["sha256"], second["collector"]) == (first["sha256"], "Petro")
    settled(corps.petro, first["id"], second["id"])
    match = matches_of(corps.petro, second["id"])[first["id"]]
    assert (match["tier"], match["decision"]) == ("exact", None)
    refused(corps.decide(corps.petro, match, "no_such_word"), 422, "invalid_request")
    assert ok(corps.decide(corps.petro, match, "exact_copy"), 201)["decision"]["relation"] == "exact_copy"


# --- have we seen these pictures before? ------------------------------------------------------------------------------


def test_matches_when_a_photograph_was_saved_again_or_cropped_then_each_is_found_and_explained(
    corps: Corps, footage: Footage
) -> None:
    found = matches_of(corps.petro, footage.photograph)

    assert set(found) == {footage.recompressed, footage.cropped}
    assert found[footage.recompressed]["tier"] == "same_picture"
    assert found[footage.cropped]["tier"] in ("same_picture", "likely")
    for match in found.values():
        assert match["grounds"]
        for ground in match["grounds"]:
            assert ground["algorithm"]
            assert ground["version"]
            if ground["algorithm"] == "orb":
                assert ground["inliers"] >= 11
                assert len(ground["outline"]) == 4
            else:
                assert 0 <= ground["distance_bits"] <= ground["threshold_bits"]


def test_matches_when_a_video_is_an_excerpt_then_its_seconds_are_named(corps: Corps, footage: Footage) -> None:
    match = matches_of(corps.petro, footage.excerpt)[footage.video]

    shift_ms = EXCERPT_S[0] * 1000
    whole = "reference" if match["query_id"] == footage.excerpt else "query"
    part = "query" if whole == "reference" else "reference"
    covered_ms = 0
    for segment in match["segments"]:
        for edge in ("start", "end"):
            assert abs(segment[f"{whole}_{edge}_ms"] - segment[f"{part}_{edge}_ms"] - shift_ms) <= 500, segment
        covered_ms += segment[f"{part}_end_ms"] - segment[f"{part}_start_ms"]
    assert covered_ms >= 0.7 * (EXCERPT_S[1] - EXCERPT_S[0]) * 1000


def test_matches_when_a_still_is_from_a_video_then_its_moment_is_named(corps: Corps, footage: Footage) -> None:
    found = matches_of(corps.petro, footage.still)

    assert set(found) == {footage.video, footage.excerpt}
    match = found[footage.video]
    whole = "reference" if match["query_id"] == footage.still else "query"
    times_ms = [(segment[f"{whole}_start_ms"], segment[f"{whole}_end_ms"]) for segment in match["segments"]]
    assert any(start - 500 <= STILL_S * 1000 <= end + 500 for start, end in times_ms), times_ms


def test_matches_when_pictures_are_others_then_none_is_found(corps: Corps, footage: Footage) -> None:
    assert set(matches_of(corps.olena, footage.video)) == {footage.excerpt, footage.still}
    stranger = corps.api.person("Stranger")
    refused(stranger.get(f"/v1/evidence/{footage.video}/matches"), 404, "not_found")


def test_search_when_a_file_is_only_searched_with_then_its_footage_is_found_and_it_is_not_taken_in(
    corps: Corps, footage: Footage
) -> None:
    before = all_pages(corps.petro, f"/v1/cases/{corps.case_id}/evidence")
    forwarded = [("metadata", (None, '{"tier": "same_picture"}')), ("file", ("x.jpg", recompressed(TEMPLE, 60)))]

    answer = ok(corps.petro.post("/v1/similar", files=forwarded, headers={"Prefer": "wait=30"}))

    assert (answer["status"], answer["outcome"]) == ("done", "decoded")
    found = [one["evidence_id"] for one in answer["found"]]
    assert {footage.photograph, footage.recompressed} <= set(found) <= {*vars(footage).values()}
    assert ok(corps.petro.get(f"/v1/similar/{answer['id']}")) == answer
    refused(corps.olena.get(f"/v1/similar/{answer['id']}"), 404, "no_such_search")
    assert all_pages(corps.petro, f"/v1/cases/{corps.case_id}/evidence") == before
    assert list((corps.api.settings.data / "similar").iterdir()) == []


def test_search_when_a_partner_sends_hashes_then_what_is_near_is_found_by_any_process(
    corps: Corps, footage: Footage
) -> None:
    listed = all_pages(corps.petro, f"/v1/evidence/{footage.photograph}/fingerprints")
    pdq = [one["value"] for one in listed if one["version"] == "pdq/1"][:24]
    body = {"algorithm": "pdq/1", "hashes": pdq}
    for answer in ok(corps.petro.post("/v1/similar/hashes", json=body))["answers"]:
        assert {footage.photograph, footage.recompressed} <= {one["evidence_id"] for one in answer["found"]}
    stranger = ok(corps.api.person("Passer-by").post("/v1/similar/hashes", json=body))["answers"]
    assert all(answer["found"] == [] for answer in stranger)


# --- what is damaged is evidence, too ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name"),
    [(truncated_jpeg(DOGS, 0.0), "cut.jpg"), (text_named_jpg(), "statement.jpg")],
    ids=["truncated", "text"],
)
def test_upload_when_the_file_cannot_be_decoded_then_it_is_preserved_and_says_so(
    corps: Corps, content: bytes, name: str
) -> None:
    item_id = received(corps.olena, corps.case_id, content, name)

    (item,) = settled(corps.olena, item_id)

    assert (item["state"], item["fingerprint_status"]) == ("preserved", "undecodable")
    original = corps.petro.get(f"/v1/evidence/{item_id}/content", params={"purpose": "verification"})
    assert (original.status_code, original.content) == (200, content)
    refused(corps.petro.get(f"/v1/evidence/{item_id}/preview"), 404, "no_preview")
    listed = all_pages(corps.petro, f"/v1/cases/{corps.case_id}/evidence", fingerprint_status="undecodable")
    assert item_id in [found["id"] for found in listed]


# --- what was stated is never overwritten -----------------------------------------------------------------------------


def test_correction_when_a_field_is_frozen_then_both_statements_stand(corps: Corps, footage: Footage) -> None:
    path = f"/v1/evidence/{footage.cropped}"
    body = {"field": "collector", "value": "Petro Example", "reason": "Two people were at the desk."}
    refused(corps.olena.post(f"{path}/corrections", json=body), 428, "precondition_required")
    stale = corps.olena.get(path).headers["ETag"]
    ok(corps.olena.change(f"{path}/corrections", version_of=path, json=body), 201)
    refused(corps.petro.post(f"{path}/corrections", json=body, headers={"If-Match": stale}), 412, "version_mismatch")

    item = ok(corps.petro.get(path))

    assert item["collector"] == "Petro Example"
    assert item["as_first_stated"] == {"collector": METADATA["collector"]}
    assert [(row["field"], row["reason"]) for row in item["corrections"]] == [(body["field"], body["reason"])]
    for body in (
        {"field": "sha256", "value": "0" * 64, "reason": "x"},
        {"field": "state", "value": "lead", "reason": "x"},
    ):
        refused(corps.olena.change(f"{path}/corrections", version_of=path, json=body), 422, "invalid_request")
    impossible = {"field": "acquired_at", "value": "yesterday", "reason": "x"}
    refused(corps.olena.change(f"{path}/corrections", version_of=path, json=impossible), 422, "uncorrectable_field")


def test_lead_when_it_is_not_taken_then_it_stays_listed_and_takes_no_file(corps: Corps) -> None:
    lead = {"lead_claim": "Somebody says that there is a video."}
    item_id = ok(corps.olena.post(f"/v1/cases/{corps.case_id}/evidence", json=lead), 201)["id"]
    path = f"/v1/evidence/{item_id}"
    decline = {"event": "decline", "reason_code": "not_reachable"}
    refused(
        corps.olena.change(f"{path}/transitions", version_of=path, json=decline),
        403,
        "forbidden",
    )

    ok(corps.kateryna.change(f"{path}/transitions", version_of=path, json=decline))

    refused(corps.olena.change(f"{path}/content", version_of=path, files=form(b"late", "late.jpg")), 409, "wrong_state")
    listed = all_pages(corps.olena, f"/v1/cases/{corps.case_id}/evidence", state="declined")
    assert [(found["id"], found["reason_code"]) for found in listed] == [(item_id, "not_reachable")]


# --- from a lead to a verdict and beyond ------------------------------------------------------------------------------


def file_of_lead(corps: Corps) -> str:
    """A lead is registered; later its file comes. The id of the preserved item."""
    lead = {"lead_address": "https://example.org/post/17", "lead_claim": "The temple after the strike."}
    item = ok(corps.olena.post(f"/v1/cases/{corps.case_id}/evidence", json=lead), 201)
    assert (item["state"], item["sha256"]) == ("lead", None)
    path = f"/v1/evidence/{item['id']}"
    refused(corps.olena.get(f"{path}/content", params={"purpose": "verification"}), 409, "no_content")
    file = form(recompressed(TEMPLE, 75), "later.jpg", claimed_place="the old temple", labels=None)
    refused(corps.olena.post(f"{path}/content", files=file, headers={"If-Match": '"7"'}), 412, "version_mismatch")
    collected = ok(corps.olena.change(f"{path}/content", version_of=path, files=file))
    assert (collected["id"], collected["state"]) == (item["id"], "collected")
    assert collected["lead_address"] == lead["lead_address"]
    (preserved,) = settled(corps.olena, item["id"])
    assert (preserved["state"], preserved["fingerprint_status"]) == ("preserved", "done")
    assert preserved["claimed_place"] == "the old temple"
    return str(item["id"])


def open_for_one(corps: Corps, item: str) -> None:
    """Labels first; then one person works on it, and nobody else."""
    path = f"/v1/evidence/{item}"
    refused(corps.move(corps.olena, item, event="open_verification"), 409, "labels_missing")
    refused(corps.olena.change(f"{path}/labels", version_of=path, method="PUT", json=NO_LABELS), 403, "forbidden")
    ok(corps.kateryna.change(f"{path}/labels", version_of=path, method="PUT", json=NO_LABELS))
    opened = ok(corps.move(corps.olena, item, event="open_verification"))
    assert (opened["state"], opened["lease_holder"]) == ("in_verification", corps.olena.id)
    refused(corps.petro.post(f"{path}/lease"), 409, "lease_taken")
    refused(corps.find(corps.petro, item, "date"), 409, "lease_not_held")
    assert ok(corps.petro.get(path))["lease"]["holder"] == corps.olena.id


def complete_and_submit(corps: Corps, item: str, incident: str) -> str:
    """Each thing that is missing refuses the submission and is named; then it is submitted. The verdict's id."""
    submit = {"event": "submit", "verdict": {**VERDICT, "incident_id": incident}}
    for dimension in REQUIRED[:-1]:
        ok(corps.find(corps.olena, item, dimension), 201)
    refused(corps.find(corps.olena, item, REQUIRED[-1], rationale=""), 422, "invalid_request")
    assert "technical" in str(refused(corps.move(corps.olena, item, **submit), 409, "findings_missing"))
    ok(corps.find(corps.olena, item, REQUIRED[-1]), 201)

    undecided = all_pages(corps.olena, f"/v1/evidence/{item}/matches", undecided=True)
    assert len(undecided) >= 3
    refused(corps.move(corps.olena, item, **submit), 409, "matches_undecided")
    for match in undecided:
        ok(corps.decide(corps.olena, match, "same_capture"), 201)
    assert all_pages(corps.olena, f"/v1/evidence/{item}/matches", undecided=True) == []

    refused(corps.move(corps.olena, item, **submit), 409, "incident_not_linked")
    link = {"evidence_id": item, "depicts": True}
    ok(corps.olena.post(f"/v1/incidents/{incident}/evidence", json=link), 201)
    submitted = ok(corps.move(corps.olena, item, **submit))
    assert submitted["state"] == "awaiting_peer_review"
    return str(submitted["verdict_id"])


def test_item_when_contradicted_corrected_and_adjudicated_then_every_view_is_kept_and_three_persons_stand_for_it(
    corps: Corps, footage: Footage
) -> None:
    item = file_of_lead(corps)
    open_for_one(corps, item)
    stated = {"code": "TOUR-1", "title": "Damage to the old temple", "kind": "other"}
    incident = ok(corps.olena.post(f"/v1/cases/{corps.case_id}/incidents", json=stated), 201)["id"]
    first = complete_and_submit(corps, item, incident)

    # A peer asks for more; the author states one finding anew and submits a second version.
    refused(corps.move(corps.olena, item, event="concur"), 403, "self_review")
    refused(corps.move(corps.petro, item, event="request_changes"), 422, "invalid_request")
    changes = "The date rests on one source."
    assert ok(corps.move(corps.petro, item, event="request_changes", comment=changes))["state"] == "in_verification"
    refused(corps.find(corps.olena, item, "date"), 409, "lease_not_held")
    ok(corps.olena.post(f"/v1/evidence/{item}/lease"))
    newer = ok(corps.find(corps.olena, item, "date", rationale="Two independent clocks agree."), 201)
    second = ok(corps.move(corps.olena, item, event="submit", verdict={**VERDICT, "incident_id": incident}))

    # The peer still disagrees; a researcher settles it, and another one signs.
    assert ok(corps.move(corps.petro, item, event="dissent", comment="The shadow is wrong."))["state"] == "disputed"
    settling = {"event": "adjudicate", "outcome": "to_sign_off", "comment": "Both read; the clocks decide."}
    refused(corps.move(corps.petro, item, **settling), 403, "forbidden")
    assert ok(corps.move(corps.rita, item, **settling))["state"] == "awaiting_sign_off"
    refused(corps.move(corps.rita, item, event="sign_off"), 403, "third_person_required")
    refused(corps.move(corps.petro, item, event="sign_off"), 403, "forbidden")
    assert ok(corps.move(corps.sofia, item, event="sign_off"))["state"] == "signed_off"

    verdicts = all_pages(corps.olena, f"/v1/evidence/{item}/verdicts", limit=1)
    assert [(row["id"], row["version"], row["supersedes"], row["signed_off"]) for row in verdicts] == [
        (first, 1, None, False),
        (second["verdict_id"], 2, first, True),
    ]
    assert {row["incident_id"] for row in verdicts} == {incident}
    assert newer["id"] in verdicts[1]["finding_ids"]
    assert newer["supersedes"] in verdicts[0]["finding_ids"]
    assert not any(row["self_reviewed"] for row in verdicts)
    reviews = all_pages(corps.olena, f"/v1/evidence/{item}/reviews")
    assert [(row["kind"], row["reviewer_id"]) for row in reviews] == [
        ("request_changes", corps.petro.id),
        ("dissent", corps.petro.id),
        ("adjudicate", corps.rita.id),
        ("sign_off", corps.sofia.id),
    ]
    assert (reviews[0]["comment"], reviews[1]["comment"]) == (changes, "The shadow is wrong.")
    original = corps.petro.get(f"/v1/evidence/{item}/content", params={"purpose": "review"}).content
    assert reviews[3]["checked_sha256"] == hashlib.sha256(original).hexdigest()
    assert original == recompressed(TEMPLE, 75)

    # New footage comes in: the item is opened again, and the signed verdict holds until another one does.
    refused(corps.move(corps.petro, item, event="reopen", reason="A longer video."), 403, "forbidden")
    reopened = ok(corps.move(corps.rita, item, event="reopen", reason="A longer video has come in."))
    assert (reopened["state"], reopened["round"]) == ("in_verification", 2)
    assert all_pages(corps.olena, f"/v1/evidence/{item}/verdicts")[-1]["signed_off"] is True


def test_opening_when_two_verifiers_reach_for_the_item_at_once_then_one_has_it(corps: Corps) -> None:
    item = received(corps.olena, corps.case_id, (ASSETS / "park-dogs.jpg").read_bytes(), "park.jpg", labels=NO_LABELS)
    settled(corps.olena, item)
    path = f"/v1/evidence/{item}"
    etag = corps.olena.get(path).headers["ETag"]
    body = {"event": "open_verification"}

    def open_it(person: Person) -> httpx.Response:
        return person.post(f"{path}/transitions", json=body, headers={"If-Match": etag})

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(open_it, (corps.olena, corps.petro)))

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    winner = (corps.olena, corps.petro)[[answer.status_code for answer in answers].index(200)]
    assert ok(corps.kateryna.get(path))["lease"]["holder"] == winner.id
    assert corps.complete(winner, item)["state"] == "awaiting_peer_review"
    # Its author may take it back while nobody reviewed it, and then it waits for nobody.
    assert ok(corps.move(winner, item, event="withdraw"))["state"] == "in_verification"
    assert ok(corps.olena.get(path))["lease"] is None
