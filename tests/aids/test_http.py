"""The aids over HTTP: what is answered, and what is refused."""

from typing import Any

import pytest

from tests.support.api import Api

KYIV: dict[str, Any] = {"latitude": 50.450033, "longitude": 30.482331}


def test_aids_when_asked_by_anybody_signed_in_then_answered_with_method_and_uncertainty(api: Api) -> None:
    olena = api.person("Olena")
    sun = olena.post("/v1/aids/sun", json={**KYIV, "time": "2026-07-03T08:20:00+03:00"}).json()
    assert 268 < sun["shadow"]["azimuth_deg"] < 271
    assert "astral" in sun["method"]
    shadow = {
        "azimuth": {"value": sun["shadow"]["azimuth_deg"], "tolerance": 1},
        "length_ratio": {"value": sun["shadow"]["length_ratio"], "tolerance": 0.1},
    }
    asked = {**KYIV, "first_day": "2026-07-03", "zone": "Europe/Kyiv", **shadow}
    [day] = olena.post("/v1/aids/shadow", json=asked).json()["days"]
    [fit] = day["fits"]
    assert fit["from"] < "2026-07-03T05:20:00Z" < fit["to"]
    assert fit["closest"] == "2026-07-03T05:20:00Z"
    there = {"latitude": 50.4547, "longitude": 30.5238, "uncertainty_m": 10}
    far = olena.post("/v1/aids/distance", json={"from": KYIV, "to": there}).json()
    assert 2_900 < far["distance_m"] < 3_100
    assert far["distance_uncertainty_m"] == 10
    assert "GeographicLib" in far["method"]


@pytest.mark.parametrize(
    ("aid", "stated"),
    [
        ("sun", {**KYIV, "time": "2026-07-03T08:20:00"}),
        ("sun", {**KYIV, "time": "1850-07-03T08:20:00Z"}),
        ("sun", {**KYIV, "latitude": 90.5, "time": "2026-07-03T08:20:00Z"}),
        ("shadow", {**KYIV, "first_day": "2026-07-03", "zone": "Europe/Kyiv"}),
        ("shadow", {**KYIV, "first_day": "2026-07-03", "zone": "Mars", "azimuth": {"value": 1, "tolerance": 1}}),
        ("shadow", {**KYIV, "first_day": "2026-07-03", "zone": "UTC", "azimuth": {"value": 1, "tolerance": 0}}),
        (
            "shadow",
            {
                **KYIV,
                "first_day": "2026-07-03",
                "last_day": "2027-07-04",
                "zone": "UTC",
                "azimuth": {"value": 1, "tolerance": 1},
            },
        ),
        (
            "shadow",
            {
                **KYIV,
                "first_day": "2026-07-03",
                "last_day": "2026-07-02",
                "zone": "UTC",
                "azimuth": {"value": 1, "tolerance": 1},
            },
        ),
        ("distance", {"from": KYIV, "to": {"latitude": 1}}),
    ],
)
def test_aids_when_the_question_makes_no_sense_then_refused(api: Api, aid: str, stated: dict[str, Any]) -> None:
    refused = api.admin.post(f"/v1/aids/{aid}", json=stated)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_aids_when_not_a_number_is_given_then_refused(api: Api) -> None:
    body = '{"from": {"latitude": NaN, "longitude": 1}, "to": {"latitude": 1, "longitude": 1}}'
    headers = {"Content-Type": "application/json"}
    assert api.admin.post("/v1/aids/distance", content=body, headers=headers).status_code == 422


def test_aids_when_nobody_is_signed_in_then_refused(api: Api) -> None:
    assert api.client().post("/v1/aids/distance", json={"from": KYIV, "to": KYIV}).status_code == 401
