"""One organisation's public statement of 18 November 2024: each of its numbers is answered, with its proof, and stays
what it was whatever is added later."""

from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from app.kernel.primitives import format_time
from tests.pictures.reading import Svg, pixels
from tests.statement.asking import OF_2024, WITH_CHILDREN, answer, chart, everything, figure, ranges, series
from tests.statement.conftest import OTHERS, Signer
from tests.statement.footage import further_still, recordings, saved_again
from tests.statement.records import ADULTS_ONLY, HELD, HOSPITAL, OF_2022, STRIKES, Strike, casualties
from tests.statement.scenario import HOSPITAL_IMAGES, HOSPITAL_VIDEOS, Statement
from tests.support.examples import is_thorough
from tests.support.journey import all_pages, ok, refused

pytestmark = pytest.mark.scaled
ITEMS = HOSPITAL_IMAGES + HOSPITAL_VIDEOS + OTHERS


def summed(outcome: str, strikes: tuple[Strike, ...] = STRIKES) -> tuple[int, int | None] | None:
    """Minima and maxima of the children, each by themselves; open as soon as one is."""
    stated = [strike.children[outcome] for strike in strikes if outcome in strike.children]
    if not stated:
        return None
    highest = [high for _, high in stated if high is not None]
    return sum(low for low, _ in stated), sum(highest) if len(highest) == len(stated) else None


def test_strikes_when_asked_then_seventeen_of_2024_have_children_among_the_casualties(
    statement: Statement, sign: Signer
) -> None:
    sign()
    found = figure(statement, "incidents", **WITH_CHILDREN)
    assert (found["total"]["count"], found["counted"]["count"], len(STRIKES)) == (17, 17, 17)
    members = all_pages(statement.rita, "/v1/statistics/incidents/members", case=statement.case_id, **WITH_CHILDREN)
    codes = {strike.code for strike in STRIKES}
    assert {one["id"] for one in members} == {statement.incidents[code] for code in codes}
    # What stands beside them and is not counted with them.
    assert figure(statement, "incidents", **OF_2024)["total"]["count"] == 18
    assert figure(statement, "incidents", protected_person="child")["total"]["count"] == 19
    related = ok(statement.rita.get(f"/v1/incidents/{statement.hospital}/related"))["items"]
    assert {one["stated"]["other_incident_id"] for one in related} == {statement.incidents[code] for code in OF_2022}
    refused(answer(statement, "incidents", statement.people["Outsider"]), 404, "not_found")
    assert ok(answer(statement, "incidents", statement.people["Anna"], **WITH_CHILDREN))["total"]["count"] == 17


def test_items_when_asked_then_all_of_the_strikes_and_fourteen_images_and_six_videos_of_the_hospital(
    statement: Statement, sign: Signer
) -> None:
    sign()
    found = figure(statement, "items", **WITH_CHILDREN)["total"]
    assert (found["count"], found["collapsed"]) == (ITEMS, ITEMS)
    if is_thorough():
        assert found["count"] >= 121
    hospital = figure(statement, "items", incident=statement.hospital, by="media_type")
    assert hospital["total"]["images"] == {"count": 14, "collapsed": 14}
    assert hospital["total"]["videos"] == {"count": 6, "collapsed": 6}
    assert {point["key"]: point["count"] for point in hospital["series"]} == {"image": 14, "video": 6}
    by_incident = series(statement, "items", by="incident", **WITH_CHILDREN)
    assert {code: len(items) for code, items in statement.items.items()} == {
        code: point["count"] for code, point in by_incident.items()
    }


def test_hospital_when_asked_then_casualties_damage_protection_and_weapon_are_as_stated(
    statement: Statement, sign: Signer
) -> None:
    sign()
    total = figure(statement, "casualties", incident=statement.hospital)["total"]
    assert ranges(total) == {
        ("killed", "civilian"): (2, 2),
        ("injured", "civilian"): (100, None),
        ("injured", "child"): (8, None),
    }
    parts = ok(statement.rita.get(f"/v1/incidents/{statement.hospital}/objects"))["items"]
    shown = {one["stated"]["part"]: one["stated"] for one in parts}
    damage = {part: stated["damage"] for part, stated in shown.items()}
    assert damage == {"Toxicology building": "destroyed", "Intensive care": "severe"}
    assert {stated["special_protection"] for stated in shown.values()} == {"protected"}
    protected = series(statement, "incidents", by="protected_object", **WITH_CHILDREN)
    assert protected["hospital"]["count"] == 1
    for spelling in ("Kh-10112", "Kh-101", "Х-101", "kh 101"):
        found = all_pages(statement.rita, "/v1/statistics/incidents/members", case=statement.case_id, weapon=spelling)
        assert [one["id"] for one in found] == [statement.hospital], spelling
    assert figure(statement, "incidents", weapon="Kh-55")["total"]["count"] == 0
    [weapon] = ok(statement.rita.get(f"/v1/incidents/{statement.hospital}/weapons"))["items"]
    assert (weapon["stated"]["reported"], weapon["stated"]["normalised"]) == ("Kh-10112", "Kh-101")


def test_months_when_asked_then_child_casualties_of_each_are_minima_and_maxima_apart(
    statement: Statement, sign: Signer
) -> None:
    sign()
    found = series(statement, "casualties", by="month", **WITH_CHILDREN)
    months = sorted({strike.month for strike in STRIKES})
    assert sorted(str(month) for month in found) == months
    for month in months:
        of_month = tuple(strike for strike in STRIKES if strike.month == month)
        for outcome in ("killed", "injured"):
            assert ranges(found[month]).get((outcome, "child")) == summed(outcome, of_month), (month, outcome)
    total = ranges(figure(statement, "casualties", **WITH_CHILDREN)["total"])
    assert total["killed", "child"] == summed("killed")
    assert total["injured", "child"] == summed("injured")
    assert total["injured", "child"][1] is None


@pytest.mark.thorough
def test_control_when_asked_then_what_nobody_knows_is_unknown_and_no_other_organisations_share_is_merged(
    statement: Statement, sign: Signer
) -> None:
    sign()
    found = figure(statement, "incidents", by="control", **WITH_CHILDREN)
    held = sum(strike.region in HELD for strike in STRIKES)
    counts = {point["label"]: point["count"] for point in found["series"]}
    assert counts == {"Ukraine": held, None: 17 - held}
    assert found["series"][-1]["key"] is None
    assert found["unknown"] == {"count": 4, "share": round(4 / 17, 4)}
    assert figure(statement, "incidents", control="unknown", **WITH_CHILDREN)["total"]["count"] == 4
    [statistic] = ok(statement.rita.get(f"/v1/cases/{statement.case_id}/external-statistics"))["items"]
    assert (statistic["stated"]["figure"], statistic["stated"]["unit"]) == ("89 %", "percent")
    for name, each in everything(statement).items():
        assert "89" not in str({"numbers": (each["total"], each["unknown"])}), name
    ok(
        statement.rita.post(
            f"/v1/cases/{statement.case_id}/external-statistics",
            json={"stated": None, "supersedes": statistic["id"], "reason": "Corrected by its author."},
        ),
        201,
    )
    sign()
    assert figure(statement, "incidents", by="control", **WITH_CHILDREN)["series"] == found["series"]


def test_same_questions_when_things_were_added_and_one_is_reopened_then_as_of_that_day_the_same_and_now_others(
    statement: Statement, sign: Signer
) -> None:
    that_day = str(sign())
    before = everything(statement)
    kept = figure(statement, "items", **WITH_CHILDREN)
    picture = chart(statement, "casualties", by="month", outcome="killed", person_group="child", **WITH_CHILDREN)
    _add_and_reopen(statement)
    today = str(sign())
    assert everything(statement, as_of=that_day) == before
    now = everything(statement)
    assert everything(statement, as_of=today) == now
    assert now["strikes"]["total"]["count"] == 18
    assert now["hospital"]["total"]["images"]["count"] == 13  # The reopened one is no longer verified, for now.
    for name in ("strikes", "items", "hospital", "casualties", "months", "control"):
        assert now[name] != before[name], name
    assert now["weapon"] == before["weapon"]
    verified = ok(statement.rita.post("/v1/statistics/verify", json=kept))
    assert (verified["result"], verified["summary"]) == ("equal", "equal")
    again = chart(
        statement, "casualties", by="month", outcome="killed", person_group="child", as_of=that_day, **WITH_CHILDREN
    )
    assert again.texts == picture.texts
    assert again.description == picture.description


def _add_and_reopen(statement: Statement) -> None:
    late = {
        "record": "incident",
        "external_reference": "strike/S-19",
        "code": "S-19",
        "title": "Strike found later",
        "kind": "drone",
        "occurred": {"from": "2024-02-23T20:00:00Z", "to": "2024-02-23T20:30:00Z", "zone": "Europe/Kyiv", "basis": "x"},
        "place": {"administrative_units": ["Ukraine", "Odesa"]},
    }
    statement.take_in([late, casualties("S-19", "killed", "child", (1, 2))])
    other = {"organisation_id": "Monitoring Mission", "document": "Later report"}
    statement.take_in([casualties(HOSPITAL, "killed", "civilian", (2, 4), source=other)])
    statement.reopen(statement.items[HOSPITAL][0])


@pytest.mark.thorough
def test_copy_of_a_counted_video_when_verified_then_the_raw_count_alone_rises(
    statement: Statement, sign: Signer
) -> None:
    video = statement.upload(recordings(1)[0], "forwarded.mp4", source="Another channel")
    statement.work()
    statement.verify(HOSPITAL, video, relation="exact_copy")
    sign()
    found = figure(statement, "items", incident=statement.hospital)["total"]
    assert (found["count"], found["collapsed"]) == (21, 20)
    assert (found["images"]["collapsed"], found["videos"]["collapsed"]) == (14, 6)
    assert (found["images"]["count"], found["videos"]["count"]) == (14, 7)


@pytest.mark.thorough
def test_picture_saved_again_when_decided_to_be_the_same_capture_then_counts_once(
    statement: Statement, sign: Signer
) -> None:
    """Here both are decoded and compared; that they are one capture a person decides."""
    original = further_still()
    first = statement.upload(original)
    second = statement.upload(saved_again(original), source="A messenger")
    statement.work()
    [match] = ok(statement.rita.get(f"/v1/evidence/{second}/matches"))["items"]
    assert match["decision"] is None
    statement.verify("S-04", first, relation="same_capture")
    statement.verify("S-04", second, relation="same_capture")
    sign()
    found = figure(statement, "items", incident=statement.incidents["S-04"])["total"]
    assert found["count"] - found["collapsed"] == 1


def test_second_source_when_it_counts_the_same_victims_then_a_range_and_no_sum(
    statement: Statement, sign: Signer
) -> None:
    sign()
    other = {"organisation_id": "Monitoring Mission", "document": "Update of July 2024"}
    before = ranges(figure(statement, "casualties", incident=statement.hospital)["total"])
    statement.take_in([casualties(HOSPITAL, "killed", "civilian", (2, 4), source=other)])
    statement.take_in([casualties(HOSPITAL, "injured", "civilian", (86, 86), source=other)])
    sign()
    after = ranges(figure(statement, "casualties", incident=statement.hospital)["total"])
    assert after == {**before, ("killed", "civilian"): (2, 4), ("injured", "civilian"): (86, None)}


@pytest.mark.thorough
def test_testimony_and_item_when_consent_is_withdrawn_then_gone_from_all(statement: Statement, sign: Signer) -> None:
    testimony, item = _testimony(statement), statement.items[HOSPITAL][1]
    source = {"organisation_id": "Watch for All", "document": "Interviews", "evidence_id": item}
    statement.take_in([casualties(HOSPITAL, "injured", "medical_staff", (3, 3), source=source)])
    subject = _consents(statement, f"/v1/evidence/{item}")
    sign()
    kept = figure(statement, "items", **WITH_CHILDREN)
    _withdraw(statement, f"/v1/testimonies/{testimony}", None)
    _withdraw(statement, f"/v1/evidence/{item}", subject)
    sign()
    assert statement.rita.get(f"/v1/testimonies/{testimony}").status_code == 404
    assert ok(statement.rita.get(f"/v1/incidents/{statement.hospital}/testimonies"))["items"] == []
    hospital = figure(statement, "items", incident=statement.hospital)["total"]
    assert (hospital["images"]["count"], hospital["videos"]["count"]) == (13, 6)
    verified = ok(statement.rita.post("/v1/statistics/verify", json=kept))
    assert (verified["result"], verified["summary"]) == ("differs", "differs: withdrawn 1")
    members = all_pages(statement.rita, "/v1/statistics/items/members", case=statement.case_id)
    assert item not in {one["id"] for one in members}
    listed = all_pages(statement.rita, f"/v1/incidents/{statement.hospital}/evidence")
    assert item not in {one["evidence_id"] for one in listed}
    for query in ({"by": "media_type"}, {"by": "media_type", "as_of": str(sign())}):
        drawn = chart(statement, "items", incident=statement.hospital, **query)
        assert "image: 13" in drawn.description
    assert "Harlequintov" not in str(everything(statement))


def _testimony(statement: Statement) -> str:
    consent = {"subject": "W-1", "subject_kind": "witness", "scopes": ["verification", "publication"]}
    body = {
        "witness": "W-1", "text": "Harlequintov", "language": "uk", "taken_on": "2024-07-20", "taken_by": "A hub",
        "method": "interview_in_person", "required_scope": "publication", "supersedes": None,
        "consent": {**consent, "obtained": "written", "given_on": "2024-07-20"},
    }  # fmt: skip
    made = ok(statement.rita.post(f"/v1/incidents/{statement.hospital}/testimonies", json=body), 201)
    return str(made["testimony_id"])


def _consents(statement: Statement, path: str) -> str:
    given = {"subject": "P-1", "subject_kind": "person_shown", "scopes": ["verification", "publication"]}
    body = {**given, "obtained": "spoken", "given_on": "2024-07-20"}
    return str(ok(statement.rita.post(f"{path}/consents", json=body), 201)["subject_id"])


def _withdraw(statement: Statement, path: str, subject: str | None) -> None:
    subject = subject or ok(statement.rita.get(f"{path}/consents"))["items"][0]["subject_id"]
    body = {"subject_id": subject, "withdrawn_on": "2024-11-20", "reason": "No longer."}
    ok(statement.rita.post(f"{path}/consents/withdrawals", json=body), 201)


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_chart_when_drawn_then_its_bars_are_the_series_and_it_says_what_it_was_drawn_from(
    statement: Statement, sign: Signer
) -> None:
    position = str(sign())
    asked: dict[str, Any] = {"by": "month", **WITH_CHILDREN}
    found = figure(statement, "casualties", **asked)
    drawn = chart(statement, "casualties", outcome="injured", person_group="child", **asked)
    lines = drawn.description.splitlines()
    assert {"2024-01: 2 to 4", "2024-02: none stated", "2024-04: 4 or more", "2024-08: 20 or more"} <= set(lines)
    rows = [line for line in lines if line.startswith("2024-") and ": " in line]
    assert len(rows) == 11  # From January to November, without gaps.
    opened = [name for name in drawn.named("bar-") if name.endswith("open")]
    assert len(opened) == sum(" or more" in row for row in rows) == 4
    assert f"Query sha256 {found['query_sha256']}" in drawn.texts
    time = format_time(datetime.fromisoformat(found["as_of"]["time"]))
    assert f"As of {time}, ledger position {position}" in drawn.texts
    png = statement.rita.get(
        "/v1/statistics/casualties/chart",
        params={"case": statement.case_id, "outcome": "injured", "person_group": "child", "format": "png", **asked},
    )
    assert (png.status_code, png.headers["Content-Type"]) == (200, "image/png")
    assert png.headers["Cache-Control"] == "no-store"
    assert pixels(png.content).shape[1] == 1125


@pytest.mark.thorough
def test_chart_when_control_is_unknown_or_a_figure_is_small_then_drawn_apart_and_not_told(
    statement: Statement, sign: Signer
) -> None:
    sign()
    drawn = chart(statement, "incidents", by="control", **WITH_CHILDREN)
    assert {"Ukraine: 13", "unknown: 4"} <= set(drawn.description.splitlines())
    total = chart(statement, "casualties", incident=statement.hospital)
    assert {"killed, civilian: 2", "injured, civilian: 100 or more"} <= set(total.description.splitlines())
    for code in ("R-1", "R-2"):
        body = {"code": code, "title": "Reported", "kind": "sexual_violence"}
        place = {"latitude": 49.0, "longitude": 33.0, "precision": "locality", "radius_m": 1000}
        ok(statement.rita.post(f"/v1/cases/{statement.case_id}/incidents", json={**body, "place": place}), 201)
    sign()
    kinds = chart(statement, "incidents", by="kind")
    assert "sexual_violence: suppressed" in kinds.description.splitlines()
    shown = statement.rita.get(f"/v1/cases/{statement.case_id}/incidents/map")
    assert (shown.status_code, b"R-1" in shown.content, b"sexual_violence" in shown.content) == (200, False, False)
    assert "Incidents of some kinds are so few that they are not drawn." in Svg(shown.content).texts


@pytest.mark.thorough
def test_map_when_drawn_then_has_the_counted_incidents_at_their_places(statement: Statement, sign: Signer) -> None:
    sign()
    path = f"/v1/cases/{statement.case_id}/incidents/map"
    shown = statement.rita.get(path, params=WITH_CHILDREN)
    assert (shown.status_code, shown.headers["Content-Type"].partition(";")[0]) == (200, "image/svg+xml")
    svg = Svg(shown.content)
    codes = [strike.code for strike in STRIKES]
    assert [text for text in svg.texts if text in {*codes, ADULTS_ONLY, *OF_2022}] == codes
    assert f"{HOSPITAL} (missile_strike): 50.4497°N 30.4797°E, within 10 m" in svg.description
    assert len(svg.named("point-")) == 2 * len(codes)
    question = figure(statement, "incidents", by="kind", **WITH_CHILDREN)
    assert f"Query sha256 {question['query_sha256']}" in svg.texts
    kinds = Counter(strike.kind for strike in STRIKES)
    assert {point["key"]: point["count"] for point in question["series"]} == kinds
    near = statement.rita.get(path, params={"near": "50.45,30.48", "radius_m": 5000})
    assert [name for name in Svg(near.content).named("point-") if "radius" not in name] == ["point-0"]
    refused(statement.people["Outsider"].get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("measure", "query"),
    [
        ("incidents", {}),
        ("incidents", {"by": "month", "outcome": "killed"}),
        ("incidents", {"by": "month", "collapsed": "true"}),
        ("casualties", {"by": "month"}),
        ("casualties", {"outcome": "killed", "person_group": "child"}),
    ],
)
def test_chart_when_it_does_not_say_of_what_then_refused(
    statement: Statement, measure: str, query: dict[str, str]
) -> None:
    asked = {"case": statement.case_id, **query}
    refused(statement.rita.get(f"/v1/statistics/{measure}/chart", params=asked), 422, "figure_not_asked")
    refused(
        statement.people["Outsider"].get(
            "/v1/statistics/incidents/chart", params={"case": statement.case_id, "by": "kind"}
        ),
        404,
        "not_found",
    )
