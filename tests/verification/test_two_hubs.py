"""A journey: two hubs verify forty real pictures blind (a dozen in `make test`), disagree on some, adjudicate,
sign off, and reopen one.

The agreement that the coordinator is shown was counted by hand from the tables of verdicts below.
"""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from tests.contracts.world import LABELS, METADATA
from tests.support.api import Api, Person
from tests.support.examples import is_thorough
from tests.support.work import work_of

ASSETS = Path(__file__).parents[1] / "assets"
PHOTOGRAPHS = ("table", "temple", "railway", "rocket", "resting-dog", "park-dogs")


class Joint(NamedTuple):
    """What two hubs give, item by item: first those on which they agree. ``kappa`` was counted by hand."""

    verdicts: tuple[tuple[str, str], ...]
    agreeing: int
    kappa: float
    is_rough: bool


DOZEN = Joint(
    (
        *[("verified", "verified")] * 5,
        *[("misattributed", "misattributed")] * 2,
        ("inconclusive", "inconclusive"),
        *[("verified", "misattributed")] * 2,
        ("misattributed", "verified"),
        ("verified", "inconclusive"),
    ),
    agreeing=8,
    kappa=round(34 / 82, 4),
    is_rough=True,
)
"""The first gave 8 verified, 3 misattributed and 1 inconclusive, the second 6, 4 and 2: by chance
(8*6 + 3*4 + 1*2) / 144 agree, so kappa is (96 - 62) / (144 - 62)."""
FORTY = Joint(
    (
        *[("verified", "verified")] * 16,
        *[("misattributed", "misattributed")] * 8,
        *[("inconclusive", "inconclusive")] * 4,
        *[("verified", "misattributed")] * 5,
        *[("misattributed", "verified")] * 3,
        *[("verified", "inconclusive")] * 2,
        *[("inconclusive", "verified")] * 2,
    ),
    agreeing=28,
    kappa=round(458 / 938, 4),
    is_rough=False,
)
"""The first gave 23 verified, 11 misattributed and 6 inconclusive, the second 21, 13 and 6: by chance
(23*21 + 11*13 + 6*6) / 1600 agree, so kappa is (1120 - 662) / (1600 - 662)."""
CELLS = ((0, 0), (600, 0), (0, 480), (600, 480), (300, 240), (0, 240), (600, 240))
"""The left upper corner of what is cut out of a photograph of 900 x 720: corners first. No two of them overlap."""


def pictures(count: int) -> list[bytes]:
    """Parts of the photographs that show nothing in common, an equal number of each as far as it goes."""
    made = []
    for left, upper in CELLS:
        for name in PHOTOGRAPHS:
            with Image.open(ASSETS / f"{name}.jpg") as photograph:
                part = photograph.convert("RGB").resize((900, 720)).crop((left, upper, left + 300, upper + 240))
            written = io.BytesIO()
            part.save(written, "JPEG", quality=85)
            made.append(written.getvalue())
    return made[:count]


def received(person: Person, case: str, count: int) -> list[str]:
    items = []
    for number, picture in enumerate(pictures(count)):
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


@pytest.mark.thorough
def test_hubs_when_they_verify_blind_then_disputes_are_adjudicated_and_agreement_is_as_counted_by_hand(
    api: Api,
) -> None:
    joint = FORTY if is_thorough() else DOZEN
    count, agreeing = len(joint.verdicts), joint.agreeing
    olena, petro, pavlo, rita, sofia = (api.person(name) for name in ("Olena", "Petro", "Pavlo", "Rita", "Sofia"))
    case = api.case(olena, verifier=(olena, petro, pavlo), researcher=(rita, sofia))
    policy = {"required_dimensions": ["date", "location"], "blind_double_verification": True}
    assert olena.change(f"/v1/cases/{case}/policy", f"/v1/cases/{case}/policy", "PUT", json=policy).status_code == 200
    items = received(olena, case, count)
    with work_of(api) as work:
        work.finish()

    for number, (item, (outcome, other)) in enumerate(zip(items, joint.verdicts, strict=True)):
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

    *sent_on, sent_back = items[agreeing:]
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
    assert (figures["rounds"], figures["outcome"]["pairs"]) == (count, count)
    assert (figures["outcome"]["agreeing"], figures["outcome"]["kappa"]) == (agreeing, joint.kappa)
    assert figures["outcome"]["is_rough"] == joint.is_rough
    assert figures["dimensions"]["date"]["undefined"] == "no_variation"
    place = figures["dimensions"]["location"]
    assert (place["pairs"], place["agreeing"], place["kappa"]) == (count, agreeing, 0)
    assert figures["dimensions"]["source"]["undefined"] == "no_pairs"
