"""What the database itself refuses of facts, whatever the code does."""

from typing import Any

import pytest

from tests.facts.conftest import World
from tests.facts.test_http import KILLED
from tests.support.journey import ok

COUNT = """
INSERT INTO casualty_counts (id, incident_id, case_id, number, version, fact_id, supersedes, outcome, person_group,
    comparator, minimum, maximum, as_reported, source_organisation_id, reason, withdrawn, recorded_at, author_id)
VALUES (:id, :incident, :case, :number, :version, coalesce(CAST(:fact AS uuid), :id), :supersedes, 'killed', :group,
    :comparator, :minimum, :maximum, 'Two', :organisation, :reason, false, now(), :author)
"""
RELATION = """
INSERT INTO related_incidents (id, incident_id, case_id, number, version, fact_id, relation, other_incident_id, basis,
    source_organisation_id, withdrawn, recorded_at, author_id)
VALUES (:id, :incident, :case, 1, 1, :id, :relation, :other, 'x', :organisation, false, now(), :author)
"""


def count(world: World, **changed: Any) -> str | None:
    values = {
        "case": world.case_id,
        "number": 1,
        "version": 1,
        "fact": None,
        "supersedes": None,
        "reason": None,
        "group": "civilian",
        "comparator": "exact",
        "minimum": 2,
        "maximum": 2,
        "organisation": world.ngo,
        "author": world.rita.id,
        **changed,
    }
    return world.refused_by(COUNT, **values)


@pytest.mark.parametrize(
    ("comparator", "minimum", "maximum"),
    [
        *(("exact", 2, 3), ("exact", 2, None), ("at_least", 2, 2), ("more_than", 2, 3), ("about", 3, 2)),
        *(("about", 3, None), ("up_to", 2, None), ("up_to", -1, 2), ("exact", 10**7 + 1, 10**7 + 1)),
    ],
)
def test_count_when_comparator_and_bounds_disagree_then_refused(
    world: World, comparator: str, minimum: int, maximum: int | None
) -> None:
    refused = count(world, comparator=comparator, minimum=minimum, maximum=maximum)
    assert refused == "ck_casualty_counts_comparator_and_bounds"


def test_count_when_it_fits_then_only_its_entry_is_missing(world: World) -> None:
    assert count(world) == "exhibit_require_entry"
    assert count(world, comparator="up_to", minimum=0) == "exhibit_require_entry"


def test_facts_when_out_of_turn_or_of_another_case_then_refused(world: World) -> None:
    other_case = world.api.case(world.coordinator)
    assert count(world, number=2) == "exhibit_fact_chain"
    assert count(world, case=other_case) in ("fk_casualty_counts_incident_id", "exhibit_fact_organisation")
    assert count(world, organisation=world.incident) == "exhibit_fact_organisation"
    made = ok(world.state("casualties", KILLED), 201)
    assert count(world, number=2) == "exhibit_fact_stands"
    superseding = {"number": 2, "version": 2, "fact": made["id"], "supersedes": made["id"], "reason": "x"}
    assert count(world, **superseding) == "exhibit_require_entry"
    assert count(world, **{**superseding, "version": 3}) == "exhibit_fact_chain"
    assert count(world, **{**superseding, "reason": None}) == "ck_casualty_counts_supersedes_with_reason"
    gone = ok(world.state("casualties", None, supersedes=made["id"], reason="x"), 201)
    later = {**superseding, "number": 3, "version": 3, "supersedes": gone["id"]}
    assert count(world, **later) == "exhibit_fact_withdrawn"
    again = {**superseding, "number": 3, "group": "child"}
    assert count(world, **again) == "uq_casualty_counts_supersedes"


def test_fact_when_changed_or_deleted_then_refused(world: World) -> None:
    made = ok(world.state("casualties", KILLED), 201)["id"]
    refused = world.refused_by("UPDATE casualty_counts SET as_reported = 'None' WHERE id = :made", made=made)
    assert refused == "exhibit_refuse_change"
    blanked = "UPDATE casualty_counts SET as_reported = '[erased]', erased = '{as_reported}' WHERE id = :made"
    assert world.refused_by(blanked, made=made) == "exhibit_require_erasure"


@pytest.mark.thorough
def test_parents_when_in_a_circle_or_two_then_refused(world: World) -> None:
    other, third = world.new_incident("I-2"), world.new_incident("I-3")
    part = {"relation": "part_of", "other_incident_id": other, "basis": "One night."}
    ok(world.state("related", part), 201)
    values = {"case": world.case_id, "organisation": world.ngo, "author": world.rita.id, "relation": "part_of"}

    def relate(incident: str, other: str) -> str | None:
        return world.refused_by(RELATION, **values, incident=incident, other=other)

    assert relate(other, world.incident) == "exhibit_incident_circle"
    assert relate(third, other) == "exhibit_require_entry"
    assert relate(third, third) in ("exhibit_incident_circle", "ck_related_incidents_other_than_itself")
    values["relation"] = "follows"
    assert relate(other, world.incident) == "exhibit_require_entry"
