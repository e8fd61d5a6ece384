"""A journey: two hubs verify a dozen real pictures blind, disagree on some, adjudicate, sign off, and reopen one.

The agreement that the coordinator is shown was counted by hand from the table of verdicts below.
"""

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from tests.contracts.world import LABELS, METADATA
from tests.support.api import Api, Person
from tests.support.work import work_of

ASSETS = Path(__file__).parents[1] / "assets"
PHOTOGRAPHS = ("table", "temple", "railway", "rocket", "resting-dog", "park-dogs")
VERDICTS = (
    *[("verified", "verified")] * 5,
    *[("misattributed", "misattributed")] * 2,
    ("inconclusive", "inconclusive"),
    *[("verified", "misattributed")] * 2,
    ("misattributed", "verified"),
    ("verified", "inconclusive"),
)
"""The first's outcome and the second's, item by item: 8 of 12 agree. The first gave 8 verified, 3 misattributed and 1
inconclusive, the second 6, 4 and 2: by chance (8*6 + 3*4 + 1*2) / 144 agree, so kappa is (96 - 62) / (144 - 62)."""


def pictures() -> list[bytes]:
    """Two corners of each photograph, which show nothing in common."""
    made = []
    for name in PHOTOGRAPHS:
        with Image.open(ASSETS / f"{name}.jpg") as photograph:
            small = photograph.convert("RGB").resize((480, 360))
            for box in ((0, 0, 200, 160), (280, 200, 480, 360)):
                written = io.BytesIO()
                small.crop(box).save(written, "JPEG", quality=85)
                made.append(written.getvalue())
    return made


def received(person: Person, case: str) -> list[str]:
    items = []
    for number, picture in enumerate(pictures()):
        parts = [("metadata", (None, json.dumps({**METADATA, "labels": LABELS}))), ("file", (f"{number}.jpg", picture))]
        answer = person.post(f"/v1/cases/{case}/evidence", files=parts)
        assert answer.status_code == 201, answer.text
        items.append(answer.json()["id"])
    return items


def moved(person: Person, item: str, event: str, **body: Any) -> dict[str, Any]:
    path = f"/v1/evidence/{item}"
    answer = person.change(f"{path}/transitions", path, json={"event": event, **body})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def find(person: Person, item: str, location: str) -> None:
    for dimension, result in (("date", "established"), ("location", location)):
        stated = {"dimension": dimension, "result": result, "confidence": "high", "methods": ["landmark_match"]}
        answer = person.post(f"/v1/evidence/{item}/findings", json={**stated, "rationale": "As in the reference."})
        assert answer.status_code == 201, answer.text


def submit(person: Person, item: str, outcome: str) -> None:
    for match in person.get(f"/v1/evidence/{item}/matches", params={"undecided": "true"}).json()["items"]:
        decided = person.post(f"/v1/matches/{match['id']}/decision", json={"relation": "unrelated", "reason": "Other."})
        assert decided.status_code == 201, decided.text
    moved(person, item, "submit", verdict={"outcome": outcome, "rationale": "All of it read."})


def verify_second(person: Person, item: str, outcome: str, *, agrees: bool) -> None:
    """Without having been shown anything; then both are shown."""
    path = f"/v1/evidence/{item}"
    assert person.post(f"{path}/lease").status_code == 200
    for hidden in ("findings", "verdicts", "second-verdicts"):
        assert person.get(f"{path}/{hidden}").json()["items"] == []
    find(person, item, "established" if agrees else "contradicted")
    given = person.post(f"{path}/second-verdicts", json={"outcome": outcome, "rationale": "As I found it."})
    assert given.status_code == 201, given.text
    assert len(person.get(f"{path}/findings").json()["items"]) == 4
    assert len(person.get(f"{path}/verdicts").json()["items"]) == 1


def test_hubs_when_they_verify_blind_then_disputes_are_adjudicated_and_agreement_is_as_counted_by_hand(
    api: Api,
) -> None:
    olena, petro, pavlo, rita, sofia = (api.person(name) for name in ("Olena", "Petro", "Pavlo", "Rita", "Sofia"))
    case = api.case(olena, verifier=(olena, petro, pavlo), researcher=(rita, sofia))
    policy = {"required_dimensions": ["date", "location"], "blind_double_verification": True}
    assert olena.change(f"/v1/cases/{case}/policy", f"/v1/cases/{case}/policy", "PUT", json=policy).status_code == 200
    items = received(olena, case)
    with work_of(api) as work:
        work.finish()

    for number, (item, (outcome, other)) in enumerate(zip(items, VERDICTS, strict=True)):
        first, second = (olena, petro) if number % 2 == 0 else (petro, olena)
        moved(first, item, "open_verification")
        find(first, item, "established")
        submit(first, item, outcome)
        verify_second(second, item, other, agrees=outcome == other)
        if outcome == other:
            assert moved(second, item, "concur")["state"] == "awaiting_sign_off"
        else:
            refused = second.change(
                f"/v1/evidence/{item}/transitions", f"/v1/evidence/{item}", json={"event": "concur"}
            )
            assert refused.json()["code"] == "outcomes_differ"
            assert moved(second, item, "dissent", comment="I found another place.")["state"] == "disputed"

    *sent_on, sent_back = items[8:]
    for item in sent_on:
        moved(sofia, item, "adjudicate", outcome="to_sign_off", comment="Both views read.")
    moved(sofia, sent_back, "adjudicate", outcome="back", comment="Redo the place.")
    assert petro.post(f"/v1/evidence/{sent_back}/lease").status_code == 200
    submit(petro, sent_back, "inconclusive")
    moved(pavlo, sent_back, "concur")
    for item in items:
        assert moved(rita, item, "sign_off")["state"] == "signed_off"
    reopened = moved(olena, items[0], "reopen", reason="A longer recording came in.")
    assert (reopened["state"], reopened["round"]) == ("in_verification", 2)
    assert rita.get(f"/v1/evidence/{items[0]}").json()["blind"] is None

    figures = olena.get("/v1/statistics/agreement", params={"case": case}).json()
    assert (figures["rounds"], figures["outcome"]["pairs"], figures["outcome"]["agreeing"]) == (12, 12, 8)
    assert figures["outcome"]["kappa"] == round(34 / 82, 4)
    assert figures["outcome"]["is_rough"]
    assert figures["dimensions"]["date"]["undefined"] == "no_variation"
    place = figures["dimensions"]["location"]
    assert (place["pairs"], place["agreeing"], place["kappa"]) == (12, 8, 0)
    assert figures["dimensions"]["source"]["undefined"] == "no_pairs"
