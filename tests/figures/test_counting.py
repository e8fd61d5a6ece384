"""Small cases counted by hand: what is a verified item, a copy, a range, an unknown."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.facts import kinds, stated
from app.facts.words import (
    Aspect,
    AttackPattern,
    CasualtyOutcome,
    Control,
    IdentificationMethod,
    IncidentRelation,
    ObjectKind,
    PersonGroup,
    SpecialProtection,
    StatedConfidence,
    WeaponCategory,
)
from app.figures.words import By, Measure
from app.incidents.rules import IncidentKind
from app.verification.rules import Method, Outcome
from tests.figures.desk import Desk, counts, ranges
from tests.verification.bench import REQUIRED


def test_items_when_signed_off_as_verified_then_count_raw_and_without_their_copies(desk: Desk) -> None:
    strike = desk.incident()
    desk.verified(strike, content=b"one")
    desk.verified(strike, content=b"two")
    desk.verified(strike, content=b"two")
    desk.verified(strike, outcome=Outcome.MISATTRIBUTED)
    desk.link(desk.item(), strike)
    not_counted = desk.verified()
    desk.link(not_counted, strike, counted=False)
    total = desk.ask(Measure.ITEMS, kind={"missile_strike"}).total
    assert (total.count, total.collapsed) == (3, 2)
    assert total.images is not None
    assert (total.images.count, total.images.collapsed) == (3, 2)
    assert total.videos is not None
    assert total.videos.count == 0
    everything = desk.ask(Measure.ITEMS, By.INCIDENT)
    assert (everything.total.count, counts(everything)) == (4, {str(strike): 3, None: 1})
    assert everything.unknown is not None
    assert everything.unknown.share == 0.25


@pytest.mark.thorough
def test_item_when_reopened_or_unlinked_then_counts_no_more_and_as_of_before_still(desk: Desk) -> None:
    strike, other = desk.incident(), desk.incident()
    item = desk.verified(strike)
    link = desk.link(item, other)
    before = desk.sign()
    assert counts(desk.ask(Measure.ITEMS, By.INCIDENT)) == {str(strike): 1, str(other): 1}
    desk.unlink(other, link)
    unlinked = desk.sign()
    assert counts(desk.ask(Measure.ITEMS, By.INCIDENT)) == {str(strike): 1}
    desk.reopen(item)
    assert desk.ask(Measure.ITEMS).total.count == 0
    assert counts(desk.ask(Measure.ITEMS, By.INCIDENT, at=unlinked)) == {str(strike): 1}
    assert counts(desk.ask(Measure.ITEMS, By.INCIDENT, at=before)) == {str(strike): 1, str(other): 1}


def test_item_when_its_verdict_names_another_incident_then_is_not_counted_in_this_one(desk: Desk) -> None:
    strike, other = desk.incident(), desk.incident()
    item = desk.item()
    desk.link(item, strike)
    desk.link(item, other)
    desk.sign_off(item, incident_id=strike)
    assert counts(desk.ask(Measure.ITEMS, By.INCIDENT)) == {str(strike): 1}


def test_casualties_when_sources_count_the_same_victims_then_give_a_range_and_incidents_are_added(desk: Desk) -> None:
    one, other = desk.incident(), desk.incident()
    desk.casualties(one, 2)
    desk.casualties(one, 5, 7, source=desk.service)
    desk.casualties(other, 10)
    desk.casualties(one, 100, is_open=True, outcome=CasualtyOutcome.INJURED)
    desk.casualties(other, 3, outcome=CasualtyOutcome.INJURED)
    desk.casualties(one, 1, group=PersonGroup.CHILD)
    answer = desk.ask(Measure.CASUALTIES)
    assert ranges(answer) == {
        ("killed", "civilian"): (12, 17),
        ("killed", "child"): (1, 1),
        ("injured", "civilian"): (103, None),
    }
    assert answer.total.count == 2
    killed = (answer.total.ranges or ())[0]
    assert (killed.incidents, killed.sources) == (2, 3)


def test_casualties_when_a_part_and_the_whole_state_the_same_then_the_whole_alone_counts(desk: Desk) -> None:
    whole, part = desk.incident(), desk.incident()
    desk.relate(part, IncidentRelation.PART_OF, whole)
    desk.casualties(whole, 10)
    desk.casualties(part, 4)
    desk.casualties(part, 2, outcome=CasualtyOutcome.INJURED)
    assert ranges(desk.ask(Measure.CASUALTIES)) == {("killed", "civilian"): (10, 10), ("injured", "civilian"): (2, 2)}
    assert ranges(desk.ask(Measure.CASUALTIES, incident={part}))[("killed", "civilian")] == (4, 4)


def test_incidents_when_stated_to_be_duplicates_then_count_once(desk: Desk) -> None:
    one, other, third = desk.incident(), desk.incident(), desk.incident()
    desk.relate(one, IncidentRelation.DUPLICATE_OF, other)
    desk.relate(other, IncidentRelation.DUPLICATE_OF, one)
    desk.relate(third, IncidentRelation.DUPLICATE_OF, one)
    assert desk.ask(Measure.INCIDENTS).total.count == 1


def test_incidents_when_by_month_then_in_the_zone_of_the_place_and_unknown_across_two(desk: Desk) -> None:
    desk.incident(occurred="2024-07-31T22:30:00+00:00")  # The first of August in Kyiv.
    desk.incident(occurred="2024-08-02T00:00:00+00:00")
    desk.incident(occurred=("2024-07-31T10:00:00+00:00", "2024-08-01T10:00:00+00:00"))
    desk.incident(occurred=None)
    answer = desk.ask(Measure.INCIDENTS, By.MONTH)
    assert counts(answer) == {"2024-08": 2, None: 2}
    assert answer.unknown is not None
    assert answer.unknown.share == 0.5


def test_incidents_when_by_place_then_spellings_are_one_down_to_the_level(desk: Desk) -> None:
    desk.incident(units=("Ukraine", "Kyiv", "Shevchenkivskyi"))
    desk.incident(units=("UKRAINE", "Kyiv"))
    desk.incident(units=("Ukraine",))
    answer = desk.ask(Measure.INCIDENTS, By.PLACE, level=2)
    assert counts(answer) == {"ukraine/kyiv": 2, None: 1}
    assert answer.series[0].label == "UKRAINE / Kyiv"
    assert desk.ask(Measure.INCIDENTS, area=("ukraine", "KYIV")).total.count == 2


@pytest.mark.parametrize(("asked", "found"), [("Х-101", 1), ("Kh-10112", 1), ("Kh-102", 0)])
def test_incidents_when_asked_by_weapon_then_found_as_printed_and_as_normalised(
    desk: Desk, asked: str, found: int
) -> None:
    weapon = stated.WeaponIdentification(
        category=WeaponCategory.CRUISE_MISSILE,
        reported="Kh-10112",
        normalised="Kh-101",
        normalisation_note="12 is a footnote.",
        identified_by_id=desk.service,
        method=IdentificationMethod.OFFICIAL_STATEMENT,
        confidence=StatedConfidence.NOT_STATED,
    )
    desk.state(kinds.WEAPON_IDENTIFICATIONS, weapon, desk.incident())
    assert desk.ask(Measure.INCIDENTS, weapon=asked).total.count == found
    by_name = desk.ask(Measure.INCIDENTS, By.WEAPON)
    assert [(point.label, point.figure.count) for point in by_name.series] == [("Kh-101", 1)]
    assert desk.ask(Measure.INCIDENTS, By.WEAPON_REPORTED).series[0].label == "Kh-10112"


def test_incidents_when_by_objects_patterns_and_persons_then_each_counts_once_under_each(desk: Desk) -> None:
    strike = desk.incident()
    for part, protection in (("toxicology", "protected"), ("intensive care", "protected"), ("garage", "unknown")):
        hospital = stated.AffectedObject(
            object_kind=ObjectKind.HOSPITAL if protection == "protected" else ObjectKind.TRANSPORT,
            name=None,
            part=part,
            damage=None,
            special_protection=SpecialProtection(protection),
            protected_by=(),
            protection_basis="A hospital." if protection == "protected" else None,
        )
        desk.state(kinds.OBJECTS, hospital, strike)
    tap = stated.Circumstance(aspect=Aspect.ATTACK_PATTERN, pattern=AttackPattern.DOUBLE_TAP, basis="Two strikes.")
    desk.state(kinds.CIRCUMSTANCES, tap, strike)
    desk.casualties(strike, 0, group=PersonGroup.JOURNALIST)
    desk.casualties(strike, 2, group=PersonGroup.CHILD)
    assert counts(desk.ask(Measure.INCIDENTS, By.OBJECT_KIND)) == {"hospital": 1, "transport": 1}
    assert counts(desk.ask(Measure.INCIDENTS, By.PROTECTED_OBJECT)) == {"hospital": 1}
    assert counts(desk.ask(Measure.INCIDENTS, By.ATTACK_PATTERN)) == {"double_tap": 1}
    assert counts(desk.ask(Measure.INCIDENTS, By.PROTECTED_PERSON)) == {"child": 1}
    assert desk.ask(Measure.INCIDENTS, protected_person={"journalist"}).total.count == 0


def test_incidents_when_by_control_then_who_held_the_place_and_else_unknown(desk: Desk) -> None:
    units = ("Ukraine", "Kyiv")
    desk.incident(units=units)
    desk.incident(units=("Ukraine", "Donetsk"))
    held = stated.TerritoryControl(
        area=units,
        control=Control.CONTROLLED,
        controller_id=desk.service,
        valid_from=datetime(2022, 1, 1, tzinfo=UTC),
        valid_to=None,
        basis=None,
    )
    desk.state(kinds.TERRITORY, held)
    answer = desk.ask(Measure.INCIDENTS, By.CONTROL)
    assert counts(answer) == {str(desk.service): 1, None: 1}
    assert answer.series[0].label == "Security Service"
    assert answer.unknown is not None
    assert answer.unknown.share == 0.5
    assert desk.ask(Measure.INCIDENTS, control={"unknown"}).total.count == 1
    assert desk.ask(Measure.INCIDENTS, control={str(desk.service)}).total.count == 1


def test_incidents_when_control_changed_at_a_moment_then_who_held_it_from_then_on_and_else_unknown(desk: Desk) -> None:
    units, changed = ("Ukraine", "Kyiv"), datetime(2024, 7, 8, 7, 30, tzinfo=UTC)
    for holder, since, until in ((desk.service, datetime(2022, 1, 1, tzinfo=UTC), changed), (desk.ngo, changed, None)):
        held_by: dict[str, Any] = {"controller_id": holder, "valid_from": since, "valid_to": until}
        what = stated.TerritoryControl(area=units, control=Control.CONTROLLED, basis=None, **held_by)
        desk.state(kinds.TERRITORY, what)
    desk.incident(units=units, occurred="2024-07-08T07:29:59+00:00")
    desk.incident(units=units, occurred="2024-07-08T07:30:00+00:00")
    desk.incident(units=units, occurred=("2024-07-08T07:29:59+00:00", "2024-07-08T07:30:00+00:00"))
    desk.incident(units=units, occurred="2021-12-31T23:59:59+00:00")
    desk.incident(units=units, occurred=None)
    held = {str(desk.service): 1, str(desk.ngo): 1, None: 3}
    assert counts(desk.ask(Measure.INCIDENTS, By.CONTROL)) == held
    assert desk.ask(Measure.INCIDENTS, control={"unknown", str(desk.ngo)}).total.count == 4


def test_incident_when_something_changed_elsewhere_meanwhile_then_who_held_its_own_place_all_the_time(
    desk: Desk,
) -> None:
    held, began, changed, ended = (datetime(2024, 7, day, tzinfo=UTC) for day in (1, 2, 3, 4))
    for place, since in (("Kyiv", held), ("Lviv", changed)):
        held_by: dict[str, Any] = {"controller_id": desk.service, "valid_from": since, "valid_to": None}
        what = stated.TerritoryControl(area=("Ukraine", place), control=Control.CONTROLLED, basis=None, **held_by)
        desk.state(kinds.TERRITORY, what)
    desk.incident(units=("Ukraine", "Kyiv"), occurred=(began.isoformat(), ended.isoformat()))
    assert counts(desk.ask(Measure.INCIDENTS, By.CONTROL)) == {str(desk.service): 1}
    assert desk.ask(Measure.INCIDENTS, control={str(desk.service)}).total.count == 1


@pytest.mark.thorough
def test_items_when_by_method_and_media_type_then_those_of_their_verdicts(desk: Desk) -> None:
    strike = desk.incident(IncidentKind.DRONE)
    desk.verified(strike)
    assert counts(desk.ask(Measure.ITEMS, By.METHOD)) == {"metadata": 1}
    assert counts(desk.ask(Measure.ITEMS, By.MEDIA_TYPE)) == {"image": 1}
    assert counts(desk.ask(Measure.INCIDENTS, By.METHOD)) == {"metadata": 1}
    assert desk.ask(Measure.ITEMS, method={"shadow_analysis"}).total.count == 0
    assert desk.ask(Measure.INCIDENTS, verdict={"verified"}).total.count == 1


@pytest.mark.thorough
def test_incidents_when_their_items_rest_on_other_methods_then_each_is_under_its_own_alone(desk: Desk) -> None:
    bench, other = desk.bench, desk.incident()
    desk.verified(desk.incident())
    bench.item = item = desk.item()
    bench.open(bench.olena)
    for dimension in REQUIRED:
        bench.find(bench.olena, dimension, methods=(Method.METADATA, Method.SHADOW_ANALYSIS))
    bench.submit(bench.olena)
    bench.concur(bench.petro)
    bench.sign_off(bench.rita)
    desk.link(item, other)
    assert counts(desk.ask(Measure.INCIDENTS, By.METHOD)) == {"metadata": 2, "shadow_analysis": 1}
